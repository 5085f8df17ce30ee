//! Measures a run and writes what it leaves: report.json, map.png, frame.png

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("report", report::node::run)
}
