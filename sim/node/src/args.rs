//! The command line.

use clap::{ArgAction, Parser, ValueEnum};
use std::path::PathBuf;

/// Simulates a TurtleBot 3 Waffle in a world, in place of Gazebo or a robot.
#[derive(Debug, Parser)]
#[command(name = "sim_node")]
pub struct Args {
    /// The world, an SDF file
    #[arg(long, value_name = "FILE.sdf")]
    pub world: PathBuf,
    /// Decides all noise: the same commands at the same simulated times give the same run
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Simulated seconds per second; 0: as fast as it goes, waiting for whoever controls the robot
    #[arg(long, default_value_t = 1.0, value_name = "X", value_parser = speed)]
    pub speed: f64,
    /// What the base does when commands stop coming: it stops after 0.5 s, or keeps its last velocity and obeys
    /// /motor_power, as a TurtleBot 3 on Jazzy
    #[arg(long, value_enum, default_value_t = Base::Stops)]
    pub base: Base,
    /// Take geometry_msgs/TwistStamped (true) or Twist (false) on /cmd_vel
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    pub cmd_vel_stamped: bool,
    /// Where Zenoh's router listens, such as tcp/127.0.0.1:7447; needed by --pace-detections only
    #[arg(long, value_name = "ENDPOINT")]
    pub zenoh: Option<String>,
    /// With --speed 0: wait until each picture has been answered on tb/detections
    #[arg(long, requires = "zenoh")]
    pub pace_detections: bool,
}

/// The kinds of bases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Base {
    /// Stops half a second after its last command.
    Stops,
    /// Keeps its last velocity.
    Keeps,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed == 0.0 || (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("give 0, or a factor from 0.01 to 1000".into()),
    }
}
