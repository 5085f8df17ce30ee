//! What every node has in common: conditions around its tick, its transitions, halting.

use super::{Engine, Kind, NONE, Node, Observer, Raised, RaisedError, Tick, Transition};
#[cfg(feature = "groot2")]
use crate::groot2::Position;
use crate::script::compile::Op;
use crate::script::machine::{Machine, holds};
use crate::status::Status;
use crate::value::{ConvertError, Value};

const FAILURE_IF: usize = 0;
const SUCCESS_IF: usize = 1;
const SKIP_IF: usize = 2;
const WHILE: usize = 3;
const ON_HALTED: usize = 0;
const ON_FAILURE: usize = 1;
const ON_SUCCESS: usize = 2;
const POST: usize = 3;

impl Engine {
    /// One tick of a node.
    #[inline(always)]
    pub(crate) fn execute(&mut self, i: u32) -> Tick {
        let node = &self.nodes[i as usize];
        // What says the same whatever is around it has no more to it than its transition.
        if let Kind::Always(status) = node.kind
            && node.conditions == NONE
        {
            if status == Status::Failure {
                self.failed = i;
            }
            self.last_result = status;
            self.set_status(i, status);
            return Ok(status);
        }
        self.execute_in_full(i)
    }

    /// Conditions before, the node's own part, conditions after, the transition.
    #[inline(never)]
    fn execute_in_full(&mut self, i: u32) -> Tick {
        let conditions = self.nodes[i as usize].conditions;
        let status = if conditions == NONE {
            self.tick_node(i)?
        } else {
            self.tick_with_conditions(i, conditions)?
        };
        let node = &self.nodes[i as usize];
        if status == Status::Failure
            && (node.n_children == 0 || self.last_result != Status::Failure)
        {
            self.failed = i;
        }
        self.last_result = status;
        match status {
            Status::Skipped => {}
            Status::Idle => return Err(self.raise_at(i, "a node must not return IDLE")),
            _ => self.set_status(i, status),
        }
        let node = &self.nodes[i as usize];
        if node.is_decorator() {
            let child = self.children[node.first_child as usize];
            if self.status[child as usize].is_completed() {
                self.reset_status(child);
            }
        }
        Ok(status)
    }

    #[inline(always)]
    fn tick_node(&mut self, i: u32) -> Tick {
        let result = self.tick_kind(i);
        if result.is_err()
            && let Some(raised) = &mut self.raised
        {
            raised.node.get_or_insert(i);
        }
        result
    }

    #[inline(never)]
    fn tick_with_conditions(&mut self, i: u32, conditions: u32) -> Tick {
        let status = match self.pre_conditions(i, conditions)? {
            Some(status) => status,
            None => self.tick_or_substitute(i)?,
        };
        if status.is_completed() {
            let post = self.conditions[conditions as usize].post;
            let own = if status == Status::Success {
                ON_SUCCESS
            } else {
                ON_FAILURE
            };
            for script in [post[own], post[POST]] {
                if script != NONE {
                    self.run_condition(i, script)?;
                }
            }
        }
        #[cfg(feature = "groot2")]
        let status = self.hook(i, Position::Post).unwrap_or(status);
        Ok(status)
    }

    /// The node's own part, unless a viewer has laid down a result.
    fn tick_or_substitute(&mut self, i: u32) -> Tick {
        #[cfg(feature = "groot2")]
        if let Some(status) = self.hook(i, Position::Pre) {
            return Ok(status);
        }
        self.tick_node(i)
    }

    fn pre_conditions(&mut self, i: u32, conditions: u32) -> Result<Option<Status>, Raised> {
        let pre = self.conditions[conditions as usize].pre;
        let before = self.status[i as usize];
        match before {
            Status::Idle => {
                for (at, script) in pre.into_iter().enumerate() {
                    if script == NONE {
                        continue;
                    }
                    let holds = self.condition_holds(i, script)?;
                    match (at, holds) {
                        (FAILURE_IF, true) => {
                            // Not for a child's sake, whatever was ticked before.
                            self.last_result = Status::Idle;
                            return Ok(Some(Status::Failure));
                        }
                        (SUCCESS_IF, true) => return Ok(Some(Status::Success)),
                        (SKIP_IF, true) | (WHILE, false) => return Ok(Some(Status::Skipped)),
                        _ => {}
                    }
                }
            }
            Status::Running if pre[WHILE] != NONE && !self.condition_holds(i, pre[WHILE])? => {
                self.halt_node(i)?;
                return Ok(Some(Status::Skipped));
            }
            _ => {}
        }
        Ok(None)
    }

