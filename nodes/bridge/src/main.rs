//! The official Zenoh ROS 2 bridge, embedded, and the local Zenoh router

fn main() {}
