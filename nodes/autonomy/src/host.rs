//! The node: loads the tree, ticks it on the thread that serves ROS, and tells what it does.

use std::cell::RefCell;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use behavior_tree::groot2::{Groot2Options, Groot2Publisher};
use behavior_tree::{Factory, Severity, Status, Tree, locations, loggers, recording};
use clap::Parser;
use r2r::geometry_msgs::msg::{Point, PointStamped};
use r2r::std_msgs::msg::Header;
use r2r::turtlebot_maze_msgs::msg::SearchStatus;
use ros_node::diagnostics::{self, Level, Report};
use ros_node::{RosNode, qos, time};

use crate::leaves::{self, Found};
use crate::navigation::Navigator;
use crate::tree_log::TreeLog;
use crate::vision::{Eyes, Look};

/// A round of the loop waits for ROS at most this long; the tree is ticked after each.
const QUANTUM: Duration = Duration::from_millis(10);
/// How long a canceled goal may take to end before this process does.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);
/// For how long the last status is offered to its subscribers.
const FAREWELL: Duration = Duration::from_millis(300);

/// Decides by a behaviour tree where the robot goes and what it looks for.
///
/// Exit status 0: the tree succeeded; 1: it failed; 130: interrupted.
#[derive(Parser)]
#[command(version)]
pub struct Flags {
    /// The tree (BehaviorTree.CPP v4 XML)
    #[arg(long)]
    tree: PathBuf,
    /// Where the robot may look: YAML, `name: [x, y, theta]`
    #[arg(long)]
    locations: PathBuf,
    /// Class of the object that is searched for, as the detector names it
    #[arg(long)]
    find: String,
    /// The Zenoh router
    #[arg(long, default_value = "tcp/127.0.0.1:7447")]
    zenoh: String,
    /// Write the tree's run to a file, which `turtlebot-maze tree replay` and `diff` read
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Port on this machine for Groot2, which shows the tree while it runs; the next one is needed as well
    #[arg(long, default_value_t = Groot2Options::default().port)]
    groot_port: u16,
    /// Let Groot2 set breakpoints, at which the tree waits, and results of nodes
    #[arg(long)]
    groot_control: bool,
}

/// Runs the tree to its end, or until a signal.
///
/// # Errors
/// When the tree or the locations cannot be loaded, or ROS refuses.
pub fn run(flags: Flags, mut ros: RosNode) -> anyhow::Result<ExitCode> {
    let voice = Voice::new(&mut ros, &flags.find)?;
    let (locations, faults) = locations::read(&flags.locations);
    if let Some(fault) = faults
        .iter()
        .find(|fault| fault.severity == Severity::Error)
    {
        bail!("{fault}");
    }
    let navigator = Navigator::connect(&mut ros)?;
    let spoken = Rc::clone(&voice);
    let eyes = Eyes::open(&mut ros, &flags.zenoh, &flags.find, move |look| {
        spoken.borrow_mut().frame(look)
    })?;
    let found = Found::default();
    let clock = ros.clock();
    let mut factory = Factory::new();
    leaves::register(
        &mut factory,
        locations,
        &navigator,
        &eyes,
        Arc::new(move || clock.now_nanos()),
        &found,
    )?;
    let mut tree = factory
        .load_file(&flags.tree)
        .with_context(|| format!("the tree {} cannot be used", flags.tree.display()))?;
    if let Some(path) = &flags.record {
        File::create(path)
            .and_then(|out| recording::record(&mut tree, &factory, out))
            .with_context(|| format!("cannot record the tree in {}", path.display()))?;
    }
    loggers::events(&mut tree);
    let tree_log = TreeLog::new(&mut ros, &mut tree)?;
    voice.borrow_mut().active_leaf = tree_log.active_leaf();
    let _groot2 = show(&mut tree, &flags);
    let told = Rc::clone(&voice);
    diagnostics::publish_each_second(&mut ros, move || told.borrow().diagnostics())?;

    // With simulated time nothing is timed before the simulator's clock is heard.
    let clock = ros.clock();
    ros.spin_until(QUANTUM, |ros| {
        ros.stop_requested() || (clock.now_nanos() > 0 && navigator.has_met_server())
    });
    let begin = clock.now_nanos();
    ros_node::ready();

    let mut last = Ok(Status::Running);
    ros.spin_until(QUANTUM, |ros| {
        let since_begin = u64::try_from(clock.now_nanos() - begin).unwrap_or(0);
        last = tree.tick_once(Duration::from_nanos(since_begin));
        tree_log.tell();
        !matches!(last, Ok(Status::Running)) || ros.stop_requested()
    });
    let end = match last {
        Ok(Status::Success) => {
            End::Succeeded(found.lock().unwrap_or_else(PoisonError::into_inner).take())
        }
        Ok(Status::Running) => End::Interrupted,
        Ok(_) => End::Failed(
            tree.failure()
                .map_or_else(|| "the tree failed".to_owned(), ToString::to_string),
        ),
        Err(error) => End::Failed(error.to_string()),
    };
    if let Err(error) = tree.halt() {
        tracing::error!(%error, "while the tree was halted");
    }
    tree_log.tell();
    let patience = Instant::now() + STOP_TIMEOUT;
    ros.spin_until(QUANTUM, |_| {
        navigator.is_idle() || Instant::now() > patience
    });

    let code = end.code();
    voice.borrow_mut().farewell(end);
    let parted = Instant::now() + FAREWELL;
    ros.spin_until(QUANTUM, |_| Instant::now() > parted);
    Ok(code)
}

