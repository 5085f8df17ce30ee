//! Creation and the one-threaded loop of a node.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::Parser;
use futures::executor::{LocalPool, LocalSpawner};
use futures::task::LocalSpawnExt;
use tracing_appender::non_blocking;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::args;
use crate::time::Clock;

/// A ROS node with its executor, clock and stop signal. Used from the thread that created it.
pub struct RosNode {
    /// The rcl node: create publishers, subscriptions, services and clients on it.
    pub node: r2r::Node,
    pool: LocalPool,
    clock: Clock,
    stop: Arc<AtomicBool>,
    /// Writes what is left of the log when it is dropped, so last.
    _log: WorkerGuard,
}

impl RosNode {
    /// Where tasks are spawned that run inside [`Self::spin_until`].
    pub fn spawner(&self) -> LocalSpawner {
        self.pool.spawner()
    }

    /// Spawns a task that runs inside [`Self::spin_until`].
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        spawn_on(&self.pool.spawner(), task);
    }

    /// The node's clock: `/clock` where `use_sim_time` is set, else the system's.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Set by SIGINT and SIGTERM.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether SIGINT or SIGTERM has asked this process to end.
    pub fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Serves ROS and the spawned tasks until `done`, which is asked after each round. A round waits for ROS for at
    /// most `quantum`; so that a signal is noticed, pass a `done` that includes [`Self::stop_requested`] or use
    /// [`Self::spin`].
    pub fn spin_until(&mut self, quantum: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        loop {
            self.node.spin_once(quantum);
            self.pool.run_until_stalled();
            if done(self) {
                return;
            }
        }
    }

    /// Serves ROS and the spawned tasks until SIGINT or SIGTERM.
    pub fn spin(&mut self, quantum: Duration) {
        self.spin_until(quantum, |ros| ros.stop_requested());
    }
}

/// Spawns a task on a node's executor from inside another task.
pub fn spawn_on(spawner: &LocalSpawner, task: impl Future<Output = ()> + 'static) {
    if spawner.spawn_local(task).is_err() {
        tracing::debug!("the executor is gone; a task was not started");
    }
}

/// The whole of a node's `main`: logging, flags, parameters, node; then `body`. Its error ends the process with one
/// message and status 2; the message is a JSON document on standard output where `--json` is on the command line.
pub fn run<A: Parser>(
    name: &str,
    body: impl FnOnce(A, RosNode) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    let error = match start::<A>(name).and_then(|(flags, node)| body(flags, node)) {
        Ok(code) => return code,
        Err(error) => error,
    };
    // Told even from a command line that does not parse.
    let json = std::env::args_os().any(|arg| arg == "--json");
    match error.downcast::<clap::Error>() {
        // Help and version are no errors; clap knows which stream and status each has.
        Ok(usage) if !json || !usage.use_stderr() => usage.exit(),
        Ok(usage) => refuse(name, &usage.to_string(), json),
        Err(error) => refuse(name, &format!("{error:#}"), json),
    }
}

fn refuse(name: &str, message: &str, json: bool) -> ExitCode {
    if json {
        // Standard output may be closed; the exit status says it all the same.
        let _ = writeln!(
            std::io::stdout(),
            "{}",
            serde_json::json!({ "error": message })
        );
    } else {
        eprintln!("{name}: {message}");
    }
    ExitCode::from(2)
}

fn start<A: Parser>(name: &str) -> anyhow::Result<(A, RosNode)> {
    let own = args::without_ros_args(std::env::args());
    let command = args::with_common_flags(A::command());
    // Once without parameters: help, usage errors and the log format need no ROS.
    let matches = command
        .clone()
        .ignore_errors(true)
        .try_get_matches_from(&own)?;
    let log = start_logging(matches.get_one::<String>("log_format").map(String::as_str));

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("cannot handle signals")?;
    }

    // r2r panics on malformed ROS arguments; for the user that is bad input like any other.
    let context = std::panic::catch_unwind(r2r::Context::create)
        .map_err(|_| anyhow!("the arguments after --ros-args are malformed"))?
        .context("cannot initialise ROS (is a Jazzy environment sourced?)")?;
    let mut node = r2r::Node::create(context, name, "")
        .with_context(|| format!("cannot create node {name}"))?;
    let parameters: Vec<_> = node
        .params
        .lock()
        .map_err(|_| anyhow!("parameters of node {name} are poisoned"))?
        .iter()
        .map(|(name, parameter)| (name.clone(), parameter.value.clone()))
        .collect();
    let matches = args::parse(command, &own, &parameters)?;
    let flags = A::from_arg_matches(&matches)?;

    let use_sim_time = parameters
        .iter()
        .any(|(name, value)| name == "use_sim_time" && *value == r2r::ParameterValue::Bool(true));
    let clock = Clock::of(&mut node, use_sim_time)?;
    let node = RosNode {
        node,
        pool: LocalPool::new(),
        clock,
        stop,
        _log: log,
    };
    Ok((flags, node))
}

/// Neither waits for standard error nor fails with it: with a full disk or a terminal that has stopped, a node goes on
/// without its log.
fn start_logging(format: Option<&str>) -> WorkerGuard {
    let (writer, guard) = non_blocking(std::io::stderr());
    // RUST_LOG overrides; ROS's middleware below is quiet unless it warns.
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,zenoh=warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Colours are for a terminal, not for a log file.
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_writer(writer);
    // A second subscriber in one process (tests) is refused, which is as well.
    let _ = match format {
        Some("json") => builder.json().try_init(),
        _ => builder.try_init(),
    };
    guard
}
