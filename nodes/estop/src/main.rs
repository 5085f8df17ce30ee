//! The velocity gate before the wheels.

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("estop", estop::gate_node::run)
}
