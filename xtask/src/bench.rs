//! `cargo xtask bench [NAME] [--json FILE]`: rows of figures, each with the peer it is measured against.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::process::{command, must};
use crate::{build, cache, demo, ros};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The whole loop at real-time speed
    Loop,
    /// The behaviour-tree engine
    Tree,
    /// The detector
    Detector,
    /// Twenty searches in a row, as fast as they go: some 40 minutes, and only when named
    Seeds,
    /// Set-up and build from nothing: some 30 minutes, and only when named
    Setup,
}

#[derive(Args)]
pub struct Flags {
    /// What to measure; without it everything
    name: Option<Name>,
    /// What computes for the detector: auto, cpu, cuda or tensorrt
    #[arg(long)]
    device: Option<String>,
    /// Write the rows to a file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Arguments for `detector bench`, such as --model FILE --runs 500
    #[arg(last = true)]
    detector: Vec<String>,
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
    /// 95 % confidence interval of the value, where it is a median of many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interval: Option<[f64; 2]>,
    /// The same of the ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ratio_interval: Option<[f64; 2]>,
}

pub fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let ros = ros::set_up()?;
    build::programs(&ros)?;
    eprintln!("bench: on {}", machine());
    let wanted = |name| flags.name.is_none_or(|only| only == name);
    let mut rows = Vec::new();
    if wanted(Name::Loop) {
        rows.extend(measure_loop(&ros)?);
    }
    if flags.name == Some(Name::Seeds) {
        rows.extend(measure_seeds(&ros)?);
    }
    if flags.name == Some(Name::Setup) {
        rows.extend(measure_setup(&ros)?);
    }
    if wanted(Name::Tree) {
        // A bench target and no command of the program, as its peers are dependencies that only it needs.
        let bench = [
            "bench",
            "--workspace",
            "--bench",
            "tree",
            "--profile",
            "dev",
        ];
        rows.extend(rows_of(build::cargo(&ros, &bench))?);
    }
    if wanted(Name::Detector) {
        let mut detector = command(build::folder().join("detector"), &["bench", "--json"]);
        detector.envs(ros.environment());
        // Another one than the project's, for a GPU.
        if let Some(python) = std::env::var_os("TURTLEBOT_MAZE_PYTHON") {
            detector.env("TURTLEBOT_MAZE_PYTHON", python);
        }
        if let Some(device) = &flags.device {
            detector.args(["--device", device]);
        }
        detector.args(&flags.detector);
        rows.extend(rows_of(detector)?);
    }
    for row in &rows {
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
        let peer = row.peer.as_deref().unwrap_or("-");
        println!(
            "{:<44} {:>12} {:<8} {:<28} {:>12} {:>8}{}{}",
            row.name,
            number(row.value),
            row.unit,
            peer,
            number(row.peer_value),
            number(row.ratio),
            row.interval.map_or(String::new(), |[low, high]| format!(
                "   95 %: {low:.3} to {high:.3}"
            )),
            row.ratio_interval
                .map_or(String::new(), |[low, high]| format!(
                    ", of the ratio {low:.3} to {high:.3}"
                ))
        );
    }
    if let Some(file) = &flags.json {
        std::fs::write(file, serde_json::to_string_pretty(&rows)?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Processor and cores, for whoever compares figures.
fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("a processor without a name", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, cores: {cores}")
}

/// Set-up and build with an empty cache and target folder. What cargo has downloaded stays.
fn measure_setup(ros: &ros::Ros) -> anyhow::Result<Vec<Row>> {
    let nothing = cache::folder()?.join("bench").join("setup");
    let _ = std::fs::remove_dir_all(&nothing);
    let begin = Instant::now();
    let mut set_up = command(std::env::current_exe()?, &["env"]);
    set_up.env("TURTLEBOT_MAZE_CACHE", &nothing);
    must(&mut set_up, "what the set-up lacks is named above")?;
    let set_up = begin.elapsed();
    let begin = Instant::now();
    let mut build = build::cargo(ros, &["build", "--workspace", "--bins"]);
    build.env("CARGO_TARGET_DIR", nothing.join("target"));
    must(&mut build, "the compiler's messages are above")?;
    let build = begin.elapsed();
    std::fs::remove_dir_all(&nothing)
        .with_context(|| format!("cannot remove {}", nothing.display()))?;
    Ok(vec![
        own("setup/ros", "s", Some(set_up.as_secs_f64())),
        own("setup/build", "s", Some(build.as_secs_f64())),
    ])
}

/// Rows that a command prints as JSON.
fn rows_of(mut command: Command) -> anyhow::Result<Vec<Row>> {
    let program = format!("{command:?}");
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    if !out.status.success() {
        bail!("{program} failed ({})", out.status);
    }
    serde_json::from_slice(&out.stdout).with_context(|| format!("{program} printed no rows"))
}

/// A figure without a peer.
fn own(name: &str, unit: &str, value: Option<f64>) -> Row {
    Row {
        name: name.into(),
        value,
        unit: unit.into(),
        peer: None,
        peer_value: None,
        ratio: None,
        interval: None,
        ratio_interval: None,
    }
}

/// A search in the maze of a seed: whether `demo` would call it a success, and its report.
fn search(ros: &ros::Ros, seed: u64, speed: f64) -> anyhow::Result<(bool, Value)> {
    let out = cache::folder()?.join("bench").join(seed.to_string());
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out)?;
    let flags = demo::Flags {
        seed,
        world: None,
        map: None,
        locations: None,
        find: None,
        tree: None,
        model: None,
        speed,
        rerun: false,
        out: None,
        json: false,
    };
    let good = demo::search(ros, &flags, &out)? == ExitCode::SUCCESS;
    Ok((good, demo::read_report(&out)?))
}

fn measure_loop(ros: &ros::Ros) -> anyhow::Result<Vec<Row>> {
    let (_, report) = search(ros, 1, 1.0)?;
    let latency = |way: &str, percentile: &str| report["latency_ms"][way][percentile].as_f64();
    Ok(vec![
        own(
            "loop/real_time_factor",
            "1",
            report["real_time_factor"].as_f64(),
        ),
        own(
            "loop/camera_to_detection_p95",
            "ms",
            latency("camera_to_detection", "p95"),
        ),
        own(
            "loop/velocity_gate_p99",
            "ms",
            latency("velocity_gate", "p99"),
        ),
    ])
}

/// Searches the mazes of the seeds 1 to 20; a table of them goes to standard error.
fn measure_seeds(ros: &ros::Ros) -> anyhow::Result<Vec<Row>> {
    const SEEDS: u64 = 20;
    eprintln!(
        "| seed | found | position error | path | goals refused | collisions | frames | dropped | control periods missed | simulated time | real-time factor |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    );
    let (mut all_good, mut collisions, mut dropped, mut missed) = (0, 0, 0, 0);
    let (mut simulated, mut wall) = (0.0, 0.0);
    for seed in 1..=SEEDS {
        let (good, report) = search(ros, seed, 0.0)?;
        let number = |field: &str| report.pointer(field).and_then(Value::as_f64);
        let count = |field: &str| report.pointer(field).and_then(Value::as_u64);
        let as_it_must_be = good
            && number("/path_length_m") >= Some(5.0)
            && count("/goals/rejected") >= Some(1)
            && count("/frames/dropped") == Some(0)
            && count("/missed_control_periods") == Some(0);
        all_good += u32::from(as_it_must_be);
        collisions += count("/collisions").unwrap_or(0);
        dropped += count("/frames/dropped").unwrap_or(0);
        missed += count("/missed_control_periods").unwrap_or(0);
        simulated += number("/sim_time_s").unwrap_or(0.0);
        wall += number("/wall_time_s").unwrap_or(0.0);
        let shown = |value: Option<f64>, digits: usize, unit: &str| {
            value.map_or("-".into(), |value| format!("{value:.digits$}{unit}"))
        };
        let whole = |value: Option<u64>| value.map_or("-".into(), |value| value.to_string());
        let found = if report["found"] == true {
            report["class"].as_str().unwrap_or("yes")
        } else {
            report["reason"].as_str().unwrap_or("no")
        };
        let cells = [
            seed.to_string(),
            found.to_owned(),
            shown(number("/position_error_m"), 2, " m"),
            shown(number("/path_length_m"), 1, " m"),
            whole(count("/goals/rejected")),
            whole(count("/collisions")),
            whole(count("/frames/detected")),
            whole(count("/frames/dropped")),
            whole(count("/missed_control_periods")),
            shown(number("/sim_time_s"), 0, " s"),
            shown(number("/real_time_factor"), 2, ""),
        ];
        eprintln!("| {} |", cells.join(" | "));
    }
    let rows: [(&str, &str, f64); 5] = [
        ("seeds/all_as_it_must_be", "runs", f64::from(all_good)),
        ("seeds/collisions", "1", collisions as f64),
        ("seeds/frames_dropped", "1", dropped as f64),
        ("seeds/control_periods_missed", "1", missed as f64),
        ("seeds/real_time_factor", "1", simulated / wall),
    ];
    Ok(rows
        .into_iter()
        .map(|(name, unit, value)| own(name, unit, Some(value)))
        .collect())
}
