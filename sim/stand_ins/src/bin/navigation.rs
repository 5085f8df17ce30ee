//! `navigation`: see [`stand_ins::navigation_node`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("navigation", stand_ins::navigation_node::run)
}
