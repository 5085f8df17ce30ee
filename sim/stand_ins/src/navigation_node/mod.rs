//! The navigation stand-in as a ROS node: a `nav2_msgs/action/NavigateToPose` server that drives the robot.
//!
//! The five endpoints of the action are served one by one, since the state machine of r2r's action server cannot show
//! what Nav2's does: an old goal aborted by a newer one, the answers to cancel requests, a final CANCELED.
//!
//! # Differences from Nav2
//! - No recovery behaviours: a goal that Nav2 gives up after some spinning and backing up fails at once here, with the
//!   same code.
//! - Goals that crash, hang or fool Nav2 (not finite, an id used before, a newer goal that cannot be transformed) are
//!   refused or aborted.
//! - Feedback comes at 20 Hz of simulated time, not 100 Hz.

mod drive;
mod server;

use crate::costmap::Costmap;
use crate::map_file::read_map;
use crate::ros::VelocityPublisher;
use anyhow::Context;
use clap::{ArgAction, Parser};
use drive::Drive;
use futures::StreamExt;
use r2r::QosProfile;
use r2r::action_msgs::srv::CancelGoal;
use r2r::nav_msgs::msg::{OccupancyGrid, Odometry};
use r2r::nav2_msgs::action::NavigateToPose::{GetResult, SendGoal};
use r2r::sensor_msgs::msg::LaserScan;
use ros_node::diagnostics::{self, Level, Report};
use ros_node::tf::TransformBuffer;
use ros_node::{RosNode, qos};
use server::Server;
use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

/// Drives the robot to goals on /ungated/navigate_to_pose, in place of Nav2.
#[derive(Debug, Parser)]
#[command(name = "navigation")]
pub struct Args {
    /// Take the map from this file, as Nav2's map_saver writes it, rather than from /map
    #[arg(long, value_name = "FILE.yaml")]
    map: Option<PathBuf>,
    /// Speed on a straight, m/s
    #[arg(long, default_value_t = 0.26, value_name = "M_PER_S")]
    max_linear_speed: f64,
    /// Fastest turn, rad/s
    #[arg(long, default_value_t = 1.2, value_name = "RAD_PER_S")]
    max_angular_speed: f64,
    /// Abort a goal when the robot gets nowhere for this long, s of ROS time
    #[arg(long, default_value_t = 10.0, value_name = "S")]
    progress_timeout: f64,
    /// Publish geometry_msgs/TwistStamped (true) or Twist (false)
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    cmd_vel_stamped: bool,
}

impl Args {
    fn check(&self) -> anyhow::Result<()> {
        for (flag, value) in [
            ("--max-linear-speed", self.max_linear_speed),
            ("--max-angular-speed", self.max_angular_speed),
            ("--progress-timeout", self.progress_timeout),
        ] {
            anyhow::ensure!(
                value > 0.0 && value.is_finite(),
                "{flag} has to be a number above 0, got {value}"
            );
        }
        Ok(())
    }
}

/// How long the last messages may take to leave when the node ends.
const FAREWELL: Duration = Duration::from_millis(50);

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// On bad flags, or when ROS refuses an endpoint.
pub fn run(args: Args, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    args.check()?;
    let velocity = VelocityPublisher::new(&mut ros.node, "/ungated/cmd_vel", args.cmd_vel_stamped)?;
    let tf = TransformBuffer::subscribe(&mut ros)?;
    let mut drive = Drive::new(&mut ros, &args, velocity, tf)?;
    if let Some(map) = &args.map {
        drive.costmap = Some(Costmap::new(read_map(map)?));
    }
    let server = Rc::new(RefCell::new(Server::new(&mut ros, drive)?));
    serve_action(&mut ros, &server).context("cannot serve the action ungated/navigate_to_pose")?;
    if args.map.is_none() {
        follow_map(&mut ros, &server)?;
    }
    follow_topics(&mut ros, &server)?;
    report(&mut ros, &server)?;

    let mut ready = false;
    ros.spin_until(Duration::from_millis(20), |ros| {
        if !ready && server.borrow().is_active() {
            ready = true;
            tracing::info!("ready for goals");
            ros_node::ready();
        }
        ros.stop_requested()
    });
    server.borrow_mut().shut_down();
    let end = std::time::Instant::now() + FAREWELL;
    ros.spin_until(Duration::from_millis(5), |_| {
        std::time::Instant::now() > end
    });
    Ok(ExitCode::SUCCESS)
}

fn serve_action(ros: &mut RosNode, server: &Rc<RefCell<Server>>) -> anyhow::Result<()> {
    const ACTION: &str = "ungated/navigate_to_pose/_action";
    let service = QosProfile::services_default();
    let mut goals = ros
        .node
        .create_service::<SendGoal::Service>(&format!("{ACTION}/send_goal"), service.clone())?;
    let mut cancels = ros
        .node
        .create_service::<CancelGoal::Service>(&format!("{ACTION}/cancel_goal"), service.clone())?;
    let mut results = ros
        .node
        .create_service::<GetResult::Service>(&format!("{ACTION}/get_result"), service)?;
    let on_goal = Rc::clone(server);
    ros.spawn(async move {
        while let Some(request) = goals.next().await {
            on_goal.borrow_mut().on_goal(request);
        }
    });
    let on_cancel = Rc::clone(server);
    ros.spawn(async move {
        while let Some(request) = cancels.next().await {
            on_cancel.borrow_mut().on_cancel(request);
        }
    });
    let on_result = Rc::clone(server);
    ros.spawn(async move {
        while let Some(request) = results.next().await {
            on_result.borrow_mut().on_result(request);
        }
    });
    Ok(())
}

fn follow_map(ros: &mut RosNode, server: &Rc<RefCell<Server>>) -> anyhow::Result<()> {
    let mut maps = ros
        .node
        .subscribe::<OccupancyGrid>("/map", qos::latched())?;
    let server = Rc::clone(server);
    ros.spawn(async move {
        while let Some(map) = maps.next().await {
            server.borrow_mut().drive.on_map(&map);
        }
    });
    Ok(())
}

fn follow_topics(ros: &mut RosNode, server: &Rc<RefCell<Server>>) -> anyhow::Result<()> {
    let mut scans = ros
        .node
        .subscribe::<LaserScan>("/scan", qos::sensor_data().reliable())?;
    let mut odometry = ros.node.subscribe::<Odometry>("/odom", qos::reliable())?;
    let on_scan = Rc::clone(server);
    ros.spawn(async move {
        while let Some(scan) = scans.next().await {
            on_scan.borrow_mut().drive.on_scan(&scan);
        }
    });
    let on_odometry = Rc::clone(server);
    ros.spawn(async move {
        while let Some(odometry) = odometry.next().await {
            on_odometry.borrow_mut().on_odometry(&odometry);
        }
    });
    Ok(())
}

fn report(ros: &mut RosNode, server: &Rc<RefCell<Server>>) -> anyhow::Result<()> {
    let server = Rc::clone(server);
    diagnostics::publish_each_second(ros, move || {
        let server = server.borrow();
        let (level, message) = match (server.is_active(), server.is_driving()) {
            (false, _) => (
                Level::Warn,
                "waiting for /map and the transform from odom to map",
            ),
            (true, true) => (Level::Ok, "driving to a goal"),
            (true, false) => (Level::Ok, "waiting for a goal"),
        };
        server
            .counts()
            .iter()
            .fold(Report::new(level, message), |report, (name, count)| {
                report.with(name, count)
            })
    })
}
