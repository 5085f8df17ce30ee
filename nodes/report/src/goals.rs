//! What became of the navigation goals: the gatekeeper's verdicts and what the goals' client saw.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

/// A goal's id, chosen by its client.
pub type GoalId = [u8; 16];

/// Verdicts kept with all they say; the counts go on beyond.
const MAX_VERDICTS: usize = 10_000;

/// The values of `action_msgs/GoalStatus` that end a goal.
const SUCCEEDED: i8 = 4;
const CANCELED: i8 = 5;
const ABORTED: i8 = 6;

/// The gatekeeper's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The goal went on to navigation.
    #[serde(rename = "go")]
    Go,
    /// The goal was refused.
    #[serde(rename = "no-go")]
    NoGo,
    /// The gatekeeper could not tell: refused as well.
    #[serde(rename = "unsure")]
    Unsure,
}

/// The gatekeeper's judgement of one goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The client's goal id, hexadecimal.
    pub goal_id: String,
    /// x in m, y in m, heading in rad, in the frame of the goal; null where not finite.
    pub goal: [Option<f64>; 3],
    /// What was decided.
    pub verdict: Answer,
    /// 0 to 1.
    pub confidence: f64,
    /// Which evaluator decided.
    pub evaluator: String,
    /// One sentence for a person.
    pub reason: String,
    /// What the client got; 0 for a goal that may pass.
    pub error_code: u16,
    /// From the goal's arrival to the verdict, s.
    pub elapsed_s: f64,
}

/// How many goals took which way. Each goal counts once, however often its state is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoalCounts {
    /// Goals that reached the gatekeeper.
    pub sent: u64,
    /// Goals that the gatekeeper let pass.
    pub accepted: u64,
    /// Goals that the gatekeeper refused; not counted in `aborted`.
    pub rejected: u64,
    /// Goals that were reached.
    pub succeeded: u64,
    /// Goals that navigation gave up.
    pub aborted: u64,
    /// Goals that their client took back.
    pub canceled: u64,
}

/// Collects verdicts and states.
#[derive(Debug, Default)]
pub struct GoalTally {
    states: HashMap<GoalId, i8>,
    answers: BTreeMap<GoalId, Answer>,
    verdicts: Vec<Verdict>,
}

impl GoalTally {
    /// The state of a goal as its client sees it, a value of `action_msgs/GoalStatus`. A state that ends a goal stays.
    pub fn state(&mut self, goal: GoalId, state: i8) {
        let known = self.states.entry(goal).or_insert(state);
        if *known < SUCCEEDED {
            *known = state;
        }
    }

    /// The gatekeeper's verdict on a goal; the last one on the same goal counts.
    pub fn verdict(&mut self, goal: GoalId, verdict: Verdict) {
        self.answers.insert(goal, verdict.verdict);
        if self.verdicts.len() < MAX_VERDICTS {
            self.verdicts.push(verdict);
        }
    }

    /// All verdicts in the order they were given.
    pub fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }

    /// The counts so far.
    pub fn counts(&self) -> GoalCounts {
        let goals: HashSet<_> = self.states.keys().chain(self.answers.keys()).collect();
        let answered = |go: bool| {
            self.answers
                .values()
                .filter(|a| (**a == Answer::Go) == go)
                .count() as u64
        };
        let refused = |goal: &GoalId| self.answers.get(goal).is_some_and(|a| *a != Answer::Go);
        let ended = |end: i8| {
            let passed = self.states.iter().filter(|(goal, _)| !refused(goal));
            passed.filter(|(_, state)| **state == end).count() as u64
        };
        GoalCounts {
            sent: goals.len() as u64,
            accepted: answered(true),
            rejected: answered(false),
            succeeded: ended(SUCCEEDED),
            aborted: ended(ABORTED),
            canceled: ended(CANCELED),
        }
    }
}

/// A goal's id as it stands in the report.
pub fn hex(goal: &GoalId) -> String {
    goal.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXECUTING: i8 = 2;

    fn verdict(answer: Answer) -> Verdict {
        Verdict {
            goal_id: String::new(),
            goal: [Some(0.0); 3],
            verdict: answer,
            confidence: 1.0,
            evaluator: "geometric".to_owned(),
            reason: String::new(),
            error_code: 0,
            elapsed_s: 0.0,
        }
    }

    #[test]
    fn a_refused_goal_is_rejected_and_not_aborted() {
        let mut tally = GoalTally::default();
        for goal in 1..=5 {
            tally.state([goal; 16], EXECUTING);
        }
        for goal in [1, 2, 3] {
            tally.verdict([goal; 16], verdict(Answer::Go));
        }
        tally.verdict([4; 16], verdict(Answer::NoGo));
        // Status arrays repeat: every goal counts once, and an end stays an end.
        for _ in 0..3 {
            tally.state([1; 16], SUCCEEDED);
            tally.state([2; 16], ABORTED);
            tally.state([3; 16], CANCELED);
            tally.state([4; 16], ABORTED);
            tally.state([1; 16], EXECUTING);
        }
        let expected = GoalCounts {
            sent: 5,
            accepted: 3,
            rejected: 1,
            succeeded: 1,
            aborted: 1,
            canceled: 1,
        };
        assert_eq!(tally.counts(), expected);
    }

    #[test]
    fn the_last_verdict_on_a_goal_counts_and_each_is_kept() {
        let mut tally = GoalTally::default();
        tally.verdict([1; 16], verdict(Answer::Go));
        tally.verdict([1; 16], verdict(Answer::Unsure));
        let counts = tally.counts();
        assert_eq!((counts.sent, counts.accepted, counts.rejected), (1, 0, 1));
        assert_eq!(tally.verdicts().len(), 2);
    }

    #[test]
    fn ids_are_written_as_hexadecimal() {
        let mut goal = [0; 16];
        goal[0] = 0xab;
        assert_eq!(hex(&goal), "ab000000000000000000000000000000");
    }
}
