//! `GoToPose`: drives to a location, through the gatekeeper.

use std::sync::Arc;

use behavior_tree::{In, Io, Leaf, Outcome, Ports, Status};

use super::locations::Poses;
use crate::navigation::{Navigator, Progress};
use behavior_tree::locations::Pose2D;

/// Sends a goal to `navigate_to_pose` and watches it. A halt cancels it; a goal that is refused, aborted or lost is a
/// FAILURE with the reason.
pub struct GoToPose {
    navigator: Navigator,
    loc: In<String>,
    loc_poses: In<Arc<Poses>>,
    turn: In<f64>,
    goal: u64,
}

impl GoToPose {
    pub fn new(ports: &mut Ports, navigator: Navigator) -> Self {
        Self {
            navigator,
            loc: ports.input("loc", "The name of the location"),
            loc_poses: ports.input("loc_poses", "The pose of each location by name, in map"),
            turn: ports.input_or("turn", "0.0", "Added to the location's heading, rad"),
            goal: 0,
        }
    }
}

impl Leaf for GoToPose {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let name = io.read(self.loc)?;
        let poses = io.read(self.loc_poses)?;
        let Some(Pose2D { x, y, theta }) = poses.0.get(name.as_str()).copied() else {
            return Ok(io.fail(format!("there is no location \"{name}\"")));
        };
        let theta = theta + io.read(self.turn)?;
        tracing::info!(location = %name, x, y, theta, "going");
        self.goal = self.navigator.go(Pose2D { x, y, theta });
        Ok(Status::Running)
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        Ok(match self.navigator.progress(self.goal) {
            Progress::Running => Status::Running,
            Progress::Succeeded => Status::Success,
            Progress::Failed(reason) => {
                tracing::warn!(%reason, "not reached");
                io.fail(reason)
            }
        })
    }

    fn on_halted(&mut self, _: &mut Io<'_>) {
        self.navigator.cancel();
    }
}
