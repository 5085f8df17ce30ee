//! Ports: how a node says what it reads and writes, and how it does so while it is ticked.

use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::blackboard::{Binding, Blackboard};
use crate::engine::BranchIo;
use crate::recording::NodeLog;
use crate::status::{Category, Status};
use crate::types::{PortValue, Type};
use crate::value::{ConvertError, Value};

/// Which way the values of a port go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The node reads.
    Input,
    /// The node writes.
    Output,
    /// Both.
    InOut,
}

impl Direction {
    /// The element of a `TreeNodesModel` that declares such a port.
    #[must_use]
    pub const fn element(self) -> &'static str {
        match self {
            Self::Input => "input_port",
            Self::Output => "output_port",
            Self::InOut => "inout_port",
        }
    }
}

/// What is known of a port before any tree is loaded.
#[derive(Clone, Debug)]
pub struct PortSpec {
    /// The attribute's name in the XML.
    pub name: Arc<str>,
    /// Which way values go.
    pub direction: Direction,
    /// The type of its values.
    pub info: Type,
    /// What stands for a port that is left out: a literal, or `{entry}`.
    pub default: Option<Arc<str>>,
    /// What it is for.
    pub doc: Arc<str>,
}

/// What is known of a node before any tree is loaded.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The name under which it stands in the XML.
    pub id: Arc<str>,
    /// What sort of node it is.
    pub category: Category,
    /// Its ports, in the order of their declaration.
    pub ports: Vec<PortSpec>,
    /// How many children it works with, where that shows in a tick only.
    pub children: Option<RangeInclusive<u32>>,
}

impl Manifest {
    /// The port of that name.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&PortSpec> {
        self.ports.iter().find(|port| port.name.as_ref() == name)
    }
}

/// Where a port of a loaded node gets its value from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// Left out, without a default.
    Missing,
    /// A literal, already of the port's type.
    Literal(Value),
    /// A literal that is not of the port's type, where that shows in a tick only.
    Bad(ConvertError),
    /// A blackboard entry.
    Entry(Binding),
}

/// A port of a loaded node.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub source: Source,
    pub name: Arc<str>,
}

impl Port {
    fn missing<T>(&self) -> Result<T, ConvertError> {
        Err(ConvertError::new(format!(
            "port '{}': nothing is given for it",
            self.name
        )))
    }

    fn in_port<T>(&self, result: Result<T, ConvertError>) -> Result<T, ConvertError> {
        result.map_err(|error| ConvertError(format!("port '{}': {error}", self.name)))
    }

    /// The value as it is, where there is one: nothing that is missing costs an error's text.
    pub(crate) fn peek<'b>(&'b self, blackboard: &'b Blackboard) -> Option<&'b Value> {
        let value = match &self.source {
            Source::Literal(value) => value,
            Source::Entry(binding) => &blackboard.entry(binding.slot)?.value,
            Source::Missing | Source::Bad(_) => return None,
        };
        (!value.is_empty()).then_some(value)
    }

    /// The value of an input port as `wanted`. Errors: nothing there, or of another kind.
    pub(crate) fn read<T>(
        &self,
        blackboard: &Blackboard,
        wanted: &Type,
        convert: impl FnOnce(&Value) -> Result<T, ConvertError>,
    ) -> Result<T, ConvertError> {
        match &self.source {
            Source::Missing => self.missing(),
            Source::Bad(error) => self.in_port(Err(error.clone())),
            Source::Literal(value) => self.in_port(self.of_text(value, wanted, convert)),
            Source::Entry(binding) => {
                let Some(entry) = blackboard.entry(binding.slot) else {
                    let key = blackboard.key_of(binding.slot);
                    return self.in_port(Err(ConvertError(format!(
                        "the entry '{key}' does not exist"
                    ))));
                };
                if *wanted == Type::Any {
                    return self.in_port(convert(&entry.value));
                }
                if entry.value.is_empty() {
                    let key = blackboard.key_of(binding.slot);
                    return self.in_port(Err(ConvertError(format!(
                        "nothing has been written to '{key}' yet"
                    ))));
                }
                self.in_port(self.of_text(&entry.value, wanted, convert))
            }
        }
    }

