//! A TurtleBot 3 Waffle with a D435i-like camera: dimensions, limits, where its sensors sit, and their rates.

use std::time::Duration;

use nalgebra::Isometry3;

use crate::pose::{Pose, Pose2};

/// Physics advances by this much at a time.
pub const STEP: Duration = Duration::from_millis(10);
/// Odometry, transforms and the clock are due every so many steps (50 Hz).
pub const ODOMETRY_STEPS: u64 = 2;
/// Commands are due every so many steps (20 Hz).
pub const CONTROL_STEPS: u64 = 5;
/// The lidar turns once in so many steps (10 Hz).
pub const LIDAR_STEPS: u64 = 10;
/// The IMU measures every so many steps (100 Hz).
pub const IMU_STEPS: u64 = 1;
/// Pictures per simulated second; see [`camera_due`].
pub const CAMERA_RATE_HZ: u64 = 15;

/// Whether a picture is due at the end of this step (counted from 0): 15 Hz on the grid of 10 ms steps.
pub const fn camera_due(step: u64) -> bool {
    step * CAMERA_RATE_HZ / 100 != (step + 1) * CAMERA_RATE_HZ / 100
}

/// Top speed forwards and backwards in m/s.
pub const MAX_LINEAR_SPEED: f64 = 0.26;
/// Top turning rate in rad/s.
pub const MAX_ANGULAR_SPEED: f64 = 1.82;
/// Greatest change of speed in m/s^2.
pub const MAX_LINEAR_ACCELERATION: f64 = 1.0;
/// Greatest change of the turning rate in rad/s^2.
pub const MAX_ANGULAR_ACCELERATION: f64 = 2.5;
/// Distance between the wheels in m.
pub const WHEEL_SEPARATION: f64 = 0.287;
/// A base of the kind that stops does so this long after its last command.
pub const COMMAND_TIMEOUT: Duration = Duration::from_millis(500);

/// x of the body's middle in `base_footprint`, m.
pub const BODY_CENTER_X: f64 = -0.064;
/// Half of the body's length in m.
pub const BODY_HALF_LENGTH: f64 = 0.1325;
/// Half of the body's width in m.
pub const BODY_HALF_WIDTH: f64 = 0.1325;
/// The body takes up these heights above the ground, m. The lidar's turret is its top.
pub const BODY_BAND: [f64; 2] = [0.01, 0.15];

/// `base_link` in `base_footprint`.
pub const BASE_LINK: Pose = Pose::at(0.0, 0.0, 0.010);
/// `base_scan` in `base_link`.
pub const BASE_SCAN: Pose = Pose::at(-0.064, 0.0, 0.122);
/// `imu_link` in `base_link`.
pub const IMU_LINK: Pose = Pose::at(0.0, 0.0, 0.068);
/// `camera_link` in `base_link`.
pub const CAMERA_LINK: Pose = Pose::at(0.064, -0.065, 0.094);
/// `camera_color_optical_frame` in `camera_link`: z forward, x right, y down. Colour and depth share it.
pub const CAMERA_OPTICAL: Pose = Pose {
    xyz: [0.0; 3],
    rpy: [
        -std::f64::consts::FRAC_PI_2,
        0.0,
        -std::f64::consts::FRAC_PI_2,
    ],
};

/// Beams of one turn of the lidar; the first points forward, and they go counter-clockwise.
pub const LIDAR_BEAMS: usize = 360;
/// Angle between two beams, rad.
pub const LIDAR_ANGLE_INCREMENT: f64 = std::f64::consts::TAU / LIDAR_BEAMS as f64;
/// What is nearer than this is not measured, m.
pub const LIDAR_RANGE_MIN: f64 = 0.12;
/// What is farther than this is not measured, m.
pub const LIDAR_RANGE_MAX: f64 = 3.5;
/// Standard deviation of a range, m.
pub const LIDAR_SIGMA: f64 = 0.01;

/// Picture width in pixels.
pub const CAMERA_WIDTH: usize = 640;
/// Picture height in pixels.
pub const CAMERA_HEIGHT: usize = 480;
/// Focal length in pixels, both ways.
pub const CAMERA_FOCAL: f64 = 615.0;
/// The principal point in pixels: the optical axis passes between the four middle pixels.
pub const CAMERA_CENTER: [f64; 2] = [320.0, 240.0];

/// The optical frame in the world, with `base_footprint` at `base`.
pub fn camera_pose(base: Pose2) -> Isometry3<f64> {
    base.isometry() * BASE_LINK.isometry() * CAMERA_LINK.isometry() * CAMERA_OPTICAL.isometry()
}
