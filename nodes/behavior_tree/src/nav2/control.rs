//! Nodes with any number of children.

use crate::engine::BranchIo;
use crate::ports::{Branch, In, NodeError, Outcome, Ports};
use crate::registry::{Factory, RegisterError};
use crate::status::Status;

pub(super) fn register(factory: &mut Factory) -> Result<(), RegisterError> {
    factory.register_control("PipelineSequence", |_| PipelineSequence::default())?;
    factory.register_control("RecoveryNode", RecoveryNode::new)?;
    factory.register_control("RoundRobin", |_| RoundRobin::default())
}

/// A sequence that ticks all children up to the one that is at work, in every tick: what stands before may be RUNNING again
/// without holding up what comes after.
#[derive(Default)]
struct PipelineSequence {
    /// The last child that was RUNNING.
    last: usize,
}

impl Branch for PipelineSequence {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        let mut n_skipped = 0;
        for index in 0..io.n_children() {
            match io.tick_child(index)? {
                Status::Failure => {
                    io.halt_children()?;
                    self.last = 0;
                    return Ok(Status::Failure);
                }
                Status::Running if self.last <= index => {
                    self.last = index;
                    return Ok(Status::Running);
                }
                Status::Skipped => n_skipped += 1,
                _ => {}
            }
        }
        io.halt_children()?;
        self.last = 0;
        Ok(if n_skipped == io.n_children() {
            Status::Skipped
        } else {
            Status::Success
        })
    }

    fn on_halted(&mut self) {
        self.last = 0;
    }
}

/// Ticks its first child; when that fails, its second, and then the first again, so many times.
struct RecoveryNode {
    number_of_retries: In<i32>,
    is_recovering: bool,
    n_retries: i32,
}

impl RecoveryNode {
    fn new(ports: &mut Ports) -> Self {
        ports.children(2..=2);
        Self {
            number_of_retries: ports.input_or(
                "number_of_retries",
                "1",
                "how often to recover and try again",
            ),
            is_recovering: false,
            n_retries: 0,
        }
    }

    fn end(&mut self, io: &mut BranchIo<'_>, status: Status) -> Outcome {
        io.halt()?;
        self.on_halted();
        Ok(status)
    }
}

impl Branch for RecoveryNode {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        let limit = io.read(self.number_of_retries)?;
        if io.n_children() != 2 {
            let n = io.n_children();
            return Err(NodeError(format!(
                "RecoveryNode has 2 children, not {n}: what to do, and how to recover"
            )));
        }
        io.set_running();
        while self.n_retries <= limit {
            if self.is_recovering {
                match io.tick_child(1)? {
                    Status::Success => {
                        io.halt_child(1)?;
                        self.n_retries += 1;
                        self.is_recovering = false;
                    }
                    // A recovery that is passed over cannot help, and does not count.
                    Status::Skipped => {
                        io.halt_child(1)?;
                        self.is_recovering = false;
                        return Ok(Status::Failure);
                    }
                    Status::Running => return Ok(Status::Running),
                    _ => return self.end(io, Status::Failure),
                }
            } else {
                match io.tick_child(0)? {
                    Status::Running => return Ok(Status::Running),
                    Status::Failure if self.n_retries < limit => {
                        io.halt_child(0)?;
                        self.is_recovering = true;
                    }
                    end => return self.end(io, end),
                }
            }
        }
        self.end(io, Status::Failure)
    }

    fn on_halted(&mut self) {
        self.is_recovering = false;
        self.n_retries = 0;
    }
}

/// A fallback that goes on, after a success too, with the child after the one that ended last.
#[derive(Default)]
struct RoundRobin {
    current: usize,
    n_failed: usize,
}

impl Branch for RoundRobin {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        let n_children = io.n_children();
        io.set_running();
        let mut n_skipped = 0;
        while self.n_failed + n_skipped < n_children {
            let status = io.tick_child(self.current)?;
            if status == Status::Running {
                return Ok(Status::Running);
            }
            self.current = (self.current + 1) % n_children;
            match status {
                Status::Success => {
                    self.n_failed = 0;
                    io.halt_children()?;
                    return Ok(Status::Success);
                }
                Status::Skipped => n_skipped += 1,
                _ => self.n_failed += 1,
            }
        }
        io.halt()?;
        self.on_halted();
        Ok(if n_skipped == n_children {
            Status::Skipped
        } else {
            Status::Failure
        })
    }

    fn on_halted(&mut self) {
        self.current = 0;
        self.n_failed = 0;
    }
}
