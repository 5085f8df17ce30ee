//! Leaves that run scripts, and leaves whose results are laid down for a test.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Engine, NONE, NodeScript, Raised, Tick};
use serde::{Deserialize, Serialize};

use crate::script::compile::compile;
use crate::script::machine::Machine;
use crate::status::Status;
use crate::types::Type;
use crate::value::Value;

/// What stands in for a node in a test.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TestConfig {
    /// The result, unless a script or a list gives it.
    pub return_status: Status,
    /// A script whose value is the result: a status word or its number.
    pub return_status_script: String,
    /// Runs when the result is SUCCESS.
    pub success_script: String,
    /// Runs when the result is FAILURE.
    pub failure_script: String,
    /// Runs last, whatever the result.
    pub post_script: String,
    /// How long it is RUNNING before, in ms.
    pub async_delay_ms: u64,
    /// One result for each tick, RUNNING included; the last one stays.
    pub outcomes: Vec<Status>,
}

/// The scripts of a test leaf, each a place in [`Engine::scripts`] or [`NONE`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestScripts {
    pub status: u32,
    pub success: u32,
    pub failure: u32,
    pub post: u32,
}

impl Engine {
    #[inline(never)]
    pub(super) fn tick_script(&mut self, script: u32) -> Tick {
        self.refresh_script(script)?;
        if !self.node_scripts[script as usize].is_empty() {
            self.run_node_script(script)?;
        }
        Ok(Status::Success)
    }

    #[inline(never)]
    pub(super) fn tick_script_condition(&mut self, script: u32) -> Tick {
        self.refresh_script(script)?;
        let value = self.run_node_script(script)?;
        let holds = self.or_raise(value.to_bool())?;
        Ok(if holds {
            Status::Success
        } else {
            Status::Failure
        })
    }

    /// A script that comes from an entry is compiled again when its text has changed.
    pub(super) fn refresh_script(&mut self, script: u32) -> Result<(), Raised> {
        let NodeScript::FromEntry {
            port, board, text, ..
        } = &self.node_scripts[script as usize]
        else {
            return Ok(());
        };
        let (port, board, old) = (*port, *board, Arc::clone(text));
        let new = self.read_port(port, &Type::String, Value::to_text);
        let new = self.or_raise(new)?;
        if new == old {
            return Ok(());
        }
        let mut code = Vec::new();
        match compile(&new, board, &mut self.blackboard, &self.enums, &mut code) {
            Ok(_) => {
                self.node_scripts[script as usize] = NodeScript::FromEntry {
                    port,
                    board,
                    text: new,
                    code,
                };
                Ok(())
            }
            Err(error) => Err(self.raise(format!("script '{new}': {error}"))),
        }
    }

    pub(super) fn run_node_script(&mut self, script: u32) -> Result<Value, Raised> {
        let (code, text) = match &self.node_scripts[script as usize] {
            NodeScript::Fixed(script) => (
                &self.code[script.code.start as usize..script.code.end as usize],
                &script.text,
            ),
            NodeScript::FromEntry { code, text, .. } if !code.is_empty() => (code.as_slice(), text),
            _ => return Err(self.raise("the script is empty")),
        };
        let mut machine = Machine {
            blackboard: &mut self.blackboard,
            enums: &self.enums,
            stack: &mut self.stack,
        };
        match machine.run(code) {
            Ok(value) => Ok(value),
            Err(error) => {
                let message = format!("script '{text}': {error}");
                Err(self.raise(message))
            }
        }
    }

    #[inline(never)]
    pub(super) fn tick_test(&mut self, i: u32, state: u32) -> Tick {
        let test = &mut self.tests[state as usize];
        match self.status[i as usize] {
            Status::Idle if !test.outcomes.is_empty() => Ok(next_outcome(&mut test.outcomes)),
            Status::Running if !test.outcomes.is_empty() => Ok(next_outcome(&mut test.outcomes)),
            Status::Idle if test.config.async_delay_ms > 0 => {
                let (timer, delay) = (test.timer, test.config.async_delay_ms);
                self.start_timer(timer, delay);
                Ok(Status::Running)
            }
            Status::Idle => self.complete_test(state),
            Status::Running if self.timers.has_fired(test.timer) => self.complete_test(state),
            before => Ok(before),
        }
    }

    fn complete_test(&mut self, state: u32) -> Tick {
        let test = &self.tests[state as usize];
        let scripts = test.scripts;
        let status = if scripts.status == NONE {
            test.config.return_status
        } else {
            let value = self.run_table_script(scripts.status)?;
            self.or_raise(value.to_status())?
        };
        let own = match status {
            Status::Success => scripts.success,
            Status::Failure => scripts.failure,
            Status::Idle => return Err(self.raise("a test's result must not be IDLE")),
            _ => NONE,
        };
        for script in [own, scripts.post] {
            if script != NONE {
                self.run_table_script(script)?;
            }
        }
        Ok(status)
    }

    fn run_table_script(&mut self, script: u32) -> Result<Value, Raised> {
        let script = &self.scripts[script as usize];
        let code = &self.code[script.code.start as usize..script.code.end as usize];
        let mut machine = Machine {
            blackboard: &mut self.blackboard,
            enums: &self.enums,
            stack: &mut self.stack,
        };
        let result = machine.run(code);
        self.or_raise(result)
    }

    pub(super) fn halt_test(&mut self, state: u32) {
        self.timers.cancel(self.tests[state as usize].timer);
    }
}

fn next_outcome(outcomes: &mut VecDeque<Status>) -> Status {
    match outcomes.len() {
        1 => outcomes.front().copied(),
        _ => outcomes.pop_front(),
    }
    .unwrap_or_default()
}
