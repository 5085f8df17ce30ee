//! How long things take, in wall time.
//!
//! A latency joins two events that carry the same stamp: a camera frame and its detections, a velocity before the
//! gate and behind it. Both are seen by this process, so that one monotonic clock measures both.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use wire::Percentiles;

/// The newest samples that percentiles are computed from: some hours of camera frames.
const MAX_SAMPLES: usize = 200_000;
/// Stamps that wait for their counterpart. The oldest goes first: at 20 Hz it is most of a minute old.
const MAX_WAITING: usize = 1024;
/// An end that was seen longer before its start than this belongs to another one. Shorter happens: the two come by
/// different ways into this process.
const END_BEFORE_START: Duration = Duration::from_millis(500);

/// Samples of a latency. Memory is bounded: percentiles are those of the newest 200 000.
#[derive(Debug, Default)]
pub struct Samples {
    newest_ms: VecDeque<f64>,
    count: u64,
}

impl Samples {
    /// Adds one sample.
    pub fn push(&mut self, latency: Duration) {
        if self.newest_ms.len() == MAX_SAMPLES {
            self.newest_ms.pop_front();
        }
        self.newest_ms.push_back(latency.as_secs_f64() * 1e3);
        self.count += 1;
    }

    /// Percentiles in ms by nearest rank, `count` being all that was measured; `None` without a sample.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let mut samples: Vec<f64> = self.newest_ms.iter().copied().collect();
        (self.count > 0).then(|| Percentiles {
            count: self.count,
            ..Percentiles::of(&mut samples)
        })
    }
}

/// What has been seen of a stamp so far.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Start(Instant),
    End(Instant),
}

/// Joins starts and ends by stamp and keeps the time between them.
#[derive(Debug, Default)]
pub struct LatencyJoin {
    waiting: BTreeMap<i64, Waiting>,
    samples: Samples,
}

impl LatencyJoin {
    /// The start that carries `stamp` (ns) was seen at `at`. The first of several counts. Returns the time to its end,
    /// if this process has heard of that before.
    pub fn start(&mut self, stamp: i64, at: Instant) -> Option<Duration> {
        match self.waiting.get(&stamp) {
            Some(Waiting::Start(_)) => None,
            Some(Waiting::End(end)) if at.saturating_duration_since(*end) <= END_BEFORE_START => {
                let latency = end.saturating_duration_since(at);
                self.waiting.remove(&stamp);
                self.samples.push(latency);
                Some(latency)
            }
            _ => {
                self.wait(stamp, Waiting::Start(at));
                None
            }
        }
    }

    /// The end that carries `stamp` (ns) was seen at `at`. Returns the time since its start, if that was seen before.
    pub fn end(&mut self, stamp: i64, at: Instant) -> Option<Duration> {
        if let Some(Waiting::Start(start)) = self.waiting.get(&stamp) {
            let latency = at.saturating_duration_since(*start);
            self.samples.push(latency);
            self.waiting.remove(&stamp);
            return Some(latency);
        }
        self.wait(stamp, Waiting::End(at));
        None
    }

    /// Percentiles of what was joined; `None` if nothing was.
    pub fn percentiles(&self) -> Option<Percentiles> {
        self.samples.percentiles()
    }

    fn wait(&mut self, stamp: i64, seen: Waiting) {
        // An unset stamp says nothing about which start an end belongs to.
        if stamp == 0 {
            return;
        }
        self.waiting.insert(stamp, seen);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentiles(), None);
        for ms in (1..=200).rev() {
            samples.push(ms * MS);
        }
        let expected = Percentiles {
            p50: 100.0,
            p95: 190.0,
            p99: 198.0,
            count: 200,
        };
        assert_eq!(samples.percentiles(), Some(expected));
    }

    #[test]
    fn a_single_sample_is_every_percentile() {
        let mut samples = Samples::default();
        samples.push(7 * MS);
        let p = samples.percentiles().expect("one sample");
        assert_eq!((p.p50, p.p95, p.p99, p.count), (7.0, 7.0, 7.0, 1));
    }

    #[test]
    fn joins_by_stamp_whatever_comes_between() {
        let t = Instant::now();
        let mut join = LatencyJoin::default();
        join.start(1, t);
        join.start(2, t + 10 * MS);
        assert_eq!(join.end(2, t + 30 * MS), Some(20 * MS));
        assert_eq!(join.end(1, t + 40 * MS), Some(40 * MS));
        let p = join.percentiles().expect("two samples");
        assert_eq!((p.count, p.p50, p.p99), (2, 20.0, 40.0));
    }

    #[test]
    fn an_end_may_be_heard_of_before_its_start_but_does_not_wait_for_a_later_one_of_the_same_stamp()
    {
        let t = Instant::now();
        let mut join = LatencyJoin::default();
        join.end(1, t + 8 * MS);
        assert_eq!(
            join.start(1, t),
            Some(8 * MS),
            "heard of late, but it was earlier"
        );
        join.end(2, t);
        assert_eq!(
            join.start(2, t + MS),
            Some(Duration::ZERO),
            "no latency is negative"
        );

        join.end(3, t);
        assert_eq!(join.start(3, t + 1000 * MS), None);
        assert_eq!(join.end(3, t + 1005 * MS), Some(5 * MS));
        assert_eq!(join.percentiles().map(|p| p.count), Some(3));
    }

    #[test]
    fn unmatched_stamps_do_not_grow_without_bound_and_unset_ones_never_match() {
        let t = Instant::now();
        let mut join = LatencyJoin::default();
        for stamp in 0..10_000 {
            join.start(stamp, t);
        }
        assert_eq!(join.waiting.len(), MAX_WAITING);
        join.end(0, t);
        assert_eq!(join.percentiles(), None);
        join.end(9_999, t);
        assert!(join.percentiles().is_some());
    }
}
