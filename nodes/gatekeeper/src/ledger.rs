//! The public side of an action: which goals there are, what became of them, who waits for a result.
//!
//! It answers as Nav2's server does, case by case (see the tests): results and final states are kept for 900 s, the
//! status array is in the order of acceptance, an unknown id is answered at once.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::goal::{GoalId, Outcome, Status};

/// How long a finished goal's result is kept, as Nav2's `action_server_result_timeout`.
pub const RESULT_KEPT: Duration = Duration::from_secs(900);
/// Finished goals that are kept at most; beyond it the oldest are forgotten early, so that a flood of goals cannot
/// make the status message grow for ever.
const MAX_FINISHED: usize = 1000;
/// Most callers that wait for one goal's result; further ones are told that it is unknown.
const MAX_WAITING: usize = 64;
/// Ids that are remembered beyond their result, so that a late repeat is noticed.
const MAX_USED_IDS: usize = 100_000;

/// Names a service request that waits for its answer.
pub type Token = u64;

/// What a cancel request gets: `action_msgs/srv/CancelGoal`'s return code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum CancelCode {
    /// The goals listed are being cancelled; the list may be empty.
    None = 0,
    /// No goal has this id.
    UnknownGoal = 2,
    /// The goal has ended, or is already being cancelled.
    Terminated = 3,
}

/// What a result request gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultAnswer {
    /// The goal runs; the answer follows with its end.
    Held,
    /// Answer now with this; `None`: status UNKNOWN and an empty result.
    Now(Option<Outcome>),
}

#[derive(Debug)]
struct Record {
    id: GoalId,
    stamp_nanos: i64,
    status: Status,
    ended: Option<(Instant, Outcome)>,
    waiting: Vec<Token>,
}

/// All goals of an action, oldest first.
#[derive(Debug, Default)]
pub struct Ledger {
    goals: Vec<Record>,
    used: HashSet<GoalId>,
    used_in_order: VecDeque<GoalId>,
}

impl Ledger {
    /// Whether a goal with this id has been here before.
    pub fn was_used(&self, id: GoalId) -> bool {
        self.used.contains(&id)
    }

    /// Takes in a new goal, EXECUTING from the start. Its id must not have been used.
    pub fn accept(&mut self, id: GoalId, stamp_nanos: i64) {
        self.used.insert(id);
        self.used_in_order.push_back(id);
        if self.used_in_order.len() > MAX_USED_IDS
            && let Some(oldest) = self.used_in_order.pop_front()
        {
            self.used.remove(&oldest);
        }
        self.goals.push(Record {
            id,
            stamp_nanos,
            status: Status::Executing,
            ended: None,
            waiting: Vec::new(),
        });
    }

    /// The status of a goal; UNKNOWN where there is none of this id.
    pub fn status(&self, id: GoalId) -> Status {
        self.find(id).map_or(Status::Unknown, |goal| goal.status)
    }

    /// Marks a running goal as being cancelled.
    pub fn set_canceling(&mut self, id: GoalId) {
        if let Some(goal) = self.find_mut(id)
            && goal.status == Status::Executing
        {
            goal.status = Status::Canceling;
        }
    }

    /// Ends a goal and returns who waits for its result; `None` if it is not running.
    pub fn finish(&mut self, id: GoalId, outcome: Outcome, now: Instant) -> Option<Vec<Token>> {
        let goal = self.find_mut(id).filter(|goal| goal.status.is_active())?;
        goal.status = outcome.status;
        goal.ended = Some((now, outcome));
        Some(std::mem::take(&mut goal.waiting))
    }

    /// Answers a request for a result.
    pub fn result(&mut self, id: GoalId, token: Token) -> ResultAnswer {
        match self.find_mut(id) {
            None => ResultAnswer::Now(None),
            Some(goal) => match &goal.ended {
                Some((_, outcome)) => ResultAnswer::Now(Some(outcome.clone())),
                None if goal.waiting.len() >= MAX_WAITING => ResultAnswer::Now(None),
                None => {
                    goal.waiting.push(token);
                    ResultAnswer::Held
                }
            },
        }
    }

    /// Which goals a cancel request means, oldest first: zero id and zero stamp all; a stamp all that were accepted
    /// then or before; an id that one. Goals that are already being cancelled are not listed again.
    pub fn select_cancel(&self, id: GoalId, stamp_nanos: i64) -> (CancelCode, Vec<GoalId>) {
        let (by_id, by_stamp) = (id != GoalId::ZERO, stamp_nanos != 0);
        if by_id && !by_stamp {
            return match self.status(id) {
                Status::Unknown => (CancelCode::UnknownGoal, Vec::new()),
                Status::Executing => (CancelCode::None, vec![id]),
                _ => (CancelCode::Terminated, Vec::new()),
            };
        }
        let meant = |goal: &&Record| {
            goal.status == Status::Executing
                && (!by_stamp || goal.stamp_nanos <= stamp_nanos || goal.id == id)
        };
        let goals = self.goals.iter().filter(meant).map(|goal| goal.id);
        (CancelCode::None, goals.collect())
    }

    /// Id, acceptance stamp (ns of ROS time) and status of every goal, oldest first.
    pub fn statuses(&self) -> impl Iterator<Item = (GoalId, i64, Status)> {
        self.goals
            .iter()
            .map(|goal| (goal.id, goal.stamp_nanos, goal.status))
    }

