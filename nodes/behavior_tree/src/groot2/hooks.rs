//! Hooks on nodes: breakpoints at which a tick waits, and results in the place of a node's own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crossbeam_queue::ArrayQueue;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::Notify;

use crate::status::Status;

/// How many reached nodes may wait to be told.
const REACHED_CAPACITY: usize = 64;

/// Whether a hook takes effect before its node's tick or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(crate) enum Position {
    Pre,
    Post,
}

impl TryFrom<u8> for Position {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Pre),
            1 => Ok(Self::Post),
            _ => Err("position is 0 (PRE) or 1 (POST)"),
        }
    }
}

impl From<Position> for u8 {
    fn from(position: Position) -> Self {
        position as Self
    }
}

/// Whether a hook waits for the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
enum Mode {
    Breakpoint,
    Replace,
}

impl TryFrom<u8> for Mode {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        match number {
            0 => Ok(Self::Breakpoint),
            1 => Ok(Self::Replace),
            _ => Err("mode is 0 (BREAKPOINT) or 1 (REPLACE)"),
        }
    }
}

impl From<Mode> for u8 {
    fn from(mode: Mode) -> Self {
        mode as Self
    }
}

/// A hook as viewers write it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Hook {
    enabled: bool,
    uid: u16,
    mode: Mode,
    /// It goes when it has taken effect.
    once: bool,
    #[serde(with = "status_word")]
    desired_status: Status,
    position: Position,
    /// The viewer lets the tick go on.
    #[serde(skip)]
    ready: bool,
}

