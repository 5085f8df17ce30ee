//! The loop: step, publish, and wait for the wall clock or for whoever controls the robot.

use crate::args::{Args, Base};
use crate::camera::Camera;
use crate::inputs::{COMMAND_TOPIC, Inputs};
use crate::middleware;
use crate::outputs::Outputs;
use crate::pacing::{PATIENCE, Peers, RealTimeFactor, WallPace};
use ros_node::RosNode;
use ros_node::diagnostics::{self, Level, Report};
use sim::robot::{CONTROL_STEPS, camera_due};
use sim::{BaseKind, Simulation, SimulationOptions, World};
use std::cell::RefCell;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// After a signal the simulator goes on so long at most while somebody still publishes commands: the robot is to be
/// brought to a stand by whoever drives it, not to vanish in motion.
const LAST_COMMANDS: Duration = Duration::from_millis(3500);
/// Who is waited for.
const NAVIGATION: &str = "navigation";
/// What navigation calls itself in a control period in which it has sent a command.
const NAVIGATION_DRIVING: &str = "navigation/driving";
const LOCALIZATION: &str = "localization";
const BASE: &str = "the velocity gate";
const DETECTOR: &str = "the detector";
/// So often a picture is waited for before the detector was ever heard: it may still be loading its model.
const DETECTOR_PATIENCE: u32 = 4;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// On a bad world, or when ROS or Zenoh refuse an endpoint.
pub fn run(args: Args, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    middleware::tidy();
    let world = World::read_sdf(&args.world)?;
    let mut node = SimNode::new(&mut ros, &args, &world)?;
    report(&mut ros, &node.figures)?;
    node.publish();
    tracing::info!(world = %args.world.display(), speed = args.speed, "simulating");
    ros_node::ready();
    let mut signalled = None;
    loop {
        node.advance(&mut ros);
        if ros.stop_requested() {
            let since: Instant = *signalled.get_or_insert_with(Instant::now);
            let commanded = ros
                .node
                .get_publishers_info_by_topic(COMMAND_TOPIC, false)
                .is_ok_and(|publishers| !publishers.is_empty());
            if !commanded || since.elapsed() > LAST_COMMANDS {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
}

/// What is shown on `/diagnostics`.
#[derive(Debug, Clone, Default)]
struct Figures {
    collisions: u32,
    min_clearance: f64,
    frames_rendered: u64,
    frames_skipped: u64,
    frames_unanswered: u64,
    missed_control_periods: u64,
    simulated: Duration,
    real_time_factor: Option<f64>,
}

struct SimNode {
    simulation: Simulation,
    inputs: Inputs,
    outputs: Outputs,
    camera: Camera,
    peers: Peers,
    as_fast_as_it_goes: bool,
    pace_detections: bool,
    wall_pace: WallPace,
    was_paced: bool,
    real_time_factor: RealTimeFactor,
    /// Stamp of the newest picture, ns.
    newest_picture: i64,
    /// Stamp of the newest command of navigation, ns.
    newest_driving: i64,
    figures: Rc<RefCell<Figures>>,
}

impl SimNode {
    fn new(ros: &mut RosNode, args: &Args, world: &World) -> anyhow::Result<Self> {
        let options = SimulationOptions {
            seed: args.seed,
            base: match args.base {
                Base::Stops => BaseKind::Stops,
                Base::Keeps => BaseKind::KeepsLastVelocity,
            },
        };
        let inputs = Inputs::open(ros, args)?;
        let mut peers = Peers::default();
        if args.pace_detections {
            peers.expect(DETECTOR, DETECTOR_PATIENCE);
        }
        let now = Instant::now();
        let as_fast_as_it_goes = args.speed == 0.0;
        let factor = if as_fast_as_it_goes { 1.0 } else { args.speed };
        Ok(Self {
            simulation: Simulation::new(world, options),
            inputs,
            outputs: Outputs::new(&mut ros.node, &world.robot_start)?,
            camera: Camera::start(&mut ros.node, world, args.seed)?,
            peers,
            as_fast_as_it_goes,
            pace_detections: args.pace_detections,
            wall_pace: WallPace::new(factor, Duration::ZERO, now),
            was_paced: false,
            real_time_factor: RealTimeFactor::new(now, Duration::ZERO),
            newest_picture: i64::MIN,
            newest_driving: i64::MIN,
            figures: Rc::default(),
        })
    }

    /// One physics step and what comes with it.
    fn advance(&mut self, ros: &mut RosNode) {
        self.take_inputs();
        self.simulation.step();
        self.publish();
        if self.as_fast_as_it_goes && self.simulation.steps().is_multiple_of(CONTROL_STEPS) {
            self.wait_for_peers(ros);
        }
        if !self.is_paced() {
            self.wait_for_wall(ros);
        }
    }

    fn publish(&mut self) {
        self.outputs.publish(&self.simulation);
        let step = self.simulation.steps();
        if camera_due(step) {
            let stamp = self.stamp();
            let base = self.simulation.ground_truth().pose;
            if self
                .camera
                .shoot(stamp, step, base, self.as_fast_as_it_goes)
            {
                self.newest_picture = stamp;
            }
        }
    }

    fn take_inputs(&mut self) {
        let mut inbox = self.inputs.inbox.borrow_mut();
        if let Some(on) = inbox.motor_power.take() {
            self.simulation.set_motor_power(on);
        }
        if let Some((linear, angular)) = inbox.command.take() {
            self.simulation.command(linear, angular);
        }
        if let Some(stamp) = inbox.command_stamp.take() {
            self.peers.heard(BASE, stamp);
        }
        for (name, stamp) in inbox.acks.drain(..) {
            match name.as_str() {
                NAVIGATION_DRIVING => {
                    self.newest_driving = stamp;
                    self.peers.heard(NAVIGATION, stamp);
                }
                NAVIGATION | LOCALIZATION => self.peers.heard(&name, stamp),
                _ => tracing::warn!(name, "an acknowledgement of somebody unknown, ignored"),
            }
        }
        drop(inbox);
        for stamp in self.inputs.answered() {
            self.peers.heard(DETECTOR, stamp);
        }
    }

    /// Whether all who are to be waited for are there. Until then time passes as on the wall, so that a run does not
    /// begin with hours in which nothing happened, or go on while the detector starts anew.
    fn is_paced(&self) -> bool {
        let heard = |name| self.peers.has_heard(name);
        self.as_fast_as_it_goes
            && (heard(NAVIGATION) || heard(LOCALIZATION))
            && (heard(DETECTOR) || !self.pace_detections)
    }

    /// Who has not done the present control period yet.
    fn owing(&self) -> Vec<&'static str> {
        let now = self.stamp();
        let driving = self.newest_driving == now;
        [
            (NAVIGATION, now),
            (LOCALIZATION, now),
            (BASE, if driving { now } else { i64::MIN }),
            (DETECTOR, self.newest_picture),
        ]
        .into_iter()
        .filter(|(name, stamp)| self.peers.owes(name, *stamp))
        .map(|(name, _)| name)
        .collect()
    }

    fn wait_for_peers(&mut self, ros: &mut RosNode) {
        self.was_paced = true;
        let end = Instant::now() + PATIENCE;
        let mut owing = Vec::new();
        ros.spin_until(Duration::from_millis(1), |ros| {
            self.take_inputs();
            self.note(Instant::now());
            owing = self.owing();
            owing.is_empty() || Instant::now() > end || ros.stop_requested()
        });
        if owing.is_empty() || ros.stop_requested() {
            return;
        }
        tracing::warn!(
            ?owing,
            at = self.simulation.time().as_secs_f64(),
            "waited in vain"
        );
        let mut figures = self.figures.borrow_mut();
        if owing.iter().any(|name| *name != DETECTOR) {
            figures.missed_control_periods += 1;
        }
        if owing.contains(&DETECTOR) {
            figures.frames_unanswered += 1;
        }
        for name in owing {
            self.peers.miss(name);
        }
    }

    fn wait_for_wall(&mut self, ros: &mut RosNode) {
        let now = Instant::now();
        if std::mem::take(&mut self.was_paced) {
            self.wall_pace = WallPace::new(1.0, self.simulation.time(), now);
        }
        let due = self.wall_pace.due(self.simulation.time(), now);
        loop {
            let left = due.saturating_duration_since(Instant::now());
            ros.spin_until(left, |_| true);
            if Instant::now() >= due || ros.stop_requested() {
                break;
            }
        }
        self.note(Instant::now());
    }

    fn stamp(&self) -> i64 {
        self.simulation.time().as_nanos() as i64
    }

    fn note(&mut self, now: Instant) {
        let simulated = self.simulation.time();
        let mut figures = self.figures.borrow_mut();
        figures.collisions = self.simulation.collisions();
        figures.min_clearance = self.simulation.min_clearance();
        figures.frames_rendered = self.camera.rendered;
        figures.frames_skipped = self.camera.skipped;
        figures.simulated = simulated;
        figures.real_time_factor = self.real_time_factor.at(now, simulated);
    }
}

fn report(ros: &mut RosNode, figures: &Rc<RefCell<Figures>>) -> anyhow::Result<()> {
    let figures = Rc::clone(figures);
    diagnostics::publish_each_second(ros, move || {
        let figures = figures.borrow();
        let (level, message) = if figures.collisions > 0 {
            (Level::Error, "the robot has run into something")
        } else if figures.missed_control_periods > 0 {
            (Level::Warn, "control periods were missed")
        } else {
            (Level::Ok, "simulating")
        };
        let measured = |value: Option<f64>| value.map_or("null".into(), |v| format!("{v:.3}"));
        let clearance = figures
            .min_clearance
            .is_finite()
            .then_some(figures.min_clearance);
        Report::new(level, message)
            .with("collisions", figures.collisions)
            .with("min_clearance_m", measured(clearance))
            .with("frames_rendered", figures.frames_rendered)
            .with("frames_skipped", figures.frames_skipped)
            .with("frames_unanswered", figures.frames_unanswered)
            .with("missed_control_periods", figures.missed_control_periods)
            .with(
                "sim_time_s",
                format!("{:.3}", figures.simulated.as_secs_f64()),
            )
            .with("real_time_factor", measured(figures.real_time_factor))
    })
}
