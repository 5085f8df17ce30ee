//! Poses in the plane and in space.

use nalgebra::{Isometry3, Translation3, UnitQuaternion};
use serde::{Deserialize, Serialize};

/// A pose in the plane.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Pose2 {
    /// m
    pub x: f64,
    /// m
    pub y: f64,
    /// Heading in radians, counter-clockwise from the x axis.
    pub theta: f64,
}

impl Pose2 {
    /// A pose at `x`, `y` (m) with heading `theta` (rad).
    pub const fn new(x: f64, y: f64, theta: f64) -> Self {
        Self { x, y, theta }
    }

    /// The point at `(x, y)` in this pose's frame, in the parent frame.
    pub fn transform(&self, x: f64, y: f64) -> [f64; 2] {
        let (sin, cos) = self.theta.sin_cos();
        [self.x + cos * x - sin * y, self.y + sin * x + cos * y]
    }

    /// Distance between the two positions in m.
    pub fn distance(&self, other: &Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The same pose in space, on the ground.
    pub fn isometry(&self) -> Isometry3<f64> {
        Pose::planar(self.x, self.y, self.theta).isometry()
    }
}

/// A pose in space as SDF writes it: position, then fixed-axis roll, pitch, yaw.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pose {
    /// x, y, z in m.
    pub xyz: [f64; 3],
    /// Roll, pitch, yaw in radians about the fixed axes.
    pub rpy: [f64; 3],
}

impl Pose {
    /// A pose without rotation.
    pub const fn at(x: f64, y: f64, z: f64) -> Self {
        Self {
            xyz: [x, y, z],
            rpy: [0.0; 3],
        }
    }

    /// A pose on the ground with heading `yaw`.
    pub const fn planar(x: f64, y: f64, yaw: f64) -> Self {
        Self {
            xyz: [x, y, 0.0],
            rpy: [0.0, 0.0, yaw],
        }
    }

    /// The transform from this pose's frame to its parent's.
    pub fn isometry(&self) -> Isometry3<f64> {
        let [x, y, z] = self.xyz;
        let [roll, pitch, yaw] = self.rpy;
        Isometry3::from_parts(
            Translation3::new(x, y, z),
            UnitQuaternion::from_euler_angles(roll, pitch, yaw),
        )
    }

    /// Whether the z axis points straight up.
    pub fn is_upright(&self) -> bool {
        self.rpy[0].abs() < 1e-6 && self.rpy[1].abs() < 1e-6
    }
}

/// `angle` brought to (-pi, pi].
pub fn normalize_angle(angle: f64) -> f64 {
    let wrapped = angle.rem_euclid(std::f64::consts::TAU);
    if wrapped > std::f64::consts::PI {
        wrapped - std::f64::consts::TAU
    } else {
        wrapped
    }
}
