//! NavigateToPose proxy with a feasibility verdict

fn main() {}
