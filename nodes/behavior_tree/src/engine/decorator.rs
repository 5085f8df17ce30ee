//! Nodes with one child.

use std::sync::Arc;

use super::{Current, Engine, Kind, Node, Raised, Tick};
use crate::ports::Source;
use crate::status::Status;
use crate::types::Type;
use crate::value::Value;

impl Engine {
    /// FAILURE that no child is to blame for.
    pub(super) fn own_result(&mut self, status: Status) -> Tick {
        self.last_result = Status::Idle;
        Ok(status)
    }

    #[inline(never)]
    pub(super) fn tick_inverter(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        self.set_status(i, Status::Running);
        let child = self.child(node, 0);
        let inverted = match self.execute(child)? {
            Status::Success => Status::Failure,
            Status::Failure => Status::Success,
            other => return Ok(other),
        };
        self.reset_child(child)?;
        Ok(inverted)
    }

    #[inline(never)]
    pub(super) fn tick_force(&mut self, i: u32, to: Status) -> Tick {
        let node = self.nodes[i as usize];
        self.set_status(i, Status::Running);
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        if !status.is_completed() {
            return Ok(status);
        }
        self.reset_child(child)?;
        Ok(to)
    }

    /// `Repeat` goes on after SUCCESS, `RetryUntilSuccessful` after FAILURE, up to a number of times. Memory: `count` the
    /// times.
    #[inline(never)]
    pub(super) fn tick_again(&mut self, i: u32, ports: u32, again: Status) -> Tick {
        let node = self.nodes[i as usize];
        let mut limit = self.read_int(ports)?;
        let mut count = node.count;
        let mut go_on = count < limit || limit == -1;
        self.set_status(i, Status::Running);
        let child = self.child(node, 0);
        while go_on {
            let was_idle = self.status[child as usize] == Status::Idle;
            match self.execute(child)? {
                Status::Running => return Ok(Status::Running),
                Status::Skipped => {
                    self.reset_child(child)?;
                    return Ok(Status::Skipped);
                }
                status if status == again => {
                    count += 1;
                    if again == Status::Failure {
                        limit = self.read_int(ports).unwrap_or(limit);
                    }
                    go_on = count < limit || limit == -1;
                    self.memory(i).count = count;
                    self.reset_child(child)?;
                    if was_idle && go_on {
                        self.wake_up = true;
                        return Ok(Status::Running);
                    }
                }
                other => {
                    self.memory(i).count = 0;
                    self.reset_child(child)?;
                    return Ok(other);
                }
            }
        }
        self.memory(i).count = 0;
        Ok(again)
    }

    #[inline(never)]
    pub(super) fn tick_keep_running(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        self.set_status(i, Status::Running);
        let child = self.child(node, 0);
        match self.execute(child)? {
            Status::Failure => {
                self.reset_child(child)?;
                Ok(Status::Failure)
            }
            Status::Success => {
                self.reset_child(child)?;
                Ok(Status::Running)
            }
            _ => Ok(Status::Running),
        }
    }

    /// Memory: `started` that the time runs.
    #[inline(never)]
    pub(super) fn tick_delay(&mut self, i: u32, ports: u32, timer: u32) -> Tick {
        let node = self.nodes[i as usize];
        let milliseconds = self.read_uint(ports)?;
        if !node.started {
            self.memory(i).started = true;
            self.set_status(i, Status::Running);
            self.start_timer(timer, milliseconds.into());
        }
        if !self.timers.has_fired(timer) {
            return Ok(Status::Running);
        }
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        if status.is_completed() {
            self.memory(i).started = false;
            self.reset_child(child)?;
        }
        Ok(status)
    }

