//! The embedded simulator's core: worlds, mazes, physics, sensors. No ROS
