//! The proxy's other side: goals that run in the navigation server, and whether that server can be trusted to answer.

use std::time::{Duration, Instant};

use super::{Effect, Proxy, Stage, aborted, preempted};
use crate::goal::{GoalId, Outcome, Status};
use crate::refusal::Refusal;

/// A cancel without a satisfying answer is sent again after this time.
const CANCEL_RETRY: Duration = Duration::from_millis(500);
/// The same for the cancel of everything at the start; so often as to be over soon.
const CLEARING_RETRY: Duration = Duration::from_millis(200);
/// A goal pre-empted upstream ends within a tick (10 ms) in Nav2; one that has not ended after this is cancelled.
const SUPERSEDED_LIMIT: Duration = Duration::from_secs(2);
/// A final status without its result: ask again after this time.
const RESULT_RETRY: Duration = Duration::from_secs(1);
/// Answers "unknown goal" to a cancel after which the goal counts as lost. One alone may have been overtaken.
const UNKNOWN_ANSWERS: u8 = 2;

/// Ended goals that are told from those of others.
const PAST_RUNS: usize = 16;

const CODE_NONE: i8 = 0;
const CODE_UNKNOWN_GOAL: i8 = 2;
const CODE_TERMINATED: i8 = 3;

/// What is known of the navigation server.
#[derive(Debug, PartialEq)]
pub(super) enum Link {
    /// Nobody offers the action.
    Absent,
    /// It is there, but may run goals of another life: a cancel of everything was sent at this time.
    Clearing(Instant),
    /// It answers, and runs nothing that is not ours.
    Ready,
}

/// Why a run is cancelled.
#[derive(Clone, Debug)]
pub(super) enum Why {
    /// Its client wants so.
    Client,
    /// A newer goal was cancelled before it was sent, or has replaced this one.
    TakenDown,
    /// The gatekeeper wants so.
    GivenUp(Refusal),
}

#[derive(Debug)]
struct Cancel {
    why: Why,
    since: Instant,
    sent: Instant,
    confirmed: bool,
    unknown_answers: u8,
}

/// A goal in the navigation server.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: GoalId,
    pub(super) client: GoalId,
    sent: Instant,
    accepted: bool,
    cancel: Option<Cancel>,
    /// Since when a newer goal has been upstream.
    superseded: Option<Instant>,
    /// Since when the status says that it is over while its result has not come.
    over: Option<Over>,
}

#[derive(Debug)]
struct Over {
    since: Instant,
    asked: Instant,
}

impl Proxy {
    /// Sends the goal that waits, if nothing speaks against it now.
    pub(super) fn send_next(&mut self, at: Instant) {
        let unsettled = |run: &Run| run.cancel.is_some() || !run.accepted;
        if self.link != Link::Ready || self.runs.iter().any(unsettled) {
            return;
        }
        let held = |client: &&mut super::Client| matches!(client.stage, Stage::Held(..));
        let Some(client) = self.clients.iter_mut().find(held) else {
            return;
        };
        let id = (self.new_id)();
        let Stage::Held(goal, _) = std::mem::replace(&mut client.stage, Stage::Running(id)) else {
            return;
        };
        for run in &mut self.runs {
            run.superseded.get_or_insert(at);
        }
        if self.runs.is_empty() {
            self.heard = at;
        }
        self.runs.push(Run {
            id,
            client: client.id,
            sent: at,
            accepted: false,
            cancel: None,
            superseded: None,
            over: None,
        });
        self.effects.push(Effect::SendGoal { id, goal });
    }

    pub(super) fn cancel_all_runs(&mut self, why: &Why, at: Instant) {
        for id in self.runs.iter().map(|run| run.id).collect::<Vec<_>>() {
            self.cancel_run(id, why.clone(), at);
        }
    }

