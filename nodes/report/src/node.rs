//! The node: subscriptions in, files out.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{ArgAction, Parser};
use futures::StreamExt as _;
use r2r::QosProfile;
use r2r::action_msgs::msg::GoalStatusArray;
use r2r::diagnostic_msgs::msg::DiagnosticArray;
use r2r::geometry_msgs::msg::{PoseWithCovarianceStamped, TwistStamped};
use r2r::nav_msgs::msg::{OccupancyGrid, Odometry};
use r2r::rosgraph_msgs::msg::Clock;
use r2r::sensor_msgs::msg::CameraInfo;
use r2r::turtlebot_maze_msgs::msg::{SearchStatus, Verdict};
use ros_node::diagnostics::{self, Level, Report};
use ros_node::time::nanos;
use ros_node::{RosNode, qos};

use crate::detector_link::{DetectorLink, Message};
use crate::from_ros;
use crate::run::{Run, Setting};
use crate::truth::GroundTruth;

/// How long the loop waits for ROS before it looks at Zenoh and the stop signal.
const QUANTUM: Duration = Duration::from_millis(20);
/// The simulator tells its figures once a second: at the end the next ones are waited for, so that no collision of the last
/// second is missed.
const LAST_FIGURES: Duration = Duration::from_millis(1200);
/// A report is never older than this, so that little is lost however the run ends.
const WRITE_PERIOD: Duration = Duration::from_secs(3);

/// Measures a run and writes report.json, map.png and frame.png.
#[derive(Debug, Parser)]
#[command(name = "report", version)]
pub struct Flags {
    /// Zenoh endpoint of the local router
    #[arg(long, default_value = "tcp/127.0.0.1:7447")]
    zenoh: String,
    /// Folder for the files
    #[arg(long, default_value = ".")]
    out: PathBuf,
    /// Class that is searched for [default: what the tree says]
    #[arg(long, value_name = "CLASS")]
    find: Option<String>,
    /// World that is run, for the report
    #[arg(long, value_name = "FILE")]
    world: Option<String>,
    /// World file (SDF) or JSON file with the objects' true places
    #[arg(long, value_name = "FILE")]
    ground_truth: Option<PathBuf>,
    /// Seed of the run, for the report
    #[arg(long)]
    seed: Option<u64>,
    /// Colour image of the camera; its camera_info is beside it
    #[arg(long, value_name = "TOPIC", default_value = "/camera/color/image_raw")]
    camera_topic: String,
    /// Velocities are TwistStamped; a Twist has no stamp to measure the gate's latency by
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    cmd_vel_stamped: bool,
}

/// Measures until SIGINT or SIGTERM, writing now and then, at the search's end and at the own end.
///
/// # Errors
/// When the ground truth cannot be read, the folder cannot be written to, or ROS or Zenoh refuse.
pub fn run(flags: Flags, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    let truth = flags
        .ground_truth
        .as_deref()
        .map(GroundTruth::read)
        .transpose()?;
    std::fs::create_dir_all(&flags.out)
        .with_context(|| format!("cannot make the folder {}", flags.out.display()))?;
    let setting = Setting {
        class: flags.find.clone(),
        seed: flags.seed,
        world: flags.world.clone(),
        truth,
        versions: versions(),
    };
    let run = Rc::new(RefCell::new(Run::new(setting, Instant::now())));
    let ended = Rc::new(RefCell::new(false));
    let figures_at = Rc::new(Cell::new(None));
    subscribe(&mut ros, &flags, &run, &ended, &figures_at)?;
    let mut link = DetectorLink::open(&flags.zenoh)?;
    diagnostics::publish_each_second(&mut ros, diagnosis(&run))?;

    let files = Files { out: flags.out };
    files.write_report(&run.borrow())?;
    let mut ready = false;
    let mut failure = None;
    let mut written = Instant::now();
    let mut stop_wished = None;
    ros.spin_until(QUANTUM, |ros| {
        let round = (|| -> anyhow::Result<()> {
            if !ready && link.is_open()? {
                ready = true;
                ros_node::ready();
            }
            for (message, at) in link.messages() {
                match message {
                    Message::Detections(detections) => run.borrow_mut().detections(&detections, at),
                    Message::Status(status) => run.borrow_mut().detector_status(&status),
                }
            }
            if ros.stop_requested() && stop_wished.is_none() {
                stop_wished = Some(Instant::now());
                // At once: who is in a hurry may not wait for the figures.
                files.write_report(&run.borrow())?;
            }
            if ended.replace(false) {
                files.write_all(&run.borrow())?;
            } else if written.elapsed() > WRITE_PERIOD {
                written = Instant::now();
                files.write_report(&run.borrow())?;
            }
            Ok(())
        })();
        failure = round.err();
        failure.is_some() || stop_wished.is_some_and(|at| has_last_figures(at, figures_at.get()))
    });
    match failure {
        Some(error) => Err(error),
        None => files.write_all(&run.borrow()).map(|()| ExitCode::SUCCESS),
    }
}

