//! Everything that is known of the run so far: events in, figures and pictures out. No ROS, no Zenoh, no clock.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use image::RgbImage;
use wire::messages::{ImageHeader, ImageView};
use wire::{Detections, DetectorStatus};

use crate::frame_picture::{self, Find, FrameError};
use crate::frame_ring::FrameRing;
use crate::frames::FrameTally;
use crate::goals::{GoalId, GoalTally, Verdict};
use crate::latency::LatencyJoin;
use crate::map::Grid;
use crate::map_picture::MapPicture;
use crate::path::{DrivenPath, distance};
use crate::summary::{FrameCounts, Latencies, Summary};
use crate::truth::GroundTruth;

/// How the search stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchState {
    /// The tree is still at work.
    Running,
    /// The tree ended with success.
    Succeeded,
    /// The tree ended with failure.
    Failed,
}

/// What the tree says of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// How it stands.
    pub state: SearchState,
    /// What it searches for.
    pub class: String,
    /// Full path of the running or deciding leaf.
    pub leaf: String,
    /// One sentence at the end.
    pub reason: String,
    /// Stamp of the newest frame evaluated, ns.
    pub frame_stamp: i64,
    /// The object, where one was seen.
    pub sighting: Option<Sighting>,
}

/// The object in the map and in the frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sighting {
    /// x, y in m in the map frame.
    pub at: [f64; 2],
    /// 0 to 1.
    pub confidence: f32,
    /// x1, y1, x2, y2 in px.
    pub bbox: [f32; 4],
}

/// The simulator's own figures, as far as it gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SimulatorFigures {
    /// Contacts so far.
    pub collisions: Option<u64>,
    /// Least clearance so far, m.
    pub min_clearance_m: Option<f64>,
    /// Frames rendered so far.
    pub frames_rendered: Option<u64>,
    /// Control periods missed so far.
    pub missed_control_periods: Option<u64>,
}

/// What is told at the start.
#[derive(Debug, Default)]
pub struct Setting {
    /// What is searched for; the tree's word counts once it is heard.
    pub class: Option<String>,
    /// Seed of maze and noise.
    pub seed: Option<u64>,
    /// The world file.
    pub world: Option<String>,
    /// Where the objects are.
    pub truth: Option<GroundTruth>,
    /// What runs, known at the start.
    pub versions: BTreeMap<String, String>,
}

/// The state of the measurement.
pub struct Run {
    setting: Setting,
    started: Instant,
    /// First and newest simulated time (ns) with the moment it was seen.
    clock: Option<[(i64, Instant); 2]>,
    search: Option<Search>,
    ended: Option<End>,
    /// Stamp and CDR of the newest frame with a sighting.
    sighting_frame: Option<(i64, Rc<Vec<u8>>)>,
    ring: FrameRing,
    frames: FrameTally,
    goals: GoalTally,
    camera_to_detection: LatencyJoin,
    detection_to_tree: LatencyJoin,
    velocity_gate: LatencyJoin,
    true_path: DrivenPath,
    estimated_path: DrivenPath,
    grid: Option<Grid>,
    figures: SimulatorFigures,
}

/// The tree's end.
struct End {
    search: Search,
    at: Instant,
    clock: Option<[(i64, Instant); 2]>,
}

impl Run {
    /// A run of which nothing is known yet.
    pub fn new(setting: Setting, started: Instant) -> Self {
        Self {
            setting,
            started,
            clock: None,
            search: None,
            ended: None,
            sighting_frame: None,
            ring: FrameRing::default(),
            frames: FrameTally::default(),
            goals: GoalTally::default(),
            camera_to_detection: LatencyJoin::default(),
            detection_to_tree: LatencyJoin::default(),
            velocity_gate: LatencyJoin::default(),
            true_path: DrivenPath::default(),
            estimated_path: DrivenPath::default(),
            grid: None,
            figures: SimulatorFigures::default(),
        }
    }

    /// Simulated time in ns.
    pub fn clock(&mut self, now: i64, at: Instant) {
        match &mut self.clock {
            // Time that runs backwards is a simulator that began anew.
            Some([first, newest]) if now >= first.0 => *newest = (now, at),
            _ => self.clock = Some([(now, at); 2]),
        }
    }

    /// The camera took a frame with this stamp (ns): its `camera_info` goes out before the picture is complete.
    pub fn camera_frame(&mut self, stamp: i64, at: Instant) {
        self.camera_to_detection.start(stamp, at);
    }

