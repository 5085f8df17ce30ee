//! Measures a run and writes what it leaves: report.json, map.png, frame.png

fn main() {}
