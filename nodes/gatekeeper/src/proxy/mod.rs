//! The proxy's state machine: events in, effects out. No I/O, no clock, no ROS.
//!
//! This file is the public side: goals, cancels and results of clients. `upstream.rs` is the other side: the goals
//! that run in the navigation server, which have ids of their own.
//!
//! # Invariants
//! 1. An id is sent upstream once in the process's life (a repeat kills Nav2's server).
//! 2. Only a goal that was judged is sent, and none while the emergency stop is latched.
//! 3. Every accepted goal ends, whatever the navigation server does or does not do.
//! 4. A goal that is not sent yet waits while a cancel is under way, so that no cancel is lost around a pre-emption.
//! 5. A goal refused leaves the goal before it running. A newer goal *cancelled* before it was sent takes the older
//!    one down with it, as Nav2 does: who cancels wants the robot to stop.

mod upstream;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::goal::{Cleared, GoalId, Now, Outcome, Status};
use crate::ledger::{CancelCode, Ledger, ResultAnswer, Token};
use crate::refusal::Refusal;
use upstream::{Link, Run};

/// A cancel of an unknown id is answered only after this time: requests of two endpoints may overtake each other, and
/// a cancel sent right behind its goal must not be lost.
const CANCEL_GRACE: Duration = Duration::from_millis(20);

/// The state of the e-stop gate, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The robot may move.
    Free,
    /// The robot is held because a client of it was lost; who and since when (ns).
    ClientLost {
        /// Source and reason, for a person.
        why: String,
        /// Since when, so that the same state told twice counts once.
        since_nanos: i64,
    },
    /// Latched until somebody resets it.
    Latched(String),
}

/// Everything that can happen to the proxy.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client sends a goal; without a token nobody waits for an answer (`/goal_pose`).
    Goal {
        /// Whom to answer.
        token: Option<Token>,
        /// The client's id.
        id: GoalId,
    },
    /// A client cancels.
    Cancel {
        /// Whom to answer.
        token: Token,
        /// Zero: see [`Ledger::select_cancel`].
        id: GoalId,
        /// ns; 0: none.
        stamp_nanos: i64,
    },
    /// A client asks for a result.
    Result {
        /// Whom to answer.
        token: Token,
        /// Of which goal.
        id: GoalId,
    },
    /// The evaluators have agreed or refused.
    Verdict {
        /// The client's id.
        id: GoalId,
        /// The goal as it may be sent, or why not.
        verdict: Result<Cleared, Refusal>,
    },
    /// Whether a navigation server can be seen. Seen is not alive: a dead one stays visible for 20 s.
    UpstreamVisible(bool),
    /// The navigation server has accepted or rejected a goal.
    UpstreamAccepted {
        /// Its id upstream.
        id: GoalId,
        /// Whether it was accepted.
        accepted: bool,
    },
    /// The navigation server has answered a request for a result.
    UpstreamResult {
        /// Its id upstream.
        id: GoalId,
        /// The final status and result; UNKNOWN where the server does not know the goal.
        outcome: Outcome,
    },
    /// The navigation server has answered a cancel.
    UpstreamCancel {
        /// Which goal the cancel named; `None`: all.
        target: Option<GoalId>,
        /// The return code.
        code: i8,
        /// The goals that are being cancelled.
        canceling: Vec<GoalId>,
    },
    /// The navigation server's status array.
    UpstreamStatus(Vec<(GoalId, Status)>),
    /// The navigation server has shown that it lives: feedback, or an answer to a ping.
    UpstreamHeard,
    /// The e-stop gate's state.
    EmergencyStop(Stop),
    /// Another server under one of the names, or none any more.
    Foreign(Option<String>),
    /// End: give up all goals and take no more.
    Shutdown,
    /// The time for a clean end is over.
    ShutdownOverdue,
    /// Time has passed.
    Tick,
}

