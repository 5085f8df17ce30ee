//! The simulation: a world, a robot in it, and what the robot's sensors say.
//!
//! ```
//! # use sim::{Simulation, SimulationOptions, World};
//! # fn drive(world: &World) {
//! let mut simulation = Simulation::new(world, SimulationOptions { seed: 7, ..Default::default() });
//! simulation.command(0.2, 0.0);
//! for _ in 0..100 {
//!     simulation.step();
//! }
//! assert_eq!(simulation.time().as_secs_f64(), 1.0);
//! # }
//! ```

use std::time::Duration;

use crate::base::{Base, BaseKind, Motion, Odometry, Velocity};
use crate::noise::{self, Grain, Purpose};
use crate::obstacles::Obstacles;
use crate::render::{Camera, Renderer, Scene};
use crate::robot;
use crate::world::World;

/// How a simulation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimulationOptions {
    /// Decides all noise.
    pub seed: u64,
    /// What the base does without commands.
    pub base: BaseKind,
}

/// What the IMU measures, in `imu_link`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImuReading {
    /// m/s^2 along x, y, z; gravity shows as +9.81 on z.
    pub linear_acceleration: [f64; 3],
    /// rad/s about x, y, z.
    pub angular_velocity: [f64; 3],
    /// Heading, as the IMU's own filter tells it: the true one since the start, with a small error. rad.
    pub heading: f64,
}

/// Standard deviation of the IMU's accelerations, m/s^2.
pub const IMU_ACCELERATION_SIGMA: f64 = 0.017;
/// Standard deviation of the IMU's turning rates, rad/s.
pub const IMU_GYRO_SIGMA: f64 = 0.002;
/// Standard deviation of the IMU's heading, rad.
pub const IMU_HEADING_SIGMA: f64 = 0.01;
/// Standard deviation of a pixel's colour, of 255.
pub const CAMERA_SIGMA: f64 = 2.0;
const GRAVITY: f64 = 9.81;

/// A robot in a world. Time stands still but for [`Simulation::step`].
pub struct Simulation {
    seed: u64,
    steps: u64,
    start_heading: f64,
    base: Base,
    body_obstacles: Obstacles,
    lidar_obstacles: Obstacles,
    scene: Scene,
    renderer: Renderer,
    grain: Grain,
}

impl Simulation {
    /// The robot at the world's start, at time 0.
    pub fn new(world: &World, options: SimulationOptions) -> Self {
        let scan_height = robot::BASE_LINK.xyz[2] + robot::BASE_SCAN.xyz[2];
        Self {
            seed: options.seed,
            steps: 0,
            start_heading: world.robot_start.theta,
            base: Base::new(options.base, world.robot_start, options.seed),
            body_obstacles: Obstacles::in_band(world, robot::BODY_BAND[0], robot::BODY_BAND[1]),
            lidar_obstacles: Obstacles::in_band(world, scan_height, scan_height),
            scene: Scene::new(world),
            renderer: Renderer::new(Camera::ROBOT),
            grain: Grain::new(
                CAMERA_SIGMA,
                &mut noise::generator(options.seed, Purpose::Camera, u64::MAX),
            ),
        }
    }

    /// Simulated time since the start.
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.steps * robot::STEP.as_nanos() as u64)
    }

    /// Steps since the start.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Advances by one [`robot::STEP`].
    pub fn step(&mut self) {
        self.base.step(&self.body_obstacles);
        self.steps += 1;
    }

    /// Gives the base a velocity command, m/s and rad/s, which holds from the next step on.
    pub fn command(&mut self, linear: f64, angular: f64) {
        self.base.command(Velocity { linear, angular });
    }

    /// Switches the motors on or off.
    pub fn set_motor_power(&mut self, on: bool) {
        self.base.set_motor_power(on);
    }

    /// Whether the motors are on.
    pub fn motor_power(&self) -> bool {
        self.base.motor_power()
    }

    /// The robot's true motion, in the world frame. For the report and tests alone.
    pub fn ground_truth(&self) -> Motion {
        self.base.truth()
    }

    /// Wheel odometry at this time.
    pub fn odometry(&self) -> Odometry {
        self.base.odometry()
    }

    /// How often the robot ran into something.
    pub fn collisions(&self) -> u32 {
        self.base.collisions()
    }

    /// The smallest distance of the body's outline to anything so far, m; infinite before the first step.
    pub fn min_clearance(&self) -> f64 {
        self.base.min_clearance()
    }

    /// Measures one turn of the lidar at this time into `ranges` (its length becomes [`robot::LIDAR_BEAMS`]): metres, beam 0
    /// forward, counter-clockwise, infinite where nothing is within range.
    pub fn scan(&self, ranges: &mut Vec<f32>) {
        let mut rng = noise::generator(self.seed, Purpose::Lidar, self.steps);
        let pose = self.base.truth().pose;
        let origin = pose.transform(robot::BASE_SCAN.xyz[0], robot::BASE_SCAN.xyz[1]);
        ranges.clear();
        for beam in 0..robot::LIDAR_BEAMS {
            let error = robot::LIDAR_SIGMA * noise::normal(&mut rng);
            let angle = pose.theta + beam as f64 * robot::LIDAR_ANGLE_INCREMENT;
            let range = match self
                .lidar_obstacles
                .ray(origin, angle, robot::LIDAR_RANGE_MAX)
            {
                Some(range) if range >= robot::LIDAR_RANGE_MIN => {
                    (range + error).clamp(robot::LIDAR_RANGE_MIN, robot::LIDAR_RANGE_MAX) as f32
                }
                _ => f32::INFINITY,
            };
            ranges.push(range);
        }
    }

    /// What the IMU measures at this time.
    pub fn imu(&self) -> ImuReading {
        let mut rng = noise::generator(self.seed, Purpose::Imu, self.steps);
        let mut with_noise = |value: f64, sigma: f64| value + sigma * noise::normal(&mut rng);
        let Motion { pose, velocity } = self.base.truth();
        ImuReading {
            linear_acceleration: [
                with_noise(self.base.acceleration(), IMU_ACCELERATION_SIGMA),
                with_noise(velocity.linear * velocity.angular, IMU_ACCELERATION_SIGMA),
                with_noise(GRAVITY, IMU_ACCELERATION_SIGMA),
            ],
            angular_velocity: [
                with_noise(0.0, IMU_GYRO_SIGMA),
                with_noise(0.0, IMU_GYRO_SIGMA),
                with_noise(velocity.angular, IMU_GYRO_SIGMA),
            ],
            heading: with_noise(pose.theta - self.start_heading, IMU_HEADING_SIGMA),
        }
    }

    /// Takes the picture at this time: `rgb` becomes `height * width * 3` bytes (rgb8), `depth` `height * width` millimetres along
    /// the optical axis, 0 where nothing is seen. Both row by row from the top, [`robot::CAMERA_WIDTH`] x [`robot::CAMERA_HEIGHT`].
    pub fn render(&mut self, rgb: &mut Vec<u8>, depth: &mut Vec<u16>) {
        let eye = robot::camera_pose(self.base.truth().pose);
        self.renderer.draw(&self.scene, &eye);
        self.renderer.colors(&self.scene, rgb);
        self.renderer.depth(depth);
        self.grain.add(
            rgb,
            &mut noise::generator(self.seed, Purpose::Camera, self.steps),
        );
    }
}
