//! The command line of the behaviour-tree engine.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    behavior_tree::cli::run(&behavior_tree::cli::Args::parse())
}
