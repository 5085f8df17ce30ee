//! `turtlebot-maze run`, from the options to the exit status.

use std::fs::File;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::options::RunOptions;
use crate::setup::{Plan, plan};
use crate::signals::Signals;
use crate::summary;
use crate::supervisor::{Outcome, Supervisor};

const NOT_FOUND: i32 = 1;
const BAD_SETUP: i32 = 2;
const INTERRUPTED: i32 = 130;
/// How much longer nodes may take to write their results when nobody is in a hurry.
const RESULTS: Duration = Duration::from_secs(10);

/// What is left to say when everything has ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit status of the whole.
    pub status: i32,
    /// For the terminal.
    pub summary: String,
    /// For `--json`.
    pub document: Value,
}

/// Runs the graph until its outcome and takes it down. An error means that nothing was started.
pub fn run(options: &RunOptions, programs: &Path, runs: &Path) -> Result<Finished> {
    // From here on a signal is an orderly stop.
    let signals = Signals::listen().context("cannot listen to signals")?;
    let Plan {
        nodes,
        note,
        out,
        class,
        run_dir,
        domain,
    } = match plan(options, programs, runs) {
        Ok(plan) => plan,
        // A Ctrl-C in a terminal ends the programs that plan, too: their complaint is then beside the point.
        Err(_) if signals.stop_wished() => {
            let text = "interrupted before anything was started";
            return Ok(failed(INTERRUPTED, text.to_string()));
        }
        Err(error) => return Err(error),
    };
    log_to(&out)?;
    let in_domain = note
        .ros_domain_id
        .map_or(String::new(), |id| format!("ROS domain {id}, "));
    tracing::info!(
        "starting {} nodes: {in_domain}Zenoh {}, logs in {}",
        nodes.len(),
        note.zenoh,
        out.join("logs").display()
    );

    let mut supervisor = Supervisor::new(nodes, &note.control_socket, signals)?;
    let outcome = supervisor.run();
    let reason = match &outcome {
        Ok(Outcome::MissionOver(_)) => "the search is over",
        Ok(Outcome::Interrupted) => "interrupted",
        Ok(Outcome::BadSetup(_) | Outcome::GaveUp(_)) | Err(_) => "the run failed",
    };
    // Nobody waits for the end of a search as for the end of a Ctrl-C.
    let extra = if matches!(outcome, Ok(Outcome::MissionOver(_))) {
        RESULTS
    } else {
        Duration::ZERO
    };
    supervisor.take_down(reason, extra)?;
    drop((run_dir, domain));
    let outcome = outcome?;
    let report = complete_report(&out, class.as_deref(), &outcome, &supervisor.restarts());
    Ok(finish(&outcome, report, &out))
}

fn log_to(out: &Path) -> Result<()> {
    let path = out.join("logs/runtime.log");
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let terminal = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .with_target(false)
        // Told on standard error too, which panics where that cannot be written.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .log_internal_errors(false)
        .with_writer(file);
    let level = tracing_subscriber::filter::LevelFilter::INFO;
    tracing_subscriber::registry()
        .with(level)
        .with(terminal)
        .with(log)
        .try_init()
        .context("logging is set up twice")
}

/// The report, completed by what only the supervisor knows. A run that ended before it could leave one still says that it
/// found nothing, and why; none where the search came to its end without one.
fn complete_report(
    out: &Path,
    class: Option<&str>,
    outcome: &Outcome,
    restarts: &[(String, usize)],
) -> Option<Value> {
    let path = out.join("report.json");
    let left = std::fs::read(&path).ok().and_then(|text| {
        serde_json::from_slice(&text)
            .inspect_err(|cause| tracing::error!("{}: {cause}", path.display()))
            .ok()
    });
    let mut report = match (left, outcome) {
        (Some(report), _) => report,
        (None, Outcome::MissionOver(_)) => return None,
        (None, Outcome::Interrupted) => summary::unmeasured(class, "interrupted"),
        (None, Outcome::BadSetup(why) | Outcome::GaveUp(why)) => summary::unmeasured(class, why),
    };
    summary::complete_report(&mut report, restarts);
    if let Outcome::BadSetup(why) | Outcome::GaveUp(why) = outcome {
        // To the nodes such an end looks like an interruption.
        summary::give_reason(&mut report, why);
    }
    let written = serde_json::to_vec_pretty(&report).map(|text| std::fs::write(&path, text));
    if !matches!(written, Ok(Ok(()))) {
        tracing::error!("cannot complete {}", path.display());
    }
    Some(report)
}

fn finish(outcome: &Outcome, report: Option<Value>, out: &Path) -> Finished {
    let (status, complaint) = match outcome {
        Outcome::MissionOver(code) => (*code, None),
        Outcome::Interrupted => (INTERRUPTED, None),
        Outcome::BadSetup(text) => (BAD_SETUP, Some(text.clone())),
        Outcome::GaveUp(text) => (NOT_FOUND, Some(text.clone())),
    };
    match (complaint, report) {
        (Some(text), _) => failed(status, text),
        (None, Some(report)) => Finished {
            status,
            summary: summary::of_report(&report, out),
            document: report,
        },
        (None, None) => failed(
            status,
            format!(
                "the search is over; there is no report, logs are in {}",
                out.join("logs").display()
            ),
        ),
    }
}

fn failed(status: i32, text: String) -> Finished {
    let document = serde_json::json!({ "error": text });
    Finished {
        status,
        summary: format!("error: {text}"),
        document,
    }
}
