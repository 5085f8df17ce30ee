//! Which camera frames came through to a detection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::DetectorStatus;

/// Frames that wait for their detections: beyond this many the oldest counts as lost.
const MAX_WAITING: usize = 1024;
/// Detections whose frame is not seen yet: they may overtake it on the way into this process.
const MAX_EARLY: usize = 64;

/// Counts frames by their header stamps (ns), at both ends of the pipeline, and what the detector says of itself.
#[derive(Debug, Default)]
pub struct FrameTally {
    rendered: u64,
    detected: u64,
    lost: u64,
    waiting: BTreeSet<i64>,
    early: VecDeque<i64>,
    newest_detected: Option<i64>,
    detector_runs: BTreeMap<String, DetectorRun>,
}

impl FrameTally {
    /// A camera frame with this stamp was published.
    pub fn rendered(&mut self, stamp: i64) {
        self.rendered += 1;
        if self.early.contains(&stamp) {
            return;
        }
        self.waiting.insert(stamp);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
            // Before the first detection there is no detector yet to lose a frame.
            self.lost += u64::from(self.newest_detected.is_some());
        }
    }

    /// Detections for the frame with this stamp were published.
    pub fn detected(&mut self, stamp: i64) {
        self.detected += 1;
        if self.newest_detected.is_none() {
            self.waiting = self.waiting.split_off(&stamp);
        }
        self.newest_detected = self.newest_detected.max(Some(stamp));
        if !self.waiting.remove(&stamp) {
            self.early.push_back(stamp);
            if self.early.len() > MAX_EARLY {
                self.early.pop_front();
            }
        }
    }

    /// What the detector says of itself; its counters begin anew when it is restarted.
    pub fn detector_status(&mut self, status: &DetectorStatus) {
        let run = DetectorRun {
            frames_in: status.frames_in,
            dropped: status.frames_dropped.values().sum(),
        };
        self.detector_runs.insert(status.run_id.clone(), run);
    }

    /// Camera frames published.
    pub fn n_rendered(&self) -> u64 {
        self.rendered
    }

    /// Frames that the detector got over Zenoh; `None` until it reports.
    pub fn n_bridged(&self) -> Option<u64> {
        let frames_in = self.detector_runs.values().map(|run| run.frames_in);
        (!self.detector_runs.is_empty()).then(|| frames_in.sum())
    }

    /// Frames that were inferred.
    pub fn n_detected(&self) -> u64 {
        self.detected
    }

    /// Frames published while a detector ran for which no detection came, whether the detector dropped them or they
    /// never reached it; `None` until the first detection.
    pub fn n_dropped(&self) -> Option<u64> {
        let newest = self.newest_detected?;
        let overtaken = self.waiting.range(..newest).count() as u64;
        let by_detector: u64 = self.detector_runs.values().map(|run| run.dropped).sum();
        Some(by_detector.max(self.lost + overtaken))
    }
}

/// The newest counters of one process of the detector.
#[derive(Debug)]
struct DetectorRun {
    frames_in: u64,
    dropped: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(run_id: &str, frames_in: u64, dropped: &[(&str, u64)]) -> DetectorStatus {
        DetectorStatus {
            run_id: run_id.to_owned(),
            frames_in,
            frames_dropped: dropped
                .iter()
                .map(|(reason, n)| ((*reason).to_owned(), *n))
                .collect(),
            ..DetectorStatus::default()
        }
    }

    #[test]
    fn frames_without_a_detection_are_dropped_but_not_those_before_the_first_or_still_in_flight() {
        let mut tally = FrameTally::default();
        for stamp in 1..=10 {
            tally.rendered(stamp);
        }
        assert_eq!((tally.n_detected(), tally.n_dropped()), (0, None));
        for stamp in [4, 5, 7, 8] {
            tally.detected(stamp);
        }
        assert_eq!((tally.n_rendered(), tally.n_detected()), (10, 4));
        assert_eq!(
            tally.n_dropped(),
            Some(1),
            "only 6: 1-3 came too early, 9 and 10 may still come"
        );
    }

    #[test]
    fn detections_may_overtake_their_frame() {
        let mut tally = FrameTally::default();
        tally.detected(1);
        tally.rendered(1);
        tally.detected(2);
        tally.rendered(2);
        tally.detected(3);
        assert_eq!(tally.n_dropped(), Some(0));
    }

    #[test]
    fn the_detectors_counters_are_summed_over_its_restarts() {
        let mut tally = FrameTally::default();
        tally.detected(1);
        assert_eq!(tally.n_bridged(), None);
        tally.detector_status(&status("first", 100, &[("superseded", 3)]));
        tally.detector_status(&status(
            "first",
            110,
            &[("superseded", 5), ("bad_encoding", 1)],
        ));
        tally.detector_status(&status("second", 7, &[("superseded", 2)]));
        assert_eq!(tally.n_bridged(), Some(117));
        assert_eq!(tally.n_dropped(), Some(5 + 1 + 2));
    }

    #[test]
    fn a_dead_detector_does_not_make_the_tally_grow() {
        let mut tally = FrameTally::default();
        tally.rendered(1);
        tally.detected(1);
        for stamp in 2..10_000 {
            tally.rendered(stamp);
        }
        assert_eq!(tally.waiting.len(), MAX_WAITING);
        tally.detected(10_000);
        assert_eq!(tally.n_dropped(), Some(9_998));
    }
}
