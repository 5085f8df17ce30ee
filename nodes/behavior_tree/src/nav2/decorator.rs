//! Nodes with one child.

use std::sync::Arc;
use std::time::Duration;

use super::{Frames, Goals, Reads as _, Robot, Thing, distance};
use crate::engine::BranchIo;
use crate::ports::{Branch, In, NodeError, Out, Outcome, Ports};
use crate::registry::{Factory, RegisterError};
use crate::status::Status;

pub(super) fn register(factory: &mut Factory, robot: &Arc<dyn Robot>) -> Result<(), RegisterError> {
    factory.register_decorator("RateController", RateController::new)?;
    factory.register_decorator("SingleTrigger", |_| SingleTrigger { has_ended: false })?;
    factory.register_decorator("GoalUpdatedController", GoalUpdatedController::new)?;
    let its = Arc::clone(robot);
    factory.register_decorator("DistanceController", move |ports| {
        DistanceController::new(ports, Arc::clone(&its))
    })?;
    let its = Arc::clone(robot);
    factory.register_decorator("SpeedController", move |ports| {
        SpeedController::new(ports, Arc::clone(&its))
    })?;
    let its = Arc::clone(robot);
    factory.register_decorator("GoalUpdater", move |ports| {
        GoalUpdater::new(ports, Arc::clone(&its))
    })?;
    let its = Arc::clone(robot);
    factory.register_decorator("PathLongerOnApproach", move |ports| {
        PathLongerOnApproach::new(ports, Arc::clone(&its))
    })
}

/// Whether the child is at work, and so is ticked whatever the decorator waits for.
fn child_is_running(io: &BranchIo<'_>) -> Result<bool, NodeError> {
    Ok(io.child_status(0)? == Status::Running)
}

fn seconds_since(io: &BranchIo<'_>, start: Duration) -> f64 {
    io.now().saturating_sub(start).as_secs_f64()
}

/// Ticks its child at most so often, and is RUNNING in between.
struct RateController {
    hz: In<f64>,
    /// [s]
    period: f64,
    start: Duration,
    is_first: bool,
}

impl RateController {
    fn new(ports: &mut Ports) -> Self {
        Self {
            hz: ports.input_or("hz", "10.0", "how often the child is ticked at most [1/s]"),
            period: 0.0,
            start: Duration::ZERO,
            is_first: true,
        }
    }
}

impl Branch for RateController {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        if io.status() == Status::Idle {
            self.period = 1.0 / io.read(self.hz)?;
            self.start = io.now();
            self.is_first = true;
        }
        io.set_running();
        let is_due = seconds_since(io, self.start) >= self.period;
        if !(self.is_first || is_due || child_is_running(io)?) {
            return Ok(Status::Running);
        }
        self.is_first = false;
        let status = io.tick_child(0)?;
        if status == Status::Success {
            self.start = io.now();
        }
        Ok(status)
    }
}

/// Ticks its child each time the robot has come so far, and is RUNNING in between.
struct DistanceController {
    distance: In<f64>,
    frames: Frames,
    robot: Arc<dyn Robot>,
    start: [f64; 3],
    is_first: bool,
}

impl DistanceController {
    fn new(ports: &mut Ports, robot: Arc<dyn Robot>) -> Self {
        Self {
            distance: ports.input_or("distance", "1.0", "how far to drive [m]"),
            frames: Frames::new(ports),
            robot,
            start: [0.0; 3],
            is_first: true,
        }
    }
}

impl Branch for DistanceController {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        // Where the robot is not known, nothing can be said.
        let Some(here) = self.frames.position(io, self.robot.as_ref()) else {
            if io.status() != Status::Idle {
                io.set_running();
            }
            return Ok(Status::Failure);
        };
        if io.status() == Status::Idle {
            self.start = here;
            self.is_first = true;
        }
        io.set_running();
        let is_due = distance(self.start, here) >= io.read(self.distance)?;
        if !(self.is_first || is_due || child_is_running(io)?) {
            return Ok(Status::Running);
        }
        self.is_first = false;
        let status = io.tick_child(0)?;
        if status == Status::Success {
            match self.frames.position(io, self.robot.as_ref()) {
                Some(here) => self.start = here,
                None => return Ok(Status::Failure),
            }
        }
        Ok(status)
    }
}

/// Ticks its child the more often the faster the robot drives, at once for a new goal, and is RUNNING in between.
struct SpeedController {
    min_rate: In<f64>,
    max_rate: In<f64>,
    min_speed: In<f64>,
    max_speed: In<f64>,
    goals: Goals,
    robot: Arc<dyn Robot>,
    /// [s]
    period: f64,
    start: Duration,
    is_first: bool,
}

impl SpeedController {
    fn new(ports: &mut Ports, robot: Arc<dyn Robot>) -> Self {
        Self {
            min_rate: ports.input_or("min_rate", "0.1", "how often at min_speed [1/s]"),
            max_rate: ports.input_or("max_rate", "1.0", "how often at max_speed [1/s]"),
            min_speed: ports.input_or("min_speed", "0.0", "the speed of min_rate [m/s]"),
            max_speed: ports.input_or("max_speed", "0.5", "the speed of max_rate [m/s]"),
            goals: Goals::new(ports),
            robot,
            period: 0.0,
            start: Duration::ZERO,
            is_first: true,
        }
    }

