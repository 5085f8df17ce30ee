//! Users' nodes with children.

use std::time::Duration;

use super::{Engine, Node, Raised, Tick};
use crate::ports::{In, NodeError, Out, Outcome};
use crate::recording::{Did, NodeLog};
use crate::status::Status;
use crate::types::{PortValue, Type};
use crate::value::{ConvertError, Value};

/// What a node with children has at hand while it is ticked.
pub struct BranchIo<'a> {
    engine: &'a mut Engine,
    i: u32,
    node: Node,
    first_port: u32,
    n_ports: u32,
    /// Where what it does is recorded.
    pub(crate) log: Option<NodeLog>,
}

impl std::fmt::Debug for BranchIo<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BranchIo")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

impl BranchIo<'_> {
    /// How many children the node has.
    #[must_use]
    pub const fn n_children(&self) -> usize {
        self.node.n_children as usize
    }

    /// The node's own state: IDLE where it has been reset since its last tick.
    #[must_use]
    pub fn status(&self) -> Status {
        self.engine.status[self.i as usize]
    }

    /// Makes the node RUNNING at once, as most of BehaviorTree.CPP's own do before they tick a child.
    pub fn set_running(&mut self) {
        self.note(Did::SetRunning);
        self.engine.set_status(self.i, Status::Running);
    }

    /// A child's state.
    ///
    /// Errors: there is no such child.
    pub fn child_status(&self, index: usize) -> Result<Status, NodeError> {
        Ok(self.engine.status[self.child(index)? as usize])
    }

    /// Ticks a child.
    ///
    /// Errors: there is no such child, or something in it broke.
    pub fn tick_child(&mut self, index: usize) -> Outcome {
        self.note(Did::TickChild(index));
        let child = self.child(index)?;
        let result = self.engine.execute(child);
        result.map_err(|raised| self.error_of(raised))
    }

    /// Stops a child if it is RUNNING; it is IDLE afterwards.
    ///
    /// Errors: there is no such child, or its `_onHalted` broke.
    pub fn halt_child(&mut self, index: usize) -> Result<(), NodeError> {
        self.note(Did::HaltChild(index));
        let child = self.child(index)?;
        let result = self.engine.reset_child(child);
        result.map_err(|raised| self.error_of(raised))
    }

    /// Stops all children, in their order.
    ///
    /// Errors: an `_onHalted` broke.
    pub fn halt_children(&mut self) -> Result<(), NodeError> {
        self.note(Did::HaltChildren);
        self.reset_children()
    }

    fn reset_children(&mut self) -> Result<(), NodeError> {
        let result = self.engine.reset_children(self.node);
        result.map_err(|raised| self.error_of(raised))
    }

    /// Stops all children and makes the node itself IDLE, as a C++ node's call of its own `halt` does.
    ///
    /// Errors: an `_onHalted` broke.
    pub fn halt(&mut self) -> Result<(), NodeError> {
        self.note(Did::HaltItself);
        self.reset_children()?;
        self.engine.reset_status(self.i);
        Ok(())
    }

    /// The value of an input port. Errors: nothing is there, or it is of another kind.
    pub fn read<T: PortValue>(&self, port: In<T>) -> Result<T, ConvertError> {
        let at = self.port(port.0)?;
        self.engine.read_port(at, &T::port_type(), T::from_value)
    }

    pub(crate) fn peek<T>(&self, port: In<T>) -> Option<&Value> {
        let at = self.port(port.0).ok()? as usize;
        self.engine.ports[at].peek(&self.engine.blackboard)
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
        let at = self.port(port)? as usize;
        let engine = &mut *self.engine;
        engine.ports[at].write(&mut engine.blackboard, value, info)
    }

    fn note(&self, did: Did) {
        if let Some(log) = &self.log {
            log.push(did);
        }
    }

    /// The time of this tick, since the start of the run.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.engine.now
    }

    /// The node's name in the tree.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.engine.names[self.i as usize]
    }

    fn child(&self, index: usize) -> Result<u32, NodeError> {
        if index < self.n_children() {
            Ok(self.engine.child(self.node, index as u32))
        } else {
            Err(NodeError(format!("there is no child {index}")))
        }
    }

    fn port(&self, index: u32) -> Result<u32, ConvertError> {
        if index < self.n_ports {
            Ok(self.first_port + index)
        } else {
            Err(ConvertError::new("the port belongs to another node"))
        }
    }

    /// What broke below, in words; which node it was stays with the engine.
    fn error_of(&self, _: Raised) -> NodeError {
        let raised = self.engine.raised.as_ref();
        NodeError(raised.map_or_else(String::new, |raised| raised.message.clone()))
    }
}

impl Engine {
    #[inline(never)]
    pub(super) fn tick_branch(&mut self, i: u32, state: u32) -> Tick {
        let node = self.nodes[i as usize];
        let at = &mut self.branches[state as usize];
        let (first_port, n_ports) = (at.first_port, at.n_ports);
        let Some(mut branch) = at.branch.take() else {
            return Err(self.raise("the node is being ticked already"));
        };
        // A FAILURE without a child's is the node's own.
        self.last_result = Status::Idle;
        let outcome = branch.tick(&mut BranchIo {
            engine: self,
            i,
            node,
            first_port,
            n_ports,
            log: None,
        });
        self.branches[state as usize].branch = Some(branch);
        outcome.map_err(|NodeError(message)| match &self.raised {
            // It came from below, and the node passed it on.
            Some(raised) if raised.message == message => Raised,
            _ => self.raise(message),
        })
    }

    pub(super) fn forget_branch(&mut self, state: u32) {
        if let Some(branch) = &mut self.branches[state as usize].branch {
            branch.on_halted();
        }
    }
}
