//! Nodes without children, and which function is which kind's.

use super::{Engine, Kind, NONE, Node, Raised, Tick};
use crate::ports::{Io, Outcome, Source};
use crate::status::Status;
use crate::types::Type;
use crate::value::{ConvertError, Value};

impl Engine {
    #[inline(always)]
    pub(super) fn tick_kind(&mut self, i: u32) -> Tick {
        match self.nodes[i as usize].kind {
            Kind::Always(status) => Ok(status),
            Kind::Sequence {
                asynchronous: false,
            } => self.tick_chain::<false>(i, Status::Success),
            Kind::Sequence { asynchronous: true } => self.tick_chain::<true>(i, Status::Success),
            Kind::Fallback {
                asynchronous: false,
            } => self.tick_chain::<false>(i, Status::Failure),
            Kind::Fallback { asynchronous: true } => self.tick_chain::<true>(i, Status::Failure),
            Kind::SequenceWithMemory => self.tick_sequence_with_memory(i),
            Kind::ReactiveSequence => self.tick_reactive(i, Status::Success),
            Kind::ReactiveFallback => self.tick_reactive(i, Status::Failure),
            Kind::Parallel { ports, state } => self.tick_parallel(i, ports, state),
            Kind::ParallelAll { ports, state } => self.tick_parallel_all(i, ports, state),
            Kind::IfThenElse => self.tick_if_then_else(i),
            Kind::WhileDoElse => self.tick_while_do_else(i),
            Kind::Switch { ports, n_cases } => self.tick_switch(i, ports, n_cases),
            Kind::TryCatch { .. } => self.tick_try_catch(i),
            Kind::Inverter => self.tick_inverter(i),
            Kind::Force(status) => self.tick_force(i, status),
            Kind::Repeat { ports } => self.tick_again(i, ports, Status::Success),
            Kind::Retry { ports } => self.tick_again(i, ports, Status::Failure),
            Kind::KeepRunningUntilFailure => self.tick_keep_running(i),
            Kind::Delay { ports, timer } => self.tick_delay(i, ports, timer),
            Kind::Timeout { ports, timer } => self.tick_timeout(i, ports, timer),
            Kind::RunOnce { ports } => self.tick_run_once(i, ports),
            Kind::Precondition { ports, script } => self.tick_precondition(i, ports, script),
            Kind::Loop { ports, state } => self.tick_loop(i, ports, state),
            Kind::Updated { state, otherwise } => self.tick_updated(i, state, otherwise),
            Kind::SubTree => self.tick_sub_tree(i),
            Kind::Sleep { ports, timer } => self.tick_sleep(i, ports, timer),
            Kind::Script { script } => self.tick_script(script),
            Kind::ScriptCondition { script } => self.tick_script_condition(script),
            Kind::SetBlackboard { state } => self.tick_set_blackboard(state),
            Kind::UnsetBlackboard { ports, board } => {
                let key = self.read_port(ports, &Type::String, Value::to_text);
                let key = self.or_raise(key)?;
                self.blackboard.unset(board, &key);
                Ok(Status::Success)
            }
            Kind::WasEntryUpdated { state } => Ok(if self.was_updated(state) {
                Status::Success
            } else {
                Status::Failure
            }),
            Kind::Test { state } => self.tick_test(i, state),
            Kind::User { state } => self.tick_user(i, state),
            Kind::Branch { state, .. } => self.tick_branch(i, state),
        }
    }

    /// Stops a node: what it remembers, what is below it, its own state.
    pub(super) fn halt_kind(&mut self, i: u32, node: Node) -> Result<(), Raised> {
        match node.kind {
            Kind::Sleep { timer, .. } => self.timers.cancel(timer),
            Kind::Test { state } => self.halt_test(state),
            Kind::User { state } if self.status[i as usize] == Status::Running => {
                self.halt_user(i, state)
            }
            Kind::Branch { state, .. } => {
                self.forget_branch(state);
                self.reset_children(node)?;
            }
            _ if node.is_decorator() => {
                self.forget_decorator(i, node);
                self.reset_children(node)?;
            }
            _ if node.n_children > 0 => {
                self.forget_control(i, node)?;
                self.reset_children(node)?;
            }
            _ => {}
        }
        self.reset_status(i);
        Ok(())
    }

    pub(super) fn read_port<T>(
        &self,
        port: u32,
        wanted: &Type,
        convert: impl FnOnce(&Value) -> Result<T, ConvertError>,
    ) -> Result<T, ConvertError> {
        self.ports[port as usize].read(&self.blackboard, wanted, convert)
    }

    pub(super) fn read_int(&mut self, port: u32) -> Result<i32, Raised> {
        let read = self.read_port(port, &Type::Int, Value::to_i32);
        self.or_raise(read)
    }

    pub(super) fn read_uint(&mut self, port: u32) -> Result<u32, Raised> {
        let read = self.read_port(port, &Type::UInt, Value::to_u32);
        self.or_raise(read)
    }

