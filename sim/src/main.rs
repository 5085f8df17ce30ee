//! Mazes and pictures from a seed, without ROS.

mod cli;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no errors, and go where clap sends them.
        Err(error) if !json || !error.use_stderr() => error.exit(),
        Err(error) => return refuse(&error.to_string(), json),
    };
    match cli.run() {
        Ok(folder) => {
            if json {
                print_line(&serde_json::json!({ "written": folder }));
            }
            ExitCode::SUCCESS
        }
        Err(error) => refuse(&format!("{error:#}"), json),
    }
}

/// Standard output may be closed; the exit status says it all the same.
fn print_line(document: &serde_json::Value) {
    let _ = writeln!(std::io::stdout(), "{document}");
}

fn refuse(message: &str, json: bool) -> ExitCode {
    if json {
        print_line(&serde_json::json!({ "error": message }));
    } else {
        eprintln!("error: {message}");
    }
    ExitCode::from(2)
}
