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
    /// Whether it is linked to ROS's libraries, and so cannot even start where there are none.
    pub needs_ros: bool,
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
    ros_tool(
        "gate",
        "gatekeeper",
        "Judge navigation goals before Nav2 gets them",
    ),
    ros_tool(
        "estop",
        "estop",
        "Gate velocity commands before the base gets them",
    ),
    ros_tool(
        "guard",
        "estop_guard",
        "Watch the velocity gate and stop the base when it dies",
    ),
    tool("sim", "sim", "Generate and inspect mazes (no ROS)"),
    ros_tool("sim-node", "sim_node", "Simulate a TurtleBot in a world"),
    ros_tool("navigation", "navigation", "Stand in for Nav2's navigation"),
    ros_tool(
        "localization",
        "localization",
        "Stand in for Nav2's localisation",
    ),
    ros_tool("viewer", "viewer", "Record and show everything in Rerun"),
    tool(
        "bridge",
        "bridge",
        "Carry the listed topics between ROS and Zenoh",
    ),
    ros_tool("report", "report", "Measure a search and write its report"),
    ros_tool("autonomy", "autonomy", "Search by a behaviour tree"),
];

const fn tool(name: &'static str, program: &'static str, about: &'static str) -> Tool {
    Tool {
        name,
        program,
        about,
        needs_ros: false,
    }
}

const fn ros_tool(name: &'static str, program: &'static str, about: &'static str) -> Tool {
    Tool {
        needs_ros: true,
        ..tool(name, program, about)
    }
}

/// No ROS where it is needed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no ROS 2 environment: run `source /opt/ros/jazzy/setup.bash`, or `eval \"$(cargo xtask env)\"`"
)]
pub struct NoRos;

/// Checks that this shell has a ROS environment: without one the loader's message would be all that a user sees.
///
/// # Errors
/// When it has none.
pub fn require_ros() -> Result<(), NoRos> {
    match std::env::var_os("AMENT_PREFIX_PATH") {
        Some(prefixes) if !prefixes.is_empty() => Ok(()),
        _ => Err(NoRos),
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
