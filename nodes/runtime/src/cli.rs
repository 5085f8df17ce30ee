//! What a user types.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args, Command, FromArgMatches};

use crate::hand_over::{TOOLS, Tool};
use crate::options::RunOptions;
use crate::stop::StopOptions;

/// What was asked for.
#[derive(Debug)]
pub enum Request {
    /// Bring the graph up.
    Run(Box<RunOptions>),
    /// Latch or free the emergency stop.
    Stop(StopOptions),
    /// Become another program.
    HandOver(&'static Tool, Vec<OsString>),
}

/// Parses a whole command line, the program's name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, clap::Error> {
    let matches = command().try_get_matches_from(args)?;
    match matches.subcommand() {
        Some(("run", run)) => Ok(Request::Run(Box::new(RunOptions::from_arg_matches(run)?))),
        Some(("stop", stop)) => Ok(Request::Stop(StopOptions::from_arg_matches(stop)?)),
        other => {
            let found = other.and_then(|(name, rest)| {
                Some((TOOLS.iter().find(|tool| tool.name == name)?, rest))
            });
            let (tool, rest) = found.ok_or_else(|| {
                command().error(
                    clap::error::ErrorKind::MissingSubcommand,
                    "nothing asked for",
                )
            })?;
            let args = rest
                .get_many::<OsString>("args")
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            Ok(Request::HandOver(tool, args))
        }
    }
}

/// Whether the result was asked for as one JSON document, told even from a command line that does not parse.
pub fn wants_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--json")
}

fn command() -> Command {
    let mut command = Command::new("turtlebot-maze")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A TurtleBot searches a maze: real camera stream, real detector, behaviour tree, gated goals and velocities")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(RunOptions::augment_args(Command::new("run")))
        .subcommand(StopOptions::augment_args(Command::new("stop")));
    for tool in &TOOLS {
        // The program of the tool answers to everything behind its name, `--help` too.
        let rest = Arg::new("args")
            .action(ArgAction::Append)
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true)
            .value_parser(clap::value_parser!(OsString));
        let subcommand = Command::new(tool.name)
            .about(tool.about)
            .disable_help_flag(true)
            .arg(rest);
        command = command.subcommand(subcommand);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> Result<Request, clap::Error> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn a_tool_gets_everything_behind_its_name() {
        let Request::HandOver(tool, args) =
            request("turtlebot-maze tree check --help a.xml --json").unwrap()
        else {
            panic!("no hand-over")
        };
        assert_eq!(tool.program, "behavior_tree");
        assert_eq!(args, ["check", "--help", "a.xml", "--json"]);
        let Request::HandOver(tool, args) = request("turtlebot-maze gate --help").unwrap() else {
            panic!("no hand-over")
        };
        assert_eq!((tool.program, args.len()), ("gatekeeper", 1));
    }

    #[test]
    fn the_help_lists_every_tool_and_a_speed_below_zero_is_refused() {
        let help = command().render_long_help().to_string();
        for name in TOOLS.iter().map(|tool| tool.name).chain(["run", "stop"]) {
            assert!(
                help.contains(&format!("  {name} ")),
                "{name} is not in the help:\n{help}"
            );
        }
        assert!(request("turtlebot-maze run --speed 0").is_ok());
        for bad in [
            "--speed -1",
            "--speed nan",
            "--speed fast",
            "--zenoh-port 0",
            "--vlm-url http://x",
            "--sim mars",
        ] {
            assert!(
                request(&format!("turtlebot-maze run {bad}")).is_err(),
                "{bad}"
            );
        }
    }
}
