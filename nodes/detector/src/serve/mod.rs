//! `detector serve`: the node. Frames from Zenoh in, detections out; knows nothing of ROS.
//!
//! Zenoh's threads put frames into the [`inbox`]; one thread takes them in turn, infers and answers. Nothing waits for
//! the network while it holds a lock.

mod camera_keys;
mod depths;
mod figures;
pub mod inbox;
mod key_frames;
mod liveliness;
mod per_robot;
pub mod poses;
mod router;
mod worker;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use wire::messages::{CameraInfo, Header, Odometry};
use wire::{SlamPose, keys};
use zenoh::key_expr::KeyExpr;
use zenoh::pubsub::Subscriber;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

use crate::batch;
use crate::boxes::Thresholds;
use crate::model::{Model, ModelOptions};
use crate::pieces::Pieces;
use crate::position::Intrinsics;
use depths::Depths;
use inbox::{Frame, Inbox};
pub use key_frames::KeyFrames;
use poses::Poses;
use worker::Worker;

/// The first bytes of a message, which hold its header: names longer than this are no frame's.
const HEAD_LEN: usize = 1024;

/// What `detector serve` is told.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Endpoint of the Zenoh router.
    pub zenoh: String,
    /// Key expressions of the cameras.
    pub keys: Vec<String>,
    /// The model's file.
    pub model: PathBuf,
    /// How it is run.
    pub model_options: ModelOptions,
    /// What counts as a detection.
    pub limits: Thresholds,
    /// Only key frames are inferred; `None`: all.
    pub key_frames: Option<KeyFrames>,
    /// Name of this run in the answers; one is made up when it is absent.
    pub run_id: Option<String>,
}

/// How the node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By SIGTERM.
    Terminated,
    /// By SIGINT.
    Interrupted,
    /// Inference failed again and again; a process that is started anew may do better.
    Failed,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the model cannot be loaded, or an endpoint or key is none.
pub fn serve(options: ServeOptions) -> Result<Ended> {
    let signals = signals()?;
    let mut config = zenoh_client::config(&options.zenoh)?;
    // µs. By default an answer is dropped when the router has not read for 1 ms, which on a busy machine happens.
    config
        .insert_json5(
            "transport/link/tx/queue/congestion_control/drop/wait_before_drop",
            "50000",
        )
        .map_err(|error| anyhow!("{error}"))?;
    let cameras = options.keys.iter().map(|key| {
        KeyExpr::new(key.as_str()).map_err(|error| anyhow!("{key:?} is no Zenoh key: {error}"))?;
        Ok((key.as_str(), camera_keys::camera_name(key)?.to_owned()))
    });
    let cameras = cameras.collect::<Result<Vec<_>>>()?;
    check_cameras(&cameras)?;
    notify(sd_notify::NotifyState::Status("loading the model"));
    // One camera's frames are never more than one at a time.
    let many = options.keys.len() > 1 || options.keys.iter().any(|key| key.contains('*'));
    let load = if many { batch::load } else { Model::load };
    let (path, model_options) = (options.model, options.model_options);
    let model = match unless_ended(&signals, move || load(&path, &model_options))? {
        Waited::Done(model) => model?,
        Waited::Ended(ended) => return Ok(ended),
    };
    let info = model.info().clone();
    tracing::info!(
        model = %info.id.name,
        provider = %info.provider,
        classes = info.class_names.len(),
        batch = model.max_batch(),
        "model loaded"
    );

    notify(sd_notify::NotifyState::Status(
        "waiting for the Zenoh router",
    ));
    let session = match unless_ended(&signals, || zenoh::open(config).wait())? {
        Waited::Done(session) => session.map_err(|error| anyhow!("cannot open Zenoh: {error}"))?,
        Waited::Ended(ended) => return Ok(ended),
    };
    let known = Known {
        inbox: Arc::default(),
        poses: Arc::default(),
        depths: Arc::default(),
    };
    let router = router::watch(&session, &known.inbox)?;
    let subscribers = subscribe_all(&session, &cameras, &known)?;
    let run_id = options.run_id.unwrap_or_else(run_id);
    let worker = Worker::new(
        model,
        options.limits,
        session.clone(),
        known.clone(),
        router.losses(),
        options.key_frames,
        run_id,
    )?;
    let (working, idle) = bounded::<()>(0);
    let worker = std::thread::Builder::new()
        .name("inference".to_owned())
        .spawn(move || {
            // Dropped at the end of this thread, whatever ends it.
            let _working = working;
            worker.work()
        })?;
    notify(sd_notify::NotifyState::Ready);
    notify(sd_notify::NotifyState::Status("serving"));
    tracing::info!(keys = ?options.keys, zenoh = %options.zenoh, "serving");

    let ended = select! {
        recv(signals) -> ended => Some(ended.context("the signal thread ended")?),
        recv(idle) -> _ => None,
    };
    known.inbox.close();
    // Without inference this process is of no use: whoever started it starts it again.
    let worked = worker
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if let Err(error) = worked {
        tracing::error!("{error:#}");
        return Ok(Ended::Failed);
    }
    let ended = ended.context("the inference thread has ended")?;
    // Before the session is closed: that is no loss.
    drop((subscribers, router));
    session
        .close()
        .wait()
        .map_err(|error| anyhow!("closing the Zenoh session: {error}"))?;
    Ok(ended)
}

