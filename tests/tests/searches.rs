//! Whole searches, as a user starts them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::path::Path;
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

fn assert_not_found(options: &[&str], locations: &Path) {
    let (status, report) = search(&[options, &["--speed", "0"]].concat());
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
    let locations = std::fs::read_to_string(locations).unwrap();
    let n_locations = locations.matches(": [").count() as u64;
    assert!(
        report["goals"]["succeeded"].as_u64().unwrap() >= n_locations - 1,
        "{report}"
    );
}

#[test]
fn with_distractors_alone_the_search_fails_after_all_locations() {
    let maze = tempfile::tempdir().unwrap();
    let status = Command::new(e2e::programs().unwrap().join("sim"))
        .args(["generate", "--seed", "39", "--absent", "--out"])
        .arg(maze.path())
        .status()
        .unwrap();
    assert!(status.success());
    let path = |name: &str| maze.path().join(name);
    let file = |name: &str| path(name).to_str().unwrap().to_owned();
    let truth: Value =
        serde_json::from_str(&std::fs::read_to_string(path("ground_truth.json")).unwrap()).unwrap();
    let options = [
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
    ];
    assert_not_found(&options, &path("locations.yaml"));
}

#[test]
fn with_no_object_at_all_the_search_fails_after_all_locations() {
    let files = tempfile::tempdir().unwrap();
    let (world, locations) = corridor_with(files.path(), "");
    let options = [
        "--world",
        &world,
        "--locations",
        &locations,
        "--find",
        "ball",
    ];
    assert_not_found(&options, Path::new(&locations));
}

/// The hand-written corridor with `model` instead of its ball, and where to look in it: the files of both.
fn corridor_with(folder: &Path, model: &str) -> (String, String) {
    let corridor = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/worlds/corridor.sdf");
    let text = std::fs::read_to_string(corridor).unwrap();
    let (before, ball) = text.split_once("<model name=\"ball_1\">").unwrap();
    let (_, after) = ball.split_once("</model>").unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let world = write("corridor.sdf", &format!("{before}{model}{after}"));
    let locations =
        "entrance: [1.2, 0.0, 3.14]\nin_the_wall: [4.0, 0.8, 0.0]\nmiddle: [5.0, 0.0, 0.0]\n";
    (world, write("locations.yaml", locations))
}

/// A photograph at the far end of the corridor.
const PANEL: &str = r#"<model name="panel">
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

/// Nothing is fitted to the project's own network or mazes.
#[test]
fn a_photograph_is_found_by_a_published_network() {
    let Some(shared) = e2e::shared().unwrap() else {
        return;
    };
    let files = tempfile::tempdir().unwrap();
    std::fs::copy(
        shared.join("models/bus.jpg"),
        files.path().join("photo.jpg"),
    )
    .unwrap();
    let (world, locations) = corridor_with(files.path(), PANEL);
    let (status, report) = search(&[
        "--speed",
        "0",
        "--world",
        &world,
        "--locations",
        &locations,
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
