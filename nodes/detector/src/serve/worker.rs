//! The thread that infers: takes frames in turn, answers each with one message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use wire::messages::{CompressedImageHeader, ImageHeader};
use wire::{Detection, Detections, ModelId, PoseFrame, Stamp, keys};
use zenoh::pubsub::Publisher;
use zenoh::qos::CongestionControl;
use zenoh::{Session, Wait};

use super::figures::{Dropped, Figures};
use super::inbox::{Inbox, Turn};
use super::poses::Poses;
use crate::boxes::Found;
use crate::encoding::PixelOrder;
use crate::photo;
use crate::pieces::Pieces;
use crate::pipeline::{DetectError, Pipeline, Times};
use crate::rows::{Picture, PictureError};

const STATUS_PERIOD: Duration = Duration::from_secs(1);
/// At most one warning a second about dropped frames, whoever sends them.
const WARNING_PERIOD: Duration = Duration::from_secs(1);
/// The first bytes of a message, which hold its header: names longer than this are no frame's.
const HEAD_LEN: usize = 1024;

/// All that the inference thread owns.
pub struct Worker {
    pipeline: Pipeline,
    session: Session,
    inbox: Arc<Inbox>,
    poses: Arc<Poses>,
    run_id: String,
    model: ModelId,
    provider: String,
    class_names: Vec<String>,
    status: Publisher<'static>,
    /// By robot.
    answers: Vec<Option<Publisher<'static>>>,
    figures: Figures,
    warned: Option<Instant>,
}

impl Worker {
    /// Ready to work.
    ///
    /// # Errors
    /// When Zenoh refuses the status key.
    pub fn new(
        pipeline: Pipeline,
        session: Session,
        inbox: Arc<Inbox>,
        poses: Arc<Poses>,
        run_id: String,
    ) -> Result<Self> {
        let info = pipeline.info();
        let (model, provider, class_names) = (
            info.id.clone(),
            info.provider.clone(),
            info.class_names.clone(),
        );
        let status = session
            .declare_publisher(keys::DETECTOR_STATUS)
            .wait()
            .map_err(|error| anyhow!("{error}"))?;
        Ok(Self {
            pipeline,
            session,
            inbox,
            poses,
            run_id,
            model,
            provider,
            class_names,
            status,
            answers: Vec::new(),
            figures: Figures::new(),
            warned: None,
        })
    }

    /// Works until the inbox is closed.
    pub fn work(mut self) {
        let mut turns = Vec::with_capacity(1);
        self.publish_status();
        let mut status_due = Instant::now() + STATUS_PERIOD;
        while self.inbox.take(1, status_due, &mut turns) {
            for turn in turns.drain(..) {
                if let Err((reason, detail)) = self.answer(&turn) {
                    self.figures.dropped(turn.robot, reason);
                    self.warn(&turn, reason, &detail);
                }
            }
            if status_due <= Instant::now() {
                self.publish_status();
                status_due = Instant::now() + STATUS_PERIOD;
            }
        }
        self.publish_status();
    }

    fn answer(&mut self, turn: &Turn) -> Result<(), (Dropped, String)> {
        let started = Instant::now();
        let payload = Pieces::Zenoh(turn.frame.sample.payload());
        let mut head = [0; HEAD_LEN];
        let head = payload.head(&mut head);
        let malformed = |error: wire::cdr::CdrError| (Dropped::Malformed, error.to_string());
        let mut detections = Vec::new();
        let class_names = &self.class_names;
        let each = |found: Found| {
            let class = class_names.get(found.class).cloned().unwrap_or_default();
            let Found {
                bbox, confidence, ..
            } = found;
            detections.push(Detection {
                class,
                confidence,
                bbox,
                ..Detection::default()
            });
        };
        let (stamp, frame_id, times) = if is_compressed(turn) {
            let header = CompressedImageHeader::read(head, payload.len()).map_err(malformed)?;
            let bytes = turn.frame.sample.payload().to_bytes();
            let bytes = bytes.get(header.data).unwrap_or_default();
            let pixels =
                photo::decode(bytes).map_err(|error| (Dropped::Undecodable, error.to_string()))?;
            let (width, height) = pixels.dimensions();
            let picture = Picture::from_pixels(pixels.as_raw(), width, height, PixelOrder::Rgb)
                .map_err(refused)?;
            (
                header.stamp,
                header.frame_id,
                self.pipeline.detect(&picture, each).map_err(failed)?,
            )
        } else {
            let header = ImageHeader::read(head, payload.len()).map_err(malformed)?;
            let picture = Picture::new(&header, payload).map_err(refused)?;
            (
                header.stamp,
                header.frame_id,
                self.pipeline.detect(&picture, each).map_err(failed)?,
            )
        };
        self.publish(turn, stamp, frame_id, detections, started, times);
        Ok(())
    }

    fn publish(
        &mut self,
        turn: &Turn,
        stamp: Stamp,
        frame_id: &str,
        mut detections: Vec<Detection>,
        started: Instant,
        times: Times,
    ) {
        let latency = turn.frame.arrived.elapsed();
        let age = started.duration_since(turn.frame.arrived);
        let keyframe_id = self.figures.answered(turn.robot, age, latency, times);
        for (index, detection) in detections.iter_mut().enumerate() {
            detection.det_id = format!("{}_kf{keyframe_id}_d{index}", self.run_id);
        }
        let pose = self.poses.at(&self.inbox.prefix(turn.robot), stamp);
        let message = Detections {
            run_id: self.run_id.clone(),
            keyframe_id,
            timestamp: stamp.as_secs_f64(),
            map_x: pose.map(|pose| pose.x),
            map_y: pose.map(|pose| pose.y),
            map_yaw: pose.map(|pose| pose.yaw),
            pose_frame: pose.map(|_| PoseFrame::Odom),
            detections,
            stamp: Some(stamp),
            frame_id: Some(frame_id.to_owned()),
            model: Some(self.model.clone()),
            latency_ms: Some(latency.as_secs_f64() * 1e3),
        };
        let result = self
            .publisher(turn.robot)
            .and_then(|publisher| publisher.put(message.to_json()).wait());
        if let Err(error) = result {
            tracing::error!(%error, "detections of a frame are lost");
        }
    }

    fn publisher(&mut self, robot: usize) -> zenoh::Result<&Publisher<'static>> {
        if self.answers.len() <= robot {
            self.answers.resize_with(robot + 1, || None);
        }
        let place = &mut self.answers[robot];
        if let Some(publisher) = place {
            return Ok(publisher);
        }
        let key = keys::of_robot(&self.inbox.prefix(robot), keys::DETECTIONS);
        // Whoever paces itself by the answers must get every one.
        let publisher = self
            .session
            .declare_publisher(key)
            .congestion_control(CongestionControl::Block)
            .express(true);
        Ok(place.insert(publisher.wait()?))
    }

    fn publish_status(&self) {
        let status = self
            .figures
            .status(&self.run_id, &self.model, &self.provider, &self.inbox);
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

/// By the key's last part, as ROS's image transports name it.
fn is_compressed(turn: &Turn) -> bool {
    turn.frame
        .sample
        .key_expr()
        .as_str()
        .ends_with("/compressed")
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