/// What the node has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a `send_goal` request.
    AnswerGoal {
        /// Whom.
        token: Token,
        /// Whether the goal was taken in.
        accepted: bool,
        /// When, ns of ROS time.
        stamp_nanos: i64,
    },
    /// Answer a `cancel_goal` request.
    AnswerCancel {
        /// Whom.
        token: Token,
        /// The return code.
        code: CancelCode,
        /// The goals that are being cancelled.
        goals: Vec<GoalId>,
    },
    /// Answer a `get_result` request.
    AnswerResult {
        /// Whom.
        token: Token,
        /// `None`: UNKNOWN.
        outcome: Option<Outcome>,
    },
    /// Publish [`Proxy::ledger`]'s statuses.
    PublishStatus,
    /// Judge a goal.
    Judge(GoalId),
    /// The verdict on a goal is no longer wanted.
    StopJudging(GoalId),
    /// A goal was refused without being judged.
    Refused {
        /// The client's id.
        id: GoalId,
        /// Why.
        refusal: Refusal,
    },
    /// A goal has ended; for the log.
    Ended {
        /// The client's id.
        id: GoalId,
        /// How.
        outcome: Outcome,
    },
    /// Send a goal upstream under this id.
    SendGoal {
        /// A fresh id.
        id: GoalId,
        /// The goal.
        goal: Cleared,
    },
    /// Ask the navigation server for a result.
    AskResult(GoalId),
    /// Cancel a goal upstream.
    CancelUpstream(GoalId),
    /// Cancel every goal upstream.
    CancelAllUpstream,
    /// Ask the navigation server something that a living one answers at once.
    Ping,
    /// The navigation server is lost with a goal running: stop what it has set in motion.
    StopMotion,
    /// A goal runs upstream that did not come through here; it is being cancelled.
    ForeignGoal(GoalId),
}

/// Time limits of the proxy.
#[derive(Clone, Debug)]
pub struct Config {
    /// The navigation server's action name, for messages.
    pub upstream_name: String,
    /// How long the navigation server may take to answer a request (Nav2: 3 ms).
    pub answer_timeout: Duration,
    /// How long a cancelled goal may take to end (Nav2: 30 ms, longer in recoveries).
    pub cancel_timeout: Duration,
    /// After this silence with a goal running the server is asked whether it lives (Nav2 gives feedback at 100 Hz).
    pub silence: Duration,
}

/// Where a client's goal is.
#[derive(Debug)]
enum Stage {
    Judging,
    /// Agreed to, waiting for its turn since then.
    Held(Cleared, Instant),
    /// Upstream under this id.
    Running(GoalId),
}

/// A client's goal that has not ended.
#[derive(Debug)]
struct Client {
    id: GoalId,
    stage: Stage,
}

/// A cancel of an id that is not known (yet).
#[derive(Debug)]
struct EarlyCancel {
    token: Token,
    id: GoalId,
    stamp_nanos: i64,
    until: Instant,
}

/// The state machine.
pub struct Proxy {
    config: Config,
    new_id: Box<dyn FnMut() -> GoalId>,
    ledger: Ledger,
    /// In order of acceptance; at most the last one is not running.
    clients: Vec<Client>,
    early_cancels: Vec<EarlyCancel>,
    /// In order of sending.
    runs: Vec<Run>,
    link: Link,
    heard: Instant,
    ping_sent: Option<Instant>,
    foreign_goals: HashMap<GoalId, Instant>,
    /// The last goals that ran upstream and have ended.
    past_runs: VecDeque<GoalId>,
    latched: Option<String>,
    client_lost_since: Option<i64>,
    foreign_server: Option<String>,
    ending: bool,
    effects: Vec<Effect>,
}

impl Proxy {
    /// A proxy that has no goals and sees no navigation server yet. `new_id` must never give an id twice.
    pub fn new(config: Config, new_id: impl FnMut() -> GoalId + 'static, now: Instant) -> Self {
        Self {
            config,
            new_id: Box::new(new_id),
            ledger: Ledger::default(),
            clients: Vec::new(),
            early_cancels: Vec::new(),
            runs: Vec::new(),
            link: Link::Absent,
            heard: now,
            ping_sent: None,
            foreign_goals: HashMap::new(),
            past_runs: VecDeque::new(),
            latched: None,
            client_lost_since: None,
            foreign_server: None,
            ending: false,
            effects: Vec::new(),
        }
    }

    /// The public goals and their states.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether no goal of a client is left.
    pub fn is_drained(&self) -> bool {
        self.clients.is_empty()
    }

    /// Whether the navigation server answers and runs nothing that is not ours.
    pub fn is_upstream_ready(&self) -> bool {
        self.link == Link::Ready
    }

    /// The client's id of a goal that runs upstream: whom feedback is for.
    pub fn client_of(&self, upstream: GoalId) -> Option<GoalId> {
        self.runs
            .iter()
            .find(|run| run.id == upstream)
            .map(|run| run.client)
    }