    fn condition_holds(&mut self, i: u32, script: u32) -> Result<bool, Raised> {
        // One entry against a number is most of all conditions.
        let code = &self.scripts[script as usize].code;
        if let [Op::CompareEntry { slot, op, number }] =
            self.code[code.start as usize..code.end as usize]
            && let Some(entry) = self.blackboard.entry(slot)
        {
            match entry.value {
                Value::Real(value) => return Ok(holds(op, value, number)),
                Value::Int(value, _) if i32::try_from(value).is_ok() => {
                    return Ok(holds(op, value as f64, number));
                }
                _ => {}
            }
        }
        self.condition_holds_in_full(i, script)
    }

    #[inline(never)]
    fn condition_holds_in_full(&mut self, i: u32, script: u32) -> Result<bool, Raised> {
        let value = self.run_condition(i, script)?;
        value
            .to_bool()
            .map_err(|error| self.raise_in_script(i, script, &error))
    }

    fn run_condition(&mut self, i: u32, script: u32) -> Result<Value, Raised> {
        let code = self.scripts[script as usize].code.clone();
        let code = &self.code[code.start as usize..code.end as usize];
        let mut machine = Machine {
            blackboard: &mut self.blackboard,
            enums: &self.enums,
            stack: &mut self.stack,
        };
        machine
            .run(code)
            .map_err(|error| self.raise_in_script(i, script, &error))
    }

    #[cold]
    fn raise_in_script(&mut self, i: u32, script: u32, error: &ConvertError) -> Raised {
        let text = format!("script '{}': {error}", self.scripts[script as usize].text);
        self.raise_at(i, text)
    }

    /// An error whose node is the one that is being ticked.
    #[cold]
    pub(crate) fn raise(&mut self, message: impl Into<String>) -> Raised {
        self.raised = Some(RaisedError {
            node: None,
            message: message.into(),
        });
        Raised
    }

    #[cold]
    pub(crate) fn raise_at(&mut self, i: u32, message: impl Into<String>) -> Raised {
        self.raised = Some(RaisedError {
            node: Some(i),
            message: message.into(),
        });
        Raised
    }

    pub(crate) fn or_raise<T>(&mut self, result: Result<T, ConvertError>) -> Result<T, Raised> {
        result.map_err(|error| self.raise(error.0))
    }

    pub(crate) fn set_status(&mut self, i: u32, to: Status) {
        let from = std::mem::replace(&mut self.status[i as usize], to);
        if !self.observers.is_empty() && from != to {
            self.notify(i, from, to);
        }
    }

    pub(crate) fn reset_status(&mut self, i: u32) {
        self.set_status(i, Status::Idle);
    }

    #[cold]
    fn notify(&mut self, i: u32, from: Status, to: Status) {
        let transition = Transition {
            uid: i + 1,
            from,
            to,
            time: self.now,
        };
        let tell = |observer: &mut Observer| observer(transition);
        self.observers.iter_mut().for_each(tell);
    }

    /// Stops a node and what is below it, then runs its `_onHalted`.
    pub(crate) fn halt_node(&mut self, i: u32) -> Result<(), Raised> {
        let node = self.nodes[i as usize];
        self.halt_kind(i, node)?;
        if node.conditions != NONE {
            let script = self.conditions[node.conditions as usize].post[ON_HALTED];
            if script != NONE {
                self.run_condition(i, script)?;
            }
        }
        Ok(())
    }

    /// A child that is RUNNING is halted; any is IDLE afterwards.
    pub(crate) fn reset_child(&mut self, child: u32) -> Result<(), Raised> {
        if self.status[child as usize] == Status::Running {
            self.halt_node(child)?;
        }
        self.reset_status(child);
        Ok(())
    }

    pub(crate) fn reset_children(&mut self, node: Node) -> Result<(), Raised> {
        let (mut at, end) = (node.first_child, node.first_child + node.n_children);
        if self.observers.is_empty() {
            // Nobody is told of those before the first that has to be halted.
            for &child in &self.children[at as usize..end as usize] {
                let status = &mut self.status[child as usize];
                if *status == Status::Running {
                    break;
                }
                *status = Status::Idle;
                at += 1;
            }
        }
        for at in at..end {
            self.reset_child(self.children[at as usize])?;
        }
        Ok(())
    }

    pub(crate) fn child(&self, node: Node, index: u32) -> u32 {
        self.children[(node.first_child + index) as usize]
    }

    /// What a node remembers.
    pub(crate) fn memory(&mut self, i: u32) -> &mut Node {
        &mut self.nodes[i as usize]
    }

    /// The root, once from outside: timers first, then as many ticks as `once` asks for.
    pub(crate) fn tick_root(&mut self, until_quiet: bool) -> Tick {
        self.reason = None;
        self.failed = NONE;
        self.fire_timers()?;
        let mut status = self.execute(0)?;
        while until_quiet && status == Status::Running && std::mem::take(&mut self.wake_up) {
            status = self.execute(0)?;
        }
        if status.is_completed() {
            self.reset_status(0);
        }
        Ok(status)
    }
}
