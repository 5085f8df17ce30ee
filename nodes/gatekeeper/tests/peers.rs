//! The built gatekeeper between an rclpy navigation server and an rclpy client: each test is one Python program under
//! `tests/peers/`, in a ROS domain of its own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy counts only #[test] functions as tests, not their helpers"
)]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::process::Command;

/// A ROS domain that no other test program on this machine uses while the file is open: a second run of these tests
/// beside this one would be a second gatekeeper in the graph.
fn own_domain() -> (u8, File) {
    let lock = |domain: u8| {
        let path = std::env::temp_dir().join(format!("turtlebot-maze-domain-{domain}.lock"));
        File::create(path).unwrap()
    };
    for domain in 40..50 {
        let file = lock(domain);
        if file.try_lock().is_ok() {
            return (domain, file);
        }
    }
    let file = lock(40);
    file.lock().unwrap();
    (40, file)
}

fn peers(program: &str) {
    let (domain, _lock) = own_domain();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let mut command = Command::new(&python);
    command
        .arg(folder.join(program))
        .env("GATEKEEPER", env!("CARGO_BIN_EXE_gatekeeper"))
        .env("ROS_DOMAIN_ID", domain.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("RUST_LOG", "warn");
    // The model of the tests is on this machine.
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command
            .env("LD_LIBRARY_PATH", without_shims(&path))
            .env("GATEKEEPER_LIBRARY_PATH", path);
    }
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot start {python}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Rust programs need shims with ROS from wheels; with them Python's own message code would be empty.
fn without_shims(path: &OsStr) -> OsString {
    let folders = std::env::split_paths(path).filter(|folder| !folder.ends_with("shim"));
    std::env::join_paths(folders).unwrap()
}

#[test]
fn a_goals_life() {
    peers("goals.py");
}

#[test]
fn preemption() {
    peers("preemption.py");
}

#[test]
fn refusals() {
    peers("refusals.py");
}

#[test]
fn faults() {
    peers("faults.py");
}

#[test]
fn model() {
    peers("model.py");
}
