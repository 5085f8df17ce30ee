//! A behaviour-tree engine for BehaviorTree.CPP v4 XML, without ROS.
//!
//! Trees are read from the files that BehaviorTree.CPP 4.10 reads and mean what they mean there: every tick gives the same
//! transitions. Time is told to the tree, never asked for, so that hours of `Sleep` and `Timeout` pass in milliseconds of
//! a test.
//!
//! A user's node declares its typed ports where it is made, and uses them where it is ticked:
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use behavior_tree::{Factory, In, Io, Leaf, Out, Outcome, Ports, Status, UserValue};
//!
//! /// A user's own type on the blackboard.
//! struct Pose {
//!     x: f64,
//! }
//!
//! impl UserValue for Pose {
//!     const NAME: &'static str = "Pose";
//! }
//!
//! /// Takes several ticks, and can be stopped.
//! struct GoTo {
//!     goal: In<Arc<Pose>>,
//!     patience: In<f64>,
//!     travelled: Out<f64>,
//!     arrival: Duration,
//! }
//!
//! impl GoTo {
//!     fn new(ports: &mut Ports) -> Self {
//!         Self {
//!             goal: ports.input("goal", "where to go, in the map frame [m]"),
//!             patience: ports.input_or("patience", "60.0", "how long it may take [s]"),
//!             travelled: ports.output("travelled", "the way driven [m]"),
//!             arrival: Duration::ZERO,
//!         }
//!     }
//! }
//!
//! impl Leaf for GoTo {
//!     fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
//!         let goal = io.read(self.goal)?;
//!         if goal.x > io.read(self.patience)? {
//!             return Ok(io.fail("the goal is too far away"));
//!         }
//!         self.arrival = io.now() + Duration::from_secs_f64(goal.x);
//!         Ok(Status::Running)
//!     }
//!
//!     fn on_running(&mut self, io: &mut Io<'_>) -> Outcome {
//!         if io.now() < self.arrival {
//!             return Ok(Status::Running);
//!         }
//!         let goal = io.read(self.goal)?;
//!         io.write(self.travelled, goal.x)?;
//!         Ok(Status::Success)
//!     }
//!
//!     fn on_halted(&mut self, _io: &mut Io<'_>) {
//!         // Cancel what was started.
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut factory = Factory::new();
//! factory.register_action("GoTo", GoTo::new)?;
//! // What completes at once is a function.
//! factory.register_action("MakeGoal", |ports| {
//!     let (x, goal) = (ports.input::<f64>("x", "[m]"), ports.output::<Arc<Pose>>("goal", "the pose there"));
//!     move |io: &mut Io<'_>| {
//!         let x = io.read(x)?;
//!         io.write(goal, Arc::new(Pose { x }))?;
//!         Ok(Status::Success)
//!     }
//! })?;
//! let mut tree = factory.load_text(
//!     r#"<root BTCPP_format="4"><BehaviorTree ID="Main">
//!          <Sequence>
//!            <MakeGoal x="2.0" goal="{goal}"/>
//!            <GoTo goal="{goal}" travelled="{way}"/>
//!          </Sequence>
//!        </BehaviorTree></root>"#,
//! )?;
//! tree.observe(|transition| println!("{transition:?}"));
//! let mut now = Duration::ZERO;
//! while tree.tick_exactly_once(now)? == Status::Running {
//!     now += Duration::from_millis(10);
//! }
//! assert_eq!(now, Duration::from_secs(2));
//! assert!(matches!(tree.get("way"), Some(behavior_tree::Value::Real(way)) if way == 2.0));
//! # Ok(())
//! # }
//! ```
//!
//! Where a tree fails, [`Tree::failure`] says which node the failure began at, and why, if the node said so with
//! [`Io::fail`].

#[cfg(feature = "async")]
mod asynchronous;
mod blackboard;
mod builtins;
mod check;
mod engine;
mod fault;
mod load;
mod number;
mod ports;
mod registry;
mod script;
mod status;
mod switch;
mod tree;
mod tree_xml;
mod types;
mod value;
mod xml;

pub mod cli;
pub mod draw;
#[cfg(feature = "groot2")]
pub mod groot2;
pub mod locations;
pub mod loggers;
pub mod nav2;
pub mod recording;

#[cfg(feature = "async")]
pub use asynchronous::from_future;
pub use engine::{BranchIo, TestConfig, Transition};
pub use fault::{Fault, LoadError, Severity};
pub use ports::{
    Branch, Direction, In, InOut, Io, Leaf, Manifest, NodeError, Out, Outcome, PortSpec, Ports,
};
pub use registry::{Factory, RegisterError, Substitute};
pub use script::SyntaxError;
pub use status::{Category, NotAStatus, Status};
pub use tree::{Failure, NodeView, TickError, Tree};
pub use types::{PortValue, Type, UserType, UserValue};
pub use value::{ConvertError, IntType, SharedQueue, Value};