    /// Takes in an event and says what to do, in this order.
    pub fn handle(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let at = now.monotonic;
        match event {
            Event::Goal { token, id } => self.on_goal(token, id, now),
            Event::Cancel {
                token,
                id,
                stamp_nanos,
            } => self.on_cancel(token, id, stamp_nanos, at),
            Event::Result { token, id } => {
                if let ResultAnswer::Now(outcome) = self.ledger.result(id, token) {
                    self.effects.push(Effect::AnswerResult { token, outcome });
                }
            }
            Event::Verdict { id, verdict } => self.on_verdict(id, verdict, at),
            Event::UpstreamVisible(visible) => self.on_visible(visible, at),
            Event::UpstreamAccepted { id, accepted } => self.on_accepted(id, accepted, at),
            Event::UpstreamResult { id, outcome } => self.on_upstream_result(id, outcome, at),
            Event::UpstreamCancel {
                target,
                code,
                canceling,
            } => self.on_cancel_answer(target, code, &canceling, at),
            Event::UpstreamStatus(goals) => self.on_status(&goals, at),
            Event::UpstreamHeard => self.on_heard(at),
            Event::EmergencyStop(stop) => self.on_stop(stop, at),
            Event::Foreign(why) => {
                if let Some(why) = &why {
                    // Nobody knows which of the servers would get them.
                    self.refuse_waiting(&Refusal::ForeignServer(why.clone()), at);
                }
                self.foreign_server = why;
            }
            Event::Shutdown => {
                self.ending = true;
                self.give_up_all(&Refusal::ShuttingDown, at);
            }
            Event::ShutdownOverdue => {
                for client in self.ledger.active().collect::<Vec<_>>() {
                    self.refuse(client, &Refusal::ShuttingDown, at);
                }
            }
            Event::Tick => self.on_tick(at),
        }
        std::mem::take(&mut self.effects)
    }

    fn on_goal(&mut self, token: Option<Token>, id: GoalId, now: Now) {
        let mut answer = |accepted| {
            if let Some(token) = token {
                self.effects.push(Effect::AnswerGoal {
                    token,
                    accepted,
                    stamp_nanos: now.ros_nanos,
                });
            }
        };
        if self.ledger.was_used(id) || self.ending {
            answer(false);
            let refusal = if self.ending {
                Refusal::ShuttingDown
            } else {
                Refusal::RepeatedId
            };
            self.effects.push(Effect::Refused { id, refusal });
            return;
        }
        answer(true);
        self.ledger.accept(id, now.ros_nanos);
        self.effects.push(Effect::PublishStatus);
        let at = now.monotonic;
        if let Some(refusal) = self.reason_to_refuse_all(id) {
            let stage = Stage::Judging;
            self.clients.push(Client { id, stage });
            self.effects.push(Effect::Refused {
                id,
                refusal: refusal.clone(),
            });
            self.refuse(id, &refusal, at);
            return;
        }
        // As in Nav2's pending slot: a newer goal replaces one that has not begun.
        let waiting = |client: &&Client| !matches!(client.stage, Stage::Running(_));
        if let Some(replaced) = self.clients.iter().find(waiting).map(|client| client.id) {
            self.finish(replaced, preempted(), at);
        }
        self.clients.push(Client {
            id,
            stage: Stage::Judging,
        });
        self.effects.push(Effect::Judge(id));
        let (meant, others) = std::mem::take(&mut self.early_cancels)
            .into_iter()
            .partition(|early| early.id == id);
        self.early_cancels = others;
        let meant: Vec<EarlyCancel> = meant;
        for early in meant {
            self.on_cancel(early.token, early.id, early.stamp_nanos, at);
        }
    }

    fn reason_to_refuse_all(&self, id: GoalId) -> Option<Refusal> {
        if let Some(why) = &self.latched {
            return Some(Refusal::EmergencyStop(why.clone()));
        }
        if let Some(why) = &self.foreign_server {
            return Some(Refusal::ForeignServer(why.clone()));
        }
        (id == GoalId::ZERO).then_some(Refusal::ZeroId)
    }