/// Whether the simulator's figures are as new as they get: none ever came, some came after the wish to stop, or the time
/// for it is over.
fn has_last_figures(stop_wished: Instant, figures_at: Option<Instant>) -> bool {
    figures_at.is_none_or(|at| at > stop_wished) || stop_wished.elapsed() > LAST_FIGURES
}

/// Where the run's files go.
struct Files {
    out: PathBuf,
}

impl Files {
    fn write_report(&self, run: &Run) -> anyhow::Result<()> {
        run.summary(Instant::now())
            .write(&self.out.join("report.json"))
    }

    /// The report first: it matters most, and drawing takes a moment.
    fn write_all(&self, run: &Run) -> anyhow::Result<()> {
        self.write_report(run)?;
        let map = self.out.join("map.png");
        run.map_picture()
            .save(&map)
            .with_context(|| format!("cannot write {}", map.display()))?;
        match run.frame_picture() {
            Ok(Some(picture)) => {
                let frame = self.out.join("frame.png");
                picture
                    .save(&frame)
                    .with_context(|| format!("cannot write {}", frame.display()))
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::error!(%error, "no frame.png");
                Ok(())
            }
        }
    }
}

/// Subscribes to all that a run is measured by. Reliable throughout: on a busy machine most pictures are lost to a
/// subscriber that asks for best effort.
fn subscribe(
    ros: &mut RosNode,
    flags: &Flags,
    run: &Rc<RefCell<Run>>,
    ended: &Rc<RefCell<bool>>,
    figures_at: &Rc<Cell<Option<Instant>>>,
) -> anyhow::Result<()> {
    let state = || qos::latched().keep_last(50);
    let reliable = || qos::reliable().keep_last(50);
    listen(ros, run, "/clock", reliable(), |run, m: Clock, at| {
        run.clock(nanos(&m.clock), at)
    })?;
    listen(
        ros,
        run,
        "/sim/ground_truth",
        reliable(),
        |run, m: Odometry, _| {
            run.true_pose(from_ros::place(&m.pose.pose));
        },
    )?;
    listen(
        ros,
        run,
        "/amcl_pose",
        reliable(),
        |run, m: PoseWithCovarianceStamped, _| {
            run.estimated_pose(from_ros::place(&m.pose.pose));
        },
    )?;
    listen(
        ros,
        run,
        "/map",
        qos::latched(),
        |run, m: OccupancyGrid, _| match from_ros::grid(m) {
            Some(grid) => run.map(grid),
            None => tracing::warn!("/map is no sound grid, ignored"),
        },
    )?;
    let camera_info = from_ros::camera_info_topic(&flags.camera_topic);
    listen(
        ros,
        run,
        &camera_info,
        reliable(),
        |run, m: CameraInfo, at| {
            run.camera_frame(nanos(&m.header.stamp), at);
        },
    )?;
    listen(
        ros,
        run,
        "/gatekeeper/verdict",
        state(),
        |run, m: Verdict, _| {
            run.verdict(from_ros::goal_id(&m.goal_id), from_ros::verdict(m));
        },
    )?;
    listen(
        ros,
        run,
        "/navigate_to_pose/_action/status",
        state(),
        |run, m: GoalStatusArray, _| {
            for status in &m.status_list {
                run.goal_state(from_ros::goal_id(&status.goal_info.goal_id), status.status);
            }
        },
    )?;
    let figures_at = Rc::clone(figures_at);
    let stop = ros.stop_flag();
    listen(
        ros,
        run,
        "/diagnostics",
        reliable(),
        move |run, m: DiagnosticArray, at| {
            if let Some(figures) = from_ros::simulator_figures(&m) {
                if stop.load(Ordering::Relaxed) {
                    run.last_figures(figures);
                } else {
                    run.figures(figures);
                }
                figures_at.set(Some(at));
            }
        },
    )?;
    if flags.cmd_vel_stamped {
        listen(
            ros,
            run,
            "/ungated/cmd_vel",
            reliable(),
            |run, m: TwistStamped, at| {
                run.ungated_velocity(nanos(&m.header.stamp), at);
            },
        )?;
        listen(
            ros,
            run,
            "/cmd_vel",
            reliable(),
            |run, m: TwistStamped, at| {
                run.gated_velocity(nanos(&m.header.stamp), at);
            },
        )?;
    }
    let ended = Rc::clone(ended);
    listen(
        ros,
        run,
        "/autonomy/status",
        state(),
        move |run, m: SearchStatus, at| {
            if let Some(search) = from_ros::search(m)
                && run.search(search, at)
            {
                ended.replace(true);
            }
        },
    )?;
    let mut pictures = ros.node.subscribe_raw(
        &flags.camera_topic,
        "sensor_msgs/msg/Image",
        qos::reliable().keep_last(5),
    )?;
    let run = Rc::clone(run);
    ros.spawn(async move {
        while let Some(picture) = pictures.next().await {
            run.borrow_mut().picture(picture);
        }
    });
    Ok(())
}

