//! `autonomy`: the behaviour tree's process.

use std::process::ExitCode;

use autonomy::host;

fn main() -> ExitCode {
    ros_node::run::<host::Flags>("autonomy", host::run)
}
