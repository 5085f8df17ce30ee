//! What dies is started again, and whatever happens, the robot stands still at the end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use e2e::{Peer, Run};
use rustix::process::Signal;
use serde_json::Value;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A search that is under way: the robot is being driven.
fn driving(options: &[&str]) -> (Run, Peer) {
    let run = Run::start(options).unwrap();
    let mut watcher = run.peer("watch_stop.py", &[]).unwrap();
    watcher.line("DRIVING").unwrap();
    (run, watcher)
}

fn stopped(watcher: &mut Peer) -> Value {
    serde_json::from_str(&watcher.line("STOPPED").unwrap()).unwrap()
}

/// How long the supervisor took to end everything, which it bounds whatever hangs.
fn seconds_of_the_end(terminal: &str) -> f64 {
    let (_, rest) = terminal.rsplit_once("everything has ended after ").unwrap();
    let (seconds, _) = rest.split_once(" s").unwrap();
    seconds.parse().unwrap()
}

fn assert_found(run: &mut Run, restarted: &[&str]) {
    let status = run.wait().unwrap();
    let report = run.report().unwrap();
    assert_eq!(status.code(), Some(0), "{report}\n{}", run.terminal());
    assert_eq!(report["found"], true, "{report}");
    for node in restarted {
        assert!(report["restarts"][node].as_u64().unwrap() >= 1, "{report}");
    }
    run.wait_until_gone(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_killed_detector_and_guard_are_started_again_and_the_search_goes_on() {
    let _alone = alone();
    let (mut run, _watcher) = driving(&["--seed", "3", "--speed", "0"]);
    run.signal_node("detector", Signal::KILL).unwrap();
    run.signal_node("estop_guard", Signal::KILL).unwrap();
    assert_found(&mut run, &["detector", "guard"]);
}

#[test]
fn when_autonomy_is_killed_the_base_is_held_until_it_is_back() {
    let _alone = alone();
    let (mut run, mut watcher) = driving(&["--seed", "4", "--speed", "1"]);
    run.signal_node("autonomy", Signal::KILL).unwrap();
    assert_eq!(watcher.line("HELD").unwrap(), "client autonomy");
    let still_after_s: f64 = watcher.line("STILL").unwrap().parse().unwrap();
    assert!(still_after_s < 1.0, "{still_after_s}");
    assert_found(&mut run, &["autonomy"]);
}

#[test]
fn a_goal_that_a_killed_gatekeeper_has_forgotten_counts_as_lost() {
    let _alone = alone();
    let (mut run, _watcher) = driving(&["--seed", "7", "--speed", "0"]);
    run.signal_node("gatekeeper", Signal::KILL).unwrap();
    run.wait_for_log("autonomy", "the goal was lost").unwrap();
}

#[test]
fn a_killed_gate_comes_back_latched() {
    let _alone = alone();
    let (run, mut watcher) = driving(&["--seed", "8", "--speed", "1"]);
    run.signal_node("estop", Signal::KILL).unwrap();
    assert_eq!(watcher.line("LATCHED").unwrap(), "start");
}

#[test]
fn an_interrupted_run_ends_with_the_robot_at_rest() {
    let _alone = alone();
    let (mut run, mut watcher) = driving(&["--seed", "5", "--speed", "1"]);
    run.signal(Signal::INT).unwrap();
    let status = run.wait_for(Duration::from_secs(20)).unwrap();
    assert_eq!(status.code(), Some(130), "{}", run.terminal());
    run.wait_until_gone(Duration::from_secs(5)).unwrap();
    let took_s = seconds_of_the_end(&run.terminal());
    assert!(took_s <= 5.0, "{took_s}");
    let stopped = stopped(&mut watcher);
    assert_eq!(stopped["last"], serde_json::json!([0.0, 0.0]), "{stopped}");
    let report = run.report().unwrap();
    assert_eq!(report["found"], false, "{report}");
    assert_eq!(report["reason"], "interrupted", "{report}");
}

#[test]
fn a_base_that_keeps_its_velocity_stands_when_the_supervisor_is_killed() {
    let _alone = alone();
    let (run, mut watcher) = driving(&["--seed", "6", "--speed", "1", "--base", "keeps"]);
    run.signal(Signal::KILL).unwrap();
    let stopped = stopped(&mut watcher);
    assert_eq!(stopped["last"], serde_json::json!([0.0, 0.0]), "{stopped}");
    assert!(
        stopped["still_within_s"].as_f64().unwrap() < 1.0,
        "{stopped}"
    );
    run.wait_until_gone(Duration::from_secs(5)).unwrap();
}
