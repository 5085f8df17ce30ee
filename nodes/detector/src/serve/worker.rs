//! The thread that infers: takes frames in turn, answers each with one message.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use wire::messages::{CompressedImageHeader, Header, ImageHeader};
use wire::{Detection, Detections, DetectorStatus, ModelId, Stamp, keys};
use zenoh::pubsub::Publisher;
use zenoh::qos::{CongestionControl, Priority};
use zenoh::{Session, Wait};

use super::figures::{Dropped, Figures};
use super::inbox::{Gone, Inbox, Turn};
use super::key_frames::{KeyFrames, LastKeyFrame};
use super::{HEAD_LEN, Known, depths};
use crate::boxes::{Found, Thresholds};
use crate::encoding::PixelOrder;
use crate::letterbox::Letterbox;
use crate::model::Model;
use crate::photo;
use crate::pieces::Pieces;
use crate::pipeline::{DetectError, Pipeline, Times};
use crate::rows::{Picture, PictureError};
use crate::tracker::{self, Tracker};

const STATUS_PERIOD: Duration = Duration::from_secs(1);
/// At most one warning a second about dropped frames, whoever sends them.
const WARNING_PERIOD: Duration = Duration::from_secs(1);

/// Frames further apart show nothing of the same object, ns.
const MAX_TRACK_GAP_NANOS: i64 = 30_000_000_000;
/// A frame whose stamp is further back than this is of another run, ns.
const LATE_NANOS: i64 = 1_000_000_000;
/// When ONNX Runtime failed so often in a row, it will not come back by itself: a GPU that was lost, say.
const MAX_FAILURES: u32 = 30;

/// What is kept of a robot while it is there.
struct Robot {
    prefix: String,
    answers: Publisher<'static>,
    last_key_frame: LastKeyFrame,
    tracker: Tracker,
    /// Stamp of the last answer, ns.
    answered: Option<i64>,
}

/// A frame that stands in the input tensor.
struct Placed {
    /// Which of the turns it is.
    turn: usize,
    letterbox: Letterbox,
    preprocess: Duration,
}

/// All that the inference thread owns.
pub struct Worker {
    pipeline: Pipeline,
    session: Session,
    known: Known,
    router_losses: Arc<AtomicU64>,
    key_frames: Option<KeyFrames>,
    run_id: String,
    model: ModelId,
    provider: String,
    class_names: Vec<String>,
    status: Publisher<'static>,
    /// By the robot's place.
    robots: Vec<Option<Robot>>,
    /// Boxes of more confidence are answered; the fainter ones are the trackers' alone.
    min_confidence: f32,
    /// The number of the last object of any robot.
    last_object: u64,
    figures: Figures,
    /// Runs that failed since the last one that did not.
    failures: u32,
    warned: Option<Instant>,
    /// Buffers, so that a frame costs no allocation before its boxes are known.
    chosen: Vec<usize>,
    placed: Vec<Placed>,
    boxes: Vec<Found>,
    depths: Vec<f32>,
}

impl Worker {
    /// Ready to work.
    ///
    /// # Errors
    /// When Zenoh refuses the status key.
    pub fn new(
        model: Model,
        limits: Thresholds,
        session: Session,
        known: Known,
        router_losses: Arc<AtomicU64>,
        key_frames: Option<KeyFrames>,
        run_id: String,
    ) -> Result<Self> {
        let tracked = Thresholds {
            confidence: limits.confidence.min(tracker::FAINT),
            ..limits
        };
        let info = model.info().clone();
        let status = session
            .declare_publisher(keys::DETECTOR_STATUS)
            .wait()
            .map_err(|error| anyhow!("{error}"))?;
        Ok(Self {
            pipeline: Pipeline::new(model, tracked),
            session,
            known,
            router_losses,
            key_frames,
            run_id,
            model: info.id,
            provider: info.provider,
            class_names: info.class_names,
            status,
            robots: Vec::new(),
            min_confidence: limits.confidence,
            last_object: 0,
            figures: Figures::new(),
            failures: 0,
            warned: None,
            chosen: Vec::new(),
            placed: Vec::new(),
            boxes: Vec::new(),
            depths: Vec::new(),
        })
    }

