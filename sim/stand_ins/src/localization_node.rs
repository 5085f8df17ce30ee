//! The localization stand-in as a ROS node: serves the map, and says where in it the robot is, as Nav2's map server and
//! AMCL do.

use crate::geometry::{Pose2, pose};
use crate::localizer::Localizer;
use crate::map_file::read_map;
use crate::occupancy::OccupancyMap;
use crate::ros::{self, ControlPeriods};
use anyhow::Context;
use clap::Parser;
use futures::StreamExt;
use r2r::geometry_msgs::msg::{PoseStamped, PoseWithCovarianceStamped, TransformStamped};
use r2r::nav_msgs::msg::{OccupancyGrid, Odometry};
use r2r::sensor_msgs::msg::LaserScan;
use r2r::std_msgs::msg::Header;
use r2r::tf2_msgs::msg::TFMessage;
use ros_node::diagnostics::{self, Level, Report};
use ros_node::tf::{TransformBuffer, pose_of, transform_of};
use ros_node::{RosNode, qos, time};
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

/// Serves a map and finds the robot in it, in place of Nav2's map server and AMCL.
#[derive(Debug, Parser)]
#[command(name = "localization")]
pub struct Args {
    /// The map, as Nav2's map_saver writes it
    #[arg(long, value_name = "FILE.yaml")]
    map: PathBuf,
    /// Where the robot's odometry began, in the map: m, m, rad. Without it, what the simulator says on
    /// /sim/start_pose; later corrections come on /initialpose
    #[arg(long, value_name = "X,Y,YAW", allow_hyphen_values = true)]
    initial_pose: Option<InitialPose>,
    /// The transform from map to odom is stamped so far ahead of its scan that it serves until the next, s
    #[arg(long, default_value_t = 0.2, value_name = "S")]
    transform_tolerance: f64,
}

/// A planar pose on the command line.
#[derive(Debug, Clone, Copy, PartialEq)]
struct InitialPose(Pose2);

impl FromStr for InitialPose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<f64>> = text
            .split(',')
            .map(|number| number.trim().parse().ok().filter(|n: &f64| n.is_finite()))
            .collect();
        match numbers.as_deref() {
            Some([x, y, yaw]) => Ok(Self(pose(*x, *y, *yaw))),
            _ => Err("give three numbers as X,Y,YAW in m and rad".into()),
        }
    }
}

const MAP_FRAME: &str = "map";
/// Below this share of scan points on walls the robot is probably not where it believes to be.
const POOR_FIT: f64 = 0.5;

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// On a bad map or flag, or when ROS refuses an endpoint.
pub fn run(args: Args, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        args.transform_tolerance >= 0.0 && args.transform_tolerance.is_finite(),
        "--transform-tolerance has to be a number from 0 up, got {}",
        args.transform_tolerance
    );
    let map = read_map(&args.map)?;
    let map_publisher = ros.node.create_publisher("/map", qos::latched())?;
    map_publisher
        .publish(&grid_of(&map, ros.clock().now_nanos()))
        .context("cannot publish the map")?;
    let mut localization = Localization::new(&mut ros, &args, &map)?;
    if let Some(InitialPose(map_from_odom)) = args.initial_pose {
        localization.localizer.odometry_began_at(map_from_odom);
    }
    let localization = Rc::new(RefCell::new(localization));
    if args.initial_pose.is_none() {
        follow_start_pose(&mut ros, &localization)?;
    }
    follow_topics(&mut ros, &localization)?;
    let reported = Rc::clone(&localization);
    diagnostics::publish_each_second(&mut ros, move || reported.borrow().report())?;

    let mut ready = false;
    ros.spin_until(Duration::from_millis(50), |ros| {
        localization.borrow_mut().catch_up();
        if !ready && localization.borrow().scans > 0 {
            ready = true;
            tracing::info!("the robot's place is known");
            ros_node::ready();
        }
        ros.stop_requested()
    });
    Ok(ExitCode::SUCCESS)
}

fn follow_start_pose(ros: &mut RosNode, node: &Rc<RefCell<Localization>>) -> anyhow::Result<()> {
    let mut poses = ros
        .node
        .subscribe::<PoseStamped>("/sim/start_pose", qos::latched())?;
    let node = Rc::clone(node);
    ros.spawn(async move {
        while let Some(message) = poses.next().await {
            let map_from_odom = ros::planar_pose(&message.pose);
            node.borrow_mut().localizer.odometry_began_at(map_from_odom);
        }
    });
    Ok(())
}

