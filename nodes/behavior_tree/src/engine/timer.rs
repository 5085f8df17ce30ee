//! What happens by the clock: time is what the caller of a tick says it is.
//!
//! Timers that are due take effect at the start of a tick, the earliest first, as those of BehaviorTree.CPP do between
//! two ticks. Each node has at most one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::{Engine, Kind, Raised};
use crate::status::Status;

#[derive(Clone, Copy, Debug)]
struct Timer {
    node: u32,
    /// The number of its setting; none if it is not set.
    order: Option<u64>,
    fired: bool,
}

/// All timers of a tree.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    all: Vec<Timer>,
    /// When each setting is due, its number, its timer; the earliest first. Some are of timers that were cancelled or set
    /// anew.
    queue: BinaryHeap<Reverse<(Duration, u64, u32)>>,
    n_set: u64,
}

impl Timers {
    pub(crate) fn add(&mut self, node: u32) -> u32 {
        self.all.push(Timer {
            node,
            order: None,
            fired: false,
        });
        // So that a tick never allocates: see `set`.
        self.queue.reserve(2 * self.all.len());
        (self.all.len() - 1) as u32
    }

    pub(crate) fn set(&mut self, timer: u32, deadline: Duration) {
        if self.queue.len() >= 2 * self.all.len() {
            let all = &self.all;
            self.queue
                .retain(|Reverse((_, order, at))| all[*at as usize].order == Some(*order));
        }
        self.n_set += 1;
        self.queue.push(Reverse((deadline, self.n_set, timer)));
        let timer = &mut self.all[timer as usize];
        timer.order = Some(self.n_set);
        timer.fired = false;
    }

    pub(crate) fn cancel(&mut self, timer: u32) {
        self.all[timer as usize].order = None;
    }

    /// Whether it was set and has come due.
    pub(crate) fn has_fired(&self, timer: u32) -> bool {
        self.all[timer as usize].fired
    }

    /// The earliest that is due, which is no longer set then.
    fn take_due(&mut self, now: Duration) -> Option<u32> {
        while let Some(&Reverse((deadline, order, at))) = self.queue.peek() {
            let timer = &mut self.all[at as usize];
            let is_set = timer.order == Some(order);
            if is_set && now < deadline {
                return None;
            }
            self.queue.pop();
            if is_set {
                timer.order = None;
                timer.fired = true;
                return Some(timer.node);
            }
        }
        None
    }

    /// When the next timer is due, at the earliest.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let Reverse((deadline, ..)) = self.queue.peek()?;
        Some(*deadline)
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
