//! The node as a process of its own, and what is around it: a router, cameras, subscribers.

use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use wire::messages::{ImageHeader, ImageView};
use wire::{Stamp, cdr};
use zenoh::bytes::ZBytes;
use zenoh::handlers::FifoChannelHandler;
use zenoh::pubsub::Subscriber;
use zenoh::qos::CongestionControl;
use zenoh::sample::Sample;
use zenoh::{Session, Wait};

/// Longer than anything here takes on the slowest machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a node's supervisor hears when it serves.
pub const READY: &str = "READY=1";
/// What it hears while there is no router.
pub const WAITING: &str = "STATUS=waiting for the Zenoh router";

/// An endpoint where nobody listens.
pub fn free_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp/{}", listener.local_addr().unwrap())
}

/// A router at `endpoint`.
pub fn router(endpoint: &str) -> Session {
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
pub struct Node(Child);

impl Node {
    /// Starts it, and waits until its supervisor hears `until`.
    pub fn start(endpoint: &str, model: &Path, until: &str) -> Self {
        Self::start_with(endpoint, model, until, &[])
    }

    /// As [`Node::start`], with further options; it serves every robot's camera unless they name others.
    pub fn start_with(endpoint: &str, model: &Path, until: &str, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let node = Command::new(env!("CARGO_BIN_EXE_detector"))
            .args(["serve", "--zenoh", endpoint])
            .args(if options.contains(&"--keys") {
                &[][..]
            } else {
                &["--keys", "**/camera/color/image_raw"]
            })
            .args(options)
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

    /// Sends it `signal`, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        assert!(
            Command::new("kill")
                .args([signal, &self.0.id().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Bytes of memory that it has in use (resident set).
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    /// Ends it by `signal`.
    pub fn stop(mut self, signal: &str) -> ExitStatus {
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

/// A node that serves every robot, its router, and what hears it.
pub struct Stage {
    /// All answers.
    pub answers: Subscriber<FifoChannelHandler<Sample>>,
    /// The node's own figures.
    pub statuses: Subscriber<FifoChannelHandler<Sample>>,
    /// The process.
    pub node: Node,
    // Last, so that the node ends first.
    /// Where cameras put their frames.
    pub router: Session,
}

impl Stage {
    /// Starts all with this model, and waits until frames on `camera` reach the node.
    pub fn start(model: &Path, camera: &'static str) -> Self {
        let endpoint = free_endpoint();
        let router = router(&endpoint);
        let answers = subscribe(&router, "**/tb/detections");
        let statuses = subscribe(&router, "tb/detector/status");
        let node = Node::start(&endpoint, model, READY);
        await_subscriber(&router, camera);
        Self {
            answers,
            statuses,
            node,
            router,
        }
    }
}

/// A 160x96 frame of one shade.
pub fn frame(sec: i32, encoding: &str, shade: u8) -> Vec<u8> {
    picture(sec, encoding, [160, 96], shade)
}

/// A frame of one shade, of 3 bytes a pixel.
pub fn picture(sec: i32, encoding: &str, size: [u32; 2], shade: u8) -> Vec<u8> {
    painted(sec, encoding, size, |_| shade)
}

/// A 160x96 frame in which no two places are alike.
pub fn noise(sec: i32) -> Vec<u8> {
    let shade = |index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8;
    painted(sec, "rgb8", [160, 96], shade)
}

fn painted(
    sec: i32,
    encoding: &str,
    [width, height]: [u32; 2],
    shade: impl Fn(u32) -> u8,
) -> Vec<u8> {
    let header = ImageHeader {
        stamp: Stamp { sec, nanosec: 5 },
        frame_id: "camera_color_optical_frame",
        height,
        width,
        encoding,
        is_bigendian: false,
        step: 3 * width,
        data: 0..0,
    };
    let data: Vec<u8> = (0..3 * width * height).map(shade).collect();
    ImageView {
        header,
        data: &data,
    }
    .to_cdr(true)
}

/// Odometry that says the robot is `x` m ahead.
pub fn odometry(sec: i32, x: f64) -> Vec<u8> {
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

/// Subscribes to `key`; what comes before it is asked for waits.
pub fn subscribe(session: &Session, key: &'static str) -> Subscriber<FifoChannelHandler<Sample>> {
    session.declare_subscriber(key).wait().unwrap()
}

/// Waits until what is put on `key` reaches a subscriber: a session that has just subscribed is known a little later.
pub fn await_subscriber(session: &Session, key: &'static str) {
    let publisher = session.declare_publisher(key).wait().unwrap();
    let changes = publisher.matching_listener().wait().unwrap();
    while !publisher.matching_status().wait().unwrap().matching() {
        let change = changes.recv_timeout(PATIENCE).unwrap();
        assert!(change.is_some(), "nobody subscribes to {key}");
    }
}

/// Puts `payload` on `key`. What is lost is to be lost in the node, where it is counted, not on the way to it: on a busy
/// machine Zenoh drops by default.
pub fn put(session: &Session, key: &str, payload: impl Into<ZBytes>) {
    let put = session.put(key, payload);
    put.congestion_control(CongestionControl::Block)
        .wait()
        .unwrap();
}

/// The next message.
pub fn next(subscriber: &Subscriber<FifoChannelHandler<Sample>>) -> Sample {
    subscriber
        .recv_timeout(PATIENCE)
        .unwrap()
        .unwrap_or_else(|| panic!("nothing came on {}", subscriber.key_expr()))
}