    /// Memory: `started` that the time runs, `finished` that it ran out and the child was halted.
    #[inline(never)]
    pub(super) fn tick_timeout(&mut self, i: u32, ports: u32, timer: u32) -> Tick {
        let node = self.nodes[i as usize];
        let milliseconds = self.read_uint(ports)?;
        if !node.started {
            let memory = self.memory(i);
            memory.started = true;
            memory.finished = false;
            self.set_status(i, Status::Running);
            if milliseconds > 0 {
                self.start_timer(timer, milliseconds.into());
            }
        } else if node.finished {
            self.memory(i).started = false;
            return self.own_result(Status::Failure);
        }
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        if status.is_completed() {
            self.memory(i).started = false;
            self.timers.cancel(timer);
            self.reset_child(child)?;
        }
        Ok(status)
    }

    /// Memory: `finished` that the child has completed once, `started` that it did so with SUCCESS.
    #[inline(never)]
    pub(super) fn tick_run_once(&mut self, i: u32, ports: u32) -> Tick {
        let node = self.nodes[i as usize];
        let then_skip = self
            .read_port(ports, &Type::Bool, Value::to_bool)
            .unwrap_or(true);
        if node.finished {
            let first = if node.started {
                Status::Success
            } else {
                Status::Failure
            };
            return self.own_result(if then_skip { Status::Skipped } else { first });
        }
        self.set_status(i, Status::Running);
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        if status.is_completed() {
            let memory = self.memory(i);
            memory.finished = true;
            memory.started = status == Status::Success;
            self.reset_child(child)?;
        }
        Ok(status)
    }

    /// Memory: `started` that the condition held; it is not checked again before the child completes, not even when
    /// that was halted in between.
    #[inline(never)]
    pub(super) fn tick_precondition(&mut self, i: u32, ports: u32, script: u32) -> Tick {
        let node = self.nodes[i as usize];
        self.refresh_script(script)?;
        let otherwise = self.read_port(ports + 1, &Type::Status, Value::to_status);
        let otherwise = self.or_raise(otherwise)?;
        if !node.started {
            let value = self.run_node_script(script)?;
            let holds = self.or_raise(value.to_bool())?;
            if !holds {
                return self.own_result(otherwise);
            }
            self.memory(i).started = true;
        }
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        if status.is_completed() {
            self.reset_child(child)?;
            self.memory(i).started = false;
        }
        Ok(status)
    }

    #[inline(never)]
    pub(super) fn tick_loop(&mut self, i: u32, ports: u32, state: u32) -> Tick {
        let node = self.nodes[i as usize];
        let at = state as usize;
        if self.status[i as usize] == Status::Idle {
            let state = &mut self.loops[at];
            state.child_running = false;
            state.current = match &state.literal {
                Some(values) => Current::List {
                    values: Arc::clone(values),
                    next: 0,
                },
                None => Current::None,
            };
        }
        if !self.loops[at].child_running {
            let Some(value) = self.next_of_loop(at, ports)? else {
                let if_empty = self.read_port(ports + 1, &Type::Status, Value::to_status);
                let if_empty = self.or_raise(if_empty)?;
                return self.own_result(if_empty);
            };
            let element = self.loops[at].element.element();
            let written =
                self.ports[ports as usize + 2].write(&mut self.blackboard, value, element);
            self.or_raise(written)?;
        }
        if self.status[i as usize] == Status::Idle {
            self.set_status(i, Status::Running);
        }
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        self.loops[at].child_running = status == Status::Running;
        if status.is_completed() {
            self.reset_child(child)?;
        }
        Ok(if status == Status::Failure {
            Status::Failure
        } else {
            Status::Running
        })
    }

