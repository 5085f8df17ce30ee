//! The velocity gate before the wheels, its watchdog and its guard

fn main() {}
