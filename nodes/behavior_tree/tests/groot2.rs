//! Groot2's live protocol, asked by a client of its own in Python. Without pyzmq and msgpack the tests say that they are
//! skipped; in CI they fail.

#![cfg(feature = "groot2")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use behavior_tree::groot2::{Groot2Error, Groot2Options, Groot2Publisher};
use behavior_tree::{Factory, Status};
use serde_json::{Value as Json, json};

const TREE: &str = r#"<root BTCPP_format="4" main_tree_to_execute="Main">
  <BehaviorTree ID="Main">
    <Sequence name="top">
      <Script code="speed := 0.5; object := 'cube'"/>
      <SubTree ID="Sub" name="sub" what="{object}"/>
      <KeepRunningUntilFailure><Work/></KeepRunningUntilFailure>
    </Sequence>
  </BehaviorTree>
  <BehaviorTree ID="Sub"><AlwaysSuccess name="inner"/></BehaviorTree>
  <TreeNodesModel><Action ID="Work"/></TreeNodesModel>
</root>"#;

fn python() -> OsString {
    std::env::var_os("TURTLEBOT_MAZE_PYTHON").unwrap_or_else(|| "python3".into())
}

/// Whether there is a client to test with.
fn has_client() -> bool {
    let probe = Command::new(python())
        .args(["-c", "import msgpack, zmq"])
        .stderr(Stdio::null())
        .status();
    let has_client = probe.is_ok_and(|status| status.success());
    if !has_client {
        assert!(std::env::var_os("CI").is_none(), "CI has pyzmq and msgpack");
        eprintln!("skipped: there is no Python with pyzmq and msgpack");
    }
    has_client
}

fn client(port: u16, what: &str) -> Child {
    Command::new(python())
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/groot2_client.py"
        ))
        .args([&port.to_string(), what])
        .spawn()
        .unwrap()
}

/// The program that shows the tree, and its port.
fn program(folder: &tempfile::TempDir, control: bool) -> (Child, u16) {
    std::fs::write(folder.path().join("tree.xml"), TREE).unwrap();
    let outcomes = json!({"Work": "SUCCESS"}).to_string();
    std::fs::write(folder.path().join("outcomes.json"), outcomes).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_behavior_tree"));
    command
        .args(["run", "tree.xml", "--outcomes", "outcomes.json"])
        .args(["--max-ticks", "1000000", "--real-time", "--json"])
        .args(["--groot", "--groot-port", "0"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if control {
        command.arg("--groot-control");
    }
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let port = line.trim().strip_prefix("Groot2: 127.0.0.1:").unwrap();
    (child, port.parse().unwrap())
}

#[test]
fn every_request_is_answered_and_the_viewer_ends_the_run() {
    if !has_client() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut run, port) = program(&folder, true);
    if !client(port, "control").wait().unwrap().success() {
        run.kill().unwrap();
        panic!("the client is not content");
    }
    let output = run.wait_with_output().unwrap();
    let json: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["result"], "FAILURE");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn nothing_can_be_changed_where_control_is_off() {
    if !has_client() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut run, port) = program(&folder, false);
    let content = client(port, "read-only").wait().unwrap().success();
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(content, "the client is not content");
}

#[test]
fn a_viewer_that_goes_away_holds_up_no_tick() {
    if !has_client() {
        return;
    }
    let mut factory = Factory::new();
    factory
        .register_action("Work", |_| {
            |_: &mut behavior_tree::Io<'_>| Ok(Status::Success)
        })
        .unwrap();
    let mut tree = factory.load_text(TREE).unwrap();
    let options = Groot2Options {
        port: 0,
        control: true,
        max_heartbeat_delay: Duration::from_secs(1),
        ..Groot2Options::default()
    };
    let publisher = Groot2Publisher::new(&mut tree, options).unwrap();
    let mut viewer = client(publisher.address().port(), "leave");
    let exit = loop {
        let status = tree.tick_exactly_once(Duration::ZERO).unwrap();
        assert_eq!(status, Status::Running);
        if let Some(exit) = viewer.try_wait().unwrap() {
            break exit;
        }
    };
    assert!(exit.success());
    // And once more with nobody at all.
    drop(publisher);
    let status = tree.tick_exactly_once(Duration::ZERO).unwrap();
    assert_eq!(status, Status::Running);
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Groot2Options {
        port: taken.local_addr().unwrap().port(),
        ..Groot2Options::default()
    };
    let xml =
        r#"<root BTCPP_format="4"><BehaviorTree ID="Main"><AlwaysSuccess/></BehaviorTree></root>"#;
    let mut tree = Factory::new().load_text(xml).unwrap();
    let error = Groot2Publisher::new(&mut tree, options).unwrap_err();
    assert!(matches!(error, Groot2Error::Bind { .. }), "{error}");
}
