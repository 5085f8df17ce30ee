//! The tree as it is ticked: flat arrays, one number a node, no pointers between nodes.
//!
//! A node's number is its place in the document, from 0, over all sub-trees; BehaviorTree.CPP's uid is one more.
//! [`exec`] holds what every node has in common, [`control`], [`decorator`] and [`leaf`] what each kind does,
//! [`branch`] what users' nodes with children can do, [`timer`] what happens by the clock.

mod branch;
mod control;
mod decorator;
mod exec;
mod leaf;
mod scripted;
mod timer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::blackboard::{Binding, Blackboard, BoardId, Slot};
use crate::builtins::LoopType;
use crate::ports::{Branch, Leaf, Port};
use crate::script::compile::{Enums, Op, Script};
use crate::status::Status;
use crate::value::{SharedQueue, Value};

pub use branch::BranchIo;
pub use scripted::TestConfig;
pub(crate) use scripted::TestScripts;
pub(crate) use timer::Timers;

pub(crate) const NONE: u32 = u32::MAX;

/// What a node does. The numbers are places in the tables of [`Engine`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Sequence { asynchronous: bool },
    SequenceWithMemory,
    ReactiveSequence,
    Fallback { asynchronous: bool },
    ReactiveFallback,
    Parallel { ports: u32, state: u32 },
    ParallelAll { ports: u32, state: u32 },
    IfThenElse,
    WhileDoElse,
    Switch { ports: u32, n_cases: u32 },
    TryCatch { ports: u32 },
    Inverter,
    Force(Status),
    Repeat { ports: u32 },
    Retry { ports: u32 },
    KeepRunningUntilFailure,
    Delay { ports: u32, timer: u32 },
    Timeout { ports: u32, timer: u32 },
    RunOnce { ports: u32 },
    Precondition { ports: u32, script: u32 },
    Loop { ports: u32, state: u32 },
    Updated { state: u32, otherwise: Status },
    SubTree,
    Always(Status),
    Sleep { ports: u32, timer: u32 },
    Script { script: u32 },
    ScriptCondition { script: u32 },
    SetBlackboard { state: u32 },
    UnsetBlackboard { ports: u32, board: BoardId },
    WasEntryUpdated { state: u32 },
    Test { state: u32 },
    User { state: u32 },
    Branch { state: u32, is_decorator: bool },
}

/// A node. What it remembers between ticks is in the last four fields; each kind says what they mean to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub kind: Kind,
    pub first_child: u32,
    pub n_children: u32,
    /// Its pre- and post-conditions, or [`NONE`].
    pub conditions: u32,
    /// The child that is at work.
    pub index: u32,
    /// Children skipped, cycles done, attempts failed.
    pub count: i32,
    /// It is under way.
    pub started: bool,
    /// It has come to its end once.
    pub finished: bool,
}

impl Node {
    /// A decorator resets a completed child after its own transition, if it has not done so before.
    const fn is_decorator(&self) -> bool {
        matches!(
            self.kind,
            Kind::Inverter
                | Kind::Force(_)
                | Kind::Repeat { .. }
                | Kind::Retry { .. }
                | Kind::KeepRunningUntilFailure
                | Kind::Delay { .. }
                | Kind::Timeout { .. }
                | Kind::RunOnce { .. }
                | Kind::Precondition { .. }
                | Kind::Loop { .. }
                | Kind::Updated { .. }
                | Kind::SubTree
                | Kind::Branch {
                    is_decorator: true,
                    ..
                }
        )
    }
}

/// The scripts around a node, each a place in [`Engine::scripts`] or [`NONE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    /// `_failureIf`, `_successIf`, `_skipIf`, `_while`
    pub pre: [u32; 4],
    /// `_onHalted`, `_onFailure`, `_onSuccess`, `_post`
    pub post: [u32; 4],
}

/// The script of a `Script`, `ScriptCondition` or `Precondition`.
#[derive(Debug)]
pub(crate) enum NodeScript {
    /// Literal text, compiled when the tree was loaded.
    Fixed(Script),
    /// Literal text of length 0, which a `Script` takes for nothing to do.
    Empty,
    /// Text from an entry, compiled again when it changes.
    FromEntry {
        port: u32,
        board: BoardId,
        text: Arc<str>,
        code: Vec<Op>,
    },
}

impl NodeScript {
    /// Whether it has been without text from the beginning.
    pub(crate) const fn is_empty(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Empty => true,
            Self::FromEntry { code, .. } => code.is_empty(),
        }
    }
}

/// What a `Parallel` remembers.
#[derive(Clone, Debug)]
pub(crate) struct ParallelState {
    pub completed: Box<[bool]>,
    pub n_completed: u32,
    pub n_succeeded: u32,
    pub n_failed: u32,
}

/// What a `Loop…` node remembers.
#[derive(Debug)]
pub(crate) struct LoopState {
    pub element: LoopType,
    /// The elements of a literal queue.
    pub literal: Option<Arc<[Value]>>,
    pub current: Current,
    pub child_running: bool,
}

/// The queue that a loop is going through.
#[derive(Clone, Debug)]
pub(crate) enum Current {
    None,
    List { values: Arc<[Value]>, next: usize },
    Shared(SharedQueue),
}

/// What the nodes that look for writes remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UpdateState {
    pub slot: Slot,
    pub sequence: u64,
}

