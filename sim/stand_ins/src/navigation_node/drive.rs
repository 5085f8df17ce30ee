//! What the navigation node knows of the robot and its surroundings, and the commands it gives.

use super::Args;
use crate::costmap::Costmap;
use crate::follower::{FollowerConfig, Velocity};
use crate::geometry::{Point, Pose2, position};
use crate::navigator::{NavigatorConfig, Situation};
use crate::occupancy::OccupancyMap;
use crate::ros::{self, VelocityPublisher};
use r2r::geometry_msgs::msg::PoseStamped;
use r2r::nav_msgs::msg::{OccupancyGrid, Odometry, Path};
use r2r::sensor_msgs::msg::LaserScan;
use ros_node::tf::{TfError, TransformBuffer, pose_of};
use ros_node::{RosNode, qos, time};
use std::cell::RefCell;
use std::rc::Rc;

/// The frame of goals, paths and the map.
pub const MAP_FRAME: &str = "map";
/// The robot waits when the transform from odometry to the map is older than this, ns.
const TRANSFORM_STALE: i64 = 1_000_000_000;
/// A transform older than this means that localisation has gone, ns.
const TRANSFORM_GONE: i64 = 3_000_000_000;
/// How much older than asked for a transform may be, ns: Nav2's `transform_tolerance`.
const TRANSFORM_TOLERANCE: i64 = 100_000_000;

/// Why the robot's place in the map is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPose {
    /// It never was.
    Never,
    /// It was, not long ago: it may be known again soon.
    Stale,
    /// It was, but no longer is.
    Lost,
}

/// One scan, carried into the odometry frame.
struct Seen {
    odom_from_sensor: Pose2,
    hits_in_odom: Vec<Point>,
}

/// The robot at one control period.
pub struct Now {
    /// ROS time, ns.
    pub stamp: i64,
    /// The robot's pose in the map.
    pub map_from_base: Pose2,
    /// What the newest scan hit, in the base frame.
    pub hits: Vec<Point>,
}

impl Now {
    /// As the navigator wants it.
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            now: self.stamp as f64 * 1e-9,
            map_from_base: self.map_from_base,
            hits: &self.hits,
        }
    }
}

/// The robot's surroundings and its wheels.
pub struct Drive {
    /// How to navigate.
    pub config: NavigatorConfig,
    /// The map and what was seen beside it; `None` until `/map` has come.
    pub costmap: Option<Costmap>,
    tf: Rc<RefCell<TransformBuffer>>,
    velocity: VelocityPublisher,
    path: r2r::Publisher<Path>,
    seen: Option<Seen>,
    /// Whether `seen` has been worked into the costmap.
    observed: bool,
    odom_frame: String,
    base_frame: String,
    /// Stamp of the newest odometry, ns.
    newest: i64,
}

impl Drive {
    /// A drive that knows nothing yet.
    pub fn new(
        ros: &mut RosNode,
        args: &Args,
        velocity: VelocityPublisher,
        tf: Rc<RefCell<TransformBuffer>>,
    ) -> anyhow::Result<Self> {
        let config = NavigatorConfig {
            follower: FollowerConfig {
                max_linear: args.max_linear_speed,
                max_angular: args.max_angular_speed,
                ..FollowerConfig::default()
            },
            progress_timeout: args.progress_timeout,
            ..NavigatorConfig::default()
        };
        Ok(Self {
            config,
            costmap: None,
            tf,
            velocity,
            path: ros.node.create_publisher("/plan", qos::latched())?,
            seen: None,
            observed: true,
            odom_frame: "odom".into(),
            base_frame: "base_footprint".into(),
            newest: 0,
        })
    }

    /// Takes in a map.
    pub fn on_map(&mut self, grid: &OccupancyGrid) {
        let (width, height) = (grid.info.width as usize, grid.info.height as usize);
        let resolution = f64::from(grid.info.resolution);
        let usable = resolution > 0.0 && width * height > 0 && grid.data.len() == width * height;
        if !usable {
            tracing::error!(
                width,
                height,
                resolution,
                cells = grid.data.len(),
                "/map is no usable map, ignored"
            );
            return;
        }
        let corner = &grid.info.origin.position;
        tracing::info!(width, height, resolution, "map received");
        self.costmap = Some(Costmap::new(OccupancyMap {
            width,
            height,
            resolution,
            origin: Point::new(corner.x, corner.y),
            cells: OccupancyMap::cells_from_ros_data(&grid.data),
        }));
    }

    /// Takes in a scan.
    pub fn on_scan(&mut self, scan: &LaserScan) {
        let stamp = time::nanos(&scan.header.stamp);
        let Ok(odom_from_sensor) = self.transform(&self.odom_frame, &scan.header.frame_id, stamp)
        else {
            return;
        };
        self.seen = Some(Seen {
            hits_in_odom: (ros::scan_points(scan).iter())
                .map(|point| odom_from_sensor * point)
                .collect(),
            odom_from_sensor,
        });
        self.observed = false;
    }