    pub(super) fn cancel_run(&mut self, id: GoalId, why: Why, at: Instant) {
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
            return;
        };
        // The first reason stays: whoever came first is answered with it.
        if run.cancel.is_none() {
            run.cancel = Some(Cancel {
                why,
                since: at,
                sent: at,
                confirmed: false,
                unknown_answers: 0,
            });
            self.effects.push(Effect::CancelUpstream(id));
        }
    }

    pub(super) fn on_visible(&mut self, visible: bool, at: Instant) {
        match (visible, &self.link) {
            (true, Link::Absent) => self.clear(at),
            (false, Link::Clearing(_) | Link::Ready) => {
                self.lose(&Refusal::UpstreamLost("it has ended".into()), at);
                self.link = Link::Absent;
                self.foreign_goals.clear();
            }
            _ => {}
        }
    }

    pub(super) fn on_accepted(&mut self, id: GoalId, accepted: bool, at: Instant) {
        self.on_heard(at);
        let Some(run) = self.runs.iter_mut().find(|run| run.id == id) else {
            // Given up while it was on its way: it must not run unwatched.
            if accepted {
                self.effects.push(Effect::CancelUpstream(id));
            }
            return;
        };
        if accepted {
            run.accepted = true;
            self.effects.push(Effect::AskResult(id));
            if let Some(cancel) = &mut run.cancel {
                cancel.sent = at;
                self.effects.push(Effect::CancelUpstream(id));
            }
        } else {
            let outcome = if self.ledger.status(run.client) == Status::Canceling {
                Outcome::plain(Status::Canceled)
            } else {
                aborted(&Refusal::UpstreamRejected)
            };
            self.end_run(id, outcome, at);
        }
        self.send_next(at);
    }

    pub(super) fn on_upstream_result(&mut self, id: GoalId, outcome: Outcome, at: Instant) {
        self.on_heard(at);
        let Some(run) = self.runs.iter().find(|run| run.id == id) else {
            return;
        };
        if outcome.status == Status::Unknown || outcome.status.is_active() {
            // It has begun anew and forgotten the goal; what it had set in motion may still move.
            self.lose(&Refusal::UpstreamLost("it has been restarted".into()), at);
            self.clear(at);
            return;
        }
        let outcome = self.outcome_for_client(run, outcome);
        self.end_run(id, outcome, at);
        self.send_next(at);
    }

    /// What the client is told, given what the navigation server says. Passed on unchanged, save where the end is the
    /// gatekeeper's doing, or where a cancel of the client would read as a failure.
    fn outcome_for_client(&self, run: &Run, upstream: Outcome) -> Outcome {
        if upstream.status == Status::Succeeded {
            return upstream;
        }
        let why = run.cancel.as_ref().map(|cancel| &cancel.why);
        if let Some(Why::GivenUp(refusal)) = why {
            return aborted(refusal);
        }
        let canceling = self.ledger.status(run.client) == Status::Canceling;
        match upstream.status {
            Status::Canceled if canceling => upstream,
            Status::Canceled if matches!(why, Some(Why::TakenDown)) => preempted(),
            Status::Canceled => aborted(&Refusal::UpstreamCanceled),
            // The client's cancel came while a newer goal was taking over; Nav2 calls that ABORTED.
            _ if canceling && run.superseded.is_some() => Outcome {
                status: Status::Canceled,
                ..upstream
            },
            _ => upstream,
        }
    }

    fn end_run(&mut self, id: GoalId, outcome: Outcome, at: Instant) {
        let Some(place) = self.runs.iter().position(|run| run.id == id) else {
            return;
        };
        let run = self.runs.remove(place);
        if self.past_runs.len() == PAST_RUNS {
            self.past_runs.pop_front();
        }
        self.past_runs.push_back(id);
        // Where the newer goal has ended first, the older one was not replaced after all.
        if let Some(newest) = self.runs.last_mut() {
            newest.superseded = None;
        }
        self.finish(run.client, outcome, at);
    }

    pub(super) fn on_cancel_answer(
        &mut self,
        target: Option<GoalId>,
        code: i8,
        canceling: &[GoalId],
        at: Instant,
    ) {
        self.on_heard(at);
        let Some(target) = target else {
            if matches!(self.link, Link::Clearing(_)) && canceling.is_empty() {
                self.link = Link::Ready;
                self.send_next(at);
            }
            return;
        };
        let Some(run) = self.runs.iter_mut().find(|run| run.id == target) else {
            return;
        };
        let Some(cancel) = &mut run.cancel else {
            return;
        };
        match code {
            CODE_NONE if canceling.contains(&target) => cancel.confirmed = true,
            CODE_TERMINATED => cancel.confirmed = true,
            CODE_UNKNOWN_GOAL if run.accepted => {
                cancel.unknown_answers += 1;
                if cancel.unknown_answers >= UNKNOWN_ANSWERS {
                    let lost = Refusal::UpstreamLost("it does not know it any more".into());
                    self.lose(&lost, at);
                    self.clear(at);
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_status(&mut self, goals: &[(GoalId, Status)], at: Instant) {
        self.on_heard(at);
        self.foreign_goals
            .retain(|id, _| goals.iter().any(|(g, s)| g == id && s.is_active()));
        for &(id, status) in goals {
            match self.runs.iter_mut().find(|run| run.id == id) {
                Some(run) if !status.is_active() => {
                    run.over.get_or_insert(Over {
                        since: at,
                        asked: at,
                    });
                }
                Some(_) => {}
                None if status.is_active() && !self.foreign_goals.contains_key(&id) => {
                    self.foreign_goals.insert(id, at);
                    // The result of an own one may have overtaken this array.
                    if !self.past_runs.contains(&id) {
                        self.effects.push(Effect::ForeignGoal(id));
                    }
                    self.effects.push(Effect::CancelUpstream(id));
                }
                None => {}
            }
        }
    }

    pub(super) fn on_heard(&mut self, at: Instant) {
        self.heard = at;
        self.ping_sent = None;
    }

    /// All that depends on time passing.
    pub(super) fn watch_upstream(&mut self, at: Instant) {
        self.watch_link(at);
        self.watch_answers(at);
        self.watch_life(at);
        for (id, sent) in &mut self.foreign_goals {
            if at.saturating_duration_since(*sent) >= CANCEL_RETRY {
                *sent = at;
                self.effects.push(Effect::CancelUpstream(*id));
            }
        }
    }

    fn watch_link(&mut self, at: Instant) {
        if let Link::Clearing(sent) = &mut self.link
            && at.saturating_duration_since(*sent) >= CLEARING_RETRY
        {
            *sent = at;
            self.effects.push(Effect::CancelAllUpstream);
        }
        if self.link == Link::Ready {
            return;
        }
        let limit = self.config.answer_timeout;
        let overdue = |client: &&super::Client| matches!(client.stage, Stage::Held(_, since) if at.saturating_duration_since(since) >= limit);
        if let Some(id) = self.clients.iter().find(overdue).map(|client| client.id) {
            let refusal = if self.link == Link::Absent {
                Refusal::UpstreamAbsent(self.config.upstream_name.clone())
            } else {
                Refusal::UpstreamSilent("no answer to the cancel of all older goals".into())
            };
            self.refuse(id, &refusal, at);
        }
    }

    fn watch_answers(&mut self, at: Instant) {
        let since = |then: Instant| at.saturating_duration_since(then);
        let mut overdue = None;
        let mut superseded = Vec::new();
        for run in &mut self.runs {
            if !run.accepted && since(run.sent) >= self.config.answer_timeout {
                overdue = Some("to the goal");
            }
            if let Some(cancel) = &mut run.cancel {
                if since(cancel.since) >= self.config.cancel_timeout {
                    overdue = Some("to a cancel with the goal's end");
                } else if !cancel.confirmed && since(cancel.sent) >= CANCEL_RETRY {
                    cancel.sent = at;
                    self.effects.push(Effect::CancelUpstream(run.id));
                }
            } else if run.superseded.is_some_and(|s| since(s) >= SUPERSEDED_LIMIT) {
                superseded.push(run.id);
            }
            if let Some(over) = &mut run.over {
                if since(over.since) >= self.config.cancel_timeout {
                    overdue = Some("to the request for a result");
                } else if since(over.asked) >= RESULT_RETRY {
                    over.asked = at;
                    self.effects.push(Effect::AskResult(run.id));
                }
            }
        }
        for id in superseded {
            self.cancel_run(id, Why::TakenDown, at);
        }
        if let Some(what) = overdue {
            self.lose(&Refusal::UpstreamSilent(format!("no answer {what}")), at);
            self.clear(at);
        }
    }

    /// A server that has gone silent with a goal running is asked whether it lives, and whether it knows the goal.
    fn watch_life(&mut self, at: Instant) {
        if self.runs.is_empty() {
            self.ping_sent = None;
            return;
        }
        match self.ping_sent {
            None if at.saturating_duration_since(self.heard) >= self.config.silence => {
                self.ping_sent = Some(at);
                self.effects.push(Effect::Ping);
                let known = self.runs.iter().filter(|run| run.accepted);
                self.effects
                    .extend(known.map(|run| Effect::AskResult(run.id)));
            }
            Some(sent) if at.saturating_duration_since(sent) >= self.config.answer_timeout => {
                self.lose(
                    &Refusal::UpstreamSilent("neither feedback nor answers".into()),
                    at,
                );
                self.clear(at);
            }
            _ => {}
        }
    }

    /// Gives up everything that runs upstream. What it has set in motion may go on, so that is stopped, too.
    fn lose(&mut self, refusal: &Refusal, at: Instant) {
        if self.runs.is_empty() {
            return;
        }
        self.effects.push(Effect::StopMotion);
        for id in self.runs.iter().map(|run| run.id).collect::<Vec<_>>() {
            self.end_run(id, aborted(refusal), at);
        }
    }

    /// Begins anew with the navigation server: first everything there is cancelled.
    fn clear(&mut self, at: Instant) {
        self.link = Link::Clearing(at);
        self.ping_sent = None;
        self.effects.push(Effect::CancelAllUpstream);
    }
}
