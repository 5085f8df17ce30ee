//! Small conversions between ROS messages and this crate's types.

use crate::follower::Velocity;
use crate::geometry::{Point, Pose2, pose, yaw_of_quaternion};
use nalgebra::Isometry3;
use r2r::geometry_msgs::msg::{Pose, Twist, TwistStamped, Vector3};
use r2r::sensor_msgs::msg::LaserScan;
use r2r::std_msgs::msg::Header;
use ros_node::{qos, time};

/// Length of a control period, ns of simulated time.
pub const CONTROL_PERIOD: i64 = 50_000_000;

/// The planar part of a transform.
pub fn planar(isometry: &Isometry3<f64>) -> Pose2 {
    let (t, q) = (isometry.translation.vector, isometry.rotation);
    pose(t.x, t.y, yaw_of_quaternion(q.i, q.j, q.k, q.w))
}

/// The planar part of a pose message; its quaternion need not be normalised.
pub fn planar_pose(message: &Pose) -> Pose2 {
    let (p, q) = (&message.position, &message.orientation);
    pose(p.x, p.y, yaw_of_quaternion(q.x, q.y, q.z, q.w))
}

/// A planar transform as one in space.
pub fn spatial(planar: &Pose2) -> Isometry3<f64> {
    let t = planar.translation.vector;
    Isometry3::new(
        nalgebra::Vector3::new(t.x, t.y, 0.0),
        nalgebra::Vector3::z() * planar.rotation.angle(),
    )
}

/// The points that a scan hit, in the sensor's frame.
pub fn scan_points(scan: &LaserScan) -> Vec<Point> {
    let usable = scan.range_min..scan.range_max;
    (scan.ranges.iter().enumerate())
        .filter(|(_, range)| usable.contains(range))
        .map(|(beam, range)| {
            let angle = f64::from(scan.angle_min) + beam as f64 * f64::from(scan.angle_increment);
            Point::new(angle.cos(), angle.sin()) * f64::from(*range)
        })
        .collect()
}

/// Notices the start of control periods in a stream of stamps.
#[derive(Debug, Default)]
pub struct ControlPeriods {
    last: Option<i64>,
}

impl ControlPeriods {
    /// Whether `stamp` (ns) is the first in its period. Time that runs backwards is a simulator that began anew.
    pub fn begins(&mut self, stamp: i64) -> bool {
        let period = stamp.div_euclid(CONTROL_PERIOD);
        let is_new = self.last != Some(period);
        self.last = Some(period);
        is_new
    }
}

/// Publishes velocities, with or without a stamp.
pub enum VelocityPublisher {
    /// `geometry_msgs/TwistStamped`.
    Stamped(r2r::Publisher<TwistStamped>),
    /// `geometry_msgs/Twist`.
    Plain(r2r::Publisher<Twist>),
}

impl VelocityPublisher {
    /// A publisher on `topic`.
    ///
    /// # Errors
    /// When rcl cannot make it.
    pub fn new(node: &mut r2r::Node, topic: &str, stamped: bool) -> r2r::Result<Self> {
        Ok(if stamped {
            Self::Stamped(node.create_publisher(topic, qos::reliable())?)
        } else {
            Self::Plain(node.create_publisher(topic, qos::reliable())?)
        })
    }

    /// Publishes a command that was decided at `stamp` (ns).
    ///
    /// # Errors
    /// When rcl cannot publish.
    pub fn publish(&self, velocity: Velocity, stamp: i64, frame: &str) -> r2r::Result<()> {
        let along = |x, z| (Vector3 { x, y: 0.0, z: 0.0 }, Vector3 { x: 0.0, y: 0.0, z });
        let (linear, angular) = along(velocity.linear, velocity.angular);
        let twist = Twist { linear, angular };
        match self {
            Self::Plain(publisher) => publisher.publish(&twist),
            Self::Stamped(publisher) => publisher.publish(&TwistStamped {
                header: header(stamp, frame),
                twist,
            }),
        }
    }
}

/// A header.
pub fn header(stamp: i64, frame: &str) -> Header {
    Header {
        stamp: time::stamp(stamp),
        frame_id: frame.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_keeps_only_what_was_hit() {
        let scan = LaserScan {
            angle_min: 0.0,
            angle_increment: std::f32::consts::FRAC_PI_2,
            range_min: 0.12,
            range_max: 3.5,
            ranges: vec![1.0, 2.0, f32::INFINITY, f32::NAN],
            ..Default::default()
        };
        let points = scan_points(&scan);
        assert_eq!(points.len(), 2);
        assert!((points[1] - Point::new(0.0, 2.0)).norm() < 1e-6);
    }

    #[test]
    fn a_control_period_begins_once() {
        let mut periods = ControlPeriods::default();
        let begins: Vec<_> = [0, 20, 40, 50, 60, 80, 100, 160, 0, 20]
            .map(|ms| periods.begins(ms * 1_000_000))
            .into();
        assert_eq!(
            begins,
            [
                true, false, false, true, false, false, true, true, true, false
            ]
        );
    }
}