    /// A camera picture, CDR, was published. It is kept until the search is over.
    pub fn picture(&mut self, payload: Vec<u8>) {
        let Ok(header) = ImageHeader::read(&payload, payload.len()) else {
            return;
        };
        let stamp = header.stamp.as_nanos();
        self.frames.rendered(stamp);
        if self.ended.is_none() {
            self.ring.push(stamp, payload);
        }
    }

    /// Detections were published.
    pub fn detections(&mut self, detections: &Detections, at: Instant) {
        let Some(stamp) = detections.frame_stamp() else {
            return;
        };
        let stamp = stamp.as_nanos();
        self.frames.detected(stamp);
        self.camera_to_detection.end(stamp, at);
        self.detection_to_tree.start(stamp, at);
    }

    /// The detector's figures.
    pub fn detector_status(&mut self, status: &DetectorStatus) {
        self.frames.detector_status(status);
        let versions = &mut self.setting.versions;
        for (name, value) in [
            ("model", &status.model.name),
            ("model_sha256", &status.model.sha256),
            ("onnxruntime_provider", &status.provider),
        ] {
            if !value.is_empty() {
                versions.insert(name.to_owned(), value.clone());
            }
        }
    }

    /// The tree has evaluated a frame, or ended. Returns whether the search has just ended.
    pub fn search(&mut self, search: Search, at: Instant) -> bool {
        self.detection_to_tree.end(search.frame_stamp, at);
        if search.sighting.is_some()
            && let Some(frame) = self.ring.get(search.frame_stamp)
        {
            self.sighting_frame = Some((search.frame_stamp, frame));
        }
        let ends = search.state != SearchState::Running && self.ended.is_none();
        if ends {
            self.ended = Some(End {
                search: search.clone(),
                at,
                clock: self.clock,
            });
        }
        self.search = Some(search);
        ends
    }

    /// The gatekeeper's verdict.
    pub fn verdict(&mut self, goal: GoalId, verdict: Verdict) {
        self.goals.verdict(goal, verdict);
    }

    /// A goal's state, a value of `action_msgs/GoalStatus`.
    pub fn goal_state(&mut self, goal: GoalId, state: i8) {
        self.goals.state(goal, state);
    }

    /// A velocity before the gate, by its stamp (ns).
    pub fn ungated_velocity(&mut self, stamp: i64, at: Instant) {
        self.velocity_gate.start(stamp, at);
    }

    /// A velocity behind the gate.
    pub fn gated_velocity(&mut self, stamp: i64, at: Instant) {
        self.velocity_gate.end(stamp, at);
    }

    /// Where the robot is, m.
    pub fn true_pose(&mut self, at: [f64; 2]) {
        self.true_path.push(at);
    }

    /// Where the robot takes itself to be, m in the map frame.
    pub fn estimated_pose(&mut self, at: [f64; 2]) {
        self.estimated_path.push(at);
    }

    /// The map.
    pub fn map(&mut self, grid: Grid) {
        self.grid = Some(grid);
    }

    /// The simulator's figures.
    pub fn figures(&mut self, figures: SimulatorFigures) {
        self.figures = figures;
    }

    /// The simulator's figures while the nodes end: what it waits for in vain from then on is no control period missed.
    pub fn last_figures(&mut self, figures: SimulatorFigures) {
        self.figures = SimulatorFigures {
            missed_control_periods: self.figures.missed_control_periods,
            ..figures
        };
    }

    /// The report as it stands at `now`.
    pub fn summary(&self, now: Instant) -> Summary {
        let (end, clock) = match &self.ended {
            Some(end) => (end.at, end.clock),
            None => (now, self.clock),
        };
        // A tree may succeed without a find: one that only visits places.
        let estimate = self
            .success()
            .and_then(|search| search.sighting)
            .map(|s| s.at);
        let true_position = self.true_position(estimate);
        let sim_time_s = clock.map(|[first, newest]| (newest.0 - first.0) as f64 / 1e9);
        let clock_wall_s =
            clock.map(|[first, newest]| newest.1.saturating_duration_since(first.1).as_secs_f64());
        Summary {
            found: estimate.is_some(),
            reason: self.reason(),
            class: self.class().map(str::to_owned),
            estimated_position: estimate,
            true_position,
            position_error_m: estimate.zip(true_position).map(|(a, b)| distance(a, b)),
            sim_time_s,
            wall_time_s: end.saturating_duration_since(self.started).as_secs_f64(),
            real_time_factor: sim_time_s
                .zip(clock_wall_s)
                .filter(|(_, wall)| *wall > 0.0)
                .map(|(sim, wall)| sim / wall),
            path_length_m: self.path().length(),
            collisions: self.figures.collisions,
            min_clearance_m: self.figures.min_clearance_m,
            goals: self.goals.counts(),
            verdicts: self.goals.verdicts().to_vec(),
            frames: self.frame_counts(),
            latency_ms: Latencies {
                camera_to_detection: self.camera_to_detection.percentiles(),
                detection_to_tree: self.detection_to_tree.percentiles(),
                velocity_gate: self.velocity_gate.percentiles(),
            },
            restarts: None,
            seed: self.setting.seed,
            world: self.setting.world.clone(),
            missed_control_periods: self.figures.missed_control_periods,
            versions: self.setting.versions.clone(),
        }
    }

