//! Nodes with children.

use super::{Engine, Kind, Node, Raised, Tick};
use crate::status::Status;
use crate::switch::equal_in_switch;
use crate::types::Type;
use crate::value::Value;

impl Engine {
    /// `Sequence` and `Fallback`, which are the same with SUCCESS and FAILURE exchanged: they go on after `good`, and
    /// end with the other. Memory: `index` the child at work, `count` how many were skipped.
    #[inline(never)]
    pub(super) fn tick_chain<const ASYNCHRONOUS: bool>(&mut self, i: u32, good: Status) -> Tick {
        let node = self.nodes[i as usize];
        let mut skipped = node.count;
        if self.status[i as usize] == Status::Idle {
            skipped = 0;
        }
        self.set_status(i, Status::Running);
        let end = node.first_child + node.n_children;
        for at in node.first_child + node.index..end {
            let child = self.children[at as usize];
            let starts = ASYNCHRONOUS && self.status[child as usize] == Status::Idle;
            match self.execute(child)? {
                status if status == good => {
                    if starts && at + 1 < end {
                        self.wake_up = true;
                        self.remember(i, at + 1 - node.first_child, skipped);
                        return Ok(Status::Running);
                    }
                }
                Status::Running => {
                    self.remember(i, at - node.first_child, skipped);
                    return Ok(Status::Running);
                }
                Status::Skipped => skipped += 1,
                bad => {
                    self.remember(i, 0, skipped);
                    self.reset_children(node)?;
                    return Ok(bad);
                }
            }
        }
        self.remember(i, 0, 0);
        self.reset_children(node)?;
        Ok(if skipped as u32 == node.n_children {
            Status::Skipped
        } else {
            good
        })
    }

    fn remember(&mut self, i: u32, index: u32, count: i32) {
        let memory = self.memory(i);
        memory.index = index;
        memory.count = count;
    }

    /// Memory as in [`Self::tick_chain`]; after a failure it goes on with the child that failed.
    #[inline(never)]
    pub(super) fn tick_sequence_with_memory(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        let (mut index, mut skipped) = (node.index, node.count);
        if self.status[i as usize] == Status::Idle {
            skipped = 0;
        }
        self.set_status(i, Status::Running);
        while index < node.n_children {
            let child = self.child(node, index);
            let was_idle = self.status[child as usize] == Status::Idle;
            let status = self.execute(child)?;
            match status {
                Status::Running => {
                    self.remember(i, index, skipped);
                    return Ok(status);
                }
                Status::Failure => {
                    self.remember(i, index, skipped);
                    for at in index..node.n_children {
                        self.reset_child(self.child(node, at))?;
                    }
                    return Ok(status);
                }
                Status::Skipped => {
                    index += 1;
                    skipped += 1;
                }
                _ => {
                    index += 1;
                    if was_idle && index < node.n_children {
                        self.wake_up = true;
                        self.remember(i, index, skipped);
                        return Ok(Status::Running);
                    }
                }
            }
        }
        self.remember(i, 0, 0);
        self.reset_children(node)?;
        Ok(if skipped as u32 == node.n_children {
            Status::Skipped
        } else {
            Status::Success
        })
    }

    /// `ReactiveSequence` and `ReactiveFallback`: from the first child on in every tick.
    #[inline(never)]
    pub(super) fn tick_reactive(&mut self, i: u32, good: Status) -> Tick {
        let node = self.nodes[i as usize];
        self.set_status(i, Status::Running);
        let mut all_skipped = true;
        for index in 0..node.n_children {
            let child = self.child(node, index);
            let status = self.execute(child)?;
            all_skipped &= status == Status::Skipped;
            match status {
                Status::Running => {
                    for other in (0..node.n_children).filter(|&other| other != index) {
                        self.reset_child(self.child(node, other))?;
                    }
                    return Ok(Status::Running);
                }
                Status::Skipped => self.reset_child(child)?,
                status if status == good => {}
                bad => {
                    self.reset_children(node)?;
                    return Ok(bad);
                }
            }
        }
        self.reset_children(node)?;
        Ok(if all_skipped { Status::Skipped } else { good })
    }

