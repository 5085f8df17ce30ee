//! Runs a tree from a recording: what its users' nodes did is done again, without them.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::values::Objects;
use super::{Did, End, Header, Input, Tick};
use crate::engine::BranchIo;
use crate::fault::LoadError;
use crate::load::models;
use crate::load::sources::Sources;
use crate::ports::{Branch, Io, Leaf, NodeError, Outcome};
use crate::registry::Factory;
use crate::status::Status;
use crate::tree::Tree;
use crate::types::Type;
use crate::value::Value;

/// The tree that a recording tells of, with stand-ins for its users' nodes.
pub(super) fn load(header: &Header) -> Result<(Tree, Playback), LoadError> {
    let mut factory = Factory::new();
    let mut model = Sources::default();
    model.read_text("<model>", &header.model, Path::new(""));
    models::declare(&mut factory, &mut model, Type::recorded);
    model.first_error()?;
    for (name, value) in &header.enums {
        // Each name has one value there.
        let _ = factory.register_enum(name, *value);
    }
    for (filter, substitute) in &header.substitutions {
        factory.substitute(filter, substitute.clone());
    }
    let mut tree = factory
        .with_runnable_models()
        .load_documents(&header.documents, &header.tree)?;
    let playback = Playback::default();
    let functions: HashSet<u32> = header.functions.iter().copied().collect();
    let of = |uid| Replayed {
        uid,
        playback: playback.clone(),
        is_function: functions.contains(&uid),
    };
    tree.engine_mut()
        .replace_users(|uid, _| Box::new(of(uid)), |uid, _| Box::new(of(uid)));
    Ok((tree, playback))
}

#[derive(Default)]
struct State {
    inputs: VecDeque<Input>,
    objects: Objects,
}

impl State {
    /// The next input, unless it is for someone else. Queues are filled on the way.
    fn next_if(&mut self, wanted: impl FnOnce(&Input) -> bool) -> Option<Input> {
        while let Some(Input::Queue(number, elements)) = self.inputs.front() {
            self.objects.fill(*number, elements);
            self.inputs.pop_front();
        }
        self.inputs.pop_front_if(|next| wanted(next))
    }
}

/// What is still to come of a tick.
#[derive(Clone, Default)]
pub(super) struct Playback(Arc<Mutex<State>>);

impl Playback {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what was done to the tree before a tick, and has the inputs of the tick ready.
    pub(super) fn begin(&self, tree: &mut Tree, tick: &Tick) {
        self.lock().inputs = tick.before.iter().cloned().collect();
        loop {
            let next = self
                .lock()
                .next_if(|next| matches!(next, Input::Set(..) | Input::Halt));
            // What was refused then is refused now.
            match next {
                Some(Input::Set(key, value)) => {
                    let value = self.lock().objects.value(&value);
                    let _ = tree.set(&key, value);
                }
                Some(Input::Halt) => {
                    let _ = tree.halt();
                }
                _ => break,
            }
        }
        self.lock().inputs = tick.inputs.iter().cloned().collect();
    }
}

/// Stands for a user's node.
struct Replayed {
    uid: u32,
    playback: Playback,
    is_function: bool,
}

/// What a stand-in does next.
enum Next {
    Write(u32, Value, Type),
    Do(Did),
    End(End),
}

impl Replayed {
    /// Errors: the run has parted from the recording.
    fn next(&self) -> Result<Next, NodeError> {
        let mut state = self.playback.lock();
        let own = |next: &Input| matches!(next, Input::Node(uid, _) if *uid == self.uid);
        match state.next_if(own) {
            Some(Input::Node(_, Did::Write(port, value, info))) => {
                let value = state.objects.value(&value);
                Ok(Next::Write(port, value, Type::recorded(&info)))
            }
            Some(Input::Node(_, Did::End(end))) => Ok(Next::End(end)),
            Some(Input::Node(_, did)) => Ok(Next::Do(did)),
            _ => Err(NodeError(
                "the recording does not say what this node did here".into(),
            )),
        }
    }

    fn leaf(&self, io: &mut Io<'_>) -> Outcome {
        loop {
            match self.next()? {
                // Whether an error of it mattered shows in the end.
                Next::Write(port, value, info) => {
                    let _ = io.write_value(port, value, info);
                }
                Next::Do(_) => {}
                Next::End(end) => {
                    *io.reason = end.reason;
                    *io.wake_up |= end.wake_up;
                    return end.result.map_err(NodeError);
                }
            }
        }
    }
}

impl Leaf for Replayed {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        self.leaf(io)
    }

    fn on_halted(&mut self, io: &mut Io<'_>) {
        // A run that has parted shows in the next tick.
        let _ = self.leaf(io);
    }

    fn is_stateful(&self) -> bool {
        !self.is_function
    }
}

impl Branch for Replayed {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        loop {
            // Whether an error of a child mattered shows in the end.
            let _: Result<Status, NodeError> = match self.next()? {
                Next::Write(port, value, info) => io
                    .write_value(port, value, info)
                    .map(|()| Status::Idle)
                    .map_err(NodeError::from),
                Next::Do(Did::TickChild(index)) => io.tick_child(index),
                Next::Do(Did::HaltChild(index)) => io.halt_child(index).map(|()| Status::Idle),
                Next::Do(Did::HaltChildren) => io.halt_children().map(|()| Status::Idle),
                Next::Do(Did::HaltItself) => io.halt().map(|()| Status::Idle),
                Next::Do(_) => {
                    io.set_running();
                    Ok(Status::Running)
                }
                Next::End(end) => return end.result.map_err(NodeError),
            };
        }
    }
}
