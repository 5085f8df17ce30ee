//! Independent peers against one live graph: rclpy on the ROS side, Zenoh's Python client on the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends by a panic"
)]

use std::process::Command;

use e2e::{Peer, Run, free_port, programs};
use serde_json::{Value, json};

fn json_line(peer: &mut Peer, word: &str) -> Value {
    serde_json::from_str(&peer.line(word).unwrap()).unwrap()
}

/// A location of the generated maze that the search has not been sent to yet: the last of the file.
fn far_location(run: &Run) -> (String, String) {
    let text = std::fs::read_to_string(run.out.path().join("maze/locations.yaml")).unwrap();
    let last = text.lines().rev().find(|line| line.contains('[')).unwrap();
    let numbers: Vec<_> = last.split(['[', ']', ',']).map(str::trim).collect();
    (numbers[1].to_owned(), numbers[2].to_owned())
}

#[test]
fn the_live_graph_serves_its_peers_and_keeps_its_gates() {
    // A tree that sends no goals of its own, which would preempt the peer's.
    let files = tempfile::tempdir().unwrap();
    let idle = files.path().join("idle.xml");
    std::fs::write(
        &idle,
        r#"<root BTCPP_format="4"><BehaviorTree ID="Idle"><Repeat num_cycles="-1"><Sleep msec="1000"/></Repeat></BehaviorTree></root>"#,
    )
    .unwrap();
    let options = [
        "--seed",
        "8",
        "--speed",
        "1",
        "--tree",
        idle.to_str().unwrap(),
    ];
    let mut run = Run::start(&options).unwrap();
    run.wait_for_log("runtime", "autonomy is ready").unwrap();

    let graph = json_line(&mut run.peer("graph.py", &[]).unwrap(), "GRAPH");
    let gates = graph["cmd_vel_publishers"].as_array().unwrap();
    assert_eq!(gates.len(), 2, "the gate and its guard alone: {graph}");
    assert!(
        gates
            .iter()
            .all(|name| name.as_str().unwrap().contains("stop")),
        "{graph}"
    );
    assert_eq!(
        graph["ungated_goal_clients"],
        json!(["/gatekeeper"]),
        "{graph}"
    );
    assert_eq!(
        graph["ground_truth_subscribers"],
        json!(["/report"]),
        "{graph}"
    );

    let mut zenoh = run.peer("zenoh_side.py", &[&run.zenoh, "watch"]).unwrap();
    let frames = json_line(&mut zenoh, "FRAMES");
    assert!(
        frames["bytes"].as_u64().unwrap() > 640 * 480 * 3,
        "{frames}"
    );
    let detections = json_line(&mut zenoh, "DETECTIONS");
    for field in [
        "run_id",
        "keyframe_id",
        "timestamp",
        "detections",
        "stamp",
        "frame_id",
        "model",
        "latency_ms",
    ] {
        assert!(!detections[field].is_null(), "{field}: {detections}");
    }

    let (x, y) = far_location(&run);
    let mut client = run.peer("client.py", &[&x, &y]).unwrap();
    let topics = json_line(&mut client, "TOPICS");
    assert_eq!(
        topics["image"],
        json!([640, 480, "rgb8", 640 * 480 * 3]),
        "{topics}"
    );
    assert_eq!(
        topics["depth"],
        json!([640, 480, "16UC1", 640 * 480 * 2]),
        "{topics}"
    );
    assert_eq!(topics["beams"], 360, "{topics}");
    assert_eq!(
        topics["frames"],
        json!(["odom", "base_footprint"]),
        "{topics}"
    );
    let goal = json_line(&mut client, "GOAL");
    assert_eq!(
        (&goal["accepted"], &goal["status"]),
        (&json!(true), &json!(4)),
        "{goal}"
    );
    let cancel = json_line(&mut client, "CANCEL");
    assert_eq!(cancel["canceled"], true, "{cancel}");
    assert!(cancel["feedback"].as_u64().unwrap() > 2, "{cancel}");

    let before = graph;
    let mut attacker = run.peer("zenoh_side.py", &[&run.zenoh, "attack"]).unwrap();
    // While it still puts: what the bridge lets in, it publishes.
    attacker.line("PUTTING").unwrap();
    let graph = json_line(&mut run.peer("graph.py", &[]).unwrap(), "GRAPH");
    for publishers in ["cmd_vel_publishers", "moving_publishers"] {
        assert_eq!(graph[publishers], before[publishers], "from Zenoh: {graph}");
    }
    assert_eq!(
        graph["ungated_goal_clients"],
        json!(["/gatekeeper"]),
        "{graph}"
    );
    assert_eq!(attacker.line("DONE").unwrap(), "", "no action answers");
    assert!(
        !run.log("gate").contains("stop latched"),
        "{}",
        run.log("gate")
    );

    let mut foreign = run.peer("foreign.py", &[]).unwrap();
    let latched = json_line(&mut foreign, "LATCHED");
    assert_eq!(latched["source"], "foreign publisher", "{latched}");
    assert!(
        latched["reason"].as_str().unwrap().contains("/foreign"),
        "{latched}"
    );
    let diagnosed = json_line(&mut foreign, "DIAGNOSED");
    assert_eq!(diagnosed["level"], 2, "{diagnosed}");
}

/// What nobody waits for any more must not be driven unwatched.
#[test]
fn a_goal_that_the_server_accepts_late_is_canceled() {
    const DOMAIN: u8 = 18;
    let files = tempfile::tempdir().unwrap();
    let (tree, places) = (files.path().join("t.xml"), files.path().join("p.yaml"));
    std::fs::write(
        &tree,
        r#"<root BTCPP_format="4"><BehaviorTree ID="GoesOn"><Sequence>
            <SetLocations num_locs="{n}" loc_names="{names}" loc_poses="{poses}"/>
            <ForceSuccess><GoToPose name="drive" loc="a" loc_poses="{poses}"/></ForceSuccess>
            <Sleep msec="600000"/>
        </Sequence></BehaviorTree></root>"#,
    )
    .unwrap();
    std::fs::write(&places, "a: [1.0, 0.0, 0.0]\n").unwrap();
    let mut server = Peer::start("late_server.py", &[], DOMAIN).unwrap();
    server.line("READY").unwrap();
    let mut autonomy = Command::new(programs().unwrap().join("autonomy"))
        .arg("--tree")
        .arg(&tree)
        .arg("--locations")
        .arg(&places)
        .args(["--find", "ball", "--zenoh"])
        .arg(format!("tcp/127.0.0.1:{}", free_port().unwrap()))
        .args(["--groot-port", &free_port().unwrap().to_string()])
        .env("ROS_DOMAIN_ID", DOMAIN.to_string())
        .env("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        .spawn()
        .unwrap();
    let canceled = server.line("CANCELED");
    autonomy.kill().unwrap();
    autonomy.wait().unwrap();
    canceled.unwrap();
}
