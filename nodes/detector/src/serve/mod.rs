//! `detector serve`: the node. Frames from Zenoh in, detections out; knows nothing of ROS.
//!
//! Zenoh's threads put frames into the [`inbox`]; one thread takes them in turn, infers and answers. Nothing waits for
//! the network while it holds a lock.

mod camera_keys;
mod figures;
mod inbox;
mod key_frames;
mod liveliness;
mod poses;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use crossbeam_channel::{Receiver, bounded, select};
use signal_hook::consts::{SIGINT, SIGTERM};
use wire::keys;
use wire::messages::Odometry;
use zenoh::pubsub::Subscriber;
use zenoh::{Session, Wait};

use crate::batch;
use crate::boxes::Thresholds;
use crate::model::{Model, ModelOptions};
use crate::pipeline::Pipeline;
use inbox::{Frame, Inbox};
pub use key_frames::KeyFrames;
use poses::Poses;
use worker::Worker;

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
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the model cannot be loaded, or an endpoint or key is none.
pub fn serve(options: ServeOptions) -> Result<Ended> {
    let signals = signals()?;
    let config = zenoh_client::config(&options.zenoh)?;
    let cameras = options
        .keys
        .iter()
        .map(|key| Ok((key.as_str(), camera_keys::camera_name(key)?.to_owned())));
    let cameras = cameras.collect::<Result<Vec<_>>>()?;
    notify(sd_notify::NotifyState::Status("loading the model"));
    // One camera's frames are never more than one at a time.
    let many = options.keys.len() > 1 || options.keys.iter().any(|key| key.contains('*'));
    let model = if many {
        batch::load(&options.model, &options.model_options)?
    } else {
        Model::load(&options.model, &options.model_options)?
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
    let session = match open_session(config, &signals)? {
        Opened::Session(session) => session,
        Opened::Ended(ended) => return Ok(ended),
    };
    let (inbox, poses) = (Arc::new(Inbox::default()), Arc::new(Poses::default()));
    let mut subscribers = Vec::new();
    for (key, camera) in cameras {
        subscribers.push(liveliness::subscribe(
            &session,
            key,
            camera.clone(),
            Arc::clone(&inbox),
        )?);
        let odom = format!(
            "{}{}",
            key.strip_suffix(&camera).unwrap_or_default(),
            keys::ODOM
        );
        subscribers.push(subscribe_frames(&session, key, camera, Arc::clone(&inbox))?);
        subscribers.push(subscribe_odometry(&session, odom, Arc::clone(&poses))?);
    }
    let run_id = options.run_id.unwrap_or_else(run_id);
    let worker = Worker::new(
        Pipeline::new(model, options.limits),
        session.clone(),
        Arc::clone(&inbox),
        poses,
        options.key_frames,
        run_id,
    )?;
    let worker = std::thread::Builder::new()
        .name("inference".to_owned())
        .spawn(move || worker.work())?;
    notify(sd_notify::NotifyState::Ready);
    notify(sd_notify::NotifyState::Status("serving"));
    tracing::info!(keys = ?options.keys, zenoh = %options.zenoh, "serving");

    let ended = signals.recv().context("the signal thread ended")?;
    inbox.close();
    worker
        .join()
        .map_err(|_| anyhow!("the inference thread panicked"))?;
    drop(subscribers);
    session
        .close()
        .wait()
        .map_err(|error| anyhow!("closing the Zenoh session: {error}"))?;
    Ok(ended)
}

fn subscribe_frames(
    session: &Session,
    key: &str,
    camera: String,
    inbox: Arc<Inbox>,
) -> Result<Subscriber<()>> {
    let subscriber = session
        .declare_subscriber(key.to_owned())
        .callback(move |sample| {
            let key = sample.key_expr().clone();
            if let Some(prefix) = keys::robot_of(key.as_str(), &camera) {
                inbox.put(
                    prefix,
                    Frame {
                        sample,
                        arrived: Instant::now(),
                    },
                );
            }
        });
    subscriber
        .wait()
        .map_err(|error| anyhow!("cannot subscribe to {key:?}: {error}"))
}

fn subscribe_odometry(session: &Session, key: String, poses: Arc<Poses>) -> Result<Subscriber<()>> {
    let subscriber = session
        .declare_subscriber(key.clone())
        .callback(move |sample| {
            let payload = sample.payload().to_bytes();
            if let Some(prefix) = keys::robot_of(sample.key_expr().as_str(), keys::ODOM) {
                match Odometry::read(&payload) {
                    Ok(odometry) => poses.add(prefix, &odometry, Instant::now()),
                    Err(error) => tracing::debug!(%error, "odometry not understood"),
                }
            }
        });
    subscriber
        .wait()
        .map_err(|error| anyhow!("cannot subscribe to {key:?}: {error}"))
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

enum Opened {
    Session(Session),
    Ended(Ended),
}

/// Opens a session, for as long as that takes, unless a signal ends the wait.
fn open_session(config: zenoh::Config, signals: &Receiver<Ended>) -> Result<Opened> {
    let (sender, opened) = bounded(1);
    std::thread::Builder::new()
        .name("connect".to_owned())
        .spawn(move || {
            // Nobody listens any more when a signal came first.
            let _ = sender.send(zenoh::open(config).wait());
        })?;
    select! {
        recv(opened) -> session => Ok(Opened::Session(session?.map_err(|error| anyhow!("cannot open Zenoh: {error}"))?)),
        recv(signals) -> ended => Ok(Opened::Ended(ended?)),
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
