//! A loaded tree.

use std::sync::Arc;
use std::time::Duration;

use crate::blackboard::{BoardId, ROOT_BOARD};
use crate::engine::{Engine, NONE, Raised, Transition};
use crate::load::sources::{Place, Sources};
use crate::ports::Manifest;
use crate::recording::SharedLog;
use crate::status::{Category, Status};
use crate::types::Type;
use crate::value::{ConvertError, Value};
use crate::xml::Attr;

/// One instance of a tree: the main tree, or a sub-tree where it is used.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub tree: Arc<str>,
    /// What the paths of its nodes begin with.
    pub prefix: Arc<str>,
    pub board: BoardId,
    /// The instance it is used in.
    pub parent: u32,
}

/// What is known of a node beside what a tick needs.
#[derive(Clone, Debug)]
pub(crate) struct Info {
    pub id: Arc<str>,
    pub category: Category,
    pub context: u32,
    /// What is known of such nodes; nothing of a sub-tree.
    pub manifest: Option<Arc<Manifest>>,
    /// Where it stands in the files.
    pub place: Place,
    /// Its name is its ID, so that its path needs a number to tell it from others.
    pub named_by_id: bool,
}

impl Info {
    pub(crate) fn path(&self, contexts: &[Context], name: &str, uid: u32) -> String {
        let prefix = &contexts[self.context as usize].prefix;
        if self.named_by_id {
            format!("{prefix}{name}::{uid}")
        } else {
            format!("{prefix}{name}")
        }
    }
}

/// A node of a loaded tree, to look at.
#[derive(Clone, Debug)]
pub struct NodeView<'t> {
    /// Its number, from 1 in document order.
    pub uid: u32,
    /// Its parent's number; none for the root.
    pub parent: Option<u32>,
    /// Its name.
    pub name: &'t str,
    /// The ID it was registered under.
    pub id: &'t str,
    /// What sort of node it is.
    pub category: Category,
    /// Its path over all sub-trees.
    pub path: String,
    /// Its state.
    pub status: Status,
}

/// The tree broke: what a C++ program would see as an exception out of the tick. The tree stays as it was then.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{path} [{id}]: {message}")]
pub struct TickError {
    /// The path of the node.
    pub path: String,
    /// The ID of the node.
    pub id: String,
    /// What broke.
    pub message: String,
    /// The node's place among all.
    pub(crate) node: Option<u32>,
}

/// Why a tree failed: the node where its last FAILURE began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The path of the node.
    pub path: String,
    /// The ID of the node.
    pub id: String,
    /// What the node says of it, if it says anything.
    pub reason: Option<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}] failed", self.path, self.id)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// A tree that can be ticked. It knows no time but what it is told.
pub struct Tree {
    engine: Engine,
    infos: Vec<Info>,
    contexts: Vec<Context>,
    parents: Vec<u32>,
    failure: Option<Failure>,
    /// What it was made of.
    sources: Sources,
    /// Where its run is recorded.
    log: Option<SharedLog>,
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tree")
            .field("n_nodes", &self.len())
            .finish_non_exhaustive()
    }
}

impl Tree {
    pub(crate) fn new(
        engine: Engine,
        infos: Vec<Info>,
        contexts: Vec<Context>,
        parents: Vec<u32>,
    ) -> Self {
        Self {
            engine,
            infos,
            contexts,
            parents,
            failure: None,
            sources: Sources::default(),
            log: None,
        }
    }

    /// Keeps the files that it was made of, from which its nodes' attributes come.
    pub(crate) fn with_sources(mut self, sources: Sources) -> Self {
        self.sources = sources;
        self
    }

    pub(crate) fn infos(&self) -> &[Info] {
        &self.infos
    }

