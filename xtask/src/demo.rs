//! `cargo xtask demo`: a TurtleBot searches a maze.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::process::status;
use crate::{build, cache, ros};

/// How far from its true place an object may be reported.
const NEAR_M: f64 = 0.5;

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
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true)]
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

impl Flags {
    /// The files that may be given, each with its flag.
    fn files(&self) -> [(&'static str, &Option<PathBuf>); 5] {
        [
            ("--world", &self.world),
            ("--map", &self.map),
            ("--locations", &self.locations),
            ("--tree", &self.tree),
            ("--model", &self.model),
        ]
    }
}

pub fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    ensure!(
        flags.speed.is_finite() && flags.speed >= 0.0,
        "--speed {} is not a real-time factor: give 0 (as fast as it goes) or more",
        flags.speed
    );
    for (flag, file) in flags.files() {
        if let Some(file) = file {
            ensure!(
                file.is_file(),
                "{flag} {}: there is no such file; give the path of one",
                file.display()
            );
        }
    }
    let ros = ros::set_up()?;
    build::programs(&ros)?;
    let out = match &flags.out {
        Some(out) => {
            std::fs::create_dir_all(out)
                .with_context(|| format!("cannot make {} (--out)", out.display()))?;
            std::path::absolute(out)?
        }
        None => new_folder(&cache::project().join("runs"))?,
    };
    search(&ros, flags, &out)
}

/// A folder that is named by the time and that no other run has.
fn new_folder(runs: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(runs).with_context(|| format!("cannot make {}", runs.display()))?;
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut folder = runs.join(time.to_string());
    let mut number = 1;
    loop {
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                number += 1;
                folder = runs.join(format!("{time}-{number}"));
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", folder.display()));
            }
        }
    }
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

    for (flag, file) in flags.files() {
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
    if status == 0 {
        // Said on standard error: the run itself has printed its document.
        let shortcoming = shortcoming(out).unwrap_or_else(|error| Some(format!("{error:#}")));
        if let Some(shortcoming) = shortcoming {
            eprintln!("demo: {shortcoming}");
            return Ok(ExitCode::from(1));
        }
    }
    Ok(ExitCode::from(status))
}

/// Why a run whose tree succeeded is none that counts: the object must be found where it is, and nothing hit.
fn shortcoming(out: &Path) -> anyhow::Result<Option<String>> {
    let report = read_report(out)?;
    if report["found"] != true {
        return Ok(Some("nothing was found".into()));
    }
    let near = match report["position_error_m"].as_f64() {
        Some(error) => error <= NEAR_M,
        // A world of one's own may not say where its objects are.
        None => report["true_position"].is_null(),
    };
    if !near {
        return Ok(Some(format!(
            "what was found is not within {NEAR_M} m of the true place"
        )));
    }
    Ok(match report["collisions"].as_u64() {
        Some(0) => None,
        Some(count) => Some(format!("{count} collisions")),
        None => Some("whether the robot ran into something was not measured".into()),
    })
}

/// The report that a run has left.
pub fn read_report(out: &Path) -> anyhow::Result<serde_json::Value> {
    let file = out.join("report.json");
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}", file.display()))?;
    Ok(serde_json::from_str(&text)?)
}
