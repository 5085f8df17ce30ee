//! Writes a recording while the tree runs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::values::Numbering;
use super::{Did, End, FORMAT, Header, Input, Tick};
use crate::engine::BranchIo;
use crate::ports::{Branch, Io, Leaf, Outcome};
use crate::registry::Factory;
use crate::status::Status;
use crate::tree::Tree;
use crate::types::Type;
use crate::value::Value;

/// Takes each tick when it has ended.
type Sink = Box<dyn FnMut(Tick) -> io::Result<()> + Send>;

/// What has come since the last tick ended.
struct Log {
    sink: Sink,
    has_failed: bool,
    numbering: Numbering,
    /// What came before the tick that is under way.
    before: Vec<Input>,
    inputs: Vec<Input>,
    transitions: Vec<(u32, Status, Status)>,
}

impl Log {
    fn push(&mut self, input: Input) {
        self.note_queues();
        self.inputs.push(input);
    }

    fn note_queues(&mut self) {
        let changed = self.numbering.changed_queues().into_iter();
        self.inputs
            .extend(changed.map(|(number, elements)| Input::Queue(number, elements)));
    }
}

/// The log of a run, which the tree and its users' nodes share.
#[derive(Clone)]
pub(crate) struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, key: &str, value: &Value) {
        let mut log = self.lock();
        let value = log.numbering.log(value);
        log.push(Input::Set(key.to_owned(), value));
    }

    pub(crate) fn halt(&self) {
        self.lock().push(Input::Halt);
    }

    /// A tick begins: what has been put into queues until now counts as from outside.
    pub(crate) fn begin_tick(&self) {
        let mut log = self.lock();
        log.note_queues();
        log.before = std::mem::take(&mut log.inputs);
    }

    pub(crate) fn end_tick(&self, now: Duration, until_quiet: bool, result: String) {
        let mut log = self.lock();
        let tick = Tick {
            time: u64::try_from(now.as_nanos()).unwrap_or(u64::MAX),
            until_quiet,
            before: std::mem::take(&mut log.before),
            inputs: std::mem::take(&mut log.inputs),
            result,
            transitions: std::mem::take(&mut log.transitions),
        };
        if log.has_failed {
            return;
        }
        if let Err(error) = (log.sink)(tick) {
            log.has_failed = true;
            tracing::error!(%error, "the recording of the tree ends here");
        }
    }
}

/// The log as a user's node sees it.
#[derive(Clone)]
pub(crate) struct NodeLog {
    log: SharedLog,
    uid: u32,
}

impl NodeLog {
    pub(crate) fn push(&self, did: Did) {
        self.log.lock().push(Input::Node(self.uid, did));
    }

    pub(crate) fn wrote(&self, port: u32, value: &Value, info: &Type) {
        let value = self.log.lock().numbering.log(value);
        self.push(Did::Write(port, value, info.name().to_owned()));
    }

    fn ended(&self, outcome: &Outcome, reason: Option<String>, wake_up: bool) {
        let result = outcome.as_ref().map_err(|error| error.0.clone()).copied();
        self.push(Did::End(End {
            result,
            reason,
            wake_up,
        }));
    }
}

/// Writes the run of a tree that `factory` has loaded to `out`, from now on: before its first tick, and before anything is
/// set on its blackboard. Each tick is written when it ends. The head of this module says
/// what is recorded.
///
/// # Errors
/// When `out` cannot be written. Where that happens in the middle of a run the recording ends, which is told once.
pub fn record(
    tree: &mut Tree,
    factory: &Factory,
    mut out: impl Write + Send + 'static,
) -> io::Result<()> {
    write_line(&mut out, &header(tree, factory))?;
    attach(tree, move |tick| write_line(&mut out, &tick));
    Ok(())
}

fn write_line(out: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn header(tree: &Tree, factory: &Factory) -> Header {
    let enums = factory.enums().iter();
    Header {
        format: FORMAT,
        tree: tree.contexts()[0].tree.to_string(),
        documents: tree.texts().map(str::to_owned).collect(),
        model: factory.own_nodes_xml(),
        enums: enums
            .map(|(name, value)| (name.to_string(), *value))
            .collect(),
        substitutions: factory.substitutions().to_vec(),
        functions: functions(tree),
        nodes: tree.nodes().map(|node| node.path).collect(),
    }
}

/// The users' leaves that complete at once.
fn functions(tree: &Tree) -> Vec<u32> {
    let leaves = tree.engine().leaves();
    leaves
        .filter(|(_, leaf)| !leaf.is_stateful())
        .map(|(uid, _)| uid)
        .collect()
}

/// Gives each tick to `sink`.
pub(super) fn attach(tree: &mut Tree, sink: impl FnMut(Tick) -> io::Result<()> + Send + 'static) {
    let log = SharedLog(Arc::new(Mutex::new(Log {
        sink: Box::new(sink),
        has_failed: false,
        numbering: Numbering::default(),
        before: Vec::new(),
        inputs: Vec::new(),
        transitions: Vec::new(),
    })));
    let of = |uid| NodeLog {
        log: log.clone(),
        uid,
    };
    tree.engine_mut().replace_users(
        |uid, leaf| Box::new(RecordedLeaf { leaf, log: of(uid) }),
        |uid, branch| {
            Box::new(RecordedBranch {
                branch,
                log: of(uid),
            })
        },
    );
    let observer = log.clone();
    tree.observe(move |t| observer.lock().transitions.push((t.uid, t.from, t.to)));
    tree.set_log(log);
}

struct RecordedLeaf {
    leaf: Box<dyn Leaf>,
    log: NodeLog,
}

impl RecordedLeaf {
    fn call(
        &mut self,
        io: &mut Io<'_>,
        call: impl FnOnce(&mut dyn Leaf, &mut Io<'_>) -> Outcome,
    ) -> Outcome {
        io.log = Some(self.log.clone());
        let woken_before = std::mem::take(io.wake_up);
        let outcome = call(self.leaf.as_mut(), io);
        self.log.ended(&outcome, io.reason.clone(), *io.wake_up);
        *io.wake_up |= woken_before;
        outcome
    }
}

impl Leaf for RecordedLeaf {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        self.call(io, |leaf, io| leaf.on_start(io))
    }

    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        self.call(io, |leaf, io| leaf.on_running(io))
    }

    fn on_halted(&mut self, io: &mut Io<'_>) {
        let halt = |leaf: &mut dyn Leaf, io: &mut Io<'_>| {
            leaf.on_halted(io);
            Ok(Status::Idle)
        };
        // A halt has no outcome but its end.
        let _ = self.call(io, halt);
    }

    fn is_stateful(&self) -> bool {
        self.leaf.is_stateful()
    }
}

struct RecordedBranch {
    branch: Box<dyn Branch>,
    log: NodeLog,
}

impl Branch for RecordedBranch {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        io.log = Some(self.log.clone());
        let outcome = self.branch.tick(io);
        self.log.ended(&outcome, None, false);
        outcome
    }

    fn on_halted(&mut self) {
        self.branch.on_halted();
    }
}
