//! `cargo xtask demo`: a TurtleBot searches a maze.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::process::status;
use crate::{build, cache, ros};

#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Seed of the generated maze
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A world of your own (SDF) instead of a generated maze
    #[arg(long, requires_all = ["locations", "find"])]
    pub world: Option<PathBuf>,
    /// Its Nav2 map; without it the map is drawn from the world
    #[arg(long, requires = "world")]
    pub map: Option<PathBuf>,
    /// Where to look: a YAML file of `name: [x, y, theta]`
    #[arg(long)]
    pub locations: Option<PathBuf>,
    /// Class of the object that is searched for
    #[arg(long)]
    pub find: Option<String>,
    /// The behaviour tree (BehaviorTree.CPP v4 XML)
    #[arg(long)]
    pub tree: Option<PathBuf>,
    /// The detector's network (a YOLOv8 export)
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// Real-time factor; 0: as fast as it goes
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// Open the Rerun viewer
    #[arg(long)]
    pub rerun: bool,
    /// Where the result goes; default: runs/<time>
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Print report.json on standard output
    #[arg(long)]
    pub json: bool,
}

pub fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let outcome = prepare_and_search(flags);
    if let (Err(error), true) = (&outcome, flags.json) {
        println!("{}", serde_json::json!({ "error": format!("{error:#}") }));
    }
    outcome
}

fn prepare_and_search(flags: &Flags) -> anyhow::Result<ExitCode> {
    ensure!(
        flags.speed.is_finite() && flags.speed >= 0.0,
        "--speed {} is not a real-time factor: give 0 (as fast as it goes) or more",
        flags.speed
    );
    for file in [
        &flags.world,
        &flags.map,
        &flags.locations,
        &flags.tree,
        &flags.model,
    ]
    .into_iter()
    .flatten()
    {
        ensure!(file.is_file(), "{}: no such file", file.display());
    }
    let ros = ros::set_up()?;
    build::programs(&ros)?;
    let out = std::path::absolute(match &flags.out {
        Some(out) => out.clone(),
        None => cache::project()
            .join("runs")
            .join(seconds_since_epoch().to_string()),
    })?;
    std::fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    search(&ros, flags, &out)
}

/// One search with everything built; what it leaves goes to `out`.
pub fn search(ros: &ros::Ros, flags: &Flags, out: &Path) -> anyhow::Result<ExitCode> {
    let programs = build::folder();
    let mut run = crate::process::command(
        programs.join("turtlebot-maze"),
        &["run", "--sim", "embedded"],
    );
    run.envs(ros.environment()).arg("--out").arg(out);
    run.args([
        "--speed",
        &flags.speed.to_string(),
        "--seed",
        &flags.seed.to_string(),
    ]);

    let files = [
        ("--world", &flags.world),
        ("--map", &flags.map),
        ("--locations", &flags.locations),
        ("--tree", &flags.tree),
        ("--model", &flags.model),
    ];
    for (flag, file) in files {
        if let Some(file) = file {
            run.arg(flag).arg(file);
        }
    }
    if let Some(class) = &flags.find {
        run.args(["--find", class]);
    }
    for (flag, given) in [("--rerun", flags.rerun), ("--json", flags.json)] {
        if given {
            run.arg(flag);
        }
    }
    let status = status(&mut run)?
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(130);
    if status == 0 && !is_good(out)? {
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::from(status))
}

/// Whether the object was found where it is, and nothing was hit.
fn is_good(out: &Path) -> anyhow::Result<bool> {
    let report = read_report(out)?;
    let near = match report["position_error_m"].as_f64() {
        Some(error) => error <= 0.5,
        // A world of one's own may not say where its objects are.
        None => report["true_position"].is_null(),
    };
    Ok(report["found"] == true && near && report["collisions"] == 0)
}

/// The report that a run has left.
pub fn read_report(out: &Path) -> anyhow::Result<serde_json::Value> {
    let file = out.join("report.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn seconds_since_epoch() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
