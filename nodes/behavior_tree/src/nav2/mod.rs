//! Nav2's own nodes that need no ROS: those that only steer other nodes, as they are in ROS 2 Jazzy.
//!
//! With them Nav2's stock trees load and run; what stands for the planner, the controller and the recoveries comes from the
//! user, as leaves or as laid-down results. What the nodes have to know of the robot, they ask a [`Robot`].
//!
//! ```
//! use std::sync::Arc;
//! use behavior_tree::{Factory, nav2};
//!
//! let mut factory = Factory::new();
//! nav2::register(&mut factory, Arc::new(nav2::Parked))?;
//! assert!(factory.manifest("PipelineSequence").is_some());
//! # Ok::<(), behavior_tree::RegisterError>(())
//! ```

mod condition;
mod control;
mod decorator;

use std::sync::Arc;

use crate::engine::BranchIo;
use crate::ports::{In, Io, Ports};
use crate::registry::{Factory, RegisterError};
use crate::types::{PortValue, Type};
use crate::value::{ConvertError, Value};

/// What the nodes ask of the robot.
pub trait Robot: Send + Sync {
    /// Where `base_frame` is in `global_frame`, in m; nothing where that is not known now.
    fn position(&self, global_frame: &str, base_frame: &str) -> Option<[f64; 3]>;

    /// How fast it drives, in m/s.
    fn speed(&self) -> f64;

    /// The goal that was last received from outside, if it is newer than this one.
    fn newer_goal(&self, goal: &Value) -> Option<Value>;

    /// The points of a path, in m.
    fn points(&self, path: &Value) -> Vec<[f64; 3]>;
}

/// A robot that stands at the origin, hears of no goal and knows no path.
#[derive(Clone, Copy, Debug)]
pub struct Parked;

impl Robot for Parked {
    fn position(&self, _: &str, _: &str) -> Option<[f64; 3]> {
        Some([0.0; 3])
    }

    fn speed(&self) -> f64 {
        0.0
    }

    fn newer_goal(&self, _: &Value) -> Option<Value> {
        None
    }

    fn points(&self, _: &Value) -> Vec<[f64; 3]> {
        Vec::new()
    }
}

/// Registers Nav2's nodes.
///
/// # Errors
/// When one of their names is taken.
pub fn register(factory: &mut Factory, robot: Arc<dyn Robot>) -> Result<(), RegisterError> {
    control::register(factory)?;
    decorator::register(factory, &robot)?;
    condition::register(factory, &robot)
}

/// What can read ports: a leaf and a node with children alike.
trait Reads {
    fn value_of<T: PortValue>(&self, port: In<T>) -> Result<T, ConvertError>;

    /// The value as it is, or none.
    fn thing(&self, port: In<Thing>) -> Value;
}

impl Reads for Io<'_> {
    fn value_of<T: PortValue>(&self, port: In<T>) -> Result<T, ConvertError> {
        self.read(port)
    }

    fn thing(&self, port: In<Thing>) -> Value {
        self.peek(port).cloned().unwrap_or_default()
    }
}

impl Reads for BranchIo<'_> {
    fn value_of<T: PortValue>(&self, port: In<T>) -> Result<T, ConvertError> {
        self.read(port)
    }

    fn thing(&self, port: In<Thing>) -> Value {
        self.peek(port).cloned().unwrap_or_default()
    }
}

/// What a port without a type carries: a goal or a path, whatever it is to the user.
struct Thing(Value);

impl PortValue for Thing {
    fn port_type() -> Type {
        Type::Untyped
    }
    fn from_value(value: &Value) -> Result<Self, ConvertError> {
        Ok(Self(value.clone()))
    }
    fn into_value(self) -> Value {
        self.0
    }
}

/// The goals of a navigation, and whether they have changed. They are the ports `goal` and `goals`, or, where these are left
/// out, the entries of the same names.
struct Goals {
    goal: In<Thing>,
    goals: In<Thing>,
    last: [Value; 2],
}

impl Goals {
    fn new(ports: &mut Ports) -> Self {
        Self {
            goal: ports.input_or("goal", "{goal}", "where to go"),
            goals: ports.input_or("goals", "{goals}", "where to go, one after the other"),
            last: [Value::Empty, Value::Empty],
        }
    }

    /// Takes the goals as they are now.
    fn note(&mut self, io: &impl Reads) {
        self.last = self.current(io);
    }

    /// Whether they differ from those noted last; if so, notes them.
    fn have_changed(&mut self, io: &impl Reads) -> bool {
        let current = self.current(io);
        let changed = !self.last.iter().zip(&current).all(|(a, b)| a.is_same(b));
        if changed {
            self.last = current;
        }
        changed
    }

    fn current(&self, io: &impl Reads) -> [Value; 2] {
        // An entry that is not there is no goal.
        [self.goal, self.goals].map(|port| io.thing(port))
    }
}

/// The two frames between which a position is asked for.
struct Frames {
    global: In<Arc<str>>,
    base: In<Arc<str>>,
}

impl Frames {
    fn new(ports: &mut Ports) -> Self {
        Self {
            global: ports.input_or("global_frame", "map", "the frame to measure in"),
            base: ports.input_or("robot_base_frame", "base_link", "the robot's own frame"),
        }
    }

    fn position(&self, io: &impl Reads, robot: &dyn Robot) -> Option<[f64; 3]> {
        let read = |port| io.value_of(port).ok();
        robot.position(&read(self.global)?, &read(self.base)?)
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (a - b).powi(2));
    squares.sum::<f64>().sqrt()
}
