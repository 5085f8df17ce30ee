//! Recordings of runs: all that comes into a tree from outside, and what the tree did.
//!
//! [`record`] writes, while the tree runs, the results of users' nodes and what they write to the blackboard, what
//! [`Tree::set`](crate::Tree::set) writes, and the times of the ticks. [`Recording::replay`] runs the tree again from that alone: the file holds
//! the tree's XML, and no user's node is asked. The program's `run --record`, `replay` and `diff` use the same files.
//!
//! A file has one JSON object a line: the tree, then each tick, written when it ends, so that a run that is cut off is there to
//! its last tick.
//!
//! Values of users' own types are kept as numbers: the same number is the same object. A text that is written to an entry of
//! such a type counts as one of it in a replay, without being read. Not recorded: results that a Groot2 client lays down, and
//! what another thread puts into a shared queue in the middle of a tick in which a `Loop` uses it.

mod playback;
mod recorder;
mod values;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::LoadError;
use crate::registry::Substitute;
use crate::status::Status;

use values::Logged;

pub use recorder::record;
pub(crate) use recorder::{NodeLog, SharedLog};

/// The version of the file format.
const FORMAT: u32 = 2;

/// The tree, and all that it was loaded with.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    format: u32,
    /// The ID of the tree that ran.
    tree: String,
    /// The files that it was made of, in the order in which they were read.
    documents: Vec<String>,
    /// A `TreeNodesModel` of the nodes that are not built in.
    model: String,
    enums: BTreeMap<String, i32>,
    substitutions: Vec<(String, Substitute)>,
    /// The users' leaves that complete at once, by number.
    functions: Vec<u32>,
    /// The path of each node.
    nodes: Vec<String>,
}

/// One tick: when, what came into the tree since the last one ended, and what it did.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tick {
    /// The time that the tree was told, ns.
    time: u64,
    /// It was ticked until it was quiet.
    until_quiet: bool,
    /// What came before it.
    before: Vec<Input>,
    /// What came in it.
    inputs: Vec<Input>,
    /// A status word, or the error that ended the run.
    result: String,
    /// Number of the node, state before, state after.
    transitions: Vec<(u32, Status, Status)>,
}

/// What came into the tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Input {
    /// A write by [`Tree::set`](crate::Tree::set).
    Set(String, Logged),
    /// A call of [`Tree::halt`](crate::Tree::halt).
    Halt,
    /// What is in a queue now.
    Queue(u32, Vec<Logged>),
    /// What a user's node did.
    Node(u32, Did),
}

/// What a user's node does in a tick or a halt, up to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Did {
    /// It wrote to a port, by the port's place, a value of a type.
    Write(u32, Logged, String),
    SetRunning,
    TickChild(usize),
    HaltChild(usize),
    HaltChildren,
    HaltItself,
    End(End),
}

/// How the tick or halt of a user's node ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct End {
    /// Its result, or its error.
    result: Result<Status, String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// It asked for another tick.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    wake_up: bool,
}

/// The number of a node where it is compared, its path, its state before and after.
type Change<'a> = (u32, &'a str, Status, Status);

/// A run that was recorded.
#[derive(Clone, Debug)]
pub struct Recording {
    header: Header,
    ticks: Vec<Tick>,
}

impl Recording {
    /// Reads what [`record`] wrote. A last line that was cut off is left out.
    ///
    /// # Errors
    /// When the file cannot be read or is no recording.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut lines = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'));
        let header = lines.next().unwrap_or_default();
        let header: Header = serde_json::from_str(header)
            .map_err(|error| invalid(format!("this is no recording: {error}")))?;
        if header.format != FORMAT {
            let format = header.format;
            return Err(invalid(format!("it has the format {format}, not {FORMAT}")));
        }
        let mut ticks = Vec::new();
        for (line, number) in lines.zip(2..) {
            let tick: Tick = serde_json::from_str(line)
                .map_err(|error| invalid(format!("line {number} is no tick: {error}")))?;
            ticks.push(tick);
        }
        Ok(Self { header, ticks })
    }

    /// Runs the tree again, at the same times and with the same inputs.
    ///
    /// # Errors
    /// When the tree does not load, which it did when it was recorded.
    pub fn replay(&self) -> Result<Self, LoadError> {
        let (mut tree, playback) = playback::load(&self.header)?;
        let ticks = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&ticks);
        recorder::attach(&mut tree, move |tick| {
            sink.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(tick);
            Ok(())
        });
        for tick in &self.ticks {
            playback.begin(&mut tree, tick);
            let now = Duration::from_nanos(tick.time);
            // What came of it is recorded.
            let _ = if tick.until_quiet {
                tree.tick_once(now)
            } else {
                tree.tick_exactly_once(now)
            };
        }
        let ticks = std::mem::take(&mut *ticks.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self {
            header: self.header.clone(),
            ticks,
        })
    }

    /// How many ticks the run had.
    #[must_use]
    pub const fn n_ticks(&self) -> usize {
        self.ticks.len()
    }

    /// The first tick, from 1, in which two runs go different ways: another result or other transitions, or only one has
    /// such a tick. The times may differ.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<usize> {
        let both = self.ticks.len().max(other.ticks.len());
        // Of one tree, nodes are known by their numbers, for several may have one path.
        let by_number = self.header.nodes == other.header.nodes;
        (0..both)
            .find(|&at| self.way(at, by_number) != other.way(at, by_number))
            .map(|at| at + 1)
    }

    fn way(&self, at: usize, by_number: bool) -> Option<(&str, Vec<Change<'_>>)> {
        let tick = self.ticks.get(at)?;
        let transitions = tick.transitions.iter();
        let transitions = transitions.map(|&(uid, from, to)| {
            let number = if by_number { uid } else { 0 };
            (number, self.path(uid), from, to)
        });
        Some((&tick.result, transitions.collect()))
    }

    fn path(&self, uid: u32) -> &str {
        let at = (uid as usize).checked_sub(1);
        at.and_then(|at| self.header.nodes.get(at))
            .map_or("", String::as_str)
    }

    /// A tick in words, by its number from 1: its time and result, the results of users' nodes, the transitions.
    #[must_use]
    pub fn describe(&self, tick: usize) -> String {
        let Some(tick) = tick.checked_sub(1).and_then(|at| self.ticks.get(at)) else {
            return "has ended before\n".to_owned();
        };
        let mut out = String::new();
        let seconds = Duration::from_nanos(tick.time).as_secs_f64();
        // Writing to a String does not fail.
        let _ = writeln!(out, "{seconds:.3} s, {}", tick.result);
        for input in tick.before.iter().chain(&tick.inputs) {
            let _ = match input {
                Input::Set(key, value) => writeln!(out, "  {key} was set to {value}"),
                Input::Halt => writeln!(out, "  the tree was halted"),
                Input::Node(uid, Did::Write(_, value, _)) => {
                    writeln!(out, "  {} wrote {value}", self.path(*uid))
                }
                Input::Node(uid, Did::End(end)) => writeln!(out, "  {} {end}", self.path(*uid)),
                Input::Node(..) | Input::Queue(..) => Ok(()),
            };
        }
        for (uid, from, to) in &tick.transitions {
            let _ = writeln!(out, "  {}: {from} -> {to}", self.path(*uid));
        }
        out
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.result, &self.reason) {
            (Ok(Status::Idle), _) => f.write_str("was halted"),
            (Ok(status), None) => write!(f, "said {status}"),
            (Ok(status), Some(reason)) => write!(f, "said {status}: {reason}"),
            (Err(error), _) => write!(f, "broke: {error}"),
        }
    }
}