    /// `map.png`, as it stands.
    pub fn map_picture(&self) -> RgbImage {
        let summary = self.summary(Instant::now());
        let class = self.class().unwrap_or("object");
        let title = match (summary.estimated_position, summary.position_error_m) {
            (Some([x, y]), Some(error)) => {
                format!("{class} found at ({x:.2}, {y:.2}) m, {error:.2} m off")
            }
            (Some([x, y]), None) => format!("{class} found at ({x:.2}, {y:.2}) m"),
            (None, _) => format!("{class} not found: {}", summary.reason),
        };
        MapPicture {
            title: &title,
            grid: self.grid.as_ref(),
            path: self.path().points().collect(),
            verdicts: self.goals.verdicts(),
            seen: summary.estimated_position,
            truth: self
                .setting
                .truth
                .as_ref()
                .map(|truth| truth.places(class))
                .unwrap_or_default(),
        }
        .draw()
    }

    /// `frame.png`: the frame of the find; `None` if nothing was found or its frame was not seen.
    ///
    /// # Errors
    /// When the camera's frames are in an encoding that is not drawn.
    pub fn frame_picture(&self) -> Result<Option<RgbImage>, FrameError> {
        let Some(search) = self.success() else {
            return Ok(None);
        };
        let Some((sighting, (_, payload))) = search.sighting.zip(
            self.sighting_frame
                .as_ref()
                .filter(|(stamp, _)| *stamp == search.frame_stamp),
        ) else {
            return Ok(None);
        };
        // The ring keeps images only.
        let Ok(frame) = ImageView::read(payload) else {
            return Ok(None);
        };
        let find = Find {
            class: search.class.clone(),
            confidence: sighting.confidence,
            bbox: sighting.bbox,
        };
        frame_picture::draw(&frame, &find).map(Some)
    }

    fn success(&self) -> Option<&Search> {
        let search = &self.ended.as_ref()?.search;
        (search.state == SearchState::Succeeded).then_some(search)
    }

    fn class(&self) -> Option<&str> {
        let heard = self.search.as_ref().map(|search| search.class.as_str());
        heard
            .filter(|class| !class.is_empty())
            .or(self.setting.class.as_deref())
    }

    fn reason(&self) -> String {
        match self.ended.as_ref().map(|end| &end.search) {
            None => "interrupted".to_owned(),
            Some(search) if search.state == SearchState::Succeeded => match search.sighting {
                Some(_) => "found".to_owned(),
                None => "the tree succeeded without a find".to_owned(),
            },
            Some(Search { leaf, reason, .. })
                if leaf.is_empty() || reason.contains(leaf.as_str()) =>
            {
                reason.clone()
            }
            Some(Search { leaf, reason, .. }) => format!("{leaf}: {reason}"),
        }
    }

    fn true_position(&self, estimate: Option<[f64; 2]>) -> Option<[f64; 2]> {
        self.setting
            .truth
            .as_ref()?
            .nearest(self.class()?, estimate)
    }

    /// The true path where it is known, else the robot's own estimate.
    fn path(&self) -> &DrivenPath {
        if self.true_path.length().is_some() {
            &self.true_path
        } else {
            &self.estimated_path
        }
    }

    fn frame_counts(&self) -> FrameCounts {
        let seen = |count: u64| (count > 0).then_some(count);
        let detected = seen(self.frames.n_detected());
        FrameCounts {
            // The simulator also counts what it rendered before this program was up.
            rendered: self
                .figures
                .frames_rendered
                .max(seen(self.frames.n_rendered())),
            // The detector reports once a second; what it has inferred since was bridged too.
            bridged: self.frames.n_bridged().max(detected),
            detected,
            dropped: self.frames.n_dropped(),
        }
    }
}

#[cfg(test)]
mod tests;