    /// Works until the inbox is closed.
    ///
    /// # Errors
    /// When ONNX Runtime goes on failing.
    pub fn work(mut self) -> Result<()> {
        let max_batch = self.pipeline.max_batch();
        let mut turns = Vec::with_capacity(max_batch);
        self.publish_status();
        let mut status_due = Instant::now() + STATUS_PERIOD;
        while self.known.inbox.take(max_batch, status_due, &mut turns) {
            let answered = self.answer(&turns);
            turns.clear();
            if let Err(error) = answered {
                self.publish_status();
                return Err(error);
            }
            let due = status_due <= Instant::now();
            // At once, for robots may come and go faster than statuses.
            if due || self.known.inbox.someone_left() {
                self.forget_gone();
            }
            if due {
                self.publish_status();
                status_due = Instant::now() + STATUS_PERIOD;
            }
        }
        self.publish_status();
        Ok(())
    }

    /// Infers the frames of `turns` in one run and answers each. An error when too many runs in a row have failed.
    fn answer(&mut self, turns: &[Turn]) -> Result<()> {
        let mut placed = std::mem::take(&mut self.placed);
        placed.clear();
        // A run of more frames costs more: those that need none are passed over first.
        let mut chosen = std::mem::take(&mut self.chosen);
        chosen.clear();
        for (index, turn) in turns.iter().enumerate() {
            match self.examine(turn) {
                Ok(()) => chosen.push(index),
                Err((reason, detail)) => self.lose(turn, reason, &detail),
            }
        }
        for &index in &chosen {
            let (turn, placing) = (&turns[index], Instant::now());
            match self.place(turn, chosen.len(), placed.len()) {
                Ok(letterbox) => placed.push(Placed {
                    turn: index,
                    letterbox,
                    preprocess: placing.elapsed(),
                }),
                Err((reason, detail)) => self.lose(turn, reason, &detail),
            }
        }
        let running = Instant::now();
        let mut result = Ok(());
        if !placed.is_empty() {
            result = self.pipeline.run(chosen.len());
            self.failures = match result {
                Ok(()) => 0,
                Err(_) => self.failures + 1,
            };
        }
        let inference = running.elapsed();
        for (index, frame) in placed.iter().enumerate() {
            let turn = &turns[frame.turn];
            if let Err(error) = &result {
                self.lose(turn, Dropped::Inference, &error.to_string());
                continue;
            }
            let reading = Instant::now();
            self.boxes.clear();
            let boxes = self.pipeline.boxes(chosen.len(), index).iter();
            self.boxes.extend(boxes.map(|found| Found {
                bbox: frame.letterbox.to_source(found.bbox),
                ..*found
            }));
            let times = Times {
                preprocess: frame.preprocess,
                inference,
                postprocess: reading.elapsed(),
            };
            if let Err(error) = self.publish(turn, frame.letterbox.source, running, times) {
                self.lose(turn, Dropped::Unanswered, &error.to_string());
            }
        }
        self.placed = placed;
        self.chosen = chosen;
        match result {
            Err(error) if self.failures >= MAX_FAILURES => {
                Err(anyhow!("{MAX_FAILURES} runs in a row failed: {error}"))
            }
            _ => Ok(()),
        }
    }

    /// An error for a frame whose header cannot be read, or that is to be passed over because its robot has not moved.
    fn examine(&mut self, turn: &Turn) -> Result<(), (Dropped, String)> {
        let payload = Pieces::Zenoh(turn.frame.sample.payload());
        let mut head = [0; HEAD_LEN];
        let head = payload.head(&mut head);
        let stamp = if is_compressed(turn) {
            CompressedImageHeader::read(head, payload.len()).map(|header| header.stamp)
        } else {
            ImageHeader::read(head, payload.len()).map(|header| header.stamp)
        };
        self.check_key_frame(turn.robot, stamp.map_err(malformed)?)
    }

