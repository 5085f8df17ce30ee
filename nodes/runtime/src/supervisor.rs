//! Brings the graph up in the order of its needs and keeps it up until the run has an outcome.
//!
//! One thread, one loop: every process is started from here (see [`Process::start`]), every signal, death and notice is
//! handled here, and nothing waits for anything but this loop's next turn.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use crate::gate_link::GateLink;
use crate::graph::StopPhase;
use crate::process::{Notice, Process, last_words};
use crate::restart::{Decision, Ended, Exit, FIRST_DELAY, Reason, WINDOW, decide};
use crate::setup::PlannedNode;
use crate::signals::Signals;

/// What the gate's status says once the base stands still.
const STANDING: &str = "standing";
/// A turn of the loop comes at the latest after this, should a wake-up ever be lost.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mission gave its result, 0 or 1.
    MissionOver(i32),
    /// Ctrl-C, SIGTERM or a closed terminal.
    Interrupted,
    /// Bad input or set-up.
    BadSetup(String),
    /// Something died for good.
    GaveUp(String),
}

/// A node and what became of it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) planned: PlannedNode,
    state: State,
    restarts: Vec<Instant>,
    status: String,
    /// The gate has yet to hear whether this client is lost or back.
    is_unheard: bool,
}

#[derive(Debug)]
enum State {
    /// Not started yet, or meant to start again at this time.
    Waiting(Option<Instant>),
    /// Started, not ready.
    Starting { process: Process, since: Instant },
    /// At work.
    Ready(Process),
    /// Not to be started again.
    Ended,
}

impl Slot {
    pub(crate) fn name(&self) -> &str {
        &self.planned.node.name
    }

    pub(crate) fn process(&self) -> Option<&Process> {
        match &self.state {
            State::Starting { process, .. } | State::Ready(process) => Some(process),
            State::Waiting(_) | State::Ended => None,
        }
    }

    fn process_mut(&mut self) -> Option<&mut Process> {
        match &mut self.state {
            State::Starting { process, .. } | State::Ready(process) => Some(process),
            State::Waiting(_) | State::Ended => None,
        }
    }

    fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready(_))
    }

    fn log(&self) -> &Path {
        &self.planned.launch.log
    }

    fn complaint(&self, what: &str) -> String {
        let words = last_words(self.log());
        let words = if words.is_empty() {
            String::new()
        } else {
            format!(":\n{words}")
        };
        format!(
            "{} {what}{words}\n(log: {})",
            self.name(),
            self.log().display()
        )
    }
}

/// A graph that is up, or on its way up or down.
#[derive(Debug)]
pub struct Supervisor {
    pub(crate) slots: Vec<Slot>,
    pub(crate) signals: Signals,
    pub(crate) gate: GateLink,
    pub(crate) stopping: bool,
}

impl Supervisor {
    /// Nothing is started yet.
    pub fn new(
        nodes: Vec<PlannedNode>,
        control_socket: &Path,
        signals: Signals,
    ) -> io::Result<Self> {
        let slots = nodes
            .into_iter()
            .map(|planned| Slot {
                planned,
                state: State::Waiting(None),
                restarts: Vec::new(),
                status: String::new(),
                is_unheard: false,
            })
            .collect();
        Ok(Self {
            slots,
            signals,
            gate: GateLink::new(control_socket)?,
            stopping: false,
        })
    }

    /// Brings the graph up and keeps it up. The graph is still up, as far as it came, when this returns.
    pub fn run(&mut self) -> io::Result<Outcome> {
        loop {
            // Looked at before anything is started or restarted: under a stop that signals every process at once the
            // dead children and the supervisor's own signal arrive together.
            if self.signals.stop_wished() {
                return Ok(Outcome::Interrupted);
            }
            if let Some(outcome) = self
                .start_what_can_start()
                .or_else(|| self.check_time_outs())
            {
                return Ok(outcome);
            }
            for index in 0..self.slots.len() {
                if self.slots[index].is_unheard {
                    self.tell_gate_of(index);
                }
            }
            self.wait(self.next_deadline())?;
            if let Some(outcome) = self.handle_events() {
                return self.settle(outcome);
            }
        }
    }