    /// The goals that have not ended, oldest first.
    pub fn active(&self) -> impl Iterator<Item = GoalId> {
        self.goals
            .iter()
            .filter(|goal| goal.status.is_active())
            .map(|goal| goal.id)
    }

    /// Forgets results that are older than [`RESULT_KEPT`].
    pub fn expire(&mut self, now: Instant) {
        let mut finished = self.goals.iter().filter(|g| g.ended.is_some()).count();
        self.goals.retain(|goal| {
            let forget = goal.ended.as_ref().is_some_and(|(at, _)| {
                finished > MAX_FINISHED || now.saturating_duration_since(*at) >= RESULT_KEPT
            });
            finished -= usize::from(forget);
            !forget
        });
    }

    fn find(&self, id: GoalId) -> Option<&Record> {
        self.goals.iter().rev().find(|goal| goal.id == id)
    }

    fn find_mut(&mut self, id: GoalId) -> Option<&mut Record> {
        self.goals.iter_mut().rev().find(|goal| goal.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G1: GoalId = GoalId([1; 16]);
    const G2: GoalId = GoalId([2; 16]);

    fn two_goals() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.accept(G1, 100);
        ledger.accept(G2, 200);
        ledger
    }

    fn ended() -> Outcome {
        Outcome::plain(Status::Succeeded)
    }

    #[test]
    fn a_result_may_be_asked_before_and_after_the_end_by_anyone() {
        let mut ledger = two_goals();
        assert_eq!(ledger.result(G1, 7), ResultAnswer::Held);
        assert_eq!(ledger.result(G1, 8), ResultAnswer::Held);
        assert_eq!(ledger.finish(G1, ended(), Instant::now()), Some(vec![7, 8]));
        assert_eq!(ledger.result(G1, 9), ResultAnswer::Now(Some(ended())));
        assert_eq!(
            ledger.finish(G1, ended(), Instant::now()),
            None,
            "only once"
        );
    }

    #[test]
    fn those_who_wait_for_a_result_are_bounded() {
        let mut ledger = two_goals();
        for token in 0..MAX_WAITING as Token {
            assert_eq!(ledger.result(G1, token), ResultAnswer::Held);
        }
        assert_eq!(ledger.result(G1, 99), ResultAnswer::Now(None));
        let told = ledger.finish(G1, ended(), Instant::now());
        assert_eq!(told.map(|told| told.len()), Some(MAX_WAITING));
    }

    #[test]
    fn the_result_of_an_unknown_goal_is_answered_at_once() {
        assert_eq!(
            two_goals().result(GoalId([9; 16]), 1),
            ResultAnswer::Now(None)
        );
    }

    #[test]
    fn cancel_codes_are_those_of_nav2() {
        let mut ledger = two_goals();
        assert_eq!(
            ledger.select_cancel(GoalId([9; 16]), 0),
            (CancelCode::UnknownGoal, vec![])
        );
        assert_eq!(ledger.select_cancel(G1, 0), (CancelCode::None, vec![G1]));
        ledger.set_canceling(G1);
        assert_eq!(
            ledger.select_cancel(G1, 0),
            (CancelCode::Terminated, vec![])
        );
        ledger.finish(G1, ended(), Instant::now());
        assert_eq!(
            ledger.select_cancel(G1, 0),
            (CancelCode::Terminated, vec![])
        );
    }

    #[test]
    fn cancel_of_all_and_by_stamp() {
        let mut ledger = two_goals();
        let all = |ledger: &Ledger, stamp| ledger.select_cancel(GoalId::ZERO, stamp);
        assert_eq!(all(&ledger, 0), (CancelCode::None, vec![G1, G2]));
        assert_eq!(all(&ledger, 99), (CancelCode::None, vec![]));
        assert_eq!(all(&ledger, 100), (CancelCode::None, vec![G1]));
        assert_eq!(
            ledger.select_cancel(G2, 100),
            (CancelCode::None, vec![G1, G2])
        );
        ledger.finish(G1, ended(), Instant::now());
        ledger.finish(G2, ended(), Instant::now());
        assert_eq!(all(&ledger, 0), (CancelCode::None, vec![]));
    }

    #[test]
    fn the_array_is_oldest_first_and_kept_for_900_s() {
        let mut ledger = two_goals();
        let start = Instant::now();
        ledger.finish(G2, ended(), start);
        let ids = |ledger: &Ledger| ledger.statuses().map(|(id, ..)| id).collect::<Vec<_>>();
        ledger.expire(start + Duration::from_secs(899));
        assert_eq!(ids(&ledger), [G1, G2]);
        ledger.expire(start + Duration::from_secs(900));
        assert_eq!(ids(&ledger), [G1], "a running goal stays");
        assert_eq!(ledger.result(G2, 1), ResultAnswer::Now(None));
        assert!(ledger.was_used(G2), "the id stays used");
    }

    #[test]
    fn a_flood_of_goals_does_not_grow_the_array_for_ever() {
        let mut ledger = Ledger::default();
        let now = Instant::now();
        for n in 0..2 * MAX_FINISHED {
            let id = GoalId((n as u128 + 1).to_be_bytes());
            ledger.accept(id, n as i64);
            ledger.finish(id, ended(), now);
            ledger.expire(now);
        }
        assert_eq!(ledger.statuses().count(), MAX_FINISHED);
    }
}