    /// Text is read by the type's own rules, anything else converted.
    fn of_text<T>(
        &self,
        value: &Value,
        wanted: &Type,
        convert: impl FnOnce(&Value) -> Result<T, ConvertError>,
    ) -> Result<T, ConvertError> {
        match value {
            Value::Text(text) if *wanted != Type::String && *wanted != Type::Any => {
                convert(&wanted.parse(text)?)
            }
            other => convert(other),
        }
    }

    /// Writes an output port. A port that is left out or holds a literal takes the value and drops it.
    pub(crate) fn write(
        &self,
        blackboard: &mut Blackboard,
        value: Value,
        info: Type,
    ) -> Result<(), ConvertError> {
        match &self.source {
            Source::Entry(binding) => self.in_port(blackboard.set(*binding, value, info)),
            _ => Ok(()),
        }
    }
}

/// An input port of a node: read it with [`Io::read`].
#[derive(Debug)]
pub struct In<T>(pub(crate) u32, PhantomData<fn() -> T>);

/// An output port of a node: write it with [`Io::write`].
#[derive(Debug)]
pub struct Out<T>(pub(crate) u32, PhantomData<fn(T)>);

/// A port that is both read and written.
#[derive(Debug)]
pub struct InOut<T>(u32, PhantomData<fn(T) -> T>);

impl<T> Clone for In<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for In<T> {}
impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Out<T> {}
impl<T> Clone for InOut<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for InOut<T> {}

impl<T> InOut<T> {
    /// The port as one to read.
    #[must_use]
    pub const fn as_in(self) -> In<T> {
        In(self.0, PhantomData)
    }

    /// The port as one to write.
    #[must_use]
    pub const fn as_out(self) -> Out<T> {
        Out(self.0, PhantomData)
    }
}

/// Collects the ports of a node while it is made. A node's constructor declares each port and keeps what it gets.
///
/// The constructor runs once at registration, to learn the ports, and once for each such node of a tree; it declares
/// the same ports every time.
#[derive(Debug, Default)]
pub struct Ports {
    pub(crate) specs: Vec<PortSpec>,
    pub(crate) children: Option<RangeInclusive<u32>>,
    pub(crate) node_name: Arc<str>,
    pub(crate) counting: Option<u32>,
}

impl Ports {
    /// What a node's constructor gets when the node is made: the ports are known, and only numbered again.
    pub(crate) fn of_node(name: &Arc<str>) -> Self {
        Self {
            specs: Vec::new(),
            children: None,
            node_name: Arc::clone(name),
            counting: Some(0),
        }
    }

    /// The node's name in the tree (empty at registration).
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.node_name
    }

    /// How many children the node works with, for `check`; in a tick the node itself looks at it.
    pub fn children(&mut self, count: RangeInclusive<u32>) {
        self.children = Some(count);
    }

    fn declare<T: PortValue>(
        &mut self,
        name: &str,
        direction: Direction,
        default: Option<&str>,
        doc: &str,
    ) -> u32 {
        if let Some(count) = &mut self.counting {
            *count += 1;
            return *count - 1;
        }
        let index = self.specs.len() as u32;
        let (name, default) = (Arc::from(name), default.map(Arc::from));
        self.specs.push(PortSpec {
            name,
            direction,
            info: T::port_type(),
            default,
            doc: Arc::from(doc),
        });
        index
    }

    /// A port to read, which the XML must give.
    pub fn input<T: PortValue>(&mut self, name: &str, doc: &str) -> In<T> {
        In(
            self.declare::<T>(name, Direction::Input, None, doc),
            PhantomData,
        )
    }

    /// A port to read, with a literal or `{entry}` for where the XML leaves it out.
    pub fn input_or<T: PortValue>(&mut self, name: &str, default: &str, doc: &str) -> In<T> {
        In(
            self.declare::<T>(name, Direction::Input, Some(default), doc),
            PhantomData,
        )
    }

    /// A port to write; where the XML leaves it out, what is written is dropped.
    pub fn output<T: PortValue>(&mut self, name: &str, doc: &str) -> Out<T> {
        Out(
            self.declare::<T>(name, Direction::Output, None, doc),
            PhantomData,
        )
    }

    /// A port to write, with an `{entry}` for where the XML leaves it out.
    pub fn output_or<T: PortValue>(&mut self, name: &str, default: &str, doc: &str) -> Out<T> {
        Out(
            self.declare::<T>(name, Direction::Output, Some(default), doc),
            PhantomData,
        )
    }

    /// A port to read and to write.
    pub fn inout<T: PortValue>(&mut self, name: &str, doc: &str) -> InOut<T> {
        InOut(
            self.declare::<T>(name, Direction::InOut, None, doc),
            PhantomData,
        )
    }
}