/// What a `SetBlackboard` does.
#[derive(Debug)]
pub(crate) struct SetState {
    pub ports: u32,
    pub board: BoardId,
    /// Where a literal key leads.
    pub target: Option<Binding>,
}

/// A user's leaf with its ports.
pub(crate) struct UserState {
    /// Absent only while it is ticked.
    pub leaf: Option<Box<dyn Leaf>>,
    pub first_port: u32,
    pub n_ports: u32,
}

/// A user's node with children, and its ports.
pub(crate) struct BranchState {
    /// Absent only while it is ticked.
    pub branch: Option<Box<dyn Branch>>,
    pub first_port: u32,
    pub n_ports: u32,
}

/// A leaf whose results are laid down beforehand.
#[derive(Debug)]
pub(crate) struct TestState {
    pub config: Arc<TestConfig>,
    pub timer: u32,
    pub scripts: TestScripts,
    /// Outcomes still to come, if they are a list.
    pub outcomes: VecDeque<Status>,
}

/// A change of a node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which node, from 1 in document order.
    pub uid: u32,
    /// The state before.
    pub from: Status,
    /// The state after.
    pub to: Status,
    /// The time of the tick, since the start of the run.
    pub time: Duration,
}

/// Whom to tell of transitions.
pub(crate) type Observer = Box<dyn FnMut(Transition) + Send>;

/// A script or node broke. What and where is in [`Engine::raised`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raised;

/// What broke, and at which node if that is known yet.
#[derive(Clone, Debug)]
pub(crate) struct RaisedError {
    pub node: Option<u32>,
    pub message: String,
}

pub(crate) type Tick = Result<Status, Raised>;

/// Everything that a tick works on.
pub(crate) struct Engine {
    pub nodes: Vec<Node>,
    pub status: Vec<Status>,
    pub children: Vec<u32>,
    pub names: Vec<Arc<str>>,
    pub conditions: Vec<Conditions>,
    pub ports: Vec<Port>,
    pub scripts: Vec<Script>,
    pub node_scripts: Vec<NodeScript>,
    pub code: Vec<Op>,
    pub parallels: Vec<ParallelState>,
    pub loops: Vec<LoopState>,
    pub updates: Vec<UpdateState>,
    pub sets: Vec<SetState>,
    pub users: Vec<UserState>,
    pub branches: Vec<BranchState>,
    pub tests: Vec<TestState>,
    pub timers: Timers,
    pub blackboard: Blackboard,
    pub enums: Arc<Enums>,
    pub stack: Vec<Value>,
    pub now: Duration,
    pub wake_up: bool,
    pub observers: Vec<Observer>,
    /// What viewers see of it.
    #[cfg(feature = "groot2")]
    pub groot2: Option<Arc<crate::groot2::Live>>,
    pub raised: Option<RaisedError>,
    /// The result of the node that was ticked last.
    pub last_result: Status,
    /// The node that last failed of itself, not because a child did.
    pub failed: u32,
    /// Why it failed, where a user's node said so.
    pub reason: Option<String>,
    pub reason_of: u32,
}

impl Engine {
    /// An engine without nodes, with room for as many as the files have elements.
    pub(crate) fn new(enums: Arc<Enums>, capacity: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(capacity),
            status: Vec::new(),
            children: Vec::new(),
            names: Vec::with_capacity(capacity),
            conditions: Vec::new(),
            ports: Vec::new(),
            scripts: Vec::new(),
            node_scripts: Vec::new(),
            code: Vec::new(),
            parallels: Vec::new(),
            loops: Vec::new(),
            updates: Vec::new(),
            sets: Vec::new(),
            users: Vec::new(),
            branches: Vec::new(),
            tests: Vec::new(),
            timers: Timers::default(),
            blackboard: Blackboard::default(),
            enums,
            stack: Vec::with_capacity(64),
            now: Duration::ZERO,
            wake_up: false,
            observers: Vec::new(),
            #[cfg(feature = "groot2")]
            groot2: None,
            raised: None,
            last_result: Status::Idle,
            failed: NONE,
            reason: None,
            reason_of: NONE,
        }
    }

    /// The users' leaves, by the number of the node, from 1.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = (u32, &dyn Leaf)> {
        (1..).zip(&self.nodes).filter_map(|(uid, node)| {
            let Kind::User { state } = node.kind else {
                return None;
            };
            Some((uid, self.users[state as usize].leaf.as_deref()?))
        })
    }

    /// Puts something around the users' nodes, or in their place. Each comes with its number, from 1.
    pub(crate) fn replace_users(
        &mut self,
        leaf: impl Fn(u32, Box<dyn Leaf>) -> Box<dyn Leaf>,
        branch: impl Fn(u32, Box<dyn Branch>) -> Box<dyn Branch>,
    ) {
        for (uid, node) in (1..).zip(&self.nodes) {
            match node.kind {
                Kind::User { state } => {
                    let place = &mut self.users[state as usize].leaf;
                    *place = place.take().map(|old| leaf(uid, old));
                }
                Kind::Branch { state, .. } => {
                    let place = &mut self.branches[state as usize].branch;
                    *place = place.take().map(|old| branch(uid, old));
                }
                _ => {}
            }
        }
    }

    pub(crate) fn add(&mut self, node: Node, name: Arc<str>) {
        self.nodes.push(node);
        self.names.push(name);
    }
}
