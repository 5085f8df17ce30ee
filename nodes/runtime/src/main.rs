//! Brings the graph up, keeps it up, takes it down in the safe order

fn main() {}
