//! Whole searches, as a user starts them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
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
    let replayed = Command::new(e2e::programs().unwrap().join("behavior_tree"))
        .arg("replay")
        .arg(run.out.path().join("tree.jsonl"))
        .output()
        .unwrap();
    assert!(replayed.status.success(), "{replayed:?}");
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
        .filter(|v| v["verdict"] != "go")
    {
        assert!(!refused["reason"].as_str().unwrap().is_empty(), "{refused}");
    }
}

#[test]
fn the_object_is_found_in_maze_5() {
    assert_found("5");
}

#[test]
fn the_object_is_found_in_maze_13() {
    assert_found("13");
}

/// A maze without the object, made by the simulator's own generator.
fn maze_without(seed: &str, further: &[&str]) -> tempfile::TempDir {
    let maze = tempfile::tempdir().unwrap();
    let status = Command::new(e2e::programs().unwrap().join("sim"))
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
        ["RecallSighting", "LookAgain", "GoToViewpoint"]
            .iter()
            .any(|leaf| reason.contains(leaf)),
        "the leaf is named: {report}"
    );
    // Every location but the one in the wall was reached.
    let locations = std::fs::read_to_string(file("locations.yaml")).unwrap();
    let n_locations = locations.matches(": [").count() as u64;
    assert!(
        report["goals"]["succeeded"].as_u64().unwrap() >= n_locations - 1,
        "{report}"
    );
}

#[test]
fn with_distractors_alone_the_search_fails_after_all_locations() {
    assert_not_found(&maze_without("39", &[]));
}

#[test]
fn with_no_object_at_all_the_search_fails_after_all_locations() {
    assert_not_found(&maze_without("37", &["--alone"]));
}

/// The hand-written corridor with a photograph on a panel at its far end instead of the ball.
fn corridor_with_photo(folder: &Path, photo: &Path) -> PathBuf {
    let corridor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/worlds/corridor.sdf");
    let text = std::fs::read_to_string(corridor).unwrap();
    let (before, ball) = text.split_once("<model name=\"ball_1\">").unwrap();
    let (_, after) = ball.split_once("</model>").unwrap();
    let panel = r#"<model name="panel">
      <static>true</static>
      <pose>7.6 0 0.62 0 0 0</pose>
      <link name="link">
        <visual name="photo">
          <geometry><box><size>0.02 0.9 1.2</size></box></geometry>
          <material><diffuse>1 1 1 1</diffuse><pbr><metal><albedo_map>photo.jpg</albedo_map></metal></pbr></material>
        </visual>
        <collision name="solid"><geometry><box><size>0.02 0.9 1.2</size></box></geometry></collision>
      </link>
    </model>"#;
    std::fs::copy(photo, folder.join("photo.jpg")).unwrap();
    let world = folder.join("photo.sdf");
    std::fs::write(&world, format!("{before}{panel}{after}")).unwrap();
    world
}

/// Nothing is fitted to the project's own network or mazes.
#[test]
fn a_photograph_is_found_by_a_published_network() {
    let Some(shared) = e2e::shared().unwrap() else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    let world = corridor_with_photo(files.path(), &shared.join("models/bus.jpg"));
    let locations = files.path().join("locations.yaml");
    std::fs::write(
        &locations,
        "entrance: [1.2, 0.0, 3.14]\nin_the_wall: [4.0, 0.8, 0.0]\nmiddle: [5.0, 0.0, 0.0]\n",
    )
    .unwrap();
    let (status, report) = search(&[
        "--speed",
        "0",
        "--world",
        world.to_str().unwrap(),
        "--locations",
        locations.to_str().unwrap(),
        "--model",
        shared.join("models/yolov8n-coco.onnx").to_str().unwrap(),
        "--find",
        "bus",
    ]);
    assert_eq!(status, Some(0), "{report}");
    let [x, y] = [0, 1].map(|axis| report["estimated_position"][axis].as_f64().unwrap());
    assert!((x - 7.6).abs() < 0.5 && y.abs() < 0.5, "{report}");
    assert_eq!(report["collisions"], 0, "{report}");
}
