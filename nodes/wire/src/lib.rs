//! What crosses a boundary: Zenoh keys, image views, detections. No I/O, no ROS
