//! `cargo xtask demo`: a TurtleBot searches a maze.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail, ensure};
use clap::Args;

use crate::process::{must, status};
use crate::{build, cache, ros};

#[derive(Args, Clone, Debug)]
pub struct Flags {
    /// Seed of the generated maze
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A world of your own (SDF) instead of a generated maze; needs --locations
    #[arg(long, requires = "locations")]
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

    let maze = out.join("maze");
    let mut sim = crate::process::command(programs.join("sim"), &[]);
    match &flags.world {
        None => {
            sim.args(["generate", "--seed", &flags.seed.to_string(), "--out"])
                .arg(&maze);
            if let Some(class) = &flags.find {
                sim.args(["--find", class]);
            }
            must(
                &mut sim,
                "the message above says what is wrong with the maze's parameters",
            )?;
            run.arg("--world").arg(maze.join("world.sdf"));
            run.arg("--map").arg(maze.join("map.yaml"));
            run.arg("--ground-truth")
                .arg(maze.join("ground_truth.json"));
        }
        Some(world) => {
            sim.args(["survey", "--out"]).arg(&maze).arg(world);
            must(&mut sim, "the message above names what the world lacks")?;
            run.arg("--world").arg(world);
            run.arg("--map")
                .arg(flags.map.clone().unwrap_or_else(|| maze.join("map.yaml")));
            run.arg("--ground-truth")
                .arg(maze.join("ground_truth.json"));
        }
    }
    let locations = flags
        .locations
        .clone()
        .unwrap_or_else(|| maze.join("locations.yaml"));
    run.arg("--locations").arg(locations);
    for (flag, value) in [("--tree", &flags.tree), ("--model", &flags.model)] {
        if let Some(value) = value {
            run.arg(flag).arg(value);
        }
    }
    match (&flags.find, &flags.world) {
        (Some(class), _) => {
            run.args(["--find", class]);
        }
        (None, None) => {
            run.args(["--find", &generated_class(&maze)?]);
        }
        (None, Some(_)) => bail!("--world needs --find CLASS: what is searched for in it?"),
    }
    for (flag, given) in [("--rerun", flags.rerun), ("--json", flags.json)] {
        if given {
            run.arg(flag);
        }
    }
    let code = status(&mut run)?.code();
    Ok(ExitCode::from(
        code.and_then(|code| u8::try_from(code).ok()).unwrap_or(130),
    ))
}

/// What a generated maze wants found.
fn generated_class(maze: &Path) -> anyhow::Result<String> {
    let file = maze.join("ground_truth.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    let truth: serde_json::Value = serde_json::from_str(&text)?;
    match truth["find"].as_str() {
        Some(class) => Ok(class.to_owned()),
        None => bail!("{} does not say what to find", file.display()),
    }
}

fn seconds_since_epoch() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
