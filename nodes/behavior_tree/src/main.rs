//! The command line of the behaviour-tree engine.

use std::io::Write as _;
use std::process::ExitCode;

use behavior_tree::cli::{Args, run};
use clap::Parser as _;

const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => run(&args),
        // With --json standard output holds one document, also where the command line is wrong.
        Err(usage) if usage.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            // Standard output may be closed; the exit status says it all the same.
            let error = serde_json::json!({ "error": usage.to_string() });
            let _ = writeln!(std::io::stdout(), "{error}");
            ExitCode::from(BAD_INPUT)
        }
        Err(usage) => usage.exit(),
    }
}
