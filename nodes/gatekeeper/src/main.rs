//! The gatekeeper's program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("gatekeeper", gatekeeper::node::run)
}
