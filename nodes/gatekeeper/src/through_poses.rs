//! `navigate_through_poses`: the name is taken, so that no way leads round, and every goal is refused with the reason.

use r2r::geometry_msgs::msg::PoseStamped;
use r2r::nav2_msgs::action::NavigateThroughPoses::{Action, Result as ThroughPosesResult};
use ros_node::RosNode;

use crate::endpoints::{PublicAction, Request};
use crate::goal::{GoalId, Now, Outcome, Status};
use crate::ledger::{Ledger, ResultAnswer};
use crate::refusal::Refusal;

/// The name of the action.
pub const NAME: &str = "navigate_through_poses";

/// An action server that refuses.
pub struct ThroughPoses {
    action: PublicAction<Action>,
    ledger: Ledger,
}

impl ThroughPoses {
    /// Offers the action.
    ///
    /// # Errors
    /// When rcl cannot make an endpoint.
    pub fn offer(ros: &mut RosNode) -> anyhow::Result<Self> {
        Ok(Self {
            action: PublicAction::offer(ros, NAME)?,
            ledger: Ledger::default(),
        })
    }

    /// Answers what has been asked; returns a goal that was refused, with the last of its poses.
    pub fn serve(&mut self, now: Now) -> Option<(GoalId, PoseStamped)> {
        self.ledger.expire(now.monotonic);
        while let Some(request) = self.action.next_request() {
            match request {
                Request::Goal { token, id, goal } => {
                    if self.ledger.was_used(id) {
                        self.action.answer_goal(token, false, now.ros_nanos);
                        continue;
                    }
                    self.action.answer_goal(token, true, now.ros_nanos);
                    self.ledger.accept(id, now.ros_nanos);
                    self.action.publish_status(&self.ledger);
                    let refusal = Refusal::ThroughPoses;
                    let outcome = Outcome {
                        status: Status::Aborted,
                        error_code: refusal.code(),
                        error_msg: refusal.to_string(),
                    };
                    // Nobody can have asked for the result before.
                    self.ledger.finish(id, outcome, now.monotonic);
                    self.action.publish_status(&self.ledger);
                    return Some((id, goal.poses.into_iter().last().unwrap_or_default()));
                }
                Request::Cancel {
                    token,
                    id,
                    stamp_nanos,
                } => {
                    let (code, goals) = self.ledger.select_cancel(id, stamp_nanos);
                    self.action.answer_cancel(token, code, &goals, &self.ledger);
                }
                Request::Result { token, id } => {
                    if let ResultAnswer::Now(outcome) = self.ledger.result(id, token) {
                        self.action.answer_result(token, outcome.as_ref(), result);
                    }
                }
            }
        }
        None
    }
}

fn result(error_code: u16, error_msg: &str) -> ThroughPosesResult {
    ThroughPosesResult {
        error_code,
        error_msg: error_msg.to_owned(),
    }
}
