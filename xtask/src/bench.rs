//! `cargo xtask bench [NAME] [--json FILE]`: rows of figures, each with the peer it is measured against.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::process::command;
use crate::{build, cache, demo, ros};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The whole loop at real-time speed
    Loop,
    /// The behaviour-tree engine
    Tree,
    /// The detector
    Detector,
}

#[derive(Args)]
pub struct Flags {
    /// What to measure; without it everything
    name: Option<Name>,
    /// Write the rows to a file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// One figure. With a peer `ratio` is `value / peer_value`, measured in the same run.
#[derive(Serialize, Deserialize)]
struct Row {
    name: String,
    value: Option<f64>,
    unit: String,
    peer: Option<String>,
    peer_value: Option<f64>,
    ratio: Option<f64>,
}

pub fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let ros = ros::set_up()?;
    build::programs(&ros)?;
    let wanted = |name| flags.name.is_none_or(|only| only == name);
    let mut rows = Vec::new();
    if wanted(Name::Loop) {
        rows.extend(measure_loop(&ros)?);
    }
    if wanted(Name::Tree) {
        rows.extend(rows_of(&ros, "behavior_tree", &[])?);
    }
    if wanted(Name::Detector) {
        rows.extend(rows_of(&ros, "detector", &["--python", "python3"])?);
    }
    for row in &rows {
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
        let peer = row.peer.as_deref().unwrap_or("-");
        println!(
            "{:<44} {:>12} {:<8} {:<28} {:>12} {:>8}",
            row.name,
            number(row.value),
            row.unit,
            peer,
            number(row.peer_value),
            number(row.ratio)
        );
    }
    if let Some(file) = &flags.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Rows that a program measures of itself: `PROGRAM bench --json`.
fn rows_of(ros: &ros::Ros, program: &str, further: &[&str]) -> anyhow::Result<Vec<Row>> {
    let out = command(build::folder().join(program), &["bench", "--json"])
        .args(further)
        .envs(ros.environment())
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !out.status.success() {
        bail!("{program} bench failed ({})", out.status);
    }
    serde_json::from_slice(&out.stdout)
        .with_context(|| format!("{program} bench --json printed no rows"))
}

fn measure_loop(ros: &ros::Ros) -> anyhow::Result<Vec<Row>> {
    let out = cache::folder()?.join("bench-loop");
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let flags = demo::Flags {
        seed: 1,
        world: None,
        map: None,
        locations: None,
        find: None,
        tree: None,
        model: None,
        speed: 1.0,
        rerun: false,
        out: None,
        json: false,
    };
    demo::search(ros, &flags, &out)?;
    let report = demo::read_report(&out)?;
    let own = |name: &str, unit: &str, value: Option<f64>| Row {
        name: name.into(),
        value,
        unit: unit.into(),
        peer: None,
        peer_value: None,
        ratio: None,
    };
    Ok(vec![
        own(
            "loop/real_time_factor",
            "1",
            report["real_time_factor"].as_f64(),
        ),
        own(
            "loop/camera_to_detection_p95",
            "ms",
            report["latency_ms"]["camera_to_detection"]["p95"].as_f64(),
        ),
        own(
            "loop/velocity_gate_p99",
            "ms",
            report["latency_ms"]["velocity_gate"]["p99"].as_f64(),
        ),
    ])
}
