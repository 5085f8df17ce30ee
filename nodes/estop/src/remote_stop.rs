//! The stop for programs without ROS: any put on `tb/emergency_stop` latches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use crossbeam_channel::Sender;
use ros_node::printable;
use zenoh::Wait;

use crate::Signal;

/// How long a stop that is put waits for its router.
const PATIENCE: Duration = Duration::from_secs(1);

/// Listens on a thread of its own, for as long as the process lives. The gate works without a router: Zenoh waits for
/// it there, and takes up a connection that is lost later. What is returned tells at any time whether the router is
/// there, and so whether a stop can come.
///
/// # Errors
/// When `endpoint` is none, or there can be no thread.
pub fn listen(endpoint: &str, key: &str, signals: Sender<Signal>) -> Result<Arc<AtomicBool>> {
    let config = zenoh_client::config(endpoint)?;
    let (endpoint, key) = (endpoint.to_string(), key.to_string());
    let has_router = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&has_router);
    std::thread::Builder::new()
        .name("zenoh".into())
        .spawn(move || match subscribe(config, &key, signals, seen) {
            Ok(session) => {
                tracing::info!("a put on {key} at {endpoint} stops the robot");
                // Nobody may end the session while the process lives.
                std::mem::forget(session);
            }
            Err(error) => tracing::error!("no stop by Zenoh: {error:#}"),
        })?;
    Ok(has_router)
}

/// Puts a stop.
///
/// # Errors
/// When `endpoint` is none, its router is not reached within a second, or Zenoh refuses.
pub fn put(endpoint: &str, key: &str, reason: &str) -> Result<()> {
    let session = open(zenoh_client::config_with_patience(endpoint, PATIENCE)?)?;
    session
        .put(key, reason)
        .wait()
        .map_err(|error| anyhow!("{error}"))?;
    session.close().wait().map_err(|error| anyhow!("{error}"))
}

fn subscribe(
    config: zenoh::Config,
    key: &str,
    signals: Sender<Signal>,
    has_router: Arc<AtomicBool>,
) -> Result<zenoh::Session> {
    let session = open(config)?;
    let latch = move |sample: zenoh::sample::Sample| {
        if sample.kind() == zenoh::sample::SampleKind::Put {
            let reason = sample
                .payload()
                .try_to_string()
                .map_or_else(|_| String::new(), |text| printable(&text, 200));
            // The receiver is gone only when the gate ends.
            let _ = signals.send(Signal::RemoteStop(reason));
        }
    };
    session
        .declare_subscriber(key)
        .callback(latch)
        .background()
        .wait()
        .map_err(|error| anyhow!("{error}"))?;
    session
        .info()
        .transport_events_listener()
        .history(true)
        .callback(move |event| {
            let is_there = event.kind() == zenoh::sample::SampleKind::Put;
            has_router.store(is_there, Ordering::Relaxed);
        })
        .background()
        .wait()
        .map_err(|error| anyhow!("{error}"))?;
    Ok(session)
}

fn open(config: zenoh::Config) -> Result<zenoh::Session> {
    zenoh::open(config)
        .wait()
        .map_err(|error| anyhow!("{error}"))
}