    fn on_cancel(&mut self, token: Token, id: GoalId, stamp_nanos: i64, at: Instant) {
        let (code, goals) = self.ledger.select_cancel(id, stamp_nanos);
        if code == CancelCode::UnknownGoal {
            self.early_cancels.push(EarlyCancel {
                token,
                id,
                stamp_nanos,
                until: at + CANCEL_GRACE,
            });
            return;
        }
        for goal in &goals {
            self.ledger.set_canceling(*goal);
        }
        if !goals.is_empty() {
            self.effects.push(Effect::PublishStatus);
        }
        self.effects.push(Effect::AnswerCancel {
            token,
            code,
            goals: goals.clone(),
        });
        for goal in goals {
            match self.client(goal).map(|client| &client.stage) {
                Some(Stage::Running(run)) => self.cancel_run(*run, upstream::Why::Client, at),
                Some(Stage::Judging | Stage::Held(..)) => {
                    self.finish(goal, Outcome::plain(Status::Canceled), at);
                    self.cancel_all_runs(&upstream::Why::TakenDown, at);
                }
                None => {}
            }
        }
    }

    fn on_verdict(&mut self, id: GoalId, verdict: Result<Cleared, Refusal>, at: Instant) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else {
            return;
        };
        if !matches!(client.stage, Stage::Judging) {
            return;
        }
        match verdict {
            Ok(cleared) => {
                client.stage = Stage::Held(cleared, at);
                self.send_next(at);
            }
            Err(refusal) => self.refuse(id, &refusal, at),
        }
    }

    fn on_stop(&mut self, stop: Stop, at: Instant) {
        self.latched = None;
        match stop {
            Stop::Free => self.client_lost_since = None,
            Stop::ClientLost { why, since_nanos } => {
                if self.client_lost_since.replace(since_nanos) != Some(since_nanos) {
                    self.give_up_all(&Refusal::ClientLost(why), at);
                }
            }
            Stop::Latched(why) => {
                self.latched = Some(why.clone());
                self.give_up_all(&Refusal::EmergencyStop(why), at);
            }
        }
    }

    /// Ends what has not been sent, and cancels what runs; each client gets the reason.
    fn give_up_all(&mut self, refusal: &Refusal, at: Instant) {
        self.refuse_waiting(refusal, at);
        self.cancel_all_runs(&upstream::Why::GivenUp(refusal.clone()), at);
    }

    /// Ends what has not been sent.
    fn refuse_waiting(&mut self, refusal: &Refusal, at: Instant) {
        let waiting = |client: &&Client| !matches!(client.stage, Stage::Running(_));
        let waiting: Vec<GoalId> = self
            .clients
            .iter()
            .filter(waiting)
            .map(|client| client.id)
            .collect();
        for id in waiting {
            self.refuse(id, refusal, at);
        }
    }

    fn refuse(&mut self, id: GoalId, refusal: &Refusal, at: Instant) {
        self.finish(id, aborted(refusal), at);
    }

    /// Ends a client's goal: results first, then the status, as Nav2 does.
    fn finish(&mut self, id: GoalId, outcome: Outcome, at: Instant) {
        let Some(waiting) = self.ledger.finish(id, outcome.clone(), at) else {
            return;
        };
        if let Some(place) = self.clients.iter().position(|client| client.id == id)
            && matches!(self.clients.remove(place).stage, Stage::Judging)
        {
            self.effects.push(Effect::StopJudging(id));
        }
        for token in waiting {
            let outcome = Some(outcome.clone());
            self.effects.push(Effect::AnswerResult { token, outcome });
        }
        self.effects.push(Effect::PublishStatus);
        self.effects.push(Effect::Ended { id, outcome });
    }

    fn client(&self, id: GoalId) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    fn on_tick(&mut self, at: Instant) {
        let (over, early): (Vec<_>, Vec<_>) = std::mem::take(&mut self.early_cancels)
            .into_iter()
            .partition(|early| early.until <= at);
        self.early_cancels = early;
        for EarlyCancel { token, .. } in over {
            self.effects.push(Effect::AnswerCancel {
                token,
                code: CancelCode::UnknownGoal,
                goals: Vec::new(),
            });
        }
        self.ledger.expire(at);
        self.watch_upstream(at);
    }
}

/// A newer goal has taken the place of this one; as Nav2 says it, with code 0.
fn preempted() -> Outcome {
    Outcome {
        error_msg: "pre-empted by a newer goal".into(),
        ..Outcome::plain(Status::Aborted)
    }
}

fn aborted(refusal: &Refusal) -> Outcome {
    Outcome {
        status: Status::Aborted,
        error_code: refusal.code(),
        error_msg: refusal.to_string(),
    }
}
