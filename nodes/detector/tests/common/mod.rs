//! What the detector's integration tests share: Python, and data that is no part of the project.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod node;

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with what the scripts beside this file need; `None`, said aloud, where there is none.
pub fn python(packages: &[&str]) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache")
    });
    let named = std::env::var_os("TURTLEBOT_MAZE_PYTHON").map(PathBuf::from);
    let candidates = named.into_iter().chain([
        cache.join("turtlebot-maze/ros/bin/python3"),
        "python3".into(),
    ]);
    let imports = format!("import {}", packages.join(", "));
    let works = |python: &PathBuf| {
        let output = Command::new(python)
            .args(["-c", &imports])
            .env_remove("LD_LIBRARY_PATH")
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    let python = candidates.into_iter().find(works);
    if python.is_none() {
        skip(&format!(
            "no Python with {packages:?} (name one in TURTLEBOT_MAZE_PYTHON)"
        ));
    }
    python
}

/// Runs a script that lies beside this file's folder; what it printed.
pub fn run(python: &Path, script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(script);
    // Python finds its own libraries; those of a sourced ROS would be in their way.
    let output = Command::new(python)
        .arg(script)
        .args(arguments)
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The folder with models and photos that are no part of the project.
pub fn shared_models() -> Option<PathBuf> {
    let folder = std::env::var_os("TURTLEBOT_MAZE_SHARED")
        .map(|folder| PathBuf::from(folder).join("models"));
    if folder.is_none() {
        skip("TURTLEBOT_MAZE_SHARED is not set");
    }
    folder
}

/// Small stand-ins for exports of every kind, in a folder of their own.
pub fn stand_in_models() -> Option<tempfile::TempDir> {
    let python = python(&["numpy", "onnx"])?;
    let folder = tempfile::tempdir().unwrap();
    run(
        &python,
        "make_models.py",
        &[folder.path().to_str().unwrap()],
    );
    Some(folder)
}

fn skip(reason: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "in CI nothing is skipped: {reason}"
    );
    eprintln!("skipped: {reason}");
}
