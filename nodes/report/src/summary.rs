//! `report.json`: what a run came to, in figures. What was not measured is null.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use wire::Percentiles;

use crate::goals::{GoalCounts, Verdict};

/// The whole report. Lengths are in m, places `[x, y]` in the map frame.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Whether the tree ended with success.
    pub found: bool,
    /// Why the run ended: `found`, `interrupted`, or the leaf that failed and what it says.
    pub reason: String,
    /// What was searched for.
    pub class: Option<String>,
    /// Where the robot saw it.
    pub estimated_position: Option<[f64; 2]>,
    /// Where it is: the object of the class that is nearest to the estimate.
    pub true_position: Option<[f64; 2]>,
    /// Distance between the two.
    pub position_error_m: Option<f64>,
    /// Simulated time from the first `/clock` seen to the search's end.
    pub sim_time_s: Option<f64>,
    /// Wall time from the start of this program to the search's end.
    pub wall_time_s: f64,
    /// Simulated time per wall time, both from the first `/clock` seen.
    pub real_time_factor: Option<f64>,
    /// Length of the path driven.
    pub path_length_m: Option<f64>,
    /// Contacts of the base with anything.
    pub collisions: Option<u64>,
    /// Least distance of the body's outline from anything.
    pub min_clearance_m: Option<f64>,
    /// What became of the goals.
    pub goals: GoalCounts,
    /// Each of the gatekeeper's verdicts.
    pub verdicts: Vec<Verdict>,
    /// Camera frames on their way to detections.
    pub frames: FrameCounts,
    /// Wall time between two points of the loop, joined by stamp, ms.
    pub latency_ms: Latencies,
    /// How often each node was started again: only the supervisor knows, and fills it in.
    pub restarts: Option<BTreeMap<String, u64>>,
    /// Seed of the maze and the noise.
    pub seed: Option<u64>,
    /// The world file.
    pub world: Option<String>,
    /// Periods of simulated time that passed without the control that belongs to them.
    pub missed_control_periods: Option<u64>,
    /// What ran.
    pub versions: BTreeMap<String, String>,
}

/// Counts of camera frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameCounts {
    /// Published by the camera.
    pub rendered: Option<u64>,
    /// Arrived at the detector over Zenoh.
    pub bridged: Option<u64>,
    /// Inferred.
    pub detected: Option<u64>,
    /// Published while a detector ran, and never inferred.
    pub dropped: Option<u64>,
}

/// Percentiles of latencies, ms of wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    /// From the frame's publication to its detections.
    pub camera_to_detection: Option<Percentiles>,
    /// From the detections to the tree's having evaluated them.
    pub detection_to_tree: Option<Percentiles>,
    /// From a velocity before the e-stop gate to the same behind it.
    pub velocity_gate: Option<Percentiles>,
}

impl Summary {
    /// Writes the report so that a reader sees either the old one or the new one, never half of it.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        let partial = file.with_extension("json.partial");
        std::fs::write(&partial, json)
            .with_context(|| format!("cannot write {}", partial.display()))?;
        std::fs::rename(&partial, file).with_context(|| format!("cannot write {}", file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_promised_fields_and_null_for_what_was_not_measured() {
        let json = serde_json::to_value(Summary::default()).expect("a report is JSON");
        let fields = "found reason class estimated_position true_position position_error_m sim_time_s wall_time_s \
                      real_time_factor path_length_m collisions min_clearance_m goals verdicts frames latency_ms \
                      restarts seed world versions";
        for field in fields.split_whitespace() {
            assert!(json.get(field).is_some(), "{field} is missing");
        }
        for nothing in [
            "/position_error_m",
            "/frames/dropped",
            "/latency_ms/velocity_gate",
            "/restarts",
            "/seed",
        ] {
            assert_eq!(
                json.pointer(nothing),
                Some(&serde_json::Value::Null),
                "{nothing}"
            );
        }
        for zero in [
            "sent",
            "accepted",
            "rejected",
            "succeeded",
            "aborted",
            "canceled",
        ] {
            assert_eq!(json["goals"][zero], 0);
        }
    }

    #[test]
    fn a_number_that_is_none_is_written_as_null() {
        let summary = Summary {
            min_clearance_m: Some(f64::NAN),
            ..Summary::default()
        };
        let json = serde_json::to_value(summary).expect("a report is JSON");
        assert!(json["min_clearance_m"].is_null());
    }
}
