//! The command line of `turtlebot-maze run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::graph::Sim;

/// Bring the whole graph up, keep it up until the search is over, take it down in the safe order.
///
/// Exit status: 0 found, 1 not found, 2 bad input or set-up, 130 interrupted.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// What stands behind the robot's topics
    #[arg(long, value_enum, default_value_t = Sim::Embedded)]
    pub sim: Sim,
    /// Robot, as named in graph.toml [default: embedded with the embedded simulator, else turtlebot3]
    #[arg(long, value_name = "NAME")]
    pub robot: Option<String>,
    /// World to simulate (SDF) [default: a maze generated from the seed]
    #[arg(long, value_name = "FILE.sdf")]
    pub world: Option<PathBuf>,
    /// Map of the world (Nav2 YAML)
    #[arg(long, value_name = "FILE.yaml")]
    pub map: Option<PathBuf>,
    /// Places to search (YAML, `name: [x, y, theta]`)
    #[arg(long, value_name = "FILE.yaml")]
    pub locations: Option<PathBuf>,
    /// Where the objects truly are (JSON of `turtlebot-maze sim generate`), for the report
    #[arg(long, value_name = "FILE")]
    pub ground_truth: Option<PathBuf>,
    /// Object class to search for
    #[arg(long, value_name = "CLASS")]
    pub find: Option<String>,
    /// Behaviour tree (BehaviorTree.CPP v4 XML) [default: behaviors/search_maze.xml]
    #[arg(long, value_name = "FILE.xml")]
    pub tree: Option<PathBuf>,
    /// Detector network (YOLOv8 ONNX) [default: the project's own]
    #[arg(long, value_name = "FILE.onnx")]
    pub model: Option<PathBuf>,
    /// Simulated seconds per second; 0: as fast as it goes
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed, allow_hyphen_values = true)]
    pub speed: f64,
    /// What the simulated base does when no command comes
    #[arg(long, value_enum, default_value_t = Base::Stops)]
    pub base: Base,
    /// Seed of the maze and of all noise
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Open the Rerun viewer
    #[arg(long)]
    pub rerun: bool,
    /// Let Groot2 set breakpoints in the tree, and results of its nodes
    #[arg(long)]
    pub groot_control: bool,
    /// Where the results go [default: runs/<time>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// OpenAI-compatible server of a vision-language model that judges goals too
    #[arg(long, value_name = "URL", requires = "vlm_model")]
    pub vlm_url: Option<String>,
    /// Name of that model on the server
    #[arg(long, value_name = "NAME", requires = "vlm_url")]
    pub vlm_model: Option<String>,
    /// Port of the Zenoh router on loopback [default: a free one with the embedded simulator, else 7447]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub zenoh_port: Option<u16>,
    /// ROS domain [default: a free one with the embedded simulator, else ROS_DOMAIN_ID]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=101))]
    pub ros_domain_id: Option<u8>,
    /// Node graph [default: launch/graph.toml of the installation]
    #[arg(long, value_name = "FILE.toml")]
    pub graph: Option<PathBuf>,
    /// Print the report as one JSON document at the end
    #[arg(long)]
    pub json: bool,
}

/// What the simulated base does when no velocity command comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Base {
    /// Stops after 0.5 s, as a TurtleBot 4 does.
    Stops,
    /// Keeps its last velocity, as a TurtleBot 3 does.
    Keeps,
}

impl Base {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Base::Stops => "stops",
            Base::Keeps => "keeps",
        }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        // What the simulator can keep.
        Ok(speed) if speed == 0.0 || (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("give 0, or a factor from 0.01 to 1000".to_string()),
    }
}
