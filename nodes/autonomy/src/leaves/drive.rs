//! One drive of a leaf: a goal for `navigate_to_pose`, watched to its end.

use behavior_tree::locations::Pose2D;
use behavior_tree::{Io, Status};

use crate::navigation::{Navigator, Progress};

/// What the leaves that drive have in common. A goal that is refused, aborted or lost is a FAILURE with the reason.
pub struct Drive {
    navigator: Navigator,
    goal: u64,
}

impl Drive {
    pub fn new(navigator: Navigator) -> Self {
        Self { navigator, goal: 0 }
    }

    pub fn begin(&mut self, location: &str, pose: Pose2D) -> Status {
        let Pose2D { x, y, theta } = pose;
        tracing::info!(location, x, y, theta, "going");
        self.goal = self.navigator.go(pose);
        Status::Running
    }

    pub fn go_on(&self, io: &mut Io<'_>) -> Status {
        match self.navigator.progress(self.goal) {
            Progress::Running => Status::Running,
            Progress::Succeeded => Status::Success,
            Progress::Failed(reason) => {
                tracing::warn!(%reason, "not reached");
                io.fail(reason)
            }
        }
    }

    pub fn cancel(&self) {
        self.navigator.cancel();
    }
}
