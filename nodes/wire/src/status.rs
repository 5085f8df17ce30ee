//! The JSON on `tb/detector/status`: sent when the node serves, once a second and at its end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ModelId;

/// The detector's figures since it started; times are over the last frames.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DetectorStatus {
    /// The detector's run, as in [`crate::Detections`].
    pub run_id: String,
    /// Seconds since the node began to serve.
    pub uptime_s: f64,
    /// Frames that arrived.
    pub frames_in: u64,
    /// Frames that were inferred and answered.
    pub frames_inferred: u64,
    /// Frames that were not inferred, by reason.
    pub frames_dropped: BTreeMap<String, u64>,
    /// How often the connection with the router was lost.
    pub router_losses: u64,
    /// Robots that have left.
    pub robots_left: u64,
    /// What computes: `CPU`, `CUDA` or `TensorRT`.
    pub provider: String,
    /// The network in use.
    pub model: ModelId,
    /// From arrival of a frame to its answer, ms.
    pub latency_ms: Percentiles,
    /// Age of a frame, since its arrival, when its inference starts, ms.
    pub age_ms: Percentiles,
    /// Picture to tensor, ms.
    pub preprocess_ms: Percentiles,
    /// The network itself, ms.
    pub inference_ms: Percentiles,
    /// Tensor to boxes, ms.
    pub postprocess_ms: Percentiles,
    /// By robot's prefix; `""` without one.
    pub robots: BTreeMap<String, RobotStatus>,
}

/// One robot's share.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RobotStatus {
    /// Frames that arrived.
    pub frames_in: u64,
    /// Frames that were inferred and answered.
    pub frames_inferred: u64,
    /// Frames that were not inferred, for any reason.
    pub frames_dropped: u64,
    /// Seconds since its last frame.
    pub silent_s: f64,
}

/// Median and tail of a time, over the last samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Samples that they are taken over.
    pub count: u64,
}

impl Percentiles {
    /// Of `samples` (any order; sorted in place), by the nearest rank.
    pub fn of(samples: &mut [f64]) -> Self {
        samples.sort_unstable_by(f64::total_cmp);
        let rank = |q: f64| {
            let index = ((samples.len() as f64 * q).ceil() as usize).saturating_sub(1);
            samples.get(index).copied().unwrap_or_default()
        };
        Self {
            p50: rank(0.5),
            p95: rank(0.95),
            p99: rank(0.99),
            count: samples.len() as u64,
        }
    }
}

impl DetectorStatus {
    /// Reads a status; fields that are absent keep their default.
    ///
    /// # Errors
    /// When the payload is no JSON object of this shape.
    pub fn from_json(payload: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload)
    }

    /// The status as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Only maps with keys that are no strings can fail, and there are none.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            Percentiles::of(&mut samples),
            Percentiles {
                p50: 50.0,
                p95: 95.0,
                p99: 99.0,
                count: 100
            }
        );
        assert_eq!(Percentiles::of(&mut []), Percentiles::default());
    }

    #[test]
    fn a_status_with_fewer_fields_is_read() {
        let status =
            DetectorStatus::from_json(br#"{"frames_in": 3, "frames_dropped": {"superseded": 1}}"#)
                .unwrap();
        assert_eq!(status.frames_dropped["superseded"], 1);
        assert_eq!(
            DetectorStatus::from_json(&status.to_json()).unwrap(),
            status
        );
    }
}