    /// Writes a frame into the input tensor, as number `index` of a run of `frames`.
    fn place(
        &mut self,
        turn: &Turn,
        frames: usize,
        index: usize,
    ) -> Result<Letterbox, (Dropped, String)> {
        let payload = Pieces::Zenoh(turn.frame.sample.payload());
        let mut head = [0; HEAD_LEN];
        let head = payload.head(&mut head);
        let letterbox = if is_compressed(turn) {
            let header = CompressedImageHeader::read(head, payload.len()).map_err(malformed)?;
            let bytes = turn.frame.sample.payload().to_bytes();
            let bytes = bytes.get(header.data).unwrap_or_default();
            // Bytes that anyone may send go into code of others.
            let pixels = std::panic::catch_unwind(|| photo::decode(bytes));
            let pixels = pixels
                .map_err(|_| "the decoder panicked".to_owned())
                .and_then(|pixels| pixels.map_err(|error| error.to_string()))
                .map_err(|error| (Dropped::Undecodable, error))?;
            let (width, height) = pixels.dimensions();
            let picture = Picture::from_pixels(pixels.as_raw(), width, height, PixelOrder::Rgb)
                .map_err(refused)?;
            self.pipeline.place(&picture, frames, index)
        } else {
            let header = ImageHeader::read(head, payload.len()).map_err(malformed)?;
            let picture = Picture::new(&header, payload).map_err(refused)?;
            self.pipeline.place(&picture, frames, index)
        };
        letterbox.map_err(failed)
    }

    /// An error for a frame that is to be passed over because its robot has not moved.
    fn check_key_frame(&mut self, robot: usize, stamp: Stamp) -> Result<(), (Dropped, String)> {
        let Some(rule) = self.key_frames else {
            return Ok(());
        };
        let robot = robot_at(&mut self.robots, robot, &self.known.inbox, &self.session);
        // Without a publisher there will be no answer, and an error when it is sent.
        let Ok(robot) = robot else {
            return Ok(());
        };
        // By odometry: SLAM's pose may jump.
        let pose = self.known.poses.by_odometry(&robot.prefix, stamp);
        if robot.last_key_frame.is_next(rule, stamp.as_nanos(), pose) {
            Ok(())
        } else {
            Err((Dropped::NoKeyFrame, String::new()))
        }
    }

    /// Answers a frame of this size with the boxes that were found in it; its inference began at `running`.
    fn publish(
        &mut self,
        turn: &Turn,
        size: [usize; 2],
        running: Instant,
        times: Times,
    ) -> Result<()> {
        let zenoh = |error: zenoh::Error| anyhow!("{error}");
        let mut head = [0; HEAD_LEN];
        let Header { stamp, frame_id } =
            Header::read(Pieces::Zenoh(turn.frame.sample.payload()).head(&mut head))?;
        let robot = robot_at(
            &mut self.robots,
            turn.robot,
            &self.known.inbox,
            &self.session,
        )
        .map_err(zenoh)?;
        if self.key_frames.is_some() {
            let pose = self.known.poses.by_odometry(&robot.prefix, stamp);
            robot.last_key_frame.set(stamp.as_nanos(), pose);
        }
        let nanos = stamp.as_nanos();
        let is_next = |last| (-LATE_NANOS..=MAX_TRACK_GAP_NANOS).contains(&(nanos - last));
        if !robot.answered.replace(nanos).is_none_or(is_next) {
            robot.tracker = Tracker::default();
        }
        let last_object = &mut self.last_object;
        let numbers = robot.tracker.next(&self.boxes, last_object);
        let near = self.known.depths.at(&robot.prefix, stamp);
        let depth = near
            .as_ref()
            .and_then(|(payload, intrinsics)| Some((depths::read(payload).ok()?.1, intrinsics)));
        let depths = &mut self.depths;
        let detection = |(found, number): (&Found, Option<u64>)| Detection {
            class: self
                .class_names
                .get(found.class)
                .cloned()
                .unwrap_or_default(),
            confidence: found.confidence,
            bbox: found.bbox,
            det_id: {
                // What is of no track has a number that never comes again.
                let number = number.unwrap_or_else(|| {
                    *last_object += 1;
                    *last_object
                });
                format!("{}_t{number}", self.run_id)
            },
            position: depth
                .and_then(|(depth, intrinsics)| depth.locate(intrinsics, size, found.bbox, depths)),
        };
        let boxes = self.boxes.iter().zip(numbers);
        let shown = boxes.filter(|(found, _)| found.confidence > self.min_confidence);
        let detections = shown.map(detection).collect();
        let pose = self.known.poses.at(&robot.prefix, stamp);
        let latency = turn.frame.arrived.elapsed();
        let message = Detections {
            run_id: self.run_id.clone(),
            keyframe_id: self.figures.inferred() + 1,
            timestamp: stamp.as_secs_f64(),
            map_x: pose.map(|(pose, _)| pose.x),
            map_y: pose.map(|(pose, _)| pose.y),
            map_yaw: pose.map(|(pose, _)| pose.yaw),
            pose_frame: pose.map(|(_, frame)| frame),
            detections,
            stamp: Some(stamp),
            frame_id: Some(frame_id.to_owned()),
            model: Some(self.model.clone()),
            latency_ms: Some(latency.as_secs_f64() * 1e3),
        };
        robot.answers.put(message.to_json()).wait().map_err(zenoh)?;
        let age = running.duration_since(turn.frame.arrived);
        self.figures.answered(turn.robot, age, latency, times);
        Ok(())
    }