    fn rate(&self, io: &BranchIo<'_>, (min, max): (f64, f64)) -> Result<f64, NodeError> {
        let (slow, fast) = (io.read(self.min_speed)?, io.read(self.max_speed)?);
        let rate = (self.robot.speed() - slow) / (fast - slow) * (max - min) + min;
        Ok(rate.min(max).max(min))
    }
}

impl Branch for SpeedController {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        let rates = (io.read(self.min_rate)?, io.read(self.max_rate)?);
        if rates.0 <= 0.0 || rates.1 <= 0.0 {
            return Err(NodeError("min_rate and max_rate must be above 0".into()));
        }
        if io.status() == Status::Idle {
            self.goals.note(io);
            self.is_first = true;
        } else if self.goals.have_changed(io) {
            self.is_first = true;
        }
        if self.is_first {
            self.period = 1.0 / rates.1;
            self.start = io.now();
        }
        io.set_running();
        let is_due = seconds_since(io, self.start) >= self.period;
        if !(self.is_first || is_due || child_is_running(io)?) {
            return Ok(Status::Running);
        }
        self.is_first = false;
        if is_due {
            self.period = 1.0 / self.rate(io, rates)?;
            self.start = io.now();
        }
        io.tick_child(0)
    }
}

/// Lets its child come to an end once, and fails from then on, until it is reset.
struct SingleTrigger {
    has_ended: bool,
}

impl Branch for SingleTrigger {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        if io.status() == Status::Idle {
            self.has_ended = false;
        }
        io.set_running();
        if self.has_ended {
            return Ok(Status::Failure);
        }
        let status = io.tick_child(0)?;
        self.has_ended = status.is_completed();
        Ok(status)
    }
}

/// Hands the newest goal on to its child.
struct GoalUpdater {
    input_goal: In<Thing>,
    output_goal: Out<Thing>,
    robot: Arc<dyn Robot>,
}

impl GoalUpdater {
    fn new(ports: &mut Ports, robot: Arc<dyn Robot>) -> Self {
        Self {
            input_goal: ports.input("input_goal", "the goal that is known"),
            output_goal: ports.output("output_goal", "that goal, or a newer one from outside"),
            robot,
        }
    }
}

impl Branch for GoalUpdater {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        let goal = io.thing(self.input_goal);
        let goal = self.robot.newer_goal(&goal).unwrap_or(goal);
        if !goal.is_empty() {
            io.write(self.output_goal, Thing(goal))?;
        }
        io.tick_child(0)
    }
}

/// Ticks its child when it starts and each time the goal changes, and is RUNNING in between.
struct GoalUpdatedController {
    goals: Goals,
    is_new: bool,
}

impl GoalUpdatedController {
    fn new(ports: &mut Ports) -> Self {
        Self {
            goals: Goals::new(ports),
            is_new: true,
        }
    }
}

impl Branch for GoalUpdatedController {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        if io.status() == Status::Idle {
            self.goals.note(io);
            self.is_new = true;
        }
        io.set_running();
        self.is_new |= self.goals.have_changed(io);
        if !(self.is_new || child_is_running(io)?) {
            return Ok(Status::Running);
        }
        self.is_new = false;
        io.tick_child(0)
    }
}

/// Ticks its child when the path to the same goal has suddenly become much longer while the robot is near the goal.
/// Otherwise it succeeds.
struct PathLongerOnApproach {
    path: In<Thing>,
    prox_len: In<f64>,
    length_factor: In<f64>,
    robot: Arc<dyn Robot>,
    old: Vec<[f64; 3]>,
    is_first: bool,
}

impl PathLongerOnApproach {
    fn new(ports: &mut Ports, robot: Arc<dyn Robot>) -> Self {
        Self {
            path: ports.input("path", "the path that is followed"),
            prox_len: ports.input_or("prox_len", "3.0", "how near the goal must be [m]"),
            length_factor: ports.input_or(
                "length_factor",
                "2.0",
                "how many times longer the new path must be",
            ),
            robot,
            old: Vec::new(),
            is_first: true,
        }
    }
}

impl Branch for PathLongerOnApproach {
    fn tick(&mut self, io: &mut BranchIo<'_>) -> Outcome {
        let path = io.thing(self.path);
        let new = self.robot.points(&path);
        let (near, factor) = (io.read(self.prox_len)?, io.read(self.length_factor)?);
        let same_end = !new.is_empty() && self.old.last() == new.last();
        // A path to elsewhere begins a new approach.
        self.is_first |= !same_end;
        io.set_running();
        let is_updated = same_end && self.old.len() != new.len();
        let (was_long, is_long) = (length(&self.old), length(&new));
        if is_updated && was_long < near && is_long > factor * was_long && !self.is_first {
            let status = io.tick_child(0)?;
            if status.is_completed() {
                self.old = new;
                io.halt_child(0)?;
            }
            return Ok(status);
        }
        self.old = new;
        self.is_first = false;
        Ok(Status::Success)
    }
}

fn length(points: &[[f64; 3]]) -> f64 {
    let pieces = points.windows(2).map(|pair| distance(pair[0], pair[1]));
    pieces.sum()
}
