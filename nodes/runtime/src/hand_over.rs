//! `turtlebot-maze X` becomes the program of X, as `git` does it: each parses its own arguments and links only what it
//! needs.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A word that a user types, and the program behind it.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// The subcommand.
    pub name: &'static str,
    /// The program's file name, beside this one.
    pub program: &'static str,
    /// One line of help.
    pub about: &'static str,
}

/// All of them.
pub const TOOLS: [Tool; 13] = [
    tool(
        "tree",
        "behavior_tree",
        "Check, draw and try behaviour trees (no ROS)",
    ),
    tool(
        "detector",
        "detector",
        "Find objects in frames from Zenoh or files (no ROS)",
    ),
    tool(
        "gate",
        "gatekeeper",
        "Judge navigation goals before Nav2 gets them",
    ),
    tool(
        "estop",
        "estop",
        "Gate velocity commands before the base gets them",
    ),
    tool(
        "guard",
        "estop_guard",
        "Watch the velocity gate and stop the base when it dies",
    ),
    tool("sim", "sim", "Generate and inspect mazes (no ROS)"),
    tool("sim-node", "sim_node", "Simulate a TurtleBot in a world"),
    tool("navigation", "navigation", "Stand in for Nav2's navigation"),
    tool(
        "localization",
        "localization",
        "Stand in for Nav2's localisation",
    ),
    tool("viewer", "viewer", "Record and show everything in Rerun"),
    tool(
        "bridge",
        "bridge",
        "Carry the listed topics between ROS and Zenoh",
    ),
    tool("report", "report", "Measure a search and write its report"),
    tool("autonomy", "autonomy", "Search by a behaviour tree"),
];

const fn tool(name: &'static str, program: &'static str, about: &'static str) -> Tool {
    Tool {
        name,
        program,
        about,
    }
}

/// Becomes `program`, with `env` added to the environment; comes back only with an error.
pub fn hand_over(
    programs: &Path,
    program: &str,
    args: &[OsString],
    env: impl IntoIterator<Item = (&'static str, String)>,
) -> io::Error {
    let path = programs.join(program);
    let error = Command::new(&path).args(args).envs(env).exec();
    io::Error::new(
        error.kind(),
        format!("cannot start {}: {error}", path.display()),
    )
}
