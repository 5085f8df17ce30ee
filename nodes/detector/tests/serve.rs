//! The node as a process of its own, spoken to over a real Zenoh router.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::stand_in_models;
use wire::messages::{ImageHeader, ImageView};
use wire::{Detections, DetectorStatus, PoseFrame, Stamp, cdr};
use zenoh::handlers::FifoChannelHandler;
use zenoh::pubsub::Subscriber;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

const READY: &str = "READY=1";
const WAITING: &str = "STATUS=waiting for the Zenoh router";

fn free_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp/{}", listener.local_addr().unwrap())
}

fn router(endpoint: &str) -> Session {
    let mut config = zenoh::Config::default();
    config.insert_json5("mode", "\"router\"").unwrap();
    config
        .insert_json5("listen/endpoints", &format!("[\"{endpoint}\"]"))
        .unwrap();
    config
        .insert_json5("scouting/multicast/enabled", "false")
        .unwrap();
    zenoh::open(config).wait().unwrap()
}

/// A running `detector serve`; killed when the test ends early.
struct Node(Child);

impl Node {
    /// Starts it, and waits until its supervisor hears `until`.
    fn start(endpoint: &str, model: &Path, until: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let node = Command::new(env!("CARGO_BIN_EXE_detector"))
            .args([
                "serve",
                "--zenoh",
                endpoint,
                "--keys",
                "**/camera/color/image_raw",
            ])
            .args(["--run-id", "test", "--model"])
            .arg(model)
            .env("NOTIFY_SOCKET", folder.path().join("notify"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self(node);
        let mut buffer = [0; 256];
        loop {
            let len = socket.recv(&mut buffer).unwrap();
            if String::from_utf8_lossy(&buffer[..len]).contains(until) {
                return node;
            }
        }
    }

    fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill")
                .args([signal, &self.0.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    fn stop(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
        self.0.wait().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn frame(sec: i32, encoding: &str, shade: u8) -> Vec<u8> {
    let header = ImageHeader {
        stamp: Stamp { sec, nanosec: 5 },
        frame_id: "camera_color_optical_frame",
        height: 96,
        width: 160,
        encoding,
        is_bigendian: false,
        step: 480,
        data: 0..0,
    };
    ImageView {
        header,
        data: &[shade; 96 * 480],
    }
    .to_cdr(true)
}

fn odometry(sec: i32, x: f64) -> Vec<u8> {
    let mut writer = cdr::Writer::new(true);
    writer
        .stamp(Stamp { sec, nanosec: 5 })
        .string("odom")
        .string("base_footprint");
    for number in [x, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0] {
        writer.f64(number);
    }
    writer.finish()
}

fn subscribe(session: &Session, key: &'static str) -> Subscriber<FifoChannelHandler<Sample>> {
    session.declare_subscriber(key).wait().unwrap()
}

/// Waits until what is put on `key` reaches a subscriber: a session that has just subscribed is known a little later.
fn await_subscriber(session: &Session, key: &'static str) {
    let publisher = session.declare_publisher(key).wait().unwrap();
    let changes = publisher.matching_listener().wait().unwrap();
    while !publisher.matching_status().wait().unwrap().matching() {
        let change = changes.recv_timeout(PATIENCE).unwrap();
        assert!(change.is_some(), "nobody subscribes to {key}");
    }
}

fn next(subscriber: &Subscriber<FifoChannelHandler<Sample>>) -> Sample {
    subscriber
        .recv_timeout(PATIENCE)
        .unwrap()
        .unwrap_or_else(|| panic!("nothing came on {}", subscriber.key_expr()))
}

fn detections(sample: &Sample) -> Detections {
    Detections::from_json(&sample.payload().to_bytes()).unwrap()
}

#[test]
fn every_inferred_frame_is_answered_once_under_its_robots_prefix() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let router = router(&endpoint);
    let answers = subscribe(&router, "**/tb/detections");
    let statuses = subscribe(&router, "tb/detector/status");
    let node = Node::start(&endpoint, &models.path().join("fixed.onnx"), READY);
    for key in [
        "r7/odom",
        "r7/camera/color/image_raw",
        "camera/color/image_raw",
    ] {
        await_subscriber(&router, key);
    }
    router.put("r7/odom", odometry(0, 1.5)).wait().unwrap();
    for sec in 0..5 {
        for (robot, shade) in [("", 255), ("r7/", 128)] {
            router
                .put(
                    format!("{robot}camera/color/image_raw"),
                    frame(sec, "rgb8", shade),
                )
                .wait()
                .unwrap();
            let answer = next(&answers);
            assert_eq!(answer.key_expr().as_str(), format!("{robot}tb/detections"));
            let message = detections(&answer);
            assert_eq!(message.stamp, Some(Stamp { sec, nanosec: 5 }));
            assert_eq!(
                message.frame_id.as_deref(),
                Some("camera_color_optical_frame")
            );
            assert_eq!(
                (message.run_id.as_str(), message.keyframe_id),
                ("test", sec as u64 + 1)
            );
            let [seen] = &message.detections[..] else {
                panic!("{message:?}")
            };
            assert_eq!(
                (seen.class.as_str(), seen.bbox),
                ("cup", [10.0, 20.0, 50.0, 80.0])
            );
            assert!((seen.confidence - f32::from(shade) / 255.0).abs() < 0.01);
            let placed = robot == "r7/" && sec == 0;
            assert_eq!(message.map_x, placed.then_some(1.5), "{robot} {sec}");
            assert_eq!(message.pose_frame, placed.then_some(PoseFrame::Odom));
        }
    }
    // A black frame shows nothing, and is answered all the same.
    router
        .put("camera/color/image_raw", frame(9, "rgb8", 0))
        .wait()
        .unwrap();
    assert_eq!(detections(&next(&answers)).detections, []);

    // What is no frame costs one counted frame each, and nothing else.
    router
        .put("camera/color/image_raw", b"junk".to_vec())
        .wait()
        .unwrap();
    router
        .put("r7/camera/color/image_raw", frame(1, "32FC1", 1))
        .wait()
        .unwrap();
    let status = loop {
        let status = DetectorStatus::from_json(&next(&statuses).payload().to_bytes()).unwrap();
        if status.frames_in == 13 && status.frames_dropped.values().sum::<u64>() == 2 {
            break status;
        }
    };
    assert_eq!(
        (
            status.frames_dropped["malformed"],
            status.frames_dropped["encoding"]
        ),
        (1, 1)
    );
    assert_eq!(
        (status.frames_inferred, status.robots["r7"].frames_inferred),
        (11, 5)
    );
    assert_eq!(status.latency_ms.count, 11);
    assert_eq!(node.stop("-TERM").code(), Some(0));
}

#[test]
fn a_router_that_comes_late_or_anew_is_met() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let endpoint = free_endpoint();
    let node = Node::start(&endpoint, &models.path().join("fixed.onnx"), WAITING);
    for sec in [1, 2] {
        let router = router(&endpoint);
        let answers = subscribe(&router, "tb/detections");
        // Frames are lost until the node is back; a camera goes on sending.
        let started = Instant::now();
        let answer = loop {
            assert!(
                started.elapsed() < PATIENCE,
                "no answer through router {sec}"
            );
            router
                .put("camera/color/image_raw", frame(sec, "rgb8", 255))
                .wait()
                .unwrap();
            if let Some(answer) = answers.recv_timeout(Duration::from_millis(100)).unwrap() {
                break detections(&answer);
            }
        };
        assert_eq!(answer.stamp, Some(Stamp { sec, nanosec: 5 }));
        router.close().wait().unwrap();
    }
    assert_eq!(node.stop("-INT").code(), Some(130));
}

#[test]
fn a_wait_for_the_router_can_be_interrupted() {
    let Some(models) = stand_in_models() else {
        return;
    };
    let node = Node::start(&free_endpoint(), &models.path().join("fixed.onnx"), WAITING);
    assert_eq!(node.stop("-TERM").code(), Some(0));
}
