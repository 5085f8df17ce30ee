//! Whole searches, as a user starts them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use e2e::Run;
use serde_json::Value;

/// One search at a time: two would share the cores, and each is a whole robot.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn search(options: &[&str]) -> (Option<i32>, Value) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut run = Run::start(options).unwrap();
    let status = run.wait().unwrap();
    run.wait_until_gone(Duration::from_secs(5)).unwrap();
    let report = run.report().unwrap();
    for file in ["run.rrd", "map.png", "logs/autonomy.log", "logs/gate.log"] {
        assert!(run.out.path().join(file).exists(), "{file} is missing");
    }
    (status.code(), report)
}

fn assert_found(seed: &str) {
    let (status, report) = search(&["--seed", seed, "--speed", "0"]);
    let text = serde_json::to_string_pretty(&report).unwrap();
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(report["found"], true, "{text}");
    assert!(report["position_error_m"].as_f64().unwrap() < 0.5, "{text}");
    assert_eq!(report["collisions"], 0, "{text}");
    assert_eq!(report["frames"]["dropped"], 0, "{text}");
    assert!(report["frames"]["detected"].as_u64().unwrap() > 0, "{text}");
    assert!(report["path_length_m"].as_f64().unwrap() >= 5.0, "{text}");
    assert!(report["goals"]["rejected"].as_u64().unwrap() >= 1, "{text}");
    for refused in report["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|v| v["verdict"] != "GO")
    {
        assert!(!refused["reason"].as_str().unwrap().is_empty(), "{refused}");
    }
}

#[test]
fn the_object_is_found_in_maze_1() {
    assert_found("1");
}

#[test]
fn the_object_is_found_in_maze_7() {
    assert_found("7");
}

/// A maze without the object, made by the simulator's own generator.
fn maze_without(seed: &str, further: &[&str]) -> tempfile::TempDir {
    let maze = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(e2e::programs().unwrap().join("sim"))
        .args(["generate", "--seed", seed, "--absent", "--out"])
        .arg(maze.path())
        .args(further)
        .status()
        .unwrap();
    assert!(status.success());
    maze
}

fn assert_not_found(maze: &tempfile::TempDir) {
    let file = |name: &str| maze.path().join(name).to_str().unwrap().to_owned();
    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string(file("ground_truth.json")).unwrap()).unwrap();
    let (status, report) = search(&[
        "--speed",
        "0",
        "--world",
        &file("world.sdf"),
        "--map",
        &file("map.yaml"),
        "--locations",
        &file("locations.yaml"),
        "--ground-truth",
        &file("ground_truth.json"),
        "--find",
        truth["find"].as_str().unwrap(),
    ]);
    assert_eq!(status, Some(1), "{report}");
    assert_eq!(report["found"], false, "{report}");
    let reason = report["reason"].as_str().unwrap();
    assert!(
        reason.contains("LookForObject") || reason.contains("GoToPose"),
        "the leaf is named: {report}"
    );
    // Every location but the one in the wall was reached.
    assert!(
        report["goals"]["succeeded"].as_u64().unwrap() >= 7,
        "{report}"
    );
}

#[test]
fn with_distractors_alone_the_search_fails_after_all_locations() {
    assert_not_found(&maze_without("2", &[]));
}
