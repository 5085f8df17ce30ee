//! What happens by the clock: time is what the caller of a tick says it is.
//!
//! Timers that are due take effect at the start of a tick, the earliest first, as those of BehaviorTree.CPP do between
//! two ticks. Each node has at most one.

use std::time::Duration;

use super::{Engine, Kind, Raised};
use crate::status::Status;

#[derive(Clone, Copy, Debug)]
struct Timer {
    node: u32,
    /// When it is due; none if it is not set.
    deadline: Option<Duration>,
    order: u64,
    fired: bool,
}

/// All timers of a tree.
#[derive(Debug)]
pub(crate) struct Timers {
    all: Vec<Timer>,
    /// No timer is due before this.
    next: Duration,
    n_set: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            next: Duration::MAX,
            n_set: 0,
        }
    }
}

impl Timers {
    pub(crate) fn add(&mut self, node: u32) -> u32 {
        self.all.push(Timer {
            node,
            deadline: None,
            order: 0,
            fired: false,
        });
        (self.all.len() - 1) as u32
    }

    pub(crate) fn set(&mut self, timer: u32, deadline: Duration) {
        self.n_set += 1;
        self.next = self.next.min(deadline);
        let timer = &mut self.all[timer as usize];
        timer.deadline = Some(deadline);
        timer.order = self.n_set;
        timer.fired = false;
    }

    pub(crate) fn cancel(&mut self, timer: u32) {
        self.all[timer as usize].deadline = None;
    }

    /// Whether it was set and has come due.
    pub(crate) fn has_fired(&self, timer: u32) -> bool {
        self.all[timer as usize].fired
    }

    /// The earliest that is due, which is no longer set then.
    fn take_due(&mut self, now: Duration) -> Option<u32> {
        if now < self.next {
            return None;
        }
        let set = self
            .all
            .iter()
            .enumerate()
            .filter_map(|(at, timer)| timer.deadline.map(|due| (due, timer.order, at)));
        let Some((deadline, _, at)) = set.min() else {
            self.next = Duration::MAX;
            return None;
        };
        self.next = deadline;
        if now < deadline {
            return None;
        }
        let timer = &mut self.all[at];
        timer.deadline = None;
        timer.fired = true;
        Some(timer.node)
    }

    /// When the next timer is due, at the earliest.
    pub(crate) const fn next_deadline(&self) -> Option<Duration> {
        if self.next.as_nanos() == Duration::MAX.as_nanos() {
            None
        } else {
            Some(self.next)
        }
    }
}

impl Engine {
    pub(crate) fn start_timer(&mut self, timer: u32, milliseconds: u64) {
        self.timers.set(
            timer,
            self.now.saturating_add(Duration::from_millis(milliseconds)),
        );
    }

    pub(crate) fn fire_timers(&mut self) -> Result<(), Raised> {
        while let Some(i) = self.timers.take_due(self.now) {
            let node = self.nodes[i as usize];
            if let Kind::Timeout { .. } = node.kind {
                let child = self.child(node, 0);
                if self.status[child as usize] != Status::Running {
                    continue;
                }
                self.memory(i).finished = true;
                self.reset_child(child)?;
            }
            self.wake_up = true;
        }
        Ok(())
    }
}