    #[inline(never)]
    pub(super) fn tick_parallel(&mut self, i: u32, ports: u32, state: u32) -> Tick {
        let node = self.nodes[i as usize];
        let success_count = self.read_int(ports)?;
        let failure_count = self.read_int(ports + 1)?;
        let n_children = node.n_children;
        let (to_succeed, to_fail) = (
            threshold(success_count, n_children),
            threshold(failure_count, n_children),
        );
        if n_children < to_succeed {
            return Err(self.raise(format!(
                "success_count is {to_succeed}, but there are {n_children} children"
            )));
        }
        if n_children < to_fail {
            return Err(self.raise(format!(
                "failure_count is {to_fail}, but there are {n_children} children"
            )));
        }
        self.set_status(i, Status::Running);
        let state = state as usize;
        let mut skipped = 0;
        for index in 0..n_children {
            if !self.parallels[state].completed[index as usize] {
                let status = self.execute(self.child(node, index))?;
                let state = &mut self.parallels[state];
                match status {
                    Status::Skipped => skipped += 1,
                    Status::Success => {
                        state.completed[index as usize] = true;
                        state.n_succeeded += 1;
                    }
                    Status::Failure => {
                        state.completed[index as usize] = true;
                        state.n_failed += 1;
                    }
                    _ => {}
                }
            }
            let (succeeded, failed) = (
                self.parallels[state].n_succeeded,
                self.parallels[state].n_failed,
            );
            let result = if succeeded >= to_succeed
                || (success_count < 0 && succeeded + skipped >= to_succeed)
            {
                Status::Success
            } else if n_children - failed < to_succeed || failed == to_fail {
                Status::Failure
            } else {
                continue;
            };
            self.clear_parallel(state);
            self.reset_children(node)?;
            return Ok(result);
        }
        Ok(if skipped == n_children {
            Status::Skipped
        } else {
            Status::Running
        })
    }

    fn clear_parallel(&mut self, state: usize) {
        let state = &mut self.parallels[state];
        state.completed.fill(false);
        state.n_completed = 0;
        state.n_succeeded = 0;
        state.n_failed = 0;
    }

    #[inline(never)]
    pub(super) fn tick_parallel_all(&mut self, i: u32, ports: u32, state: u32) -> Tick {
        let node = self.nodes[i as usize];
        let to_fail = threshold(self.read_int(ports)?, node.n_children);
        if node.n_children < to_fail {
            return Err(self.raise(format!(
                "max_failures is {to_fail}, but there are {} children",
                node.n_children
            )));
        }
        self.set_status(i, Status::Running);
        let state = state as usize;
        let mut skipped = 0;
        for index in 0..node.n_children {
            if self.parallels[state].completed[index as usize] {
                continue;
            }
            let status = self.execute(self.child(node, index))?;
            let state = &mut self.parallels[state];
            match status {
                Status::Success | Status::Failure => {
                    state.completed[index as usize] = true;
                    state.n_completed += 1;
                    state.n_failed += u32::from(status == Status::Failure);
                }
                Status::Skipped => skipped += 1,
                _ => {}
            }
        }
        if skipped == node.n_children {
            return Ok(Status::Skipped);
        }
        if skipped + self.parallels[state].n_completed < node.n_children {
            return Ok(Status::Running);
        }
        let failed = self.parallels[state].n_failed >= to_fail;
        self.reset_children(node)?;
        self.clear_parallel(state);
        Ok(if failed {
            Status::Failure
        } else {
            Status::Success
        })
    }

    fn two_or_three(&mut self, node: Node, name: &str) -> Result<(), Raised> {
        match node.n_children {
            2 | 3 => Ok(()),
            n => Err(self.raise(format!("{name} has 2 or 3 children, not {n}"))),
        }
    }

    /// Memory: `index` the branch, 0 while the condition is at work. A failed condition without an else branch is not
    /// reset, so that its own pre-conditions are not checked when it is started again.
    #[inline(never)]
    pub(super) fn tick_if_then_else(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        self.two_or_three(node, "IfThenElse")?;
        self.set_status(i, Status::Running);
        let mut branch = node.index;
        if branch == 0 {
            branch = match self.execute(self.child(node, 0))? {
                Status::Running => return Ok(Status::Running),
                Status::Success => 1,
                Status::Failure if node.n_children == 3 => 2,
                Status::Failure => return Ok(Status::Failure),
                _ => return Err(self.raise("the condition of IfThenElse was skipped")),
            };
            self.memory(i).index = branch;
        }
        let status = self.execute(self.child(node, branch))?;
        if status != Status::Running {
            self.reset_children(node)?;
            self.memory(i).index = 0;
        }
        Ok(status)
    }

    #[inline(never)]
    pub(super) fn tick_while_do_else(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        self.two_or_three(node, "WhileDoElse")?;
        self.set_status(i, Status::Running);
        let status = match self.execute(self.child(node, 0))? {
            Status::Running => return Ok(Status::Running),
            Status::Success => {
                if node.n_children == 3 {
                    self.reset_child(self.child(node, 2))?;
                }
                self.execute(self.child(node, 1))?
            }
            Status::Failure if node.n_children == 3 => {
                self.reset_child(self.child(node, 1))?;
                self.execute(self.child(node, 2))?
            }
            Status::Failure => Status::Failure,
            _ => {
                self.reset_children(node)?;
                return Err(self.raise("the condition of WhileDoElse was skipped"));
            }
        };
        if status != Status::Running {
            self.reset_children(node)?;
        }
        Ok(status)
    }

