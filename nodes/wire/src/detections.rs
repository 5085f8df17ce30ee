//! The JSON on `tb/detections`: one message for every frame that was inferred, also when nothing was seen.
//!
//! The published envelope (`run_id`, `keyframe_id`, `timestamp`, `map_*`, `detections`) stays readable as such; the
//! other fields stand beside it and are absent in messages of other detectors. A bare array of detections is read too.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::Stamp;

/// What one frame showed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detections {
    /// The detector's run; constant while the process lives.
    #[serde(default)]
    pub run_id: String,
    /// Counts the answers of the run from 1, whichever robot they are for: of one robot it rises, also when that robot
    /// has left and come back.
    #[serde(default)]
    pub keyframe_id: u64,
    /// The frame's header stamp in s; 0 when unknown. [`Detections::frame_stamp`] is exact.
    #[serde(default)]
    pub timestamp: f64,
    /// Position of the robot when the frame was taken, m in `pose_frame`; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_x: Option<f64>,
    /// As `map_x`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_y: Option<f64>,
    /// Heading of the robot when the frame was taken, rad in `pose_frame`; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_yaw: Option<f64>,
    /// The frame that `map_*` is in. Absent in the published envelope, which puts odometry there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pose_frame: Option<PoseFrame>,
    /// What was seen, highest confidence first.
    pub detections: Vec<Detection>,
    /// The frame's header stamp, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Optical frame of the camera.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_id: Option<String>,
    /// The network that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelId>,
    /// From the arrival of the frame at the detector to this answer, ms of wall time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

/// One object in one frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// Name of the class, from the model.
    pub class: String,
    /// 0 to 1.
    #[serde(deserialize_with = "finite")]
    pub confidence: f32,
    /// x1, y1, x2, y2 in pixels of the original frame.
    #[serde(deserialize_with = "finite_box")]
    pub bbox: [f32; 4],
    /// Names this object; the same over frames when the detector tracks.
    #[serde(default)]
    pub det_id: String,
    /// Where the object is, when depth was to be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<CameraPosition>,
}

/// The middle of what is seen of an object, in the camera's optical frame (x right, y down, z forward).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CameraPosition {
    /// x, y, z in m.
    pub xyz: [f64; 3],
    /// Standard deviation of each, m.
    pub std_dev: [f64; 3],
}

/// The frame that a pose is given in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoseFrame {
    /// The map: that of SLAM, where it begins.
    Map,
    /// Odometry: drifts against the map.
    Odom,
}

/// Which network answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelId {
    /// File name without folder.
    pub name: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
}

/// Why a payload is no detections message.
#[derive(Debug, Error)]
#[error("not a detections message: {0}")]
pub struct DetectionsError(#[from] serde_json::Error);

impl Detections {
    /// Reads the envelope or a bare array of detections; unknown fields are passed over.
    ///
    /// # Errors
    /// When the payload is neither, or a detection lacks class, confidence or box.
    pub fn from_json(payload: &[u8]) -> Result<Self, DetectionsError> {
        if payload.trim_ascii_start().first() == Some(&b'[') {
            let detections = serde_json::from_slice(payload)?;
            return Ok(Self {
                detections,
                ..Self::default()
            });
        }
        Ok(serde_json::from_slice(payload)?)
    }

    /// The message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Only maps with keys that are no strings can fail, and there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The frame's header stamp: `stamp` where present, else from `timestamp`; `None` when neither is usable.
    pub fn frame_stamp(&self) -> Option<Stamp> {
        let from_timestamp =
            || Stamp::from_secs_f64(self.timestamp).filter(|stamp| *stamp != Stamp::default());
        self.stamp.or_else(from_timestamp)
    }
}

/// A number that 32 bits can hold: what is read can be written again.
fn finite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    let number = f32::deserialize(deserializer)?;
    Some(number)
        .filter(|number| number.is_finite())
        .ok_or_else(|| D::Error::custom("a number too large for 32 bits"))
}