    #[inline(never)]
    fn next_of_loop(&mut self, at: usize, ports: u32) -> Result<Option<Value>, Raised> {
        if self.loops[at].literal.is_none() {
            self.find_queue(at, ports)?;
        }
        let element = self.loops[at].element.element();
        let value = match &mut self.loops[at].current {
            Current::None => None,
            Current::List { values, next } => {
                let value = values.get(*next).cloned();
                *next += usize::from(value.is_some());
                value
            }
            Current::Shared(queue) => queue.pop_front(),
        };
        let Some(value) = value else { return Ok(None) };
        let converted = match (&value, element) {
            (Value::Text(_), Type::String) => Ok(value),
            (Value::Text(text), _) => element.parse(text),
            (_, Type::Int) => value
                .to_i32()
                .map(|number| Value::Int(number.into(), crate::value::IntType::I32)),
            (_, Type::Bool) => value.to_bool().map(Value::bool),
            (_, Type::Double) => value.to_f64().map(Value::Real),
            _ => value.to_text().map(Value::Text),
        };
        self.or_raise(converted).map(Some)
    }

    /// A shared queue is looked up before every round, a list or text when the loop starts only.
    #[inline(never)]
    fn find_queue(&mut self, at: usize, ports: u32) -> Result<(), Raised> {
        let Source::Entry(binding) = self.ports[ports as usize].source else {
            return Ok(());
        };
        if self.blackboard.find(binding.slot).is_none() {
            let created = self.blackboard.declare(binding, Type::Untyped);
            self.or_raise(created)?;
        }
        let started = !matches!(self.loops[at].current, Current::None);
        let found = match self
            .blackboard
            .entry(binding.slot)
            .map(|entry| &entry.value)
        {
            // Made behind a remapping to '@…', where nothing finds it.
            None => return Ok(()),
            Some(Value::Queue(queue)) => Ok(Current::Shared(queue.clone())),
            Some(Value::Empty) => {
                Err("nothing has been written to the entry of port 'queue' yet".to_owned())
            }
            Some(_) if started => return Ok(()),
            Some(Value::List(values)) => Ok(Current::List {
                values: Arc::clone(values),
                next: 0,
            }),
            Some(Value::Text(text)) => match self.loops[at].element.queue(text) {
                Ok(values) => Ok(Current::List { values, next: 0 }),
                Err(error) => Err(error.0),
            },
            Some(other) => Err(format!(
                "port 'queue' takes a queue, a list or 'a;b;c', not {}",
                other.type_name()
            )),
        };
        match found {
            Ok(current) => self.loops[at].current = current,
            Err(message) => return Err(self.raise(message)),
        }
        Ok(())
    }

    /// `SkipUnlessUpdated` and `WaitValueUpdate`. Memory: `started` that the child is at work.
    #[inline(never)]
    pub(super) fn tick_updated(&mut self, i: u32, state: u32, otherwise: Status) -> Tick {
        let node = self.nodes[i as usize];
        if !node.started && !self.was_updated(state) {
            return Ok(otherwise);
        }
        let status = self.execute(self.child(node, 0))?;
        self.memory(i).started = status == Status::Running;
        Ok(status)
    }

    /// Whether there were writes to an entry since the last look at it.
    pub(super) fn was_updated(&mut self, state: u32) -> bool {
        let state = &mut self.updates[state as usize];
        match self.blackboard.entry(state.slot) {
            Some(entry) => std::mem::replace(&mut state.sequence, entry.sequence) != entry.sequence,
            None => false,
        }
    }

    #[inline(never)]
    pub(super) fn tick_sub_tree(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        if self.status[i as usize] == Status::Idle {
            self.set_status(i, Status::Running);
        }
        let child = self.child(node, 0);
        let status = self.execute(child)?;
        if status.is_completed() {
            self.reset_child(child)?;
        }
        Ok(status)
    }

    /// What a decorator forgets when it is halted, before its child is.
    pub(super) fn forget_decorator(&mut self, i: u32, node: Node) {
        match node.kind {
            Kind::Repeat { .. } | Kind::Retry { .. } => self.memory(i).count = 0,
            Kind::Delay { timer, .. } | Kind::Timeout { timer, .. } => {
                self.memory(i).started = false;
                self.timers.cancel(timer);
            }
            Kind::Updated { .. } => self.memory(i).started = false,
            // RunOnce remembers for ever, Precondition until its child completes, a loop looks when it starts.
            _ => {}
        }
    }
}
