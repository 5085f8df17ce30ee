//! cargo xtask demo | test | bench | doctor | env

fn main() {}
