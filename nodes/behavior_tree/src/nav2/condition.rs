//! Nodes without children, which ask something.

use std::sync::Arc;
use std::time::Duration;

use super::{Frames, Goals, Reads as _, Robot, Thing, distance};
use crate::ports::{In, Io, Leaf, Outcome, Ports};
use crate::registry::{Factory, RegisterError};
use crate::status::Status;
use crate::value::Value;

pub(super) fn register(factory: &mut Factory, robot: &Arc<dyn Robot>) -> Result<(), RegisterError> {
    factory.register_condition("GoalUpdated", GoalUpdated::new)?;
    factory.register_condition("GlobalUpdatedGoal", GlobalUpdatedGoal::new)?;
    factory.register_condition("TimeExpired", TimeExpired::new)?;
    factory.register_condition("PathExpiringTimer", PathExpiringTimer::new)?;
    let robot = Arc::clone(robot);
    factory.register_condition("DistanceTraveled", move |ports| {
        DistanceTraveled::new(ports, Arc::clone(&robot))
    })
}

const fn holds(condition: bool) -> Outcome {
    Ok(if condition {
        Status::Success
    } else {
        Status::Failure
    })
}

/// Whether the goal has changed since the last tick; never in the first tick after a reset.
struct GoalUpdated {
    goals: Goals,
}

impl GoalUpdated {
    fn new(ports: &mut Ports) -> Self {
        let goals = Goals::new(ports);
        Self { goals }
    }
}

impl Leaf for GoalUpdated {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        if io.status() == Status::Idle {
            self.goals.note(io);
            return Ok(Status::Failure);
        }
        holds(self.goals.have_changed(io))
    }

    fn is_stateful(&self) -> bool {
        false
    }
}

/// Whether the goal has changed since the last tick, resets or not; always in the very first tick.
struct GlobalUpdatedGoal {
    goals: Goals,
    is_first: bool,
}

impl GlobalUpdatedGoal {
    fn new(ports: &mut Ports) -> Self {
        Self {
            goals: Goals::new(ports),
            is_first: true,
        }
    }
}

impl Leaf for GlobalUpdatedGoal {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        if std::mem::take(&mut self.is_first) {
            self.goals.note(io);
            return Ok(Status::Success);
        }
        holds(self.goals.have_changed(io))
    }

    fn is_stateful(&self) -> bool {
        false
    }
}

/// Whether so much time has passed since it was last true, or reset.
struct TimeExpired {
    seconds: In<f64>,
    start: Duration,
}

impl TimeExpired {
    fn new(ports: &mut Ports) -> Self {
        Self {
            seconds: ports.input_or("seconds", "1.0", "the time that must pass [s]"),
            start: Duration::ZERO,
        }
    }
}

impl Leaf for TimeExpired {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let period = io.read(self.seconds)?;
        if io.status() == Status::Idle {
            self.start = io.now();
            return Ok(Status::Failure);
        }
        holds(is_over(io, &mut self.start, period))
    }

    fn is_stateful(&self) -> bool {
        false
    }
}

/// Whether so much time has passed since the path changed, or since it was last true.
struct PathExpiringTimer {
    seconds: In<f64>,
    path: In<Thing>,
    /// Nothing before the first tick.
    last: Option<Value>,
    start: Duration,
}

impl PathExpiringTimer {
    fn new(ports: &mut Ports) -> Self {
        Self {
            seconds: ports.input_or("seconds", "1.0", "the time that must pass [s]"),
            path: ports.input("path", "the path whose changes start the time anew"),
            last: None,
            start: Duration::ZERO,
        }
    }
}

impl Leaf for PathExpiringTimer {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let period = io.read(self.seconds)?;
        let path = io.thing(self.path);
        let last = self.last.replace(path.clone());
        if !last.as_ref().is_some_and(|last| last.is_same(&path)) {
            self.start = io.now();
        }
        holds(last.is_some() && is_over(io, &mut self.start, period))
    }

    fn is_stateful(&self) -> bool {
        false
    }
}

/// Whether the time since `start` is over; if so, it starts anew.
fn is_over(io: &Io<'_>, start: &mut Duration, seconds: f64) -> bool {
    let over = io.now().saturating_sub(*start).as_secs_f64() >= seconds;
    if over {
        *start = io.now();
    }
    over
}

/// Whether the robot has come so far since it was last true, or reset.
struct DistanceTraveled {
    distance: In<f64>,
    frames: Frames,
    robot: Arc<dyn Robot>,
    start: [f64; 3],
}

impl DistanceTraveled {
    fn new(ports: &mut Ports, robot: Arc<dyn Robot>) -> Self {
        Self {
            distance: ports.input_or("distance", "1.0", "how far to drive [m]"),
            frames: Frames::new(ports),
            robot,
            start: [0.0; 3],
        }
    }
}

impl Leaf for DistanceTraveled {
    fn on_start(&mut self, io: &mut Io<'_>) -> Outcome {
        let Some(here) = self.frames.position(io, self.robot.as_ref()) else {
            return Ok(io.fail("the robot's position is not known"));
        };
        if io.status() == Status::Idle {
            self.start = here;
            return Ok(Status::Failure);
        }
        let is_there = distance(self.start, here) >= io.read(self.distance)?;
        if is_there {
            self.start = here;
        }
        holds(is_there)
    }

    fn is_stateful(&self) -> bool {
        false
    }
}