    /// Takes in odometry; the robot's situation at its stamp.
    pub fn on_odometry(&mut self, odometry: &Odometry) -> Result<Now, NoPose> {
        self.newest = time::nanos(&odometry.header.stamp);
        self.odom_frame.clone_from(&odometry.header.frame_id);
        self.base_frame.clone_from(&odometry.child_frame_id);
        let map_from_odom = self.map_from_odom()?;
        let odom_from_base = ros::planar_pose(&odometry.pose.pose);
        if let (Some(seen), Some(costmap), false) = (&self.seen, &mut self.costmap, self.observed) {
            let hits: Vec<Point> = (seen.hits_in_odom.iter())
                .map(|hit| map_from_odom * hit)
                .collect();
            let sensor = position(&(map_from_odom * seen.odom_from_sensor));
            costmap.observe(self.newest as f64 * 1e-9, &sensor, &hits);
            self.observed = true;
        }
        let hits = self.seen.as_ref().map_or_else(Vec::new, |seen| {
            let in_base = |hit| odom_from_base.inverse_transform_point(hit);
            seen.hits_in_odom.iter().map(in_base).collect()
        });
        Ok(Now {
            stamp: self.newest,
            map_from_base: map_from_odom * odom_from_base,
            hits,
        })
    }

    /// Whether the robot can be navigated at all.
    pub fn is_usable(&self) -> bool {
        self.costmap.is_some() && self.map_from_odom().is_ok()
    }

    /// The newest odometry's stamp, ns.
    pub fn newest(&self) -> i64 {
        self.newest
    }

    fn map_from_odom(&self) -> Result<Pose2, NoPose> {
        let tf = self.tf.borrow();
        let lookup = |at| tf.lookup(MAP_FRAME, &self.odom_frame, at);
        let is_older = |age| {
            let then = lookup(Some(self.newest - age));
            matches!(then, Err(TfError::TooNew { .. }))
        };
        if is_older(TRANSFORM_GONE) {
            Err(NoPose::Lost)
        } else if is_older(TRANSFORM_STALE) {
            Err(NoPose::Stale)
        } else {
            lookup(None)
                .map(|newest| ros::planar(&newest))
                .map_err(|_| NoPose::Never)
        }
    }

    /// The transform at `stamp` (ns; 0: the newest), or one that is within the tolerance older.
    fn transform(&self, target: &str, source: &str, stamp: i64) -> Result<Pose2, TfError> {
        let tf = self.tf.borrow();
        let at = (stamp != 0).then_some(stamp);
        let exact = tf.lookup(target, source, at);
        let found = match exact {
            Err(TfError::TooNew { missing_s, .. })
                if missing_s <= TRANSFORM_TOLERANCE as f64 * 1e-9 =>
            {
                tf.lookup(target, source, None)
            }
            other => other,
        };
        found.map(|transform| ros::planar(&transform))
    }

    /// A goal's pose in the map frame; `None` when its frame or time cannot be transformed, or it is not finite.
    pub fn in_map(&self, goal: &PoseStamped) -> Option<Pose2> {
        let given = ros::planar_pose(&goal.pose);
        let frame = goal.header.frame_id.as_str();
        let finite = given.translation.vector.iter().all(|v| v.is_finite())
            && given.rotation.angle().is_finite();
        if !finite {
            return None;
        }
        match frame {
            // In the map no transform is needed, and the stamp is not looked at.
            MAP_FRAME => Some(given),
            // Neither an empty frame nor one with a slash is known to Nav2.
            "" => None,
            _ if frame.starts_with('/') => None,
            _ => self
                .transform(MAP_FRAME, frame, time::nanos(&goal.header.stamp))
                .ok()
                .map(|map_from_frame| map_from_frame * given),
        }
    }

    /// Sends a command that was decided at `stamp` (ns).
    pub fn command(&self, velocity: Velocity, stamp: i64) {
        if let Err(error) = self.velocity.publish(velocity, stamp, &self.base_frame) {
            tracing::error!(%error, "a velocity command is lost");
        }
    }

    /// Shows the path.
    pub fn show_path(&self, points: &[Point], stamp: i64) {
        let header = ros::header(stamp, MAP_FRAME);
        // The headings along the path are those of its pieces; the last point has its predecessor's.
        let heading = |at: usize| {
            let next = points.get(at + 1).or(points.get(at));
            let from = if at + 1 < points.len() {
                at
            } else {
                at.saturating_sub(1)
            };
            match (points.get(from), next) {
                (Some(a), Some(b)) => (b.y - a.y).atan2(b.x - a.x),
                _ => 0.0,
            }
        };
        let poses = (points.iter().enumerate())
            .map(|(at, point)| PoseStamped {
                header: header.clone(),
                pose: pose_of(&ros::spatial(&crate::geometry::pose(
                    point.x,
                    point.y,
                    heading(at),
                ))),
            })
            .collect();
        if let Err(error) = self.path.publish(&Path { header, poses }) {
            tracing::warn!(%error, "cannot publish the path");
        }
    }
}
