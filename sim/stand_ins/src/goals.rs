//! The book-keeping of an action server: which goals there are, in which state, and what a cancel request means.
//! As `rcl_action` and Nav2's server do it; no ROS types, no I/O.

use std::time::Duration;

/// A goal's id, as the client chose it.
pub type GoalId = [u8; 16];

/// The id that means "no particular goal" in a cancel request.
pub const NO_ID: GoalId = [0; 16];

/// How long a finished goal is remembered, as Nav2's `action_server_result_timeout`.
pub const RESULT_TIMEOUT: Duration = Duration::from_secs(900);

/// The states of `action_msgs/GoalStatus` that Nav2's server shows; it never shows ACCEPTED.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It runs.
    Executing = 2,
    /// A cancel was accepted, and it still runs.
    Canceling = 3,
    /// It was reached.
    Succeeded = 4,
    /// It was cancelled.
    Canceled = 5,
    /// It failed, or a newer goal took its place.
    Aborted = 6,
}

impl Status {
    /// Whether the goal still runs.
    pub fn is_active(self) -> bool {
        matches!(self, Status::Executing | Status::Canceling)
    }
}

/// One goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Goal {
    /// Its id.
    pub id: GoalId,
    /// When it was accepted, ns of ROS time.
    pub accepted_at: i64,
    /// Its state.
    pub status: Status,
    /// `error_code` of its result; 0 while it runs.
    pub error_code: u16,
    finished_at: Option<Duration>,
}

/// The answer to a cancel request, as `action_msgs/CancelGoal` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelAnswer {
    /// `return_code`.
    pub code: i8,
    /// The goals that are being cancelled, with the times they were accepted at.
    pub canceling: Vec<(GoalId, i64)>,
}

/// `CancelGoal`: accepted.
pub const CANCEL_NONE: i8 = 0;
/// `CancelGoal`: no such goal.
pub const CANCEL_UNKNOWN_GOAL: i8 = 2;
/// `CancelGoal`: the goal has ended, or is being cancelled already.
pub const CANCEL_GOAL_TERMINATED: i8 = 3;

/// All goals of the last 15 minutes, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Goals {
    goals: Vec<Goal>,
}

impl Goals {
    /// Every remembered goal in order of acceptance.
    pub fn iter(&self) -> impl Iterator<Item = &Goal> {
        self.goals.iter()
    }

    /// The goal with this id.
    pub fn get(&self, id: &GoalId) -> Option<&Goal> {
        self.goals.iter().find(|goal| goal.id == *id)
    }

    /// Takes in a goal that executes from now (ns of ROS time) on. `false` when its id was used before: Nav2's server
    /// dies of that, this one lets the caller refuse it.
    pub fn accept(&mut self, id: GoalId, now: i64) -> bool {
        if self.get(&id).is_some() {
            return false;
        }
        self.goals.push(Goal {
            id,
            accepted_at: now,
            status: Status::Executing,
            error_code: 0,
            finished_at: None,
        });
        true
    }

    /// Carries out a cancel request for `id` and/or everything accepted up to `stamp` (ns of ROS time).
    pub fn cancel(&mut self, id: &GoalId, stamp: i64) -> CancelAnswer {
        let all = *id == NO_ID && stamp == 0;
        let mut canceling = Vec::new();
        for goal in &mut self.goals {
            let meant = all || goal.id == *id || (stamp != 0 && goal.accepted_at <= stamp);
            if meant && goal.status == Status::Executing {
                goal.status = Status::Canceling;
                canceling.push((goal.id, goal.accepted_at));
            }
        }
        let code = match self.get(id) {
            _ if *id == NO_ID || !canceling.is_empty() => CANCEL_NONE,
            None => CANCEL_UNKNOWN_GOAL,
            Some(_) => CANCEL_GOAL_TERMINATED,
        };
        CancelAnswer { code, canceling }
    }

    /// Ends a goal. `clock` is monotonic: a result is kept for [`RESULT_TIMEOUT`] of real time.
    pub fn finish(&mut self, id: &GoalId, status: Status, error_code: u16, clock: Duration) {
        if let Some(goal) = self
            .goals
            .iter_mut()
            .find(|goal| goal.id == *id && goal.status.is_active())
        {
            goal.status = status;
            goal.error_code = error_code;
            goal.finished_at = Some(clock);
        }
    }

    /// Forgets what ended more than [`RESULT_TIMEOUT`] ago.
    pub fn expire(&mut self, clock: Duration) {
        self.goals.retain(|goal| {
            goal.finished_at
                .is_none_or(|finished| clock.saturating_sub(finished) <= RESULT_TIMEOUT)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: GoalId = [1; 16];
    const B: GoalId = [2; 16];

    fn running() -> Goals {
        let mut goals = Goals::default();
        assert!(goals.accept(A, 100));
        assert!(goals.accept(B, 200));
        goals
    }

    fn states(goals: &Goals) -> Vec<Status> {
        goals.iter().map(|goal| goal.status).collect()
    }

    #[test]
    fn an_id_is_taken_once() {
        assert!(!running().accept(A, 300));
    }

    #[test]
    fn a_cancel_by_id_meets_that_goal_once() {
        let mut goals = running();
        let answer = goals.cancel(&A, 0);
        assert_eq!((answer.code, answer.canceling), (0, vec![(A, 100)]));
        assert_eq!(states(&goals), [Status::Canceling, Status::Executing]);
        let again = goals.cancel(&A, 0);
        assert_eq!((again.code, again.canceling), (3, vec![]));
        goals.finish(&A, Status::Canceled, 0, Duration::ZERO);
        assert_eq!(goals.cancel(&A, 0).code, 3);
        assert_eq!(goals.cancel(&[9; 16], 0).code, 2);
    }

    #[test]
    fn a_cancel_without_an_id_means_all_or_all_up_to_a_time() {
        assert_eq!(running().cancel(&NO_ID, 0).canceling.len(), 2);
        assert_eq!(running().cancel(&NO_ID, 150).canceling, [(A, 100)]);
        let none = running().cancel(&NO_ID, 50);
        assert_eq!((none.code, none.canceling), (0, vec![]));
        let idle = Goals::default().cancel(&NO_ID, 0);
        assert_eq!((idle.code, idle.canceling), (0, vec![]));
    }

    #[test]
    fn a_result_is_kept_for_its_time() {
        let mut goals = running();
        goals.finish(&A, Status::Aborted, 204, Duration::from_secs(10));
        // What has ended stays as it ended.
        goals.finish(&A, Status::Succeeded, 0, Duration::from_secs(11));
        goals.expire(Duration::from_secs(910));
        let goal = goals.get(&A).unwrap();
        assert_eq!((goal.status, goal.error_code), (Status::Aborted, 204));
        goals.expire(Duration::from_secs(911));
        assert!(goals.get(&A).is_none() && goals.get(&B).is_some());
    }
}
