//! What of the graph is shown, and how often: between the subscriptions and the recordings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use r2r::diagnostic_msgs::msg::DiagnosticArray;
use r2r::geometry_msgs::msg::Twist;
use r2r::sensor_msgs::msg::LaserScan;
use r2r::tf2_msgs::msg::TFMessage;
use report::detector_link::Message;
use report::latency::LatencyJoin;
use report::run::Search;
use ros_node::time::{Clock, nanos};
use wire::Detections;

use crate::event::{Camera, Event, Severity, What};
use crate::from_ros;
use crate::outputs::Outputs;
use crate::rate::RateLimit;

/// A picture takes some 10 ms of a core to compress, and 30 KB.
const PICTURE_PERIOD: Duration = Duration::from_millis(200);
const SCAN_PERIOD: Duration = Duration::from_millis(100);
const TRANSFORM_PERIOD: Duration = Duration::from_millis(50);
/// Nodes whose word on themselves is remembered.
const MAX_NODES: usize = 256;

/// Thins out what comes in, and computes what is only seen by comparing.
pub struct Show {
    outputs: Arc<Outputs>,
    clock: Clock,
    pictures: RateLimit,
    scans: RateLimit,
    transforms: RateLimit,
    camera: Option<Camera>,
    camera_to_detection: LatencyJoin,
    detection_to_tree: LatencyJoin,
    velocity_gate: LatencyJoin,
    nodes: HashMap<String, (Severity, String)>,
}

impl Show {
    /// Shows on `outputs`. By `clock` is dated what carries no stamp.
    pub fn new(outputs: Arc<Outputs>, clock: Clock) -> Self {
        Self {
            outputs,
            clock,
            pictures: RateLimit::new(PICTURE_PERIOD),
            scans: RateLimit::new(SCAN_PERIOD),
            transforms: RateLimit::new(TRANSFORM_PERIOD),
            camera: None,
            camera_to_detection: LatencyJoin::default(),
            detection_to_tree: LatencyJoin::default(),
            velocity_gate: LatencyJoin::default(),
            nodes: HashMap::new(),
        }
    }

    /// Shows an event with its stamp (ns); an unset one (0) counts as now.
    pub fn event(&self, stamp: i64, what: What) {
        let stamp = if stamp == 0 {
            self.clock.now_nanos()
        } else {
            stamp
        };
        self.outputs.show(Arc::new(Event { stamp, what }));
    }

    /// Whether the picture with this stamp (ns) is to be shown.
    pub fn admits_picture(&mut self, stamp: i64, now: Instant) -> bool {
        self.pictures.admits("", stamp, now)
    }

    /// A camera frame was published.
    pub fn camera_frame(&mut self, stamp: i64, camera: Option<Camera>, at: Instant) {
        self.camera_to_detection.start(stamp, at);
        if let Some(camera) = camera
            && self.camera.as_ref() != Some(&camera)
        {
            self.camera = Some(camera.clone());
            self.event(stamp, What::Camera(camera));
        }
    }

    /// The detector spoke.
    pub fn detector(&mut self, message: Message, at: Instant) {
        match message {
            Message::Detections(detections) => self.detections(detections, at),
            // Its figures are on /diagnostics of the nodes that use it.
            Message::Status(_) => {}
        }
    }

    fn detections(&mut self, detections: Detections, at: Instant) {
        let Some(stamp) = detections.frame_stamp().map(wire::Stamp::as_nanos) else {
            return;
        };
        if let Some(latency) = self.camera_to_detection.end(stamp, at) {
            self.latency(stamp, "camera_to_detection", latency);
        }
        if let Some(ms) = detections.latency_ms {
            self.event(stamp, What::Latency("detector", ms));
        }
        self.detection_to_tree.start(stamp, at);
        self.event(stamp, What::Boxes(detections));
    }

    /// The tree spoke.
    pub fn search(&mut self, stamp: i64, search: Search, at: Instant) {
        if let Some(latency) = self.detection_to_tree.end(search.frame_stamp, at) {
            self.latency(search.frame_stamp, "detection_to_tree", latency);
        }
        self.event(stamp, What::Search(search));
    }

    /// A velocity before or behind the gate. Without a stamp (0) only its value is shown.
    pub fn velocity(&mut self, gated: bool, stamp: i64, twist: &Twist, at: Instant) {
        if !gated {
            self.velocity_gate.start(stamp, at);
        } else if let Some(latency) = self.velocity_gate.end(stamp, at) {
            self.latency(stamp, "velocity_gate", latency);
        }
        let what = What::Velocity {
            gated,
            linear: twist.linear.x,
            angular: twist.angular.z,
        };
        self.event(stamp, what);
    }

    /// A scan.
    pub fn scan(&mut self, scan: &LaserScan, at: Instant) {
        let stamp = nanos(&scan.header.stamp);
        if self.scans.admits("", stamp, at) {
            self.event(stamp, from_ros::scan(scan));
        }
    }

    /// Transforms, each at a rate of its own.
    pub fn transforms(&mut self, message: &TFMessage, fixed: bool) {
        let now = Instant::now();
        for transform in &message.transforms {
            let stamp = nanos(&transform.header.stamp);
            let admitted = fixed
                || self
                    .transforms
                    .admits(&transform.child_frame_id, stamp, now);
            if let Some(transform) = admitted
                .then(|| from_ros::transform(transform, fixed))
                .flatten()
            {
                self.event(stamp, What::Transform(transform));
            }
        }
    }

    /// What nodes say of themselves, when it changes and is no mere good news.
    pub fn diagnostics(&mut self, message: &DiagnosticArray) {
        let stamp = nanos(&message.header.stamp);
        for status in &message.status {
            let now = (from_ros::severity(status), status.message.clone());
            let before = self.nodes.get(&status.name);
            let was_well = before.is_none_or(|(severity, _)| *severity == Severity::Info);
            if before == Some(&now) || self.nodes.len() >= MAX_NODES && before.is_none() {
                continue;
            }
            if now.0 != Severity::Info || !was_well {
                self.event(
                    stamp,
                    What::Log(now.0, format!("{}: {}", status.name, status.message)),
                );
            }
            self.nodes.insert(status.name.clone(), now);
        }
    }

    fn latency(&self, stamp: i64, name: &'static str, latency: Duration) {
        self.event(stamp, What::Latency(name, latency.as_secs_f64() * 1e3));
    }
}