fn follow_topics(ros: &mut RosNode, node: &Rc<RefCell<Localization>>) -> anyhow::Result<()> {
    let mut scans = ros
        .node
        .subscribe::<LaserScan>("/scan", qos::sensor_data().reliable())?;
    let mut odometry = ros.node.subscribe::<Odometry>("/odom", qos::reliable())?;
    let mut poses = ros
        .node
        .subscribe::<PoseWithCovarianceStamped>("/initialpose", qos::reliable())?;
    let on_scan = Rc::clone(node);
    ros.spawn(async move {
        while let Some(scan) = scans.next().await {
            on_scan.borrow_mut().on_scan(scan);
        }
    });
    let on_odometry = Rc::clone(node);
    ros.spawn(async move {
        while let Some(odometry) = odometry.next().await {
            on_odometry.borrow_mut().on_odometry(&odometry);
        }
    });
    let on_pose = Rc::clone(node);
    ros.spawn(async move {
        while let Some(pose) = poses.next().await {
            on_pose.borrow_mut().on_initial_pose(&pose);
        }
    });
    Ok(())
}

/// The node's state.
struct Localization {
    localizer: Localizer,
    tf: Rc<RefCell<TransformBuffer>>,
    transforms: r2r::Publisher<TFMessage>,
    poses: r2r::Publisher<PoseWithCovarianceStamped>,
    ack: r2r::Publisher<Header>,
    tolerance: i64,
    odom_frame: String,
    base_frame: String,
    periods: ControlPeriods,
    /// A scan whose odometry has not come yet.
    waiting: Option<LaserScan>,
    /// Stamp of the newest odometry, ns.
    newest_odometry: i64,
    /// Stamp of the control period that is not acknowledged yet, ns.
    unacknowledged: Option<i64>,
    /// When the next scan is due, ns.
    scan_due: i64,
    scans: u64,
}

impl Localization {
    fn new(ros: &mut RosNode, args: &Args, map: &OccupancyMap) -> anyhow::Result<Self> {
        Ok(Self {
            localizer: Localizer::new(map),
            tf: TransformBuffer::subscribe(ros)?,
            transforms: ros
                .node
                .create_publisher("/tf", qos::reliable().keep_last(100))?,
            poses: ros.node.create_publisher("/amcl_pose", qos::latched())?,
            ack: ros.node.create_publisher("/sim/ack", qos::reliable())?,
            tolerance: (args.transform_tolerance * 1e9) as i64,
            odom_frame: "odom".into(),
            base_frame: "base_footprint".into(),
            periods: ControlPeriods::default(),
            waiting: None,
            newest_odometry: 0,
            unacknowledged: None,
            scan_due: i64::MAX,
            scans: 0,
        })
    }

    fn on_scan(&mut self, scan: LaserScan) {
        self.waiting = Some(scan);
        self.localize();
    }

    fn on_odometry(&mut self, odometry: &Odometry) {
        self.newest_odometry = time::nanos(&odometry.header.stamp);
        self.odom_frame.clone_from(&odometry.header.frame_id);
        self.base_frame.clone_from(&odometry.child_frame_id);
        if self.periods.begins(self.newest_odometry) {
            self.unacknowledged = Some(self.newest_odometry);
        }
        self.localize();
        self.acknowledge();
    }

    /// Does what a transform that came late had kept from being done.
    fn catch_up(&mut self) {
        if self.waiting.is_some() {
            self.localize();
            self.acknowledge();
        }
    }

    /// Matches the scan that waits, once the transforms at its stamp are there.
    fn localize(&mut self) {
        let Some(scan) = &self.waiting else { return };
        if !self.localizer.is_told() {
            return;
        }
        let stamp = time::nanos(&scan.header.stamp);
        let tf = self.tf.borrow();
        let found = (tf.lookup(&self.odom_frame, &self.base_frame, Some(stamp))).and_then(|odom| {
            Ok((
                odom,
                tf.lookup(&self.base_frame, &scan.header.frame_id, None)?,
            ))
        });
        drop(tf);
        let (odom_from_base, base_from_sensor) = match found {
            Ok((odom, sensor)) => (ros::planar(&odom), ros::planar(&sensor)),
            Err(error) => {
                tracing::debug!(%error, "a scan waits for its transform");
                return;
            }
        };
        let points: Vec<_> = (ros::scan_points(scan).iter())
            .map(|point| base_from_sensor * point)
            .collect();
        let scan_time = (f64::from(scan.scan_time) * 1e9) as i64;
        self.waiting = None;
        self.localizer.update(odom_from_base, &points);
        self.scans += 1;
        self.scan_due = if scan_time > 0 {
            stamp + scan_time
        } else {
            i64::MAX
        };
        self.publish(stamp);
        self.acknowledge();
    }

