//! The stop for programs without ROS: any put on `tb/emergency_stop` latches.

use std::time::Duration;

use anyhow::{Result, anyhow};
use crossbeam_channel::Sender;
use ros_node::printable;
use zenoh::Wait;

use crate::Signal;

/// How long a stop that is put waits for its router.
const PATIENCE: Duration = Duration::from_secs(1);

/// Listens on a thread of its own, for as long as the process lives. The gate works without a router: Zenoh waits for
/// it there, and takes up a connection that is lost later.
pub fn listen(endpoint: &str, key: &str, signals: Sender<Signal>) -> Result<()> {
    let config = zenoh_client::config(endpoint)?;
    let (endpoint, key) = (endpoint.to_string(), key.to_string());
    std::thread::Builder::new()
        .name("zenoh".into())
        .spawn(move || match subscribe(config, &key, signals) {
            Ok(session) => {
                tracing::info!("a put on {key} at {endpoint} stops the robot");
                // Nobody may end the session while the process lives.
                std::mem::forget(session);
            }
            Err(error) => tracing::error!("no stop by Zenoh: {error:#}"),
        })?;
    Ok(())
}

/// Puts a stop.
pub fn put(endpoint: &str, key: &str, reason: &str) -> Result<()> {
    let session = open(zenoh_client::config_with_patience(endpoint, PATIENCE)?)?;
    session
        .put(key, reason)
        .wait()
        .map_err(|error| anyhow!("{error}"))?;
    session.close().wait().map_err(|error| anyhow!("{error}"))
}

fn subscribe(config: zenoh::Config, key: &str, signals: Sender<Signal>) -> Result<zenoh::Session> {
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
    Ok(session)
}

fn open(config: zenoh::Config) -> Result<zenoh::Session> {
    zenoh::open(config)
        .wait()
        .map_err(|error| anyhow!("{error}"))
}
