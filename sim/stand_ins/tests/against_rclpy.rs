//! The stand-ins against independent peers written with `rclpy`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A process that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Already ended is as well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// Runs `script` beside `node` in a ROS domain of their own; the script has to end with status 0.
fn check(node: &mut Command, script: &str, domain: u8) {
    let node = node
        .env("ROS_DOMAIN_ID", domain.to_string())
        .spawn()
        .unwrap();
    let _node = Running(node);
    let peer = Command::new("python3")
        .arg(peers().join(script))
        .env("ROS_DOMAIN_ID", domain.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut peer = Running(peer);
    let mut said = String::new();
    let mut complaints = String::new();
    let (out, err) = (peer.0.stdout.take(), peer.0.stderr.take());
    out.unwrap().read_to_string(&mut said).unwrap();
    err.unwrap().read_to_string(&mut complaints).unwrap();
    let status = peer.0.wait().unwrap();
    assert!(status.success(), "{script}: {status}\n{said}\n{complaints}");
}

#[test]
fn navigation_behaves_as_nav2s_server() {
    check(
        &mut Command::new(env!("CARGO_BIN_EXE_navigation")),
        "navigation_client.py",
        1,
    );
}

#[test]
fn localization_keeps_its_place_with_drifting_wheels() {
    let folder = tempfile::tempdir().unwrap();
    let map = folder.path().join("room.yaml");
    write_room(&map);
    check(
        Command::new(env!("CARGO_BIN_EXE_localization"))
            .arg("--map")
            .arg(&map)
            .args(["--initial-pose", "1.0,1.0,0.3"]),
        "localization_client.py",
        2,
    );
}

#[test]
fn a_bad_map_is_one_clear_error() {
    let output = Command::new(env!("CARGO_BIN_EXE_localization"))
        .args(["--map", "/no/such/map.yaml"])
        .env("ROS_DOMAIN_ID", "3")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("/no/such/map.yaml"), "{message}");
}

/// The room of `fake_robot.py` as a map file and its image.
fn write_room(path: &Path) {
    let source = std::fs::read_to_string(peers().join("fake_robot.py")).unwrap();
    let lines: Vec<&str> = source
        .lines()
        .skip_while(|line| !line.starts_with("ROOM = ["))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .map(|line| line.trim().trim_matches(['"', ',']))
        .collect();
    let mut image = format!("P5\n{} {}\n255\n", lines[0].len() * 10, lines.len() * 10).into_bytes();
    for line in &lines {
        for _ in 0..10 {
            for block in line.bytes() {
                image.extend([if block == b'#' { 0 } else { 254 }; 10]);
            }
        }
    }
    std::fs::write(path.with_extension("pgm"), image).unwrap();
    std::fs::write(path, "image: room.pgm\nresolution: 0.05\norigin: [0.0, 0.0, 0.0]\nnegate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.25\n").unwrap();
}