mod status_word {
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    use crate::status::Status;

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(status: &Status, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(status.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Status, D::Error> {
        let word = String::deserialize(from)?;
        word.parse().map_err(D::Error::custom)
    }
}

/// Which hook: that of `HOOK_REMOVE`.
#[derive(Debug, Deserialize)]
struct Which {
    uid: u16,
    position: Position,
}

/// How a tick goes on: `BREAKPOINT_UNLOCK`.
#[derive(Debug, Deserialize)]
struct Unlock {
    uid: u16,
    position: Position,
    desired_status: String,
    remove_when_done: bool,
}

type Table = BTreeMap<(Position, u16), Hook>;

/// All hooks of a tree. Ticks take the lock only at nodes that have one.
#[derive(Debug)]
pub(super) struct Hooks {
    table: Mutex<Table>,
    wake_up: Condvar,
    /// For each node, a bit for each position where it has a hook. Empty where control is off.
    armed: Box<[AtomicU8]>,
    /// The nodes with hooks that ticks came to, until viewers are told.
    reached: ArrayQueue<u16>,
    has_reached: Notify,
}

type Answer<T = ()> = Result<T, String>;

fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Answer<T> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

impl Hooks {
    /// For so many nodes; none where control is off.
    pub(super) fn new(n_nodes: usize) -> Self {
        Self {
            table: Mutex::default(),
            wake_up: Condvar::new(),
            armed: (0..n_nodes).map(|_| AtomicU8::new(0)).collect(),
            reached: ArrayQueue::new(REACHED_CAPACITY),
            has_reached: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps [`Self::armed`] as the table is.
    fn arm(&self, (position, uid): (Position, u16), is_armed: bool) {
        let Some(armed) = self.armed.get(usize::from(uid).wrapping_sub(1)) else {
            return;
        };
        let bit = 1 << u8::from(position);
        if is_armed {
            armed.fetch_or(bit, Ordering::Release);
        } else {
            armed.fetch_and(!bit, Ordering::Release);
        }
    }

    /// A tick is at a node: waits if there is a breakpoint, and says what is to be its result instead of its own.
    /// `meanwhile` is called before each wait.
    pub(super) fn reach(
        &self,
        node: usize,
        position: Position,
        meanwhile: impl Fn(),
    ) -> Option<Status> {
        let armed = self.armed.get(node)?.load(Ordering::Acquire);
        if armed & (1 << u8::from(position)) == 0 {
            return None;
        }
        let uid = u16::try_from(node + 1).ok()?;
        let key = (position, uid);
        let mut table = self.lock();
        if !table.get(&key)?.enabled {
            return None;
        }
        // Where there are too many the oldest are lost, never the one at which the tick waits.
        self.reached.force_push(uid);
        self.has_reached.notify_one();
        let status = loop {
            // Removed or switched off while the tick waited here.
            let hook = table.get_mut(&key).filter(|hook| hook.enabled)?;
            if hook.mode == Mode::Replace || hook.ready {
                hook.ready = false;
                break hook.desired_status;
            }
            meanwhile();
            table = self
                .wake_up
                .wait(table)
                .unwrap_or_else(PoisonError::into_inner);
        };
        if table.get(&key)?.once {
            table.remove(&key);
            self.arm(key, false);
        }
        status.is_completed().then_some(status)
    }

    /// The next node with a hook that a tick comes to.
    pub(super) async fn next_reached(&self) -> u16 {
        loop {
            if let Some(uid) = self.reached.pop() {
                return uid;
            }
            self.has_reached.notified().await;
        }
    }

    /// Lets a waiting tick look around.
    pub(super) fn nudge(&self) {
        drop(self.lock());
        self.wake_up.notify_all();
    }

    /// Adds the hook in `body`, or several; those that are there already change.
    pub(super) fn insert(&self, body: &[u8]) -> Answer {
        if self.armed.is_empty() {
            return Err("the program allows no hooks: control is off".to_owned());
        }
        let json: Json = parse(body)?;
        let hooks = match json {
            Json::Array(hooks) => hooks,
            hook => vec![hook],
        };
        let hooks: Result<Vec<Hook>, _> = hooks.into_iter().map(serde_json::from_value).collect();
        let hooks = hooks.map_err(|error| error.to_string())?;
        if hooks.iter().any(|hook| !self.has_node(hook.uid)) {
            return Err("Node ID not found".to_owned());
        }
        let mut table = self.lock();
        for mut hook in hooks {
            let key = (hook.position, hook.uid);
            hook.ready = table.get(&key).is_some_and(|before| before.ready);
            table.insert(key, hook);
            self.arm(key, true);
        }
        self.wake_up.notify_all();
        Ok(())
    }

    fn has_node(&self, uid: u16) -> bool {
        (1..=self.armed.len()).contains(&usize::from(uid))
    }

    pub(super) fn remove(&self, body: &[u8]) -> Answer {
        let Which { uid, position } = parse(body)?;
        let key = (position, uid);
        self.lock().remove(&key).ok_or("Node ID not found")?;
        self.arm(key, false);
        self.wake_up.notify_all();
        Ok(())
    }

    pub(super) fn remove_all(&self) {
        let hooks = std::mem::take(&mut *self.lock());
        hooks.into_keys().for_each(|key| self.arm(key, false));
        self.wake_up.notify_all();
    }

    pub(super) fn enable_all(&self, enabled: bool) {
        for hook in self.lock().values_mut() {
            hook.enabled = enabled;
        }
        self.wake_up.notify_all();
    }

    /// Lets the tick that waits at a breakpoint go on.
    pub(super) fn unlock(&self, body: &[u8]) -> Answer {
        let unlock: Unlock = parse(body)?;
        let mut table = self.lock();
        let hook = table.get_mut(&(unlock.position, unlock.uid));
        let hook = hook.ok_or("Node ID not found")?;
        hook.desired_status = match unlock.desired_status.as_str() {
            "SUCCESS" => Status::Success,
            "FAILURE" => Status::Failure,
            // The node's own.
            _ => Status::Skipped,
        };
        hook.once |= unlock.remove_when_done;
        hook.ready = hook.mode == Mode::Breakpoint;
        self.wake_up.notify_all();
        Ok(())
    }

    pub(super) fn dump(&self) -> Answer<Vec<u8>> {
        let hooks: Vec<Hook> = self.lock().values().cloned().collect();
        serde_json::to_vec(&hooks).map_err(|error| error.to_string())
    }
}
