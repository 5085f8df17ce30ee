//! What a tree that is ticked and the server of its viewers share. A tick never waits for the server, unless at a
//! breakpoint.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::sync::Notify;

use super::hooks::{Hooks, Position};
use super::recorder::Recorder;
use crate::blackboard::{Blackboard, BoardId};
use crate::engine::{Engine, Transition};
use crate::status::Status;

/// How long a viewer that asks for the blackboard waits for a tick; then it gets what was there last.
const PATIENCE: Duration = Duration::from_millis(100);
/// What is added to the state that a node was in before it became IDLE.
const IDLE_FROM: u8 = 10;

/// The blackboards as they were last seen, by the names of their trees.
pub(super) type Snapshot = Arc<Map<String, Json>>;

#[derive(Debug)]
pub(crate) struct Live {
    statuses: Box<[AtomicU8]>,
    pub(super) recorder: Recorder,
    pub(super) hooks: Hooks,
    boards: Vec<(String, BoardId)>,
    /// A viewer waits for the blackboards.
    is_wanted: AtomicBool,
    /// A viewer has asked for them before.
    was_wanted: AtomicBool,
    snapshot: Mutex<Snapshot>,
    fresh: Notify,
}

impl Live {
    pub(super) fn new(engine: &Engine, boards: Vec<(String, BoardId)>, hooks: Hooks) -> Self {
        let statuses = engine.status.iter();
        let live = Self {
            statuses: statuses
                .map(|&status| AtomicU8::new(status as u8))
                .collect(),
            recorder: Recorder::new(),
            hooks,
            boards,
            is_wanted: AtomicBool::new(true),
            was_wanted: AtomicBool::new(false),
            snapshot: Mutex::default(),
            fresh: Notify::new(),
        };
        live.show_boards(&engine.blackboard);
        live
    }

    pub(super) fn observe(&self, transition: Transition) {
        let Transition { uid, from, to, .. } = transition;
        let shown = match to {
            Status::Idle => IDLE_FROM + from as u8,
            _ => to as u8,
        };
        if let Some(status) = self.statuses.get(uid as usize - 1) {
            status.store(shown, Ordering::Relaxed);
        }
        self.recorder.record(uid as u16, to);
    }

    /// For each node its number, in 16 bits, and its state.
    pub(super) fn statuses(&self) -> Vec<u8> {
        let numbered = (1_u16..).zip(&self.statuses);
        numbered
            .flat_map(|(uid, status)| {
                let [low, high] = uid.to_le_bytes();
                [low, high, status.load(Ordering::Relaxed)]
            })
            .collect()
    }

    /// A tick is over; no more are to be expected if it was the last.
    pub(crate) fn after_tick(&self, blackboard: &Blackboard, is_last: bool) {
        if is_last && self.was_wanted.load(Ordering::Relaxed) {
            self.is_wanted.store(true, Ordering::Release);
        }
        self.show_boards(blackboard);
    }

    fn show_boards(&self, blackboard: &Blackboard) {
        if !self.is_wanted.load(Ordering::Acquire) {
            return;
        }
        let boards = self.boards.iter().map(|(name, board)| {
            let entries = blackboard.visible_in(*board);
            let entries = entries.map(|(key, entry)| (key.to_owned(), entry.value.to_json()));
            (name.clone(), Json::Object(entries.collect()))
        });
        let boards = Arc::new(boards.collect());
        // The server holds it for a moment only; the next tick will do.
        if let Ok(mut snapshot) = self.snapshot.try_lock() {
            *snapshot = boards;
            self.is_wanted.store(false, Ordering::Release);
            self.fresh.notify_one();
        }
    }

    /// The blackboards after the tick that is under way, or where it waits at a breakpoint.
    pub(super) async fn boards(&self) -> Snapshot {
        self.was_wanted.store(true, Ordering::Relaxed);
        self.is_wanted.store(true, Ordering::Release);
        self.hooks.nudge();
        let shown = async {
            while self.is_wanted.load(Ordering::Acquire) {
                self.fresh.notified().await;
            }
        };
        // Where no tick comes, what was there last still holds.
        let _ = tokio::time::timeout(PATIENCE, shown).await;
        Arc::clone(&self.snapshot.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine {
    /// Waits at a breakpoint, and gives what the viewer wants in the place of the node's own result.
    #[inline(always)]
    pub(crate) fn hook(&mut self, i: u32, position: Position) -> Option<Status> {
        self.groot2.as_ref()?;
        self.reach_hook(i, position)
    }

    #[inline(never)]
    fn reach_hook(&mut self, i: u32, position: Position) -> Option<Status> {
        let live = self.groot2.as_ref()?;
        if position == Position::Pre && self.status[i as usize].is_completed() {
            return None;
        }
        let meanwhile = || live.show_boards(&self.blackboard);
        let status = live.hooks.reach(i as usize, position, meanwhile)?;
        // A failure begins here, not at a child that was ticked before.
        self.last_result = Status::Idle;
        Some(status)
    }
}
