//! What to do when a process of the graph has ended: one pure decision list, first match wins.

use std::time::Duration;

use crate::graph::RestartPolicy;

/// Restarts allowed within [`WINDOW`] before a node counts as broken.
pub const LIMIT: usize = 5;
/// The time over which restarts are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// Pause before the first restart. Not zero: under a stop that signals every process at once a child may be seen dead
/// just before the supervisor's own signal arrives.
pub const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By its own exit status.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// What is known at the moment of the end.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// What the graph says about this node.
    pub policy: RestartPolicy,
    /// How it ended.
    pub exit: Exit,
    /// Whether the graph is being taken down.
    pub stopping: bool,
    /// Restarts of this node within the last [`WINDOW`].
    pub recent_restarts: usize,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: it was meant to end.
    LeaveEnded,
    /// The mission has a result: the run ends with this exit status.
    MissionOver(i32),
    /// Its input or set-up is bad: another start would end the same way.
    BadSetup,
    /// The run cannot go on.
    GiveUp(Reason),
    /// Start it again after this pause.
    Restart(Duration),
}

/// Why the run cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The graph says that nothing works without it.
    Indispensable,
    /// It died again and again.
    KeepsDying,
}

/// Decides, in this order:
/// 1. the graph is being taken down: nothing;
/// 2. the mission ended with 0 or 1: the run has its result;
/// 3. exit status 2: bad input or set-up, which a restart does not cure;
/// 4. the policy is never: the run cannot go on;
/// 5. [`LIMIT`] restarts within [`WINDOW`]: the run cannot go on;
/// 6. else a restart, with a pause that doubles from 0.1 s to 5 s.
pub fn decide(ended: Ended) -> Decision {
    if ended.stopping {
        return Decision::LeaveEnded;
    }
    if let (RestartPolicy::Mission, Exit::Code(code @ (0 | 1))) = (ended.policy, ended.exit) {
        return Decision::MissionOver(code);
    }
    if ended.exit == Exit::Code(2) {
        return Decision::BadSetup;
    }
    if ended.policy == RestartPolicy::Never {
        return Decision::GiveUp(Reason::Indispensable);
    }
    if ended.recent_restarts >= LIMIT {
        return Decision::GiveUp(Reason::KeepsDying);
    }
    let doublings = u32::try_from(ended.recent_restarts)
        .unwrap_or(u32::MAX)
        .min(16);
    Decision::Restart((FIRST_DELAY * 2_u32.pow(doublings)).min(LONGEST_DELAY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use RestartPolicy::{Always, Mission, Never};

    #[test]
    fn every_rule_and_its_place_in_the_order() {
        let milliseconds = Duration::from_millis;
        #[rustfmt::skip]
        let cases = [
            // policy, exit, stopping, recent restarts, decision
            (Always,  Exit::Signal(9), true,  0, Decision::LeaveEnded),
            (Mission, Exit::Code(0),   true,  0, Decision::LeaveEnded),
            (Never,   Exit::Code(2),   true,  9, Decision::LeaveEnded),
            (Mission, Exit::Code(0),   false, 9, Decision::MissionOver(0)),
            (Mission, Exit::Code(1),   false, 0, Decision::MissionOver(1)),
            (Mission, Exit::Code(2),   false, 0, Decision::BadSetup),
            (Always,  Exit::Code(2),   false, 9, Decision::BadSetup),
            (Never,   Exit::Code(2),   false, 0, Decision::BadSetup),
            (Never,   Exit::Code(0),   false, 0, Decision::GiveUp(Reason::Indispensable)),
            (Never,   Exit::Signal(9), false, 0, Decision::GiveUp(Reason::Indispensable)),
            (Mission, Exit::Signal(9), false, 0, Decision::Restart(milliseconds(100))),
            (Mission, Exit::Code(101), false, 1, Decision::Restart(milliseconds(200))),
            (Always,  Exit::Code(0),   false, 2, Decision::Restart(milliseconds(400))),
            (Always,  Exit::Signal(9), false, 4, Decision::Restart(milliseconds(1600))),
            (Always,  Exit::Signal(9), false, 5, Decision::GiveUp(Reason::KeepsDying)),
            (Mission, Exit::Signal(9), false, 5, Decision::GiveUp(Reason::KeepsDying)),
        ];
        for (policy, exit, stopping, recent_restarts, expected) in cases {
            let ended = Ended {
                policy,
                exit,
                stopping,
                recent_restarts,
            };
            assert_eq!(decide(ended), expected, "{ended:?}");
        }
    }
}
