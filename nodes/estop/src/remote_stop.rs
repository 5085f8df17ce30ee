//! The stop for programs without ROS: any put on `tb/emergency_stop` latches.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use crossbeam_channel::Sender;
use zenoh::Wait;

use crate::Signal;

/// Pause between attempts to reach a router that does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// Listens on a thread of its own, for as long as the process lives. The gate works without a router: until one answers
/// this only tries again, and Zenoh itself takes up a connection that is lost later.
pub fn listen(endpoint: &str, key: &str, signals: Sender<Signal>) -> Result<()> {
    let config = client_config(endpoint)?;
    let (endpoint, key) = (endpoint.to_string(), key.to_string());
    std::thread::Builder::new()
        .name("zenoh".into())
        .spawn(move || {
            let mut complained = false;
            loop {
                match subscribe(&config, &key, signals.clone()) {
                    Ok(session) => {
                        tracing::info!("a put on {key} at {endpoint} stops the robot");
                        // Nobody may end the session while the process lives.
                        std::mem::forget(session);
                        return;
                    }
                    Err(error) if !complained => {
                        tracing::warn!("no stop by Zenoh yet: {error:#}");
                        complained = true;
                    }
                    Err(_) => {}
                }
                std::thread::sleep(RETRY);
            }
        })?;
    Ok(())
}

/// Puts a stop.
pub fn put(endpoint: &str, key: &str, reason: &str) -> Result<()> {
    let session = open(&client_config(endpoint)?)?;
    session
        .put(key, reason)
        .wait()
        .map_err(|error| anyhow!("{error}"))?;
    session.close().wait().map_err(|error| anyhow!("{error}"))
}

fn subscribe(config: &zenoh::Config, key: &str, signals: Sender<Signal>) -> Result<zenoh::Session> {
    let session = open(config)?;
    let latch = move |sample: zenoh::sample::Sample| {
        if sample.kind() == zenoh::sample::SampleKind::Put {
            let reason = sample
                .payload()
                .try_to_string()
                .map_or_else(|_| String::new(), |text| text.chars().take(200).collect());
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

fn open(config: &zenoh::Config) -> Result<zenoh::Session> {
    zenoh::open(config.clone())
        .wait()
        .map_err(|error| anyhow!("{error}"))
}

fn client_config(endpoint: &str) -> Result<zenoh::Config> {
    let mut config = zenoh::Config::default();
    let settings = [
        ("mode", "\"client\"".to_string()),
        ("connect/endpoints", format!("[{endpoint:?}]")),
        ("connect/timeout_ms", "1000".to_string()),
        ("connect/exit_on_failure", "true".to_string()),
        ("scouting/multicast/enabled", "false".to_string()),
        ("scouting/gossip/enabled", "false".to_string()),
    ];
    for (name, value) in &settings {
        config
            .insert_json5(name, value)
            .map_err(|error| anyhow!("{error}"))
            .with_context(|| format!("Zenoh endpoint {endpoint}"))?;
    }
    Ok(config)
}