fn listen<M: r2r::WrappedTypesupport + 'static>(
    ros: &mut RosNode,
    run: &Rc<RefCell<Run>>,
    topic: &str,
    qos: QosProfile,
    take: impl Fn(&mut Run, M, Instant) + 'static,
) -> anyhow::Result<()> {
    let mut messages = ros
        .node
        .subscribe::<M>(topic, qos)
        .with_context(|| format!("cannot subscribe to {topic}"))?;
    let run = Rc::clone(run);
    ros.spawn(async move {
        while let Some(message) = messages.next().await {
            take(&mut run.borrow_mut(), message, Instant::now());
        }
    });
    Ok(())
}

fn versions() -> BTreeMap<String, String> {
    let mut versions = BTreeMap::from([(
        "turtlebot_maze".to_owned(),
        env!("CARGO_PKG_VERSION").to_owned(),
    )]);
    for (name, variable) in [("ros", "ROS_DISTRO"), ("rmw", "RMW_IMPLEMENTATION")] {
        if let Ok(value) = std::env::var(variable) {
            versions.insert(name.to_owned(), value);
        }
    }
    versions
}

fn diagnosis(run: &Rc<RefCell<Run>>) -> impl FnMut() -> Report + 'static {
    let run = Rc::clone(run);
    move || {
        let summary = run.borrow().summary(Instant::now());
        let count = |count: Option<u64>| count.unwrap_or_default();
        Report::new(Level::Ok, "measuring")
            .with("goals_sent", summary.goals.sent)
            .with("frames_rendered", count(summary.frames.rendered))
            .with("frames_detected", count(summary.frames.detected))
            .with("path_length_m", summary.path_length_m.unwrap_or_default())
    }
}
