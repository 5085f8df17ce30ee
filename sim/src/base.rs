//! The differential-drive base: commands in, motion, odometry and collisions out, one fixed step at a time.

use nalgebra::{Matrix3, Vector3};
use rand_chacha::ChaCha8Rng;

use crate::noise::{self, Purpose};
use crate::obstacles::Obstacles;
use crate::pose::{Pose2, normalize_angle};
use crate::robot;

/// What the base does when commands stop coming.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BaseKind {
    /// Stops half a second of simulated time after the last command, as a TurtleBot 4 does.
    #[default]
    Stops,
    /// Keeps its last velocity, as a TurtleBot 3 on Jazzy does.
    KeepsLastVelocity,
}

/// Velocity in the robot's own frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Velocity {
    /// m/s forwards.
    pub linear: f64,
    /// rad/s counter-clockwise.
    pub angular: f64,
}

/// A pose with the velocity there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Motion {
    /// Of `base_footprint` in the world (true motion) or `odom` (odometry) frame.
    pub pose: Pose2,
    /// In the robot's own frame.
    pub velocity: Velocity,
}

/// What the wheels tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Odometry {
    /// `base_footprint` in `odom`, which starts at zero.
    pub motion: Motion,
    /// Covariance of x, y and heading.
    pub covariance: Matrix3<f64>,
}

/// A collision ends once the body is this far from everything, m.
const CONTACT_END: f64 = 0.01;
/// Systematic error of each wheel's assumed radius, 1 sigma.
const WHEEL_RADIUS_ERROR: f64 = 0.003;
/// Systematic error of the assumed wheel separation, 1 sigma.
const WHEEL_SEPARATION_ERROR: f64 = 0.006;
/// Random slip of a wheel, m for each square root of a metre rolled, 1 sigma.
const WHEEL_SLIP: f64 = 0.002;

/// The base in motion.
#[derive(Debug, Clone)]
pub struct Base {
    kind: BaseKind,
    truth: Motion,
    last_acceleration: f64,
    command: Velocity,
    steps_since_command: u32,
    motors_on: bool,
    in_contact: bool,
    collisions: u32,
    clearance: f64,
    min_clearance: f64,
    odometry: Odometry,
    wheel_scale: [f64; 2],
    separation: f64,
    way: f64,
    turned: f64,
    slip: ChaCha8Rng,
}

impl Base {
    /// A base that stands at `start`; the seed decides how its odometry drifts.
    pub fn new(kind: BaseKind, start: Pose2, seed: u64) -> Self {
        let mut slip = noise::generator(seed, Purpose::Odometry, 0);
        let mut error = |sigma: f64| 1.0 + sigma * noise::normal(&mut slip).clamp(-2.0, 2.0);
        let wheel_scale = [error(WHEEL_RADIUS_ERROR), error(WHEEL_RADIUS_ERROR)];
        let separation = robot::WHEEL_SEPARATION * error(WHEEL_SEPARATION_ERROR);
        Self {
            kind,
            truth: Motion {
                pose: start,
                velocity: Velocity::default(),
            },
            last_acceleration: 0.0,
            command: Velocity::default(),
            steps_since_command: 0,
            motors_on: true,
            in_contact: false,
            collisions: 0,
            clearance: f64::INFINITY,
            min_clearance: f64::INFINITY,
            odometry: Odometry {
                motion: Motion::default(),
                covariance: Matrix3::zeros(),
            },
            wheel_scale,
            separation,
            way: 0.0,
            turned: 0.0,
            slip,
        }
    }

    /// Takes a velocity command. What is beyond the base's limits is cut to them; what is not finite counts as zero. Without motor
    /// power the command is lost.
    pub fn command(&mut self, velocity: Velocity) {
        if !self.motors_on {
            return;
        }
        let finite = velocity.linear.is_finite() && velocity.angular.is_finite();
        let velocity = if finite {
            velocity
        } else {
            Velocity::default()
        };
        self.command = Velocity {
            linear: velocity
                .linear
                .clamp(-robot::MAX_LINEAR_SPEED, robot::MAX_LINEAR_SPEED),
            angular: velocity
                .angular
                .clamp(-robot::MAX_ANGULAR_SPEED, robot::MAX_ANGULAR_SPEED),
        };
        self.steps_since_command = 0;
    }

    /// Switches the motors; without power the base brakes to a stop and takes no commands, and the last one is forgotten.
    pub fn set_motor_power(&mut self, on: bool) {
        self.motors_on = on;
        if !on {
            self.command = Velocity::default();
        }
    }

    /// Whether the motors have power.
    pub fn motor_power(&self) -> bool {
        self.motors_on
    }

