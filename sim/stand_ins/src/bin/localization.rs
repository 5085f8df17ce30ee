//! `localization`: see [`stand_ins::localization_node`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ros_node::run("localization", stand_ins::localization_node::run)
}
