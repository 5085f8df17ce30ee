//! Planar geometry in SI units and radians. Transforms are named `target_from_source`.

use nalgebra::{Isometry2, Point2, Vector2};
use std::f64::consts::{PI, TAU};

/// A planar transform, or the pose of a frame in another.
pub type Pose2 = Isometry2<f64>;
/// A point in a plane, in metres.
pub type Point = Point2<f64>;

/// The pose at `x`, `y` (m) with heading `yaw` (rad).
pub fn pose(x: f64, y: f64, yaw: f64) -> Pose2 {
    Pose2::new(Vector2::new(x, y), yaw)
}

/// The origin of a pose as a point.
pub fn position(pose: &Pose2) -> Point {
    Point::from(pose.translation.vector)
}

/// The same angle in (-pi, pi].
pub fn normalize_angle(angle: f64) -> f64 {
    let turned = angle.rem_euclid(TAU);
    if turned > PI { turned - TAU } else { turned }
}

/// The heading of a quaternion about the z axis. A zero quaternion has heading 0, as with tf2.
pub fn yaw_of_quaternion(x: f64, y: f64, z: f64, w: f64) -> f64 {
    (2.0 * (w * z + x * y)).atan2(w * w + x * x - y * y - z * z)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_wrap_into_one_turn() {
        assert!((normalize_angle(3.0 * PI) - PI).abs() < 1e-12);
        assert!((normalize_angle(-3.5 * PI) - 0.5 * PI).abs() < 1e-12);
    }

    #[test]
    fn yaw_survives_an_unnormalised_quaternion() {
        let (sin, cos) = (0.6_f64).sin_cos();
        assert!((yaw_of_quaternion(0.0, 0.0, 3.0 * sin, 3.0 * cos) - 1.2).abs() < 1e-12);
        assert_eq!(yaw_of_quaternion(0.0, 0.0, 0.0, 0.0), 0.0);
    }
}
