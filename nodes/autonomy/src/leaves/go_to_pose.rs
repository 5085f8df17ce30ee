//! `GoToPose`: drives to a location, through the gatekeeper.

use std::sync::Arc;

use behavior_tree::locations::Pose2D;
use behavior_tree::{In, Io, Leaf, Outcome, Ports};

use super::drive::Drive;
use super::locations::Poses;
use crate::navigation::Navigator;

/// Sends a goal to `navigate_to_pose` and watches it. A halt cancels it.
pub struct GoToPose {
    drive: Drive,
    loc: In<String>,
    loc_poses: In<Arc<Poses>>,
    turn: In<f64>,
}

impl GoToPose {
    pub fn new(ports: &mut Ports, navigator: Navigator) -> Self {
        Self {
            drive: Drive::new(navigator),
            loc: ports.input("loc", "The name of the location"),
            loc_poses: ports.input("loc_poses", "The pose of each location by name, in map"),
            turn: ports.input_or("turn", "0.0", "Added to the location's heading, rad"),
        }
    }
}

impl Leaf for GoToPose {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let name = io.read(self.loc)?;
        let poses = io.read(self.loc_poses)?;
        let Some(pose) = poses.0.get(name.as_str()).copied() else {
            return Ok(io.fail(format!("there is no location \"{name}\"")));
        };
        let theta = pose.theta + io.read(self.turn)?;
        Ok(self.drive.begin(&name, Pose2D { theta, ..pose }))
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        Ok(self.drive.go_on(io))
    }

    fn on_halted(&mut self, _: &mut Io<'_>) {
        self.drive.cancel();
    }
}
