//! YOLOv8 on ONNX Runtime: Zenoh frames in, Zenoh detections out. No ROS

fn main() {}
