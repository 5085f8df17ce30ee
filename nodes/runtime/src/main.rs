//! `turtlebot-maze`, the one program that a user types.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use runtime::cli::{Request, parse, wants_json};
use runtime::hand_over::{hand_over, require_ros};
use runtime::{run, run_dir, stop};

const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let json = wants_json(&args);
    let request = match parse(args) {
        Ok(request) => request,
        // Help and version are no errors, and go where clap sends them.
        Err(error) if !json || !error.use_stderr() => error.exit(),
        Err(error) => return refuse(&error.to_string(), json),
    };
    match answer(request, json) {
        Ok(status) => status,
        Err(error) => refuse(&format!("{error:#}"), json),
    }
}

fn answer(request: Request, json: bool) -> Result<ExitCode> {
    let programs = programs()?;
    match request {
        Request::HandOver(tool, args) => {
            if tool.needs_ros {
                require_ros()?;
            }
            Err(hand_over(&programs, tool.program, &args, []).into())
        }
        Request::Stop(options) => {
            let stopped = stop::stop(&options, &run_dir::base()?, &programs)?;
            if json {
                print_line(&stopped);
            }
            Ok(ExitCode::SUCCESS)
        }
        Request::Run(options) => {
            let finished = run::run(&options, &programs, &run_dir::base()?)?;
            if json {
                print_line(&finished.document);
            } else {
                print_line(&finished.summary);
            }
            Ok(ExitCode::from(
                u8::try_from(finished.status).unwrap_or(BAD_INPUT),
            ))
        }
    }
}

/// The folder of all programs: where this one lies.
fn programs() -> Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program lies")?;
    Ok(program
        .parent()
        .context("this program lies in no folder")?
        .to_path_buf())
}

/// Standard output may be closed; the exit status says it all the same.
fn print_line(line: &dyn Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn refuse(message: &str, json: bool) -> ExitCode {
    if json {
        print_line(&serde_json::json!({ "error": message }));
    } else {
        eprintln!("error: {}", message.trim_start_matches("error: "));
    }
    ExitCode::from(BAD_INPUT)
}