    /// What its files hold, in the order in which they were read.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let documents = self.sources.documents.iter();
        documents.map(|document| document.text.as_ref())
    }

    pub(crate) fn set_log(&mut self, log: SharedLog) {
        self.log = Some(log);
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    pub(crate) fn contexts(&self) -> &[Context] {
        &self.contexts
    }

    /// The attributes of a node as they are in its file.
    pub(crate) fn attributes(&self, info: &Info) -> impl Iterator<Item = Attr<'_>> {
        let Place { document, element } = info.place;
        let document = self.sources.documents.get(document);
        document
            .into_iter()
            .flat_map(move |document| document.attributes(element))
    }

    /// Ticks the root once. `now` is the time since the start of the run; it never goes back.
    ///
    /// Errors: a script or a node broke.
    pub fn tick_exactly_once(&mut self, now: Duration) -> Result<Status, TickError> {
        self.tick(now, false)
    }

    /// Ticks the root, and again while nodes ask for it: a `Repeat` of synchronous nodes goes through all its cycles.
    ///
    /// Errors: as for [`Self::tick_exactly_once`]. An endless `RetryUntilSuccessful` of a synchronous node never returns.
    pub fn tick_once(&mut self, now: Duration) -> Result<Status, TickError> {
        self.tick(now, true)
    }

    fn tick(&mut self, now: Duration, until_quiet: bool) -> Result<Status, TickError> {
        let Some(log) = self.log.clone() else {
            return self.tick_now(now, until_quiet);
        };
        log.begin_tick();
        let result = self.tick_now(now, until_quiet);
        let said = match &result {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        log.end_tick(now, until_quiet, said);
        result
    }

    fn tick_now(&mut self, now: Duration, until_quiet: bool) -> Result<Status, TickError> {
        self.engine.now = self.engine.now.max(now);
        let result = self.engine.tick_root(until_quiet);
        #[cfg(feature = "groot2")]
        if let Some(live) = &self.engine.groot2 {
            live.after_tick(
                &self.engine.blackboard,
                !matches!(result, Ok(Status::Running)),
            );
        }
        match result {
            Ok(status) => {
                if status == Status::Failure {
                    self.failure = self.why();
                }
                Ok(status)
            }
            Err(raised) => Err(self.tick_error(raised)),
        }
    }

    fn tick_error(&mut self, _: Raised) -> TickError {
        let raised = self.engine.raised.take();
        let (node, message) = raised.map_or((None, String::new()), |raised| {
            (raised.node, raised.message)
        });
        match node {
            Some(i) => TickError {
                path: self.path_of(i),
                id: self.infos[i as usize].id.to_string(),
                message,
                node,
            },
            None => TickError {
                path: String::new(),
                id: String::new(),
                message,
                node,
            },
        }
    }

    fn why(&mut self) -> Option<Failure> {
        let i = self.engine.failed;
        let info = self.infos.get(i as usize)?;
        let reason = if self.engine.reason_of == i {
            self.engine.reason.take()
        } else {
            None
        };
        Some(Failure {
            path: self.path_of(i),
            id: info.id.to_string(),
            reason,
        })
    }

    /// Where the last FAILURE of the tree began, and why.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Stops every node that is RUNNING, children first; each runs its `_onHalted` once. All nodes are IDLE afterwards.
    ///
    /// Errors: an `_onHalted` script broke.
    pub fn halt(&mut self) -> Result<(), TickError> {
        if let Some(log) = &self.log {
            log.halt();
        }
        match self.engine.halt_all() {
            Ok(()) => Ok(()),
            Err(raised) => Err(self.tick_error(raised)),
        }
    }

    /// When a timer of the tree comes due next, at the earliest. Nothing else happens by itself before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        self.engine.timers.next_deadline()
    }

    /// Calls `observer` for every transition, while it happens.
    pub fn observe(&mut self, observer: impl FnMut(Transition) + Send + 'static) {
        self.engine.observers.push(Box::new(observer));
    }

    /// The value of an entry of the root blackboard. Empty ones count as there.
    #[must_use]
    pub fn get(&mut self, key: &str) -> Option<Value> {
        let binding = self.engine.blackboard.bind(ROOT_BOARD, key);
        self.engine
            .blackboard
            .entry(binding.slot)
            .map(|entry| entry.value.clone())
    }

    /// Writes an entry of the root blackboard, as a port of the value's type would.
    ///
    /// Errors: the entry has another type, and the value does not convert.
    pub fn set(&mut self, key: &str, value: Value) -> Result<(), ConvertError> {
        if let Some(log) = &self.log {
            log.set(key, &value);
        }
        let binding = self.engine.blackboard.bind(ROOT_BOARD, key);
        let info = Type::of(&value).unwrap_or(Type::Any);
        self.engine.blackboard.set(binding, value, info)
    }

    /// The entries of the root blackboard, sorted by key. A remapping to `{@key}` may leave one whose key begins with `@`;
    /// whoever looks that up finds what `key` leads to, and so it is here.
    #[must_use]
    pub fn entries(&self) -> Vec<(&str, &Value)> {
        let blackboard = &self.engine.blackboard;
        blackboard
            .entries_of(ROOT_BOARD)
            .into_iter()
            .filter_map(|(key, _)| Some((key, &blackboard.peek(ROOT_BOARD, key)?.value)))
            .collect()
    }

    /// How many nodes it has, over all sub-trees.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.infos.len()
    }

    /// Never: a tree has a root.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.infos.is_empty()
    }

    /// A node by its number, from 1.
    #[must_use]
    pub fn node(&self, uid: u32) -> Option<NodeView<'_>> {
        let i = uid.checked_sub(1)?;
        let info = self.infos.get(i as usize)?;
        let parent = self.parents[i as usize];
        Some(NodeView {
            uid,
            parent: (parent != NONE).then(|| parent + 1),
            name: &self.engine.names[i as usize],
            id: &info.id,
            category: info.category,
            path: self.path_of(i),
            status: self.engine.status[i as usize],
        })
    }

    /// All nodes in document order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        (1..=self.len() as u32).filter_map(|uid| self.node(uid))
    }

    fn path_of(&self, i: u32) -> String {
        self.infos[i as usize].path(&self.contexts, &self.engine.names[i as usize], i + 1)
    }
}
