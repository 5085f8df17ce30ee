//! The official Zenoh ROS 2 bridge (`zenoh-plugin-ros2dds`) in a program of our own, which is also the local Zenoh
//! router.
//!
//! Only listed topics pass, in each direction. What moves the robot never comes in from Zenoh, listed or not: see
//! [`topics`].

mod config;
mod loopback;
mod topics;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use zenoh::internal::{plugins::PluginsManager, runtime::RuntimeBuilder};
use zenoh_plugin_ros2dds::ROS2Plugin;

use crate::topics::Topic;

/// Camera frames, odometry and what else is listed leave ROS for Zenoh; next to nothing comes back.
///
/// ROS_DOMAIN_ID and ROS_AUTOMATIC_DISCOVERY_RANGE are followed as by any ROS node.
#[derive(Parser)]
#[command(version)]
struct Flags {
    /// Endpoint where the local router listens
    #[arg(long, default_value = "tcp/127.0.0.1:7447")]
    zenoh_listen: String,

    /// Endpoints of other routers to connect to, such as one on the detector's machine
    #[arg(long)]
    zenoh_connect: Vec<String>,

    /// The robot's namespace: topics appear on Zenoh below this prefix
    #[arg(long, default_value = "/")]
    namespace: String,

    /// Topics that leave ROS
    #[arg(long, value_delimiter = ',', default_values_t = topics::default_out_of_ros())]
    out_of_ros: Vec<Topic>,

    /// Topics that Zenoh may write to; velocities, ungated/** and actions are refused
    #[arg(long, value_delimiter = ',')]
    into_ros: Vec<Topic>,

    /// Format of the log on standard error
    #[arg(long, default_value = "text", value_parser = ["text", "json"])]
    log_format: String,
}

fn main() -> ExitCode {
    // Told even from a command line that does not parse.
    let json = std::env::args_os().any(|arg| arg == "--json");
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        // Help and version are no errors, and go where clap sends them.
        Err(usage) if !json || !usage.use_stderr() => usage.exit(),
        Err(usage) => {
            // Standard output may be closed; the exit status says it all the same.
            let error = serde_json::json!({ "error": usage.to_string() });
            let _ = writeln!(std::io::stdout(), "{error}");
            return ExitCode::from(2);
        }
    };
    if let Some(error) = loopback::stay_on_it() {
        eprintln!("bridge: cannot start anew with Cyclone DDS on loopback: {error}");
        return ExitCode::from(2);
    }
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,zenoh=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for a terminal, not for a log file.
        .with_ansi(std::io::stderr().is_terminal())
        // Told on standard error too, which panics where that cannot be written.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match flags.log_format.as_str() {
        "json" => log.json().init(),
        _ => log.init(),
    }
    match tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|tokio| tokio.block_on(run(&flags)))
    {
        // Dropping the plugin closes its session in a router that is already gone, which panics in Zenoh 1.10.2. The
        // sockets close with the process all the same.
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("bridge: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    for topic in &flags.into_ros {
        topic.may_come_from_zenoh()?;
    }
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle SIGINT")?;

    let mut plugins = PluginsManager::static_plugins_only();
    plugins.declare_static_plugin::<ROS2Plugin, &str>("ros2dds", true);
    let config = config::router(flags)?;
    let cannot = |error| {
        anyhow!(
            "cannot start the Zenoh router at {}: {error}; is the port taken? Choose another with --zenoh-listen",
            flags.zenoh_listen
        )
    };
    let mut runtime = RuntimeBuilder::new(config)
        .plugins_manager(plugins)
        .build()
        .await
        .map_err(cannot)?;
    runtime.start().await.map_err(cannot)?;
    tracing::info!(endpoint = %flags.zenoh_listen, "routing");
    if std::env::var_os("NOTIFY_SOCKET").is_some() {
        sd_notify::notify(&[sd_notify::NotifyState::Ready])
            .context("cannot reach the supervisor")?;
    }

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