/// Shows the tree to Groot2. A search needs no viewer: where it cannot be shown it runs all the same.
fn show(tree: &mut Tree, flags: &Flags) -> Option<Groot2Publisher> {
    let options = Groot2Options {
        port: flags.groot_port,
        control: flags.groot_control,
        ..Groot2Options::default()
    };
    Groot2Publisher::new(tree, options)
        .inspect(
            |groot2| tracing::info!(address = %groot2.address(), "the tree is shown to Groot2"),
        )
        .inspect_err(|error| tracing::warn!(%error, "Groot2 cannot see the tree"))
        .ok()
}

enum End {
    /// With the look that decided; a tree that looks for nothing has none.
    Succeeded(Option<Look>),
    Failed(String),
    Interrupted,
}

impl End {
    fn code(&self) -> ExitCode {
        match self {
            Self::Succeeded(_) => ExitCode::SUCCESS,
            Self::Failed(_) => ExitCode::from(1),
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

/// Tells the rest of the graph what the tree does: `/autonomy/status`.
struct Voice {
    publisher: r2r::Publisher<SearchStatus>,
    clock: time::Clock,
    target: String,
    active_leaf: Arc<Mutex<String>>,
    frames: u64,
    newest: Option<Look>,
}

impl Voice {
    fn new(ros: &mut RosNode, target: &str) -> anyhow::Result<Rc<RefCell<Self>>> {
        let publisher = ros
            .node
            .create_publisher("/autonomy/status", qos::latched())
            .map_err(|error| anyhow!("cannot publish /autonomy/status: {error}"))?;
        Ok(Rc::new(RefCell::new(Self {
            publisher,
            clock: ros.clock(),
            target: target.to_owned(),
            active_leaf: Arc::default(),
            frames: 0,
            newest: None,
        })))
    }

    fn frame(&mut self, look: &Look) {
        self.frames += 1;
        self.newest = Some(look.clone());
        let status = self.status(SearchStatus::RUNNING as u8, String::new(), Some(look));
        self.publish(&status);
    }

    fn farewell(&mut self, end: End) {
        let (state, reason, look) = match end {
            End::Succeeded(look) => {
                let reason = match &look {
                    Some(_) => format!("{} found", self.target),
                    None => "the tree succeeded".to_owned(),
                };
                (SearchStatus::SUCCEEDED as u8, reason, look)
            }
            // What was sighted and not found again is no find.
            End::Failed(reason) => (SearchStatus::FAILED as u8, reason, self.newest.take()),
            End::Interrupted => {
                let reason = "interrupted".to_owned();
                (SearchStatus::FAILED as u8, reason, self.newest.take())
            }
        };
        tracing::info!(%reason, "the tree has ended");
        let mut status = self.status(state, reason, look.as_ref());
        // The reason names the leaf that failed; what was active when a signal came is no cause.
        status.active_node.clear();
        self.publish(&status);
    }

    fn status(&self, state: u8, reason: String, look: Option<&Look>) -> SearchStatus {
        let mut status = SearchStatus {
            header: Header {
                stamp: self.clock.now(),
                frame_id: "map".into(),
            },
            state,
            target_class: self.target.clone(),
            active_node: self.active_leaf(),
            reason,
            ..SearchStatus::default()
        };
        if let Some(look) = look {
            status.frame_stamp = time::stamp(look.stamp);
            if let Some(sighting) = look.sightings.first() {
                let point = Point {
                    x: sighting.place.x,
                    y: sighting.place.y,
                    z: sighting.place.z,
                };
                let header = Header {
                    stamp: time::stamp(look.stamp),
                    frame_id: "map".into(),
                };
                status.has_object = true;
                status.object = PointStamped { header, point };
                status.confidence = sighting.confidence;
                status.bbox = sighting.bbox.to_vec();
            }
        }
        status
    }

    fn active_leaf(&self) -> String {
        self.active_leaf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn publish(&self, status: &SearchStatus) {
        if let Err(error) = self.publisher.publish(status) {
            tracing::error!(%error, "cannot publish /autonomy/status");
        }
    }

    fn diagnostics(&self) -> Report {
        Report::new(Level::Ok, format!("searching for {}", self.target))
            .with("active_node", self.active_leaf())
            .with("frames_evaluated", self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_ends_no_search() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let line = "autonomy --tree t.xml --locations l.yaml --find cup --groot-port";
        let flags = Flags::parse_from(line.split(' ').chain([port.as_str()]));
        let xml =
            r#"<root BTCPP_format="4"><BehaviorTree ID="M"><AlwaysSuccess/></BehaviorTree></root>"#;
        let mut tree = Factory::new().load_text(xml).unwrap();
        assert!(show(&mut tree, &flags).is_none());
        assert_eq!(tree.tick_once(Duration::ZERO).unwrap(), Status::Success);
    }
}
