//! The guard of the velocity gate.

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("estop_guard", estop::guard_node::run)
}