    /// Memory: `count` the running child plus one.
    #[inline(never)]
    pub(super) fn tick_switch(&mut self, i: u32, ports: u32, n_cases: u32) -> Tick {
        let node = self.nodes[i as usize];
        if node.n_children != n_cases + 1 {
            let (n, wanted) = (node.n_children, n_cases + 1);
            return Err(self.raise(format!(
                "Switch{n_cases} has {n} children, not {wanted}: one a case, and the default"
            )));
        }
        let matched = self.matching_case(ports, n_cases);
        if node.count != 0 && node.count as u32 - 1 != matched {
            self.reset_child(self.child(node, node.count as u32 - 1))?;
        }
        let status = self.execute(self.child(node, matched))?;
        match status {
            Status::Running => self.memory(i).count = matched as i32 + 1,
            Status::Skipped => self.memory(i).count = 0,
            _ => {
                self.reset_children(node)?;
                self.memory(i).count = 0;
            }
        }
        Ok(status)
    }

    /// The first case that equals the variable, else the number of cases, which is the default child's.
    #[inline(never)]
    fn matching_case(&self, ports: u32, n_cases: u32) -> u32 {
        let Some(variable) = self.port_value(ports) else {
            return n_cases;
        };
        (0..n_cases)
            .find(|case| {
                self.port_value(ports + 1 + case)
                    .is_some_and(|value| equal_in_switch(variable, value, &self.enums))
            })
            .unwrap_or(n_cases)
    }

    /// The value of a text port as it is: text or a number.
    fn port_value(&self, port: u32) -> Option<&Value> {
        let value = self.ports[port as usize].peek(&self.blackboard)?;
        (value.is_text() || value.is_number()).then_some(value)
    }

    /// Memory: `index` the child at work, `count` how many were skipped, `started` that the last child is at work.
    #[inline(never)]
    pub(super) fn tick_try_catch(&mut self, i: u32) -> Tick {
        let node = self.nodes[i as usize];
        if node.n_children < 2 {
            return Err(self.raise("TryCatch has at least two children"));
        }
        let n_try = node.n_children - 1;
        let (mut index, mut skipped, mut catching) = (node.index, node.count, node.started);
        if self.status[i as usize] == Status::Idle {
            (skipped, catching) = (0, false);
        }
        self.set_status(i, Status::Running);
        while !catching && index < n_try {
            match self.execute(self.child(node, index))? {
                Status::Running => {
                    self.remember(i, index, skipped);
                    self.memory(i).started = false;
                    return Ok(Status::Running);
                }
                Status::Failure => {
                    self.reset_children(node)?;
                    index = 0;
                    catching = true;
                }
                Status::Skipped => {
                    index += 1;
                    skipped += 1;
                }
                _ => index += 1,
            }
        }
        self.remember(i, 0, if catching { skipped } else { 0 });
        self.memory(i).started = catching;
        if !catching {
            self.reset_children(node)?;
            return Ok(if skipped as u32 == n_try {
                Status::Skipped
            } else {
                Status::Success
            });
        }
        if self.execute(self.child(node, n_try))? == Status::Running {
            return Ok(Status::Running);
        }
        self.reset_children(node)?;
        self.memory(i).started = false;
        Ok(Status::Failure)
    }

    #[inline(never)]
    pub(super) fn halt_try_catch(&mut self, i: u32, node: Node, ports: u32) -> Result<(), Raised> {
        let on_halt = self
            .read_port(ports, &Type::Bool, Value::to_bool)
            .unwrap_or(false);
        if on_halt
            && !node.started
            && self.status[i as usize] != Status::Idle
            && node.n_children >= 2
        {
            let last = node.n_children - 1;
            for index in 0..last {
                self.reset_child(self.child(node, index))?;
            }
            if self.execute(self.child(node, last))? == Status::Running {
                self.reset_child(self.child(node, last))?;
            }
        }
        let memory = self.memory(i);
        memory.index = 0;
        memory.count = 0;
        memory.started = false;
        Ok(())
    }

    /// What a control node forgets when it is halted, before its children are.
    pub(super) fn forget_control(&mut self, i: u32, node: Node) -> Result<(), Raised> {
        match node.kind {
            // SequenceWithMemory goes on where it was.
            Kind::SequenceWithMemory => {}
            Kind::Parallel { state, .. } | Kind::ParallelAll { state, .. } => {
                self.clear_parallel(state as usize)
            }
            Kind::TryCatch { ports } => self.halt_try_catch(i, node, ports)?,
            _ => {
                let memory = self.memory(i);
                memory.index = 0;
                memory.count = 0;
            }
        }
        Ok(())
    }
}

/// A negative threshold counts from the number of children: -1 is all of them.
fn threshold(count: i32, n_children: u32) -> u32 {
    if count < 0 {
        (n_children as i64 + i64::from(count) + 1).max(0) as u32
    } else {
        count as u32
    }
}
