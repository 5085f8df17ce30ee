//! The running graph in Rerun

fn main() {}
