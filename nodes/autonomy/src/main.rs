//! Hosts a behaviour tree: navigation and vision behaviours

fn main() {}
