//! Says what is there, what is missing, and what that costs.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use crate::process::output;
use crate::{cache, ros};

/// What must be there beforehand, how it is looked for, and its package on Debian and Ubuntu.
const REQUIRED: [(&str, &str, &[&str], &str); 5] = [
    ("C compiler", "gcc", &["--version"], "gcc"),
    ("C++ compiler", "g++", &["--version"], "g++"),
    ("make", "make", &["--version"], "make"),
    (
        "Python's venv",
        "python3",
        &["-c", "import venv, ensurepip; print('ok')"],
        "python3-venv",
    ),
    (
        "Python's headers",
        "python3",
        &[
            "-c",
            "import sysconfig,os,sys; p=os.path.join(sysconfig.get_path('include'),'Python.h'); \
             print(p) if os.path.exists(p) else sys.exit(1)",
        ],
        "python3-dev",
    ),
];

fn missing() -> Vec<(&'static str, &'static str)> {
    REQUIRED
        .iter()
        .filter(|(_, program, args, _)| output(program, args).is_none())
        .map(|(what, _, _, package)| (*what, *package))
        .collect()
}

fn remedy(missing: &[(&str, &str)]) -> String {
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    format!("sudo apt-get install -y {}", packages.join(" "))
}

/// Stops with one line where a needed tool is missing.
pub fn require_toolchain() -> anyhow::Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(what, _)| *what).collect();
    bail!(
        "missing: {}; install with: {}",
        names.join(", "),
        remedy(&missing)
    )
}

#[derive(Args)]
pub struct Flags {
    /// Print the findings as one JSON document
    #[arg(long)]
    json: bool,
}

/// The state of what is needed and not there.
const MISSING: &str = "MISSING";

/// One thing that was looked for.
#[derive(Serialize)]
struct Finding {
    /// `ok`, `MISSING` (needed), `later` (set up when first needed), `none` (optional) or `info`.
    state: &'static str,
    what: &'static str,
    detail: String,
}

/// `cargo xtask doctor`: exit status 0 when a demo can run, 2 when something needed is missing.
pub fn run(flags: &Flags) -> anyhow::Result<ExitCode> {
    let findings = findings()?;
    let missing = missing();
    let remedy = (!missing.is_empty()).then(|| remedy(&missing));
    let can_run = findings.iter().all(|finding| finding.state != MISSING);
    if flags.json {
        println!(
            "{}",
            serde_json::json!({ "findings": findings, "remedy": remedy })
        );
    } else {
        for Finding {
            state,
            what,
            detail,
        } in &findings
        {
            println!("{state:>8}  {what:<18} {detail}");
        }
        match &remedy {
            None if can_run => println!("\nEverything needed is there: cargo xtask demo"),
            None => println!("\nWhat is MISSING above says what to do about it"),
            Some(remedy) => println!("\nInstall what is missing with:\n  {remedy}"),
        }
    }
    Ok(ExitCode::from(if can_run { 0 } else { 2 }))
}

fn findings() -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut show = |state, what, detail: &str| {
        findings.push(Finding {
            state,
            what,
            detail: detail.to_owned(),
        });
    };
    for (what, program, args, _) in REQUIRED {
        match output(program, args) {
            Some(found) => show("ok", what, found.lines().next().unwrap_or_default()),
            None => show(MISSING, what, "needed to set up and build"),
        }
    }
    match output(
        "python3",
        &["-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
    ) {
        Some(version) if matches!(version.as_str(), "3.11" | "3.12" | "3.13") => {
            show("ok", "Python", &version);
        }
        Some(version) if ros::is_sourced() => show("ok", "Python", &version),
        Some(version) => show(
            MISSING,
            "Python",
            &format!(
                "{version}: wheels exist for 3.11 to 3.13; put one of these first on the PATH as python3"
            ),
        ),
        None => show(MISSING, "Python", "needed to set up ROS and ONNX Runtime"),
    }
    match ros::state() {
        Ok(state) => show("ok", "ROS 2 Jazzy", &state),
        Err(error) => show("later", "ROS 2 Jazzy", &error.to_string()),
    }
    let model = "models/maze_yolov8.onnx";
    if cache::project().join(model).exists() {
        show("ok", "detector network", model);
    } else {
        let remedy = format!("git checkout {model}, or give another network with --model");
        show(MISSING, "detector network", &remedy);
    }
    match output("rerun", &["--version"]) {
        Some(version) => show(
            "ok",
            "Rerun viewer",
            version.lines().next().unwrap_or_default(),
        ),
        None => show(
            "none",
            "Rerun viewer",
            "`--rerun` cannot open it; run.rrd is written all the same. pip install rerun-sdk==0.36.3",
        ),
    }
    match output("nvidia-smi", &["--query-gpu=name", "--format=csv,noheader"]) {
        Some(gpu) => show("ok", "GPU", &gpu),
        None => show("none", "GPU", "the detector runs on the CPU"),
    }
    for tool in ["gz", "ros2"] {
        match output("which", &[tool]) {
            Some(path) => show("ok", tool, &path),
            None => show(
                "none",
                tool,
                "the embedded simulator and `turtlebot-maze run` do not need it",
            ),
        }
    }
    show("info", "cache", &cache_size(&cache::folder()?));
    Ok(findings)
}

fn cache_size(folder: &Path) -> String {
    let size = output("du", &["-sh", &folder.to_string_lossy()])
        .and_then(|text| text.split_whitespace().next().map(str::to_owned))
        .unwrap_or_else(|| "empty".into());
    format!("{size} in {} (remove it to start afresh)", folder.display())
}
