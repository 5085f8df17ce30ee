//! What the detector says over Zenoh, with the moment it arrived.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use wire::{Detections, DetectorStatus, keys};
use zenoh::{Config, Session, Wait as _};

/// Messages that wait for the node's loop; a loop that is a minute behind loses some.
const QUEUE: usize = 1024;

/// A message of the detector.
#[derive(Debug)]
pub enum Message {
    /// What a frame showed.
    Detections(Detections),
    /// The detector's figures.
    Status(DetectorStatus),
}

/// The way from the detector into a node's loop.
pub struct DetectorLink {
    messages: Receiver<(Message, Instant)>,
    opening: Receiver<anyhow::Result<Session>>,
    session: Option<Session>,
}

impl DetectorLink {
    /// Connects to the router at `endpoint` on a thread of its own, as the router may not be there yet.
    ///
    /// # Errors
    /// When `endpoint` is no Zenoh endpoint, or no thread can be started.
    pub fn open(endpoint: &str) -> anyhow::Result<Self> {
        let config = zenoh_client::config(endpoint)?;
        let (sender, messages) = sync_channel(QUEUE);
        let (opened, opening) = sync_channel(1);
        thread::Builder::new()
            .name("zenoh-open".to_owned())
            .spawn(move || {
                // Nobody listens any more only when the process ends.
                let _ = opened.send(open_session(config, &sender));
            })
            .context("cannot start a thread")?;
        Ok(Self {
            messages,
            opening,
            session: None,
        })
    }

    /// Whether the router is reached and subscribed at.
    ///
    /// # Errors
    /// When the session could not be opened for another reason than that there is no router yet.
    pub fn is_open(&mut self) -> anyhow::Result<bool> {
        if self.session.is_none()
            && let Ok(session) = self.opening.try_recv()
        {
            self.session = Some(session?);
        }
        Ok(self.session.is_some())
    }

    /// The messages that have arrived since the last call.
    pub fn messages(&self) -> impl Iterator<Item = (Message, Instant)> + '_ {
        self.messages.try_iter()
    }
}

fn open_session(
    config: Config,
    sender: &SyncSender<(Message, Instant)>,
) -> anyhow::Result<Session> {
    let failed = |error| anyhow!("cannot open a Zenoh session: {error}");
    let session = zenoh::open(config).wait().map_err(failed)?;
    subscribe(&session, keys::DETECTIONS, sender, |payload| {
        Ok(Message::Detections(Detections::from_json(payload)?))
    })?;
    subscribe(&session, keys::DETECTOR_STATUS, sender, |payload| {
        Ok(Message::Status(DetectorStatus::from_json(payload)?))
    })?;
    Ok(session)
}

fn subscribe(
    session: &Session,
    key: &'static str,
    sender: &SyncSender<(Message, Instant)>,
    read: impl Fn(&[u8]) -> anyhow::Result<Message> + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let sender = sender.clone();
    let on_sample = move |sample: zenoh::sample::Sample| {
        let arrived = Instant::now();
        match read(&sample.payload().to_bytes()) {
            Ok(message) => {
                if let Err(TrySendError::Full(_)) = sender.try_send((message, arrived)) {
                    tracing::error!(key, "the loop is too slow, a message is lost");
                }
            }
            Err(error) => tracing::warn!(key, %error, "message dropped"),
        }
    };
    let subscriber = session
        .declare_subscriber(key)
        .callback(on_sample)
        .background();
    subscriber
        .wait()
        .map_err(|error| anyhow!("cannot subscribe to Zenoh key {key}: {error}"))
}
