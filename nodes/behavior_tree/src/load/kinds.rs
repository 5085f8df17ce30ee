//! What each kind of node needs when it is made.

use std::sync::Arc;

use super::build::{Builder, Built, Element, script_error};
use super::names;
use crate::builtins::{Builtin, LoopType};
use crate::engine::{
    BranchState, Current, Kind, LoopState, NONE, NodeScript, ParallelState, SetState, TestConfig,
    TestScripts, TestState, UpdateState, UserState,
};
use crate::ports::{Branch, Leaf, Manifest, Ports, Source};
use crate::script::compile::{Enums, compile};
use crate::status::{Category, Status};
use crate::value::Value;

impl Builder<'_> {
    pub(super) fn builtin(
        &mut self,
        element: &Element<'_>,
        i: u32,
        manifest: &Manifest,
        builtin: Builtin,
    ) -> Built<Kind> {
        let ports = self.add_ports(element, manifest);
        let n_ports = manifest.ports.len() as u32;
        Ok(match builtin {
            Builtin::Sequence => Kind::Sequence {
                asynchronous: false,
            },
            Builtin::AsyncSequence => Kind::Sequence { asynchronous: true },
            Builtin::SequenceWithMemory => Kind::SequenceWithMemory,
            Builtin::ReactiveSequence => Kind::ReactiveSequence,
            Builtin::Fallback => Kind::Fallback {
                asynchronous: false,
            },
            Builtin::AsyncFallback => Kind::Fallback { asynchronous: true },
            Builtin::ReactiveFallback => Kind::ReactiveFallback,
            Builtin::Parallel => Kind::Parallel {
                ports,
                state: self.parallel(),
            },
            Builtin::ParallelAll => Kind::ParallelAll {
                ports,
                state: self.parallel(),
            },
            Builtin::IfThenElse => Kind::IfThenElse,
            Builtin::WhileDoElse => Kind::WhileDoElse,
            Builtin::Switch => Kind::Switch {
                ports,
                n_cases: n_ports - 1,
            },
            Builtin::TryCatch => Kind::TryCatch { ports },
            Builtin::Inverter => Kind::Inverter,
            Builtin::ForceSuccess => Kind::Force(Status::Success),
            Builtin::ForceFailure => Kind::Force(Status::Failure),
            Builtin::Repeat => Kind::Repeat { ports },
            Builtin::RetryUntilSuccessful => Kind::Retry { ports },
            Builtin::KeepRunningUntilFailure => Kind::KeepRunningUntilFailure,
            Builtin::Delay => Kind::Delay {
                ports,
                timer: self.engine.timers.add(i),
            },
            Builtin::Timeout => Kind::Timeout {
                ports,
                timer: self.engine.timers.add(i),
            },
            Builtin::RunOnce => Kind::RunOnce { ports },
            Builtin::Precondition => Kind::Precondition {
                ports,
                script: self.node_script(element, ports, "if")?,
            },
            Builtin::Loop(loop_type) => Kind::Loop {
                ports,
                state: self.loop_state(element, loop_type)?,
            },
            Builtin::SkipUnlessUpdated => Kind::Updated {
                state: self.updated(element)?,
                otherwise: Status::Skipped,
            },
            Builtin::WaitValueUpdate => Kind::Updated {
                state: self.updated(element)?,
                otherwise: Status::Running,
            },
            Builtin::SubTree => Kind::SubTree,
            Builtin::AlwaysSuccess => Kind::Always(Status::Success),
            Builtin::AlwaysFailure => Kind::Always(Status::Failure),
            Builtin::Sleep => Kind::Sleep {
                ports,
                timer: self.engine.timers.add(i),
            },
            Builtin::Script => Kind::Script {
                script: self.node_script(element, ports, "code")?,
            },
            Builtin::ScriptCondition => Kind::ScriptCondition {
                script: self.node_script(element, ports, "code")?,
            },
            Builtin::SetBlackboard => Kind::SetBlackboard {
                state: self.set_blackboard(element, ports),
            },
            Builtin::UnsetBlackboard => Kind::UnsetBlackboard {
                ports,
                board: element.board,
            },
            Builtin::WasEntryUpdated => Kind::WasEntryUpdated {
                state: self.updated(element)?,
            },
        })
    }

    fn parallel(&mut self) -> u32 {
        let state = ParallelState {
            completed: Box::default(),
            n_completed: 0,
            n_succeeded: 0,
            n_failed: 0,
        };
        self.engine.parallels.push(state);
        (self.engine.parallels.len() - 1) as u32
    }

    /// The script of a node that runs one. It must be there when the tree is loaded.
    fn node_script(&mut self, element: &Element<'_>, ports: u32, port: &'static str) -> Built<u32> {
        let Some(attribute) = element.given(port) else {
            let message = format!("port '{port}' is missing");
            return Err(element.error(element.span, "missing-port", message, "give it a script"));
        };
        let engine = &mut self.engine;
        let (text, from_entry) = match &engine.ports[ports as usize].source {
            Source::Entry(binding) => {
                let value = engine
                    .blackboard
                    .entry(binding.slot)
                    .map(|entry| entry.value.to_text());
                let Some(Ok(text)) = value else {
                    let message = format!(
                        "the entry of port '{port}' holds no script when the tree is loaded"
                    );
                    let remedy =
                        "write the script here, or pass it as a literal parameter of the sub-tree";
                    return Err(element.error(attribute.value_span, "script", message, remedy));
                };
                (text, true)
            }
            _ => (Arc::from(attribute.value), false),
        };
        let mut code = Vec::new();
        let target = if from_entry {
            &mut code
        } else {
            &mut engine.code
        };
        let script = if text.is_empty() && !from_entry {
            NodeScript::Empty
        } else if text.is_empty() {
            NodeScript::FromEntry {
                port: ports,
                board: element.board,
                text,
                code,
            }
        } else {
            let enums = Arc::clone(&engine.enums);
            let script = compile(&text, element.board, &mut engine.blackboard, &enums, target)
                .map_err(|error| script_error(element, attribute, &error))?;
            if from_entry {
                NodeScript::FromEntry {
                    port: ports,
                    board: element.board,
                    text,
                    code,
                }
            } else {
                NodeScript::Fixed(script)
            }
        };
        engine.node_scripts.push(script);
        Ok((engine.node_scripts.len() - 1) as u32)
    }

    fn loop_state(&mut self, element: &Element<'_>, loop_type: LoopType) -> Built<u32> {
        let Some(attribute) = element.given("queue") else {
            let message = "port 'queue' is missing".to_owned();
            return Err(element.error(
                element.span,
                "missing-port",
                message,
                "give it a list or an entry",
            ));
        };
        let literal = match names::pointer(attribute.value) {
            Some(_) => None,
            None => match loop_type.queue(attribute.value) {
                Ok(values) => Some(values),
                Err(error) => {
                    let message = format!("port 'queue': {error}");
                    return Err(element.error(
                        attribute.value_span,
                        "port-type",
                        message,
                        "separate elements with ';'",
                    ));
                }
            },
        };
        let state = LoopState {
            element: loop_type,
            literal,
            current: Current::None,
            child_running: false,
        };
        self.engine.loops.push(state);
        Ok((self.engine.loops.len() - 1) as u32)
    }

    fn updated(&mut self, element: &Element<'_>) -> Built<u32> {
        let Some(attribute) = element
            .given("entry")
            .filter(|attribute| !attribute.value.is_empty())
        else {
            let message = "port 'entry' is missing".to_owned();
            return Err(element.error(
                element.span,
                "missing-port",
                message,
                "name the entry, as {key}",
            ));
        };
        let key = names::pointer(attribute.value).unwrap_or(attribute.value);
        let slot = self.engine.blackboard.bind(element.board, key).slot;
        self.engine.updates.push(UpdateState { slot, sequence: 0 });
        Ok((self.engine.updates.len() - 1) as u32)
    }

    fn set_blackboard(&mut self, element: &Element<'_>, ports: u32) -> u32 {
        // Here `{=}` is the entry of that odd name, and `=` a text.
        if let Some(value) = element.given("value") {
            self.engine.ports[ports as usize].source = match names::pointer(value.value) {
                Some(key) => Source::Entry(self.engine.blackboard.bind(element.board, key)),
                None => Source::Literal(Value::text(value.value)),
            };
        }
        let target = match &self.engine.ports[ports as usize + 1].source {
            Source::Literal(Value::Text(key)) => {
                let key = Arc::clone(key);
                Some(self.engine.blackboard.bind(element.board, &key))
            }
            _ => None,
        };
        self.engine.sets.push(SetState {
            ports,
            board: element.board,
            target,
        });
        (self.engine.sets.len() - 1) as u32
    }

    pub(super) fn user(
        &mut self,
        element: &Element<'_>,
        manifest: &Manifest,
        make: &dyn Fn(&mut Ports) -> Box<dyn Leaf>,
    ) -> Kind {
        let first_port = self.add_ports(element, manifest);
        let leaf = Some(make(&mut Ports::of_node(&element.name)));
        let n_ports = manifest.ports.len() as u32;
        self.engine.users.push(UserState {
            leaf,
            first_port,
            n_ports,
        });
        Kind::User {
            state: (self.engine.users.len() - 1) as u32,
        }
    }

    pub(super) fn branch(
        &mut self,
        element: &Element<'_>,
        manifest: &Manifest,
        make: &dyn Fn(&mut Ports) -> Box<dyn Branch>,
    ) -> Kind {
        let first_port = self.add_ports(element, manifest);
        let branch = Some(make(&mut Ports::of_node(&element.name)));
        let n_ports = manifest.ports.len() as u32;
        self.engine.branches.push(BranchState {
            branch,
            first_port,
            n_ports,
        });
        Kind::Branch {
            state: (self.engine.branches.len() - 1) as u32,
            is_decorator: manifest.category == Category::Decorator,
        }
    }

    pub(super) fn test(
        &mut self,
        element: &Element<'_>,
        i: u32,
        config: &Arc<TestConfig>,
    ) -> Built<Kind> {
        // Only here do scripts know the status words.
        let mut with_words: Enums = self.engine.enums.as_ref().clone();
        for number in 0..=4 {
            if let Some(status) = Status::from_number(number) {
                with_words.insert(status.as_str().into(), number as i32);
            }
        }
        let enums = Arc::clone(&self.engine.enums);
        let scripts = TestScripts {
            status: self.test_script(element, &config.return_status_script, &with_words)?,
            success: self.test_script(element, &config.success_script, &enums)?,
            failure: self.test_script(element, &config.failure_script, &enums)?,
            post: self.test_script(element, &config.post_script, &enums)?,
        };
        let state = TestState {
            config: Arc::clone(config),
            timer: self.engine.timers.add(i),
            scripts,
            outcomes: config.outcomes.iter().copied().collect(),
        };
        self.engine.tests.push(state);
        Ok(Kind::Test {
            state: (self.engine.tests.len() - 1) as u32,
        })
    }

    fn test_script(&mut self, element: &Element<'_>, text: &str, enums: &Enums) -> Built<u32> {
        if text.is_empty() {
            return Ok(NONE);
        }
        let engine = &mut self.engine;
        match compile(
            text,
            element.board,
            &mut engine.blackboard,
            enums,
            &mut engine.code,
        ) {
            Ok(script) => {
                engine.scripts.push(script);
                Ok((engine.scripts.len() - 1) as u32)
            }
            Err(error) => {
                let message = format!("the script '{text}' for '{}': {error}", element.name);
                Err(element.error(
                    element.span,
                    "script",
                    message,
                    "correct it in the file of outcomes",
                ))
            }
        }
    }
}