    /// Advances by one [`robot::STEP`].
    pub fn step(&mut self, obstacles: &Obstacles) {
        let dt = robot::STEP.as_secs_f64();
        let target = self.target();
        let before = self.truth.velocity;
        let velocity = Velocity {
            linear: approach(
                before.linear,
                target.linear,
                robot::MAX_LINEAR_ACCELERATION * dt,
            ),
            angular: approach(
                before.angular,
                target.angular,
                robot::MAX_ANGULAR_ACCELERATION * dt,
            ),
        };
        let pose = advance(self.truth.pose, velocity.linear * dt, velocity.angular * dt);
        let clearance = obstacles.clearance(pose);
        let blocked = clearance <= 0.0;
        if blocked {
            self.truth.velocity = Velocity::default();
            self.min_clearance = 0.0;
            self.clearance = 0.0;
            if !self.in_contact {
                self.collisions += 1;
            }
            self.in_contact = true;
        } else {
            self.truth = Motion { pose, velocity };
            self.clearance = clearance;
            self.min_clearance = self.min_clearance.min(clearance);
            self.in_contact &= clearance < CONTACT_END;
        }
        self.last_acceleration = (self.truth.velocity.linear - before.linear) / dt;
        self.integrate_odometry(dt);
        self.steps_since_command = self.steps_since_command.saturating_add(1);
    }

    /// The velocity that the motors are after.
    fn target(&self) -> Velocity {
        let timeout_steps = robot::COMMAND_TIMEOUT.as_nanos() / robot::STEP.as_nanos();
        let timed_out =
            self.kind == BaseKind::Stops && u128::from(self.steps_since_command) >= timeout_steps;
        if timed_out || !self.motors_on {
            Velocity::default()
        } else {
            self.command
        }
    }

    /// What the encoders make of this step's motion.
    fn integrate_odometry(&mut self, dt: f64) {
        let Velocity { linear, angular } = self.truth.velocity;
        let half = robot::WHEEL_SEPARATION / 2.0;
        let mut rolled = [
            (linear - angular * half) * dt,
            (linear + angular * half) * dt,
        ];
        for (wheel, scale) in rolled.iter_mut().zip(self.wheel_scale) {
            let slip = WHEEL_SLIP * wheel.abs().sqrt() * noise::normal(&mut self.slip);
            *wheel = *wheel * scale + slip;
        }
        let distance = (rolled[0] + rolled[1]) / 2.0;
        let turn = (rolled[1] - rolled[0]) / self.separation;
        let motion = &mut self.odometry.motion;
        let heading = motion.pose.theta + turn / 2.0;
        motion.pose = advance(motion.pose, distance, turn);
        motion.velocity = Velocity {
            linear: distance / dt,
            angular: turn / dt,
        };

        let (sin, cos) = heading.sin_cos();
        let jacobian = Matrix3::new(
            1.0,
            0.0,
            -distance * sin,
            0.0,
            1.0,
            distance * cos,
            0.0,
            0.0,
            1.0,
        );
        let way = rolled[0].abs() + rolled[1].abs();
        let slip = WHEEL_SLIP * WHEEL_SLIP * way;
        // Wrong wheels are wrong all the way: their share grows with the square of the way, not with the way.
        let before = self.systematic_variance();
        self.way += distance.abs();
        self.turned += turn.abs();
        let after = self.systematic_variance();
        let along = slip / 4.0 + after[0] - before[0];
        let around = slip / (self.separation * self.separation) + after[1] - before[1];
        let growth = Matrix3::from_diagonal(&Vector3::new(along, along, around));
        self.odometry.covariance =
            jacobian * self.odometry.covariance * jacobian.transpose() + growth;
    }

    /// What wrong wheels may have done so far to the distance (m^2) and to the heading (rad^2).
    fn systematic_variance(&self) -> [f64; 2] {
        let askew = WHEEL_RADIUS_ERROR * std::f64::consts::SQRT_2 / self.separation * self.way;
        [
            (WHEEL_RADIUS_ERROR * self.way).powi(2),
            (WHEEL_SEPARATION_ERROR * self.turned).powi(2) + askew.powi(2),
        ]
    }

    /// The true motion, in the world frame.
    pub fn truth(&self) -> Motion {
        self.truth
    }

    /// The true change of speed in the last step, m/s^2.
    pub fn acceleration(&self) -> f64 {
        self.last_acceleration
    }

    /// What the wheels tell.
    pub fn odometry(&self) -> Odometry {
        self.odometry
    }

    /// How often the robot ran into something.
    pub fn collisions(&self) -> u32 {
        self.collisions
    }

    /// The smallest distance of the body's outline to anything so far, m; infinite before the first step.
    pub fn min_clearance(&self) -> f64 {
        self.min_clearance
    }
}

/// `from` moved toward `to` by at most `by`.
fn approach(from: f64, to: f64, by: f64) -> f64 {
    from + (to - from).clamp(-by, by)
}

/// A pose after rolling `distance` along an arc that turns by `turn`.
fn advance(pose: Pose2, distance: f64, turn: f64) -> Pose2 {
    let heading = pose.theta + turn / 2.0;
    // The chord of the arc; for small turns its length is the arc's.
    let chord = if turn.abs() > 1e-6 {
        distance * (turn / 2.0).sin() / (turn / 2.0)
    } else {
        distance
    };
    Pose2::new(
        pose.x + chord * heading.cos(),
        pose.y + chord * heading.sin(),
        normalize_angle(pose.theta + turn),
    )
}