/// What Zenoh's threads write and the inference thread reads.
#[derive(Clone)]
struct Known {
    inbox: Arc<Inbox>,
    poses: Arc<Poses>,
    depths: Arc<Depths>,
}

/// Two keys must not bring the same frame. And those without a wildcard may be meant as two robots, but tell the robot's
/// prefix from the camera's name by the usual names alone.
fn check_cameras(cameras: &[(&str, String)]) -> Result<()> {
    let robots = |(key, camera): &(&str, String)| key.len() - camera.len();
    for (index, camera) in cameras.iter().enumerate() {
        let own = KeyExpr::new(camera.0).map_err(|error| anyhow!("{error}"))?;
        for other in &cameras[..index] {
            let both = (other.0, camera.0);
            if KeyExpr::new(other.0).is_ok_and(|other| other.intersects(&own)) {
                bail!("--keys {both:?} overlap: a frame must not come by both");
            }
            let same_robot = camera.0[..robots(camera)] == other.0[..robots(other)];
            if same_robot && camera.1 != other.1 {
                tracing::warn!(
                    "{both:?} count as two cameras of one robot; for two robots use a wildcard, as in \
                     */oakd/rgb/preview/image_raw"
                );
            }
        }
        let prefix = &camera.0[..robots(camera)];
        tracing::info!(
            "frames on {} are answered on {prefix}{}",
            camera.0,
            keys::DETECTIONS
        );
    }
    Ok(())
}

/// Subscribes to `cameras` (key expression and name behind the robot's prefix) and to what is beside them.
fn subscribe_all(
    session: &Session,
    cameras: &[(&str, String)],
    known: &Known,
) -> Result<Vec<Subscriber<()>>> {
    let mut subscribers = Vec::new();
    // What several keys have beside them is subscribed to once.
    let mut beside = BTreeMap::<_, Handler>::new();
    for (key, camera) in cameras {
        subscribers.extend(liveliness::subscribe(session, key, camera, &known.inbox)?);
        subscribers.push(subscribe(session, key, camera, {
            let known = known.clone();
            move |robot, sample| frame_came(&known, robot, sample)
        })?);
        let robots = key.strip_suffix(camera.as_str()).unwrap_or_default();
        beside.insert((robots, keys::ODOM.to_owned()), odometry_came);
        beside.insert((robots, keys::SLAM_POSE.to_owned()), slam_pose_came);
        beside.insert((robots, keys::DEPTH_IMAGE.to_owned()), depth_came);
        let camera_info = camera_keys::camera_info_name(camera);
        beside.insert((robots, camera_info), camera_info_came);
    }
    for ((robots, name), handle) in beside {
        let known = known.clone();
        subscribers.push(subscribe(
            session,
            &format!("{robots}{name}"),
            &name,
            move |robot, sample| handle(&known, robot, &sample),
        )?);
    }
    Ok(subscribers)
}

