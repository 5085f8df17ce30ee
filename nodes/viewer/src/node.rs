//! The node: subscriptions in, events out.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::{ArgAction, Parser};
use futures::StreamExt as _;
use r2r::QosProfile;
use r2r::action_msgs::msg::GoalStatusArray;
use r2r::diagnostic_msgs::msg::DiagnosticArray;
use r2r::geometry_msgs::msg::{PoseWithCovarianceStamped, Twist, TwistStamped};
use r2r::nav_msgs::msg::{OccupancyGrid, Path};
use r2r::nav2_msgs::msg::BehaviorTreeLog;
use r2r::sensor_msgs::msg::{CameraInfo, LaserScan};
use r2r::tf2_msgs::msg::TFMessage;
use r2r::turtlebot_maze_msgs::msg::{EmergencyStopState, SearchStatus, Verdict};
use report::detector_link::DetectorLink;
use report::from_ros as measured;
use ros_node::diagnostics::{self, Level, Report};
use ros_node::time::nanos;
use ros_node::{RosNode, qos};
use wire::messages::ImageHeader;

use crate::event::What;
use crate::from_ros;
use crate::outputs::{Live, Outputs};
use crate::picture;
use crate::queue::Input;
use crate::show::Show;

/// How long the loop waits for ROS before it looks at Zenoh and the stop signal.
const QUANTUM: Duration = Duration::from_millis(20);

/// Shows the running graph in Rerun: into a recording, and live.
#[derive(Debug, Parser)]
#[command(name = "viewer", version)]
pub struct Flags {
    /// Zenoh endpoint of the local router
    #[arg(long, default_value = "tcp/127.0.0.1:7447")]
    zenoh: String,
    /// Recording to write
    #[arg(long, value_name = "FILE.rrd", default_value = "run.rrd")]
    out: PathBuf,
    /// Start a viewer (`rerun` on the path) and show the run live
    #[arg(long, conflicts_with = "connect")]
    spawn: bool,
    /// Show the run live in the viewer at this URL, such as rerun+http://127.0.0.1:9876/proxy
    #[arg(long, value_name = "URL")]
    connect: Option<String>,
    /// Colour image of the camera; its camera_info is beside it
    #[arg(long, value_name = "TOPIC", default_value = "/camera/color/image_raw")]
    camera_topic: String,
    /// Velocities are TwistStamped, not Twist
    #[arg(long, action = ArgAction::Set, default_value_t = true)]
    cmd_vel_stamped: bool,
}

impl Flags {
    fn live(&self) -> Live {
        match &self.connect {
            Some(url) => Live::Connect(url.clone()),
            None if self.spawn => Live::Spawn,
            None => Live::No,
        }
    }
}