/// What a node has at hand while it is ticked or halted.
pub struct Io<'a> {
    pub(crate) blackboard: &'a mut Blackboard,
    pub(crate) ports: &'a [Port],
    pub(crate) now: Duration,
    pub(crate) name: &'a str,
    pub(crate) status: Status,
    pub(crate) reason: &'a mut Option<String>,
    pub(crate) wake_up: &'a mut bool,
    /// Where what it writes is recorded.
    pub(crate) log: Option<NodeLog>,
}

impl Io<'_> {
    fn port(&self, index: u32) -> Result<&Port, ConvertError> {
        self.ports
            .get(index as usize)
            .ok_or_else(|| ConvertError::new("the port belongs to another node"))
    }

    /// The value of an input port. Errors: nothing is there, or it is of another kind. Passed on with `?` it ends the
    /// run with an error; a node that can do without says so by matching on it.
    pub fn read<T: PortValue>(&self, port: In<T>) -> Result<T, ConvertError> {
        self.port(port.0)?
            .read(self.blackboard, &T::port_type(), T::from_value)
    }

    pub(crate) fn peek<T>(&self, port: In<T>) -> Option<&Value> {
        self.ports.get(port.0 as usize)?.peek(self.blackboard)
    }

    /// Writes an output port. Errors: the entry has another type.
    pub fn write<T: PortValue>(&mut self, port: Out<T>, value: T) -> Result<(), ConvertError> {
        self.write_value(port.0, value.into_value(), T::port_type())
    }

    pub(crate) fn write_value(
        &mut self,
        port: u32,
        value: Value,
        info: Type,
    ) -> Result<(), ConvertError> {
        if let Some(log) = &self.log {
            log.wrote(port, &value, &info);
        }
        let Some(port) = self.ports.get(port as usize) else {
            return Err(ConvertError::new("the port belongs to another node"));
        };
        port.write(self.blackboard, value, info)
    }

    /// The time of this tick, since the start of the run.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// The node's name in the tree.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.name
    }

    /// The node's state before this tick: IDLE where it has been reset since the last one.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// FAILURE, with the reason why: [`Tree::failure`](crate::Tree::failure) tells it.
    pub fn fail(&mut self, reason: impl Into<String>) -> Status {
        *self.reason = Some(reason.into());
        Status::Failure
    }

    /// Asks [`Tree::tick_once`](crate::Tree::tick_once) for another tick at once.
    pub fn wake_up(&mut self) {
        *self.wake_up = true;
    }
}

/// What a node's tick comes to. An error is no FAILURE: it ends the run, as an exception does in BehaviorTree.CPP.
pub type Outcome = Result<Status, NodeError>;

/// A node cannot go on: a port holds what it must not, or something outside broke.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(pub String);

impl From<ConvertError> for NodeError {
    fn from(error: ConvertError) -> Self {
        Self(error.0)
    }
}

/// A leaf of a user's own: an action or a condition.
///
/// A closure `FnMut(&mut Io) -> Outcome` is one too: it completes in the tick that starts it.
pub trait Leaf: Send {
    /// The first tick. RUNNING means that more are needed.
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome;

    /// Every further tick while it is RUNNING.
    fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
        self.on_start(io)
    }

    /// It is stopped while RUNNING. Whatever it started must end.
    fn on_halted(&mut self, io: &mut Io<'_>) {
        let _ = io;
    }

    /// Whether it may return RUNNING.
    fn is_stateful(&self) -> bool {
        true
    }
}

/// A node with children of a user's own: a control, or a decorator if it has exactly one.
pub trait Branch: Send {
    /// One tick: ticks children as it sees fit. RUNNING means that more are needed.
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome;

    /// It is stopped: it forgets where it was. The engine resets its children afterwards.
    fn on_halted(&mut self) {}
}

impl<F: FnMut(&mut Io<'_>) -> Outcome + Send> Leaf for F {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        self(io)
    }

    fn is_stateful(&self) -> bool {
        false
    }
}