    /// Drops all that is kept of robots that have left.
    fn forget_gone(&mut self) {
        let now = Instant::now();
        for Gone { robot, prefix } in self.known.inbox.forget_gone(now) {
            self.figures.forget(robot);
            self.known.poses.forget(&prefix);
            self.known.depths.forget(&prefix);
            if let Some(place) = self.robots.get_mut(robot) {
                *place = None;
            }
            tracing::info!(robot = prefix, "robot has left");
        }
        self.known.poses.forget_silent(now);
        self.known.depths.forget_silent(now);
    }

    /// Counts a frame that is not answered.
    fn lose(&mut self, turn: &Turn, reason: Dropped, detail: &str) {
        self.figures.dropped(turn.robot, reason);
        // What was asked for is no reason for a warning.
        if reason != Dropped::NoKeyFrame {
            self.warn(turn, reason, detail);
        }
    }

    fn publish_status(&self) {
        let status = DetectorStatus {
            run_id: self.run_id.clone(),
            router_losses: self.router_losses.load(Ordering::Relaxed),
            provider: self.provider.clone(),
            model: self.model.clone(),
            ..self.figures.status(&self.known.inbox)
        };
        if let Err(error) = self.status.put(status.to_json()).wait() {
            tracing::warn!(%error, "cannot publish the status");
        }
    }

    fn warn(&mut self, turn: &Turn, reason: Dropped, detail: &str) {
        if self
            .warned
            .is_none_or(|warned| warned.elapsed() >= WARNING_PERIOD)
        {
            self.warned = Some(Instant::now());
            let key = turn.frame.sample.key_expr().as_str();
            tracing::warn!(
                ?reason,
                key,
                "frame dropped: {detail} (further ones within a second are only counted)"
            );
        }
    }
}

/// What is kept of the robot in this place; made at its first answer.
fn robot_at<'a>(
    robots: &'a mut Vec<Option<Robot>>,
    place: usize,
    inbox: &Inbox,
    session: &Session,
) -> zenoh::Result<&'a mut Robot> {
    if robots.len() <= place {
        robots.resize_with(place + 1, || None);
    }
    match &mut robots[place] {
        Some(robot) => Ok(robot),
        empty => {
            let prefix = inbox.prefix(place);
            // One subscriber that does not read must not hold up all robots, and pictures must not hold up answers. What is
            // sent express takes a place of the queue to itself, and there are two.
            let answers = session
                .declare_publisher(keys::of_robot(&prefix, keys::DETECTIONS))
                .congestion_control(CongestionControl::Drop)
                .priority(Priority::InteractiveHigh)
                .wait()?;
            Ok(empty.insert(Robot {
                prefix,
                answers,
                last_key_frame: LastKeyFrame::default(),
                answered: None,
                tracker: Tracker::default(),
            }))
        }
    }
}

/// By the key's last part, as ROS's image transports name it.
fn is_compressed(turn: &Turn) -> bool {
    turn.frame
        .sample
        .key_expr()
        .as_str()
        .ends_with("/compressed")
}

fn malformed(error: wire::cdr::CdrError) -> (Dropped, String) {
    (Dropped::Malformed, error.to_string())
}

fn refused(error: PictureError) -> (Dropped, String) {
    let reason = match error {
        PictureError::Encoding(_) => Dropped::Encoding,
        PictureError::Size { .. } => Dropped::Size,
        PictureError::Step { .. } | PictureError::Truncated { .. } => Dropped::Malformed,
    };
    (reason, error.to_string())
}

fn failed(error: DetectError) -> (Dropped, String) {
    let reason = match error {
        DetectError::Elongated { .. } => Dropped::Size,
        DetectError::Inference(_) => Dropped::Inference,
    };
    (reason, error.to_string())
}
