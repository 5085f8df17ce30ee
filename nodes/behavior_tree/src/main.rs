//! A behaviour-tree engine for BehaviorTree.CPP v4 XML. No ROS

fn main() {}
