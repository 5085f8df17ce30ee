//! The running graph in Rerun

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("viewer", viewer::node::run)
}