/// As [`finite`].
fn finite_box<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f32; 4], D::Error> {
    let numbers = <[f32; 4]>::deserialize(deserializer)?;
    Some(numbers)
        .filter(|numbers| numbers.iter().all(|number| number.is_finite()))
        .ok_or_else(|| D::Error::custom("a number too large for 32 bits"))
}

/// Intersection over union of two boxes (x1, y1, x2, y2); 0 when both are empty.
#[inline]
pub fn iou(a: &[f32; 4], b: &[f32; 4]) -> f32 {
    let area = |r: &[f32; 4]| (r[2] - r[0]).max(0.0) * (r[3] - r[1]).max(0.0);
    let common = area(&[
        a[0].max(b[0]),
        a[1].max(b[1]),
        a[2].min(b[2]),
        a[3].min(b[3]),
    ]);
    let union = area(a) + area(b) - common;
    if union > 0.0 { common / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_envelope_is_read() {
        let payload = br#"{"run_id": "lab-20260101T000000", "keyframe_id": 3, "timestamp": 12.5, "map_x": 1.0, "map_y": -2.0,
            "map_yaw": 0.5, "detections": [{"class": "cup", "confidence": 0.91, "bbox": [1.0, 2.0, 3.5, 4.0],
            "embedding": "AAAA", "embedding_dim": 1, "embedding_model": "clip", "det_id": "lab_kf3_d0"}]}"#;
        let message = Detections::from_json(payload).unwrap();
        assert_eq!(message.detections[0].class, "cup");
        assert_eq!(message.detections[0].bbox, [1.0, 2.0, 3.5, 4.0]);
        assert_eq!(message.map_x, Some(1.0));
        assert_eq!(message.pose_frame, None);
        assert_eq!(
            message.frame_stamp(),
            Some(Stamp {
                sec: 12,
                nanosec: 500_000_000
            })
        );
    }

    #[test]
    fn a_bare_array_is_read() {
        let message = Detections::from_json(
            br#" [{"class": "cup", "confidence": 0.5, "bbox": [0, 0, 1, 1]}]"#,
        )
        .unwrap();
        assert_eq!(message.detections.len(), 1);
        assert_eq!(message.frame_stamp(), None);
        assert!(Detections::from_json(b"[]").unwrap().detections.is_empty());
    }

    #[test]
    fn own_messages_survive_a_round_trip() {
        let message = Detections {
            run_id: "run".to_owned(),
            keyframe_id: 7,
            timestamp: 1.25,
            map_x: Some(0.5),
            map_y: Some(0.25),
            map_yaw: Some(-1.0),
            pose_frame: Some(PoseFrame::Odom),
            detections: vec![Detection {
                class: "ball".to_owned(),
                confidence: 0.5,
                bbox: [1.0, 2.0, 3.0, 4.0],
                det_id: "run_t1".to_owned(),
                position: Some(CameraPosition {
                    xyz: [0.0, 0.1, 2.0],
                    std_dev: [0.01, 0.01, 0.02],
                }),
            }],
            stamp: Some(Stamp {
                sec: 1,
                nanosec: 250_000_000,
            }),
            frame_id: Some("camera_color_optical_frame".to_owned()),
            model: Some(ModelId {
                name: "maze.onnx".to_owned(),
                sha256: "00".to_owned(),
            }),
            latency_ms: Some(30.0),
        };
        assert_eq!(Detections::from_json(&message.to_json()).unwrap(), message);
    }

    #[test]
    fn other_json_is_refused_with_the_reason() {
        for (payload, reason) in [
            (&br#"{"detections": [{"class": "cup"}]}"#[..], "confidence"),
            (br#"{"run_id": "x"}"#, "detections"),
            (
                br#"[{"class": "cup", "confidence": 0.5, "bbox": [1, 2, 3]}]"#,
                "length",
            ),
            (
                br#"[{"class": "cup", "confidence": 0.5, "bbox": [1, 2, 3, 1e40]}]"#,
                "too large",
            ),
            (b"hello", "expected"),
            (b"", "EOF"),
        ] {
            let error = Detections::from_json(payload).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