    /// An end that is only the sight of a stop that signals every process at once: the supervisor's own signal is then
    /// a moment away.
    fn settle(&self, outcome: Outcome) -> io::Result<Outcome> {
        let deadline = Instant::now() + FIRST_DELAY;
        while !self.signals.stop_wished() && Instant::now() < deadline {
            self.wait(deadline)?;
        }
        Ok(if self.signals.stop_wished() {
            Outcome::Interrupted
        } else {
            outcome
        })
    }

    /// How often each node was started again, for those that were.
    pub fn restarts(&self) -> Vec<(String, usize)> {
        let counts = self
            .slots
            .iter()
            .map(|slot| (slot.name().to_string(), slot.restarts.len()));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    pub(crate) fn wait(&self, deadline: Instant) -> io::Result<()> {
        let at_most = deadline
            .saturating_duration_since(Instant::now())
            .min(LONGEST_WAIT);
        self.signals.wait(
            self.slots
                .iter()
                .filter_map(|slot| Some(slot.process()?.notify_fd())),
            at_most,
        )
    }

    /// Reads notices and deaths; the first death that ends the run gives its outcome.
    pub(crate) fn handle_events(&mut self) -> Option<Outcome> {
        for index in 0..self.slots.len() {
            self.read_notices(index);
        }
        let mut outcome = None;
        for index in 0..self.slots.len() {
            let Some(process) = self.slots[index].process_mut() else {
                continue;
            };
            match process.ended() {
                Ok(Some(exit)) => {
                    let ended = self.handle_exit(index, exit);
                    outcome = outcome.or(ended);
                }
                Ok(None) => {}
                Err(cause) => error!(
                    "cannot tell whether {} lives: {cause}",
                    self.slots[index].name()
                ),
            }
        }
        outcome
    }

    /// Whether the gate has said that the base stands, or there is no gate left to say it.
    pub(crate) fn base_stands(&self) -> bool {
        let mut gates = self
            .slots
            .iter()
            .filter(|slot| slot.planned.node.stop == StopPhase::Gate);
        gates.all(|gate| gate.process().is_none() || gate.status == STANDING)
    }

    fn start_what_can_start(&mut self) -> Option<Outcome> {
        let now = Instant::now();
        for index in 0..self.slots.len() {
            let State::Waiting(due) = self.slots[index].state else {
                continue;
            };
            // A restart does not wait for its needs: they may be down for the same reason, and every node takes up a
            // lost connection by itself.
            let can_start = match due {
                Some(due) => due <= now,
                None => self.needs_are_ready(index),
            };
            if can_start && let Err(cause) = self.start(index, due.is_some()) {
                let slot = &self.slots[index];
                let text = format!(
                    "cannot start {} ({}): {cause}",
                    slot.name(),
                    slot.planned.launch.program.display()
                );
                return Some(Outcome::BadSetup(text));
            }
        }
        None
    }

    fn needs_are_ready(&self, index: usize) -> bool {
        let needs = &self.slots[index].planned.node.needs;
        needs.iter().all(|need| {
            self.slots
                .iter()
                .any(|slot| slot.name() == need && slot.is_ready())
        })
    }

    fn start(&mut self, index: usize, again: bool) -> io::Result<()> {
        let slot = &mut self.slots[index];
        let mut extra = if again {
            slot.planned.node.restart_args.clone()
        } else {
            Vec::new()
        };
        extra.retain(|arg| !slot.planned.launch.args.contains(arg));
        let process = Process::start(&slot.planned.launch, &extra)?;
        slot.status.clear();
        slot.state = State::Starting {
            process,
            since: Instant::now(),
        };
        Ok(())
    }

    fn check_time_outs(&mut self) -> Option<Outcome> {
        for slot in &mut self.slots {
            let State::Starting { process, since } = &mut slot.state else {
                continue;
            };
            if since.elapsed() < slot.planned.start_timeout {
                continue;
            }
            if slot.restarts.is_empty() {
                let what = format!(
                    "was not ready within {} s",
                    slot.planned.start_timeout.as_secs_f64()
                );
                return Some(Outcome::BadSetup(slot.complaint(&what)));
            }
            process.kill();
            // Its death is an event of its own, a moment from now.
            *since = Instant::now();
            warn!(
                "{} was not ready in time after its restart: killed",
                slot.name()
            );
        }
        None
    }

    fn next_deadline(&self) -> Instant {
        let deadlines = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Waiting(due) => *due,
            State::Starting { since, .. } => Some(*since + slot.planned.start_timeout),
            State::Ready(_) | State::Ended => None,
        });
        deadlines
            .min()
            .unwrap_or_else(|| Instant::now() + LONGEST_WAIT)
    }

    fn read_notices(&mut self, index: usize) {
        let Some(process) = self.slots[index].process() else {
            return;
        };
        for notice in process.notices() {
            match notice {
                Notice::Status(status) => self.slots[index].status = status,
                Notice::Ready => self.become_ready(index),
            }
        }
    }

    fn become_ready(&mut self, index: usize) {
        let total = self.slots.len();
        let slot = &mut self.slots[index];
        match std::mem::replace(&mut slot.state, State::Ended) {
            State::Starting { process, since } => {
                slot.state = State::Ready(process);
                let seconds = since.elapsed().as_secs_f64();
                let ready = self.slots.iter().filter(|slot| slot.is_ready()).count();
                info!(
                    "[{ready:2}/{total}] {} is ready after {seconds:.1} s",
                    self.slots[index].name()
                );
                self.return_to_gate(index);
            }
            other => slot.state = other,
        }
    }

    /// Tells the gate about a client that is back; a gate that is back itself hears who is still away.
    fn return_to_gate(&mut self, index: usize) {
        let slot = &self.slots[index];
        if slot.restarts.is_empty() {
            return;
        }
        let is_gate = slot.planned.node.stop == StopPhase::Gate;
        if slot.planned.node.holds {
            self.tell_gate_of(index);
        }
        if !is_gate {
            return;
        }
        for client in 0..self.slots.len() {
            let slot = &self.slots[client];
            if slot.planned.node.holds && !slot.restarts.is_empty() && !slot.is_ready() {
                self.tell_gate_of(client);
            }
        }
    }

    /// Tells the gate that this client is lost, or back. What it cannot hear now it is told again in the next turn.
    fn tell_gate_of(&mut self, index: usize) {
        let slot = &self.slots[index];
        let sent = match slot.is_ready() {
            true => self.gate.release(slot.name()),
            false => self.gate.hold(slot.name()),
        };
        self.slots[index].is_unheard = sent.is_err();
        self.tell_gate(sent);
    }

    fn handle_exit(&mut self, index: usize, exit: Exit) -> Option<Outcome> {
        let slot = &mut self.slots[index];
        slot.state = State::Ended;
        let recent_restarts = slot
            .restarts
            .iter()
            .filter(|at| at.elapsed() < WINDOW)
            .count();
        let policy = slot.planned.node.restart;
        match decide(Ended {
            policy,
            exit,
            stopping: self.stopping,
            recent_restarts,
        }) {
            Decision::LeaveEnded => {
                info!("{} has ended ({exit})", slot.name());
                None
            }
            Decision::MissionOver(code) => Some(Outcome::MissionOver(code)),
            Decision::BadSetup => Some(Outcome::BadSetup(slot.complaint("cannot work"))),
            Decision::GiveUp(Reason::Indispensable) => Some(Outcome::GaveUp(
                slot.complaint(&format!("died ({exit}), and nothing works without it")),
            )),
            Decision::GiveUp(Reason::KeepsDying) => Some(Outcome::GaveUp(
                slot.complaint(&format!("keeps dying ({exit})")),
            )),
            Decision::Restart(pause) => {
                warn!(
                    "{} died ({exit}), restart in {:.1} s; log: {}",
                    slot.name(),
                    pause.as_secs_f64(),
                    slot.log().display()
                );
                let now = Instant::now();
                slot.restarts.push(now);
                slot.state = State::Waiting(Some(now + pause));
                if self.slots[index].planned.node.holds {
                    self.tell_gate_of(index);
                }
                None
            }
        }
    }

    pub(crate) fn tell_gate(&self, sent: io::Result<()>) {
        if let Err(cause) = sent {
            warn!("the e-stop gate does not hear: {cause}");
        }
    }
}
