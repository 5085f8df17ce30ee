//! The simulator against an independent peer written with `rclpy`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sim_node(domain: u8) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim_node"));
    command.env("ROS_DOMAIN_ID", domain.to_string());
    command
}

#[test]
fn a_controller_sees_and_drives_the_robot_and_the_simulator_waits_for_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let world = folder.join("../worlds/corridor.sdf");
    let mut node = sim_node(6);
    node.arg("--world").arg(world);
    node.args(["--speed", "0", "--base", "keeps"]);
    let mut node = Running(node.spawn().unwrap());
    let peer = Command::new("python3")
        .arg(folder.join("tests/peers/controller.py"))
        .env("ROS_DOMAIN_ID", "6")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peer = Running(peer);
    let said: Vec<String> = BufReader::new(peer.0.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| line != "holding")
        .collect();
    assert_eq!(said.len(), 4, "the peer gave up after {said:?}");

    let pid = Pid::from_raw(node.0.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let asked = Instant::now();
    // While somebody publishes commands the simulator stays, for 3.5 s at most.
    let status = node.0.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() >= Duration::from_millis(3400));
}

#[test]
fn without_a_publisher_of_commands_it_ends_at_once() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut node = sim_node(8);
    node.arg("--world")
        .arg(folder.join("../worlds/corridor.sdf"));
    let mut node = Running(node.stderr(Stdio::piped()).spawn().unwrap());
    let started = BufReader::new(node.0.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .any(|line| line.contains("simulating"));
    assert!(started);
    let pid = Pid::from_raw(node.0.id().cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let asked = Instant::now();
    assert!(node.0.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_bad_world_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("broken.sdf");
    std::fs::write(
        &world,
        "<sdf version='1.9'>\n<world name='w'>\n<fog/>\n</world></sdf>",
    )
    .unwrap();
    for path in [world.as_path(), Path::new("/no/such/world.sdf")] {
        let output = sim_node(9).arg("--world").arg(path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}
