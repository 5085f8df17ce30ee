//! `cargo xtask demo | test | bench | doctor | env`: sets up what a bare machine lacks, builds, runs.
//!
//! No dependency on ROS, so that it can set ROS up.

mod bench;
mod build;
mod cache;
mod demo;
mod doctor;
mod process;
mod ros;
mod test;
mod venv;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const BAD_INPUT: u8 = 2;
const INTERRUPTED: u8 = 130;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Sets up, builds, runs and tests turtlebot-maze"
)]
struct Flags {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// A TurtleBot searches a maze: sets up, builds, runs, and leaves a result
    Demo(demo::Flags),
    /// Format, clippy, unit tests, tests against independent peers, and whole searches
    Test(test::Flags),
    /// Measures and writes rows of `name, value, unit, peer, peer_value, ratio`
    Bench(bench::Flags),
    /// Says what is there, what is missing, and what that costs
    Doctor(doctor::Flags),
    /// Prints the environment for a shell: eval "$(cargo xtask env)"
    Env,
}

fn main() -> ExitCode {
    let json = std::env::args_os().any(|arg| arg == "--json");
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        // Help and version are no errors, and go where clap sends them.
        Err(error) if !json || !error.use_stderr() => error.exit(),
        Err(error) => return refuse(&error.to_string(), json, BAD_INPUT),
    };
    process::pass_signals_on()
        .and_then(|()| run(flags.task))
        .unwrap_or_else(|error| {
            let status = if error.is::<process::Interrupted>() {
                INTERRUPTED
            } else {
                BAD_INPUT
            };
            refuse(&format!("{error:#}"), json, status)
        })
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Demo(flags) => demo::run(&flags),
        Task::Test(flags) => test::run(&flags),
        Task::Bench(flags) => bench::run(&flags),
        Task::Doctor(flags) => doctor::run(&flags),
        Task::Env => ros::print_environment().map(|()| ExitCode::SUCCESS),
    }
}

fn refuse(message: &str, json: bool, status: u8) -> ExitCode {
    if json {
        println!("{}", serde_json::json!({ "error": message }));
    } else {
        eprintln!("xtask: {}", message.trim_start_matches("error: "));
    }
    ExitCode::from(status)
}