/// Records until SIGINT or SIGTERM, then completes the recording.
///
/// # Errors
/// When the recording cannot be written, or ROS or Zenoh refuse.
pub fn run(flags: Flags, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    let outputs = Arc::new(Outputs::open(&flags.out, &flags.live())?);
    let show = Rc::new(RefCell::new(Show::new(Arc::clone(&outputs), ros.clock())));
    let (to_jpeg, jpeg_thread) = {
        let outputs = Arc::clone(&outputs);
        picture::start(move |event| outputs.show(event))?
    };
    subscribe(&mut ros, &flags, &show)?;
    subscribe_to_pictures(&mut ros, &flags.camera_topic, &show, to_jpeg)?;
    let mut link = DetectorLink::open(&flags.zenoh)?;
    diagnostics::publish_each_second(&mut ros, diagnosis(&outputs))?;

    let mut ready = false;
    let mut failure = None;
    ros.spin_until(QUANTUM, |ros| {
        match link.is_open() {
            Ok(true) if !ready => {
                ready = true;
                ros_node::ready();
            }
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
        for (message, at) in link.messages() {
            show.borrow_mut().detector(message, at);
        }
        failure.is_some() || ros.stop_requested()
    });
    // Ends the tasks and the thread that hold the outputs, so that these can be completed.
    drop((ros, show));
    let jpeg_ended = jpeg_thread.join();
    match jpeg_ended.ok().and_then(|()| Arc::into_inner(outputs)) {
        Some(outputs) => outputs.finish(),
        None => tracing::error!("the recording is still in use, its end is missing"),
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Subscribes to all that is shown but the pictures. Lidar drivers publish best effort and a lost scan is no harm; the
/// rest is reliable.
fn subscribe(ros: &mut RosNode, flags: &Flags, show: &Rc<RefCell<Show>>) -> anyhow::Result<()> {
    let reliable = || qos::reliable().keep_last(50);
    let state = || qos::latched().keep_last(50);
    listen(ros, show, "/tf", reliable(), |show, m: TFMessage, _| {
        show.transforms(&m, false)
    })?;
    listen(ros, show, "/tf_static", state(), |show, m: TFMessage, _| {
        show.transforms(&m, true)
    })?;
    listen(
        ros,
        show,
        "/scan",
        qos::sensor_data(),
        |show, m: LaserScan, at| show.scan(&m, at),
    )?;
    listen(
        ros,
        show,
        "/map",
        qos::latched(),
        |show, m: OccupancyGrid, _| {
            let stamp = nanos(&m.header.stamp);
            match from_ros::map(m) {
                Some(map) => show.event(stamp, map),
                None => tracing::warn!("/map is no sound grid, not shown"),
            }
        },
    )?;
    listen(ros, show, "/plan", reliable(), |show, m: Path, _| {
        show.event(nanos(&m.header.stamp), from_ros::plan(&m))
    })?;
    listen(
        ros,
        show,
        "/amcl_pose",
        reliable(),
        |show, m: PoseWithCovarianceStamped, _| {
            let at = measured::place(&m.pose.pose).map(|v| v as f32);
            show.event(nanos(&m.header.stamp), What::Estimate(at));
        },
    )?;
    let camera_info = measured::camera_info_topic(&flags.camera_topic);
    listen(
        ros,
        show,
        &camera_info,
        reliable(),
        |show, m: CameraInfo, at| {
            show.camera_frame(nanos(&m.header.stamp), from_ros::camera(&m), at);
        },
    )?;
    listen(
        ros,
        show,
        "/gatekeeper/verdict",
        state(),
        |show, m: Verdict, _| {
            let stamp = nanos(&m.header.stamp);
            show.event(stamp, What::Verdict(measured::verdict(m)));
        },
    )?;
    let clock = ros.clock();
    listen(
        ros,
        show,
        "/navigate_to_pose/_action/status",
        state(),
        move |show, m: GoalStatusArray, _| {
            for status in &m.status_list {
                let goal = measured::goal_id(&status.goal_info.goal_id);
                show.event(clock.now_nanos(), What::GoalState(goal, status.status));
            }
        },
    )?;
    listen(
        ros,
        show,
        "/autonomy/status",
        state(),
        |show, m: SearchStatus, at| {
            let stamp = nanos(&m.header.stamp);
            if let Some(search) = measured::search(m) {
                show.search(stamp, search, at);
            }
        },
    )?;
    listen(
        ros,
        show,
        "/autonomy/behavior_tree_log",
        reliable(),
        |show, m: BehaviorTreeLog, _| {
            for change in m.event_log {
                let (stamp, transition) = from_ros::transition(change);
                show.event(stamp, transition);
            }
        },
    )?;
    listen(
        ros,
        show,
        "/emergency_stop/state",
        state(),
        |show, m: EmergencyStopState, _| {
            show.event(nanos(&m.header.stamp), from_ros::emergency_stop(&m));
        },
    )?;
    listen(
        ros,
        show,
        "/diagnostics",
        reliable(),
        |show, m: DiagnosticArray, _| show.diagnostics(&m),
    )?;
    for (topic, gated) in [("/ungated/cmd_vel", false), ("/cmd_vel", true)] {
        if flags.cmd_vel_stamped {
            listen(
                ros,
                show,
                topic,
                reliable(),
                move |show, m: TwistStamped, at| {
                    show.velocity(gated, nanos(&m.header.stamp), &m.twist, at);
                },
            )?;
        } else {
            listen(ros, show, topic, reliable(), move |show, m: Twist, at| {
                show.velocity(gated, 0, &m, at)
            })?;
        }
    }
    Ok(())
}

/// Pictures stay CDR until one is to be shown: most are not.
fn subscribe_to_pictures(
    ros: &mut RosNode,
    topic: &str,
    show: &Rc<RefCell<Show>>,
    to_jpeg: Input<Vec<u8>>,
) -> anyhow::Result<()> {
    let mut pictures =
        ros.node
            .subscribe_raw(topic, "sensor_msgs/msg/Image", qos::reliable().keep_last(3))?;
    let show = Rc::clone(show);
    ros.spawn(async move {
        while let Some(payload) = pictures.next().await {
            let Ok(header) = ImageHeader::read(&payload, payload.len()) else {
                continue;
            };
            let stamp = header.stamp.as_nanos();
            if show.borrow_mut().admits_picture(stamp, Instant::now()) {
                to_jpeg.push(payload);
            }
        }
    });
    Ok(())
}

fn listen<M: r2r::WrappedTypesupport + 'static>(
    ros: &mut RosNode,
    show: &Rc<RefCell<Show>>,
    topic: &str,
    qos: QosProfile,
    take: impl Fn(&mut Show, M, Instant) + 'static,
) -> anyhow::Result<()> {
    let mut messages = ros
        .node
        .subscribe::<M>(topic, qos)
        .with_context(|| format!("cannot subscribe to {topic}"))?;
    let show = Rc::clone(show);
    ros.spawn(async move {
        while let Some(message) = messages.next().await {
            take(&mut show.borrow_mut(), message, Instant::now());
        }
    });
    Ok(())
}

fn diagnosis(outputs: &Arc<Outputs>) -> impl FnMut() -> Report + 'static {
    let outputs = Arc::clone(outputs);
    move || {
        let [file, viewer] = outputs.dropped();
        let (level, message) = match (file, viewer) {
            (0, 0) => (Level::Ok, "recording"),
            (0, _) => (Level::Warn, "the live viewer is too slow: it misses events"),
            _ => (
                Level::Warn,
                "the disk is too slow: the recording misses events",
            ),
        };
        Report::new(level, message)
            .with("dropped_file", file)
            .with("dropped_viewer", viewer)
    }
}