/// Takes in a message of the robot with this key prefix.
type Handler = fn(&Known, &str, &Sample);

fn subscribe(
    session: &Session,
    key: &str,
    name: &str,
    handle: impl Fn(&str, Sample) + Send + Sync + 'static,
) -> Result<Subscriber<()>> {
    let name = name.to_owned();
    let subscriber = session
        .declare_subscriber(key.to_owned())
        .callback(move |sample| {
            let key = sample.key_expr().clone();
            if let Some(robot) = keys::robot_of(key.as_str(), &name) {
                handle(robot, sample);
            }
        });
    subscriber
        .wait()
        .map_err(|error| anyhow!("cannot subscribe to {key:?}: {error}"))
}

fn frame_came(known: &Known, robot: &str, sample: Sample) {
    let arrived = Instant::now();
    let mut head = [0; HEAD_LEN];
    // One that cannot be read is counted when its turn comes.
    if let Ok(header) = Header::read(Pieces::Zenoh(sample.payload()).head(&mut head)) {
        known.poses.frame_came(robot, header.stamp, arrived);
    }
    known.inbox.put(robot, Frame { sample, arrived });
}

fn odometry_came(known: &Known, robot: &str, sample: &Sample) {
    match Odometry::read(&sample.payload().to_bytes()) {
        Ok(odometry) => known.poses.add(robot, &odometry, Instant::now()),
        Err(error) => tracing::debug!(%error, "odometry not understood"),
    }
}

fn slam_pose_came(known: &Known, robot: &str, sample: &Sample) {
    match SlamPose::from_json(&sample.payload().to_bytes()) {
        Ok(pose) => known.poses.add_slam(robot, &pose, Instant::now()),
        Err(error) => tracing::debug!(%error, "SLAM pose not understood"),
    }
}

fn depth_came(known: &Known, robot: &str, sample: &Sample) {
    if let Err(error) = known.depths.add(robot, sample.payload(), Instant::now()) {
        tracing::debug!(%error, "depth picture not understood");
    }
}

fn camera_info_came(known: &Known, robot: &str, sample: &Sample) {
    match CameraInfo::read(&sample.payload().to_bytes()) {
        Ok(info) => {
            let intrinsics = Intrinsics::new(&info);
            known
                .depths
                .set_intrinsics(robot, intrinsics, Instant::now());
        }
        Err(error) => tracing::debug!(%error, "camera info not understood"),
    }
}

/// SIGINT and SIGTERM, as they come.
fn signals() -> Result<Receiver<Ended>> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])
        .context("cannot wait for signals")?;
    let (sender, receiver) = bounded(1);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                // One is enough: a second one before the first is seen says nothing new.
                let _ = sender.try_send(if signal == SIGINT {
                    Ended::Interrupted
                } else {
                    Ended::Terminated
                });
            }
        })?;
    Ok(receiver)
}

enum Waited<T> {
    Done(T),
    Ended(Ended),
}

/// Does `work`, for as long as that takes, unless a signal ends the wait.
fn unless_ended<T: Send + 'static>(
    signals: &Receiver<Ended>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Waited<T>> {
    let (sender, done) = bounded(1);
    std::thread::Builder::new()
        .name("start".to_owned())
        .spawn(move || {
            // Nobody listens any more when a signal came first.
            let _ = sender.send(work());
        })?;
    select! {
        recv(done) -> value => Ok(Waited::Done(value.context("the starting thread died")?)),
        recv(signals) -> ended => Ok(Waited::Ended(ended.context("the signal thread ended")?)),
    }
}

/// Tells the supervisor, when there is one.
fn notify(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "cannot notify the supervisor");
    }
}

/// Host name and start time, as the published application makes it.
fn run_id() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}", host.trim(), since_epoch.as_secs())
}