    #[inline(never)]
    fn tick_sleep(&mut self, i: u32, ports: u32, timer: u32) -> Tick {
        match self.status[i as usize] {
            Status::Idle => {
                let milliseconds = self.read_uint(ports)?;
                if milliseconds == 0 {
                    return Ok(Status::Success);
                }
                self.set_status(i, Status::Running);
                self.start_timer(timer, milliseconds.into());
                Ok(Status::Running)
            }
            Status::Running => Ok(if self.timers.has_fired(timer) {
                Status::Success
            } else {
                Status::Running
            }),
            done => Ok(done),
        }
    }

    #[inline(never)]
    fn tick_set_blackboard(&mut self, state: u32) -> Tick {
        let state = &self.sets[state as usize];
        let (value_port, key_port, board) = (state.ports, state.ports + 1, state.board);
        let target = match state.target {
            Some(target) => target,
            None => {
                let key = self.read_port(key_port, &Type::String, Value::to_text);
                let key = self.or_raise(key)?;
                self.blackboard.bind(board, &key)
            }
        };
        let value = match &self.ports[value_port as usize].source {
            Source::Literal(value) => value.clone(),
            Source::Entry(source) => {
                let Some(entry) = self.blackboard.entry(source.slot) else {
                    return Err(self.raise("port 'value': the entry does not exist"));
                };
                let (value, info) = (entry.value.clone(), entry.info);
                if self.blackboard.find(target.slot).is_none() {
                    let created = self.blackboard.declare(target, info);
                    self.or_raise(created)?;
                }
                value
            }
            _ => return Err(self.raise("port 'value' is missing")),
        };
        if value.is_empty() {
            return Ok(Status::Failure);
        }
        let value = match (
            &value,
            self.blackboard.entry(target.slot).map(|entry| entry.info),
        ) {
            (Value::Text(text), Some(info)) if info != Type::String => {
                // An entry without a type has no rule for text, and is left without a value.
                if info.has_converter() {
                    info.parse(text)
                } else {
                    Ok(Value::Empty)
                }
            }
            _ => Ok(value),
        };
        let value = self.or_raise(value)?;
        let written = self.blackboard.set(target, value, Type::Any);
        self.or_raise(written)?;
        Ok(Status::Success)
    }

    #[inline(never)]
    fn tick_user(&mut self, i: u32, state: u32) -> Tick {
        let before = self.status[i as usize];
        let Some(mut leaf) = self.users[state as usize].leaf.take() else {
            return Err(self.raise("the node is being ticked already"));
        };
        let stateful = leaf.is_stateful();
        let outcome = match before {
            Status::Success | Status::Failure if stateful => Ok(before),
            Status::Running => self.with_io(i, state, |io| leaf.on_running(io)),
            _ => self.with_io(i, state, |io| leaf.on_start(io)),
        };
        self.users[state as usize].leaf = Some(leaf);
        match outcome {
            Ok(Status::Running) if !stateful => {
                Err(self.raise("a node that is a function must not return RUNNING"))
            }
            Ok(status) => Ok(status),
            Err(error) => Err(self.raise(error.0)),
        }
    }

    #[inline(never)]
    fn halt_user(&mut self, i: u32, state: u32) {
        if let Some(mut leaf) = self.users[state as usize].leaf.take() {
            let outcome: Outcome = self.with_io(i, state, |io| {
                leaf.on_halted(io);
                Ok(Status::Idle)
            });
            drop(outcome);
            self.users[state as usize].leaf = Some(leaf);
        }
    }

    #[inline(never)]
    fn with_io(
        &mut self,
        i: u32,
        state: u32,
        then: impl FnOnce(&mut Io<'_>) -> Outcome,
    ) -> Outcome {
        let state = &self.users[state as usize];
        let (first, end) = (
            state.first_port as usize,
            (state.first_port + state.n_ports) as usize,
        );
        let mut reason = None;
        let mut io = Io {
            blackboard: &mut self.blackboard,
            ports: &self.ports[first..end],
            now: self.now,
            name: &self.names[i as usize],
            status: self.status[i as usize],
            reason: &mut reason,
            wake_up: &mut self.wake_up,
            log: None,
        };
        let outcome = then(&mut io);
        if reason.is_some() {
            self.reason = reason;
            self.reason_of = i;
        }
        outcome
    }

    /// Gives every user's leaf that is RUNNING the chance to end what it started.
    pub(crate) fn halt_all(&mut self) -> Result<(), Raised> {
        if self.status.first() == Some(&Status::Running) {
            self.halt_node(0)?;
        }
        for i in 0..self.nodes.len() as u32 {
            if self.status[i as usize] == Status::Running {
                self.halt_node(i)?;
            }
            self.reset_status(i);
        }
        self.last_result = Status::Idle;
        self.failed = NONE;
        Ok(())
    }
}
