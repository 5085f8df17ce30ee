//! What is published at an instant, and in which order.
//!
//! Whoever gets an odometry message may act on it at once, so everything else of that instant goes out before it: first
//! the transforms and the clock that others are looked up by, then the scan, odometry last.

use crate::messages::{self, ODOM_FRAME, WORLD_FRAME};
use r2r::geometry_msgs::msg::PoseStamped;
use r2r::nav_msgs::msg::Odometry;
use r2r::rosgraph_msgs::msg::Clock;
use r2r::sensor_msgs::msg::{Imu, LaserScan};
use r2r::tf2_msgs::msg::TFMessage;
use r2r::{Publisher, WrappedTypesupport};
use ros_node::{qos, time};
use sim::Simulation;
use sim::robot::{CONTROL_STEPS, IMU_STEPS, LIDAR_STEPS, ODOMETRY_STEPS};

/// The publishers, without the camera's.
pub struct Outputs {
    clock: Publisher<Clock>,
    tf: Publisher<TFMessage>,
    odometry: Publisher<Odometry>,
    truth: Publisher<Odometry>,
    scan: Publisher<LaserScan>,
    imu: Publisher<Imu>,
    ranges: Vec<f32>,
}

impl Outputs {
    /// Advertises everything, and publishes what does not change: the robot's fixed frames, and where it was put, which
    /// localisation has to be told as by whoever sets a robot down.
    ///
    /// # Errors
    /// When ROS refuses a publisher.
    pub fn new(node: &mut r2r::Node, start: &sim::Pose2) -> anyhow::Result<Self> {
        let fixed: Publisher<TFMessage> = node.create_publisher("/tf_static", qos::latched())?;
        fixed.publish(&messages::robot_frames())?;
        let put: Publisher<PoseStamped> =
            node.create_publisher("/sim/start_pose", qos::latched())?;
        put.publish(&messages::pose(0, WORLD_FRAME, start))?;
        Ok(Self {
            clock: node.create_publisher("/clock", qos::reliable())?,
            tf: node.create_publisher("/tf", qos::reliable().keep_last(100))?,
            odometry: node.create_publisher("/odom", qos::reliable())?,
            truth: node.create_publisher("/sim/ground_truth", qos::reliable())?,
            scan: node.create_publisher("/scan", qos::reliable().keep_last(5))?,
            imu: node.create_publisher("/imu", qos::reliable())?,
            ranges: Vec::new(),
        })
    }

    /// Publishes what is due at the simulation's present step.
    pub fn publish(&mut self, simulation: &Simulation) {
        let step = simulation.steps();
        let stamp = simulation.time().as_nanos() as i64;
        if step.is_multiple_of(IMU_STEPS) && is_wanted(&self.imu) {
            send(&self.imu, &messages::imu(stamp, &simulation.imu()));
        }
        if !(step.is_multiple_of(ODOMETRY_STEPS) || step.is_multiple_of(CONTROL_STEPS)) {
            return;
        }
        let odometry = simulation.odometry();
        let moved = messages::transform(
            stamp,
            ODOM_FRAME,
            messages::BASE_FRAME,
            &odometry.motion.pose.isometry(),
        );
        let transforms = vec![moved];
        send(&self.tf, &TFMessage { transforms });
        let clock = time::stamp(stamp);
        send(&self.clock, &Clock { clock });
        if is_wanted(&self.truth) {
            let exactly = nalgebra::Matrix3::zeros();
            let truth = simulation.ground_truth();
            send(
                &self.truth,
                &messages::odometry(stamp, WORLD_FRAME, &truth, &exactly),
            );
        }
        if step.is_multiple_of(LIDAR_STEPS) && is_wanted(&self.scan) {
            simulation.scan(&mut self.ranges);
            send(&self.scan, &messages::scan(stamp, self.ranges.clone()));
        }
        send(
            &self.odometry,
            &messages::odometry(stamp, ODOM_FRAME, &odometry.motion, &odometry.covariance),
        );
    }
}

fn is_wanted<T: WrappedTypesupport + 'static>(publisher: &Publisher<T>) -> bool {
    publisher
        .get_inter_process_subscription_count()
        .is_ok_and(|count| count > 0)
}

fn send<T: WrappedTypesupport + 'static>(publisher: &Publisher<T>, message: &T) {
    if let Err(error) = publisher.publish(message) {
        tracing::error!(%error, "a message of the simulator is lost");
    }
}
