//! The embedded simulator as a ROS 2 node

fn main() {}
