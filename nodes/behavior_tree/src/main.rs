//! The command line of the behaviour-tree engine.

use std::process::ExitCode;

use behavior_tree::cli::{Args, run};
use clap::Parser as _;

const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => run(&args),
        // With --json standard output holds one document, also where the command line is wrong.
        Err(usage) if usage.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            println!("{}", serde_json::json!({ "error": usage.to_string() }));
            ExitCode::from(BAD_INPUT)
        }
        Err(usage) => usage.exit(),
    }
}