    fn publish(&self, stamp: i64) {
        let transform = TransformStamped {
            header: ros::header(stamp + self.tolerance, MAP_FRAME),
            child_frame_id: self.odom_frame.clone(),
            transform: transform_of(&ros::spatial(&self.localizer.map_from_odom())),
        };
        let transforms = TFMessage {
            transforms: vec![transform],
        };
        if let Err(error) = self.transforms.publish(&transforms) {
            tracing::error!(%error, "the transform from map to odom is lost");
        }
        let estimate = self.localizer.estimate();
        let mut message = PoseWithCovarianceStamped {
            header: ros::header(stamp, MAP_FRAME),
            ..Default::default()
        };
        message.pose.pose = pose_of(&ros::spatial(&estimate.map_from_base));
        // x, y and yaw are rows 0, 1 and 5 of the message's 6 x 6 matrix.
        for (row, to_row) in [0, 1, 5].into_iter().enumerate() {
            for (column, to_column) in [0, 1, 5].into_iter().enumerate() {
                message.pose.covariance[to_row * 6 + to_column] =
                    estimate.covariance[(row, column)];
            }
        }
        if let Err(error) = self.poses.publish(&message) {
            tracing::warn!(%error, "cannot publish the pose");
        }
    }

    /// Tells the simulator that the control period is done, unless a scan of that time is still to come.
    fn acknowledge(&mut self) {
        if let Some(stamp) = self.unacknowledged
            && stamp < self.scan_due
        {
            self.unacknowledged = None;
            if let Err(error) = self.ack.publish(&ros::header(stamp, "localization")) {
                tracing::warn!(%error, "cannot acknowledge a control period");
            }
        }
    }

    fn on_initial_pose(&mut self, message: &PoseWithCovarianceStamped) {
        let given = ros::planar_pose(&message.pose.pose);
        let finite = given.translation.vector.iter().all(|v| v.is_finite())
            && given.rotation.angle().is_finite();
        if message.header.frame_id != MAP_FRAME || !finite {
            tracing::error!(
                frame = message.header.frame_id,
                "initial pose ignored: it has to be finite and in frame map"
            );
            return;
        }
        let (x, y) = (given.translation.x, given.translation.y);
        tracing::info!(x, y, yaw = given.rotation.angle(), "initial pose received");
        self.localizer.robot_is_at(given);
    }

    fn report(&self) -> Report {
        let estimate = self.localizer.estimate();
        let (level, message) = if !self.localizer.is_told() {
            (
                Level::Warn,
                "waiting to be told where the robot is: give --initial-pose or publish /initialpose",
            )
        } else if self.scans == 0 {
            (Level::Warn, "waiting for /scan and its transforms")
        } else if estimate.fit < POOR_FIT {
            (
                Level::Warn,
                "the scan does not fit the map here: give the robot's place on /initialpose",
            )
        } else {
            (Level::Ok, "the robot's place is known")
        };
        let covariance = estimate.covariance;
        let position_std_dev = (covariance[(0, 0)] + covariance[(1, 1)]).max(0.0).sqrt();
        Report::new(level, message)
            .with("scans", self.scans)
            .with("scan_fit", format!("{:.3}", estimate.fit))
            .with("position_std_dev_m", format!("{position_std_dev:.4}"))
    }
}

fn grid_of(map: &OccupancyMap, now: i64) -> OccupancyGrid {
    let mut grid = OccupancyGrid {
        header: ros::header(now, MAP_FRAME),
        data: map.to_ros_data(),
        ..Default::default()
    };
    grid.info.map_load_time = time::stamp(now);
    grid.info.resolution = map.resolution as f32;
    grid.info.width = map.width as u32;
    grid.info.height = map.height as u32;
    grid.info.origin = pose_of(&ros::spatial(&pose(map.origin.x, map.origin.y, 0.0)));
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initial_pose_is_three_numbers() {
        let parsed: InitialPose = "-1.5, 2,0.5".parse().unwrap();
        assert_eq!(parsed, InitialPose(pose(-1.5, 2.0, 0.5)));
        for bad in ["1,2", "1,2,x", "1,2,inf", ""] {
            assert!(bad.parse::<InitialPose>().is_err(), "{bad}");
        }
    }
}
