//! Whole searches, as a user starts them.

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
    for refused in report["verdicts"].as_array().unwrap().iter().filter(|v| v["verdict"] != "GO") {
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

#[test]
fn an_object_that_is_not_there_is_not_found() {
    // The generated maze holds its own object and distractors; none of them is of this class.
    let (status, report) = search(&["--seed", "2", "--speed", "0", "--find", "umbrella"]);
    assert_eq!(status, Some(1), "{report}");
    assert_eq!(report["found"], false, "{report}");
    let reason = report["reason"].as_str().unwrap();
    assert!(reason.contains("no location is left") || reason.contains("no umbrella in view"), "{report}");
}
