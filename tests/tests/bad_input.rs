//! Bad input: one clear error that names file, line and remedy, exit status 2, and no process left.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::Run;

struct Files(tempfile::TempDir);

impl Files {
    fn with(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn refuses(options: &[&str], parts: &[&str]) {
    let mut run = Run::start(options).unwrap();
    let status = run.wait_for(Duration::from_secs(180)).unwrap();
    let terminal = run.terminal();
    assert_eq!(status.code(), Some(2), "{options:?}\n{terminal}");
    for part in parts {
        assert!(
            terminal.contains(part),
            "{options:?}: \"{part}\" is not in\n{terminal}"
        );
    }
    run.wait_until_gone(Duration::from_secs(5)).unwrap();
}

#[test]
fn a_fault_in_a_file_is_named_with_its_line() {
    let files = Files(tempfile::tempdir().unwrap());
    let tree = files.with(
        "tree.xml",
        "<root BTCPP_format=\"4\">\n <BehaviorTree ID=\"T\">\n  <GoToPoze/>\n </BehaviorTree>\n</root>\n",
    );
    refuses(
        &["--tree", tree.to_str().unwrap()],
        &["tree.xml", "3", "GoToPoze"],
    );
    let locations = files.with("locations.yaml", "a: [1, 2, 3]\nb: [1, north, 3]\n");
    refuses(
        &["--locations", locations.to_str().unwrap()],
        &["locations.yaml:2", "north", "[x, y, theta]"],
    );
    let world = files.with(
        "empty.sdf",
        "<sdf version=\"1.9\">\n<world name=\"w\">\n</world>\n</sdf>\n",
    );
    let locations = files.with("good.yaml", "a: [1, 2, 3]\n");
    let in_world = |world: &Path, parts: &[&str]| {
        let [world, locations] = [world, &locations].map(|path| path.to_str().unwrap());
        let options = ["--world", world, "--locations", locations, "--find", "ball"];
        refuses(&options, parts);
    };
    in_world(&world, &["empty.sdf", "wall"]);
    let world = files.with(
        "sun.sdf",
        "<sdf version=\"1.9\">\n<world name=\"w\">\n<include><uri>model://sun</uri></include>\n</world>\n</sdf>\n",
    );
    in_world(&world, &["sun.sdf:3", "<include> in <world> is outside"]);
}

#[test]
fn what_is_not_there_is_named() {
    refuses(&["--model", "nowhere.onnx"], &["nowhere.onnx"]);
    refuses(&["--find", "umbrella"], &["umbrella", "ball"]);
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    refuses(&["--zenoh-port", &port], &[&port, "taken"]);
}
