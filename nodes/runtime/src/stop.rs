//! `turtlebot-maze stop`: latches the emergency stop of every live run of this user, and of the robot in reach.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::gate_link::GateLink;
use crate::hand_over::{hand_over, require_ros};
use crate::run_dir::{RunNote, live_runs};

/// Latch the emergency stop: zero velocity until somebody frees it with --reset.
///
/// Stops every run of this user on this machine, and the robot that can be reached by ROS or Zenoh.
#[derive(Debug, Args)]
pub struct StopOptions {
    /// Free a latched stop
    #[arg(long)]
    pub reset: bool,
    /// Only the run with this process id
    #[arg(long, value_name = "PID")]
    pub run: Option<u32>,
    /// Zenoh router of the robot
    #[arg(long, value_name = "ENDPOINT", default_value = "tcp/127.0.0.1:7447")]
    pub zenoh: String,
    /// Print what was done as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Latches or resets. Comes back when it has latched by itself, with what to print for `--json`; else becomes the gate's
/// own client program.
pub fn stop(options: &StopOptions, runs: &Path, programs: &Path) -> Result<Value> {
    let mut live = live_runs(runs).context("cannot look for live runs")?;
    if let Some(pid) = options.run {
        live.retain(|run| run.pid == pid);
        if live.is_empty() {
            bail!("no live run has the process id {pid} (--run)");
        }
    }
    if options.reset {
        reset(options, &live, programs)
    } else if live.is_empty() {
        become_client("latch", &options.zenoh, None, options.json, programs)
    } else {
        let latched = latch_all(&live);
        // One that `ros2 launch` has started leaves no note.
        let robot = options.run.is_none() && latch_robot(&options.zenoh, programs);
        latched?;
        let runs: Vec<_> = live.iter().map(|run| run.pid).collect();
        Ok(serde_json::json!({ "latched": runs, "robot": robot }))
    }
}

fn latch_all(live: &[RunNote]) -> Result<()> {
    let mut failed = Vec::new();
    for run in live {
        match GateLink::new(&run.control_socket).and_then(|gate| gate.latch("turtlebot-maze stop"))
        {
            Ok(()) => eprintln!("stopped: run {} ({})", run.pid, run.out.display()),
            Err(cause) => failed.push(format!("run {}: {cause}", run.pid)),
        }
    }
    if !failed.is_empty() {
        bail!("not stopped: {}", failed.join("; "));
    }
    Ok(())
}

/// Whether a gate in this shell's ROS domain or behind the router is latched, too.
fn latch_robot(zenoh: &str, programs: &Path) -> bool {
    let client = || {
        require_ros()?;
        let status = Command::new(programs.join("emergency_stop"))
            .args(["latch", "--zenoh", zenoh])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()?;
        anyhow::Ok(status.success())
    };
    match client() {
        Ok(true) => {
            eprintln!("stopped: the robot in reach");
            true
        }
        Ok(false) => false,
        Err(cause) => {
            eprintln!("robots other than these runs cannot be reached: {cause}");
            false
        }
    }
}

fn reset(options: &StopOptions, live: &[RunNote], programs: &Path) -> Result<Value> {
    match live {
        [] => become_client("reset", &options.zenoh, None, options.json, programs),
        [run] => {
            let domain = run.ros_domain_id;
            become_client("reset", &run.zenoh, domain, options.json, programs)
        }
        several => {
            let ids = several
                .iter()
                .map(|run| run.pid.to_string())
                .collect::<Vec<_>>()
                .join(", ");
            bail!("several runs are alive ({ids}): name the one to free with --run PID")
        }
    }
}

fn become_client(
    order: &str,
    zenoh: &str,
    domain: Option<u8>,
    json: bool,
    programs: &Path,
) -> Result<Value> {
    require_ros()?;
    let mut args: Vec<OsString> = vec![order.into(), "--zenoh".into(), zenoh.into()];
    args.extend(json.then(|| "--json".into()));
    let env = domain.map(|domain| {
        [
            ("ROS_DOMAIN_ID", domain.to_string()),
            ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST".into()),
        ]
    });
    Err(hand_over(programs, "emergency_stop", &args, env.into_iter().flatten()).into())
}
