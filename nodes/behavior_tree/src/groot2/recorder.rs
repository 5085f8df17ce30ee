//! The last transitions, kept while a viewer records. Neither side waits for the other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crossbeam_queue::ArrayQueue;

use crate::status::Status;

/// How many transitions are kept until they are fetched; then the oldest go.
const CAPACITY: usize = 1000;
/// 48 bits with the µs since the start, 16 bits with the node's number, 8 with its state, all little-endian.
type Record = [u8; 9];

#[derive(Debug)]
pub(super) struct Recorder {
    is_on: AtomicBool,
    origin: Instant,
    /// When the recording began, in µs after `origin`.
    start: AtomicU64,
    transitions: ArrayQueue<Record>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            is_on: AtomicBool::new(false),
            origin: Instant::now(),
            start: AtomicU64::new(0),
            transitions: ArrayQueue::new(CAPACITY),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(super) fn start(&self) {
        self.stop();
        self.take();
        self.start.store(self.micros(), Ordering::Relaxed);
        self.is_on.store(true, Ordering::Release);
    }

    pub(super) fn stop(&self) {
        self.is_on.store(false, Ordering::Release);
    }

    pub(super) fn record(&self, node_uid: u16, to: Status) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let micros = self
            .micros()
            .saturating_sub(self.start.load(Ordering::Relaxed));
        let mut record = [0; 9];
        record[..6].copy_from_slice(&micros.to_le_bytes()[..6]);
        record[6..8].copy_from_slice(&node_uid.to_le_bytes());
        record[8] = to as u8;
        self.transitions.force_push(record);
    }

    /// What was recorded since the last time.
    pub(super) fn take(&self) -> Vec<u8> {
        let records = std::iter::from_fn(|| self.transitions.pop());
        // A tree that ticks fast must not keep the viewer here for ever.
        records.take(CAPACITY).flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_transitions_go_and_nothing_is_kept_while_it_is_off() {
        let recorder = Recorder::new();
        recorder.record(1, Status::Running);
        assert!(recorder.take().is_empty());
        recorder.start();
        for uid in 0..CAPACITY as u16 + 2 {
            recorder.record(uid, Status::Success);
        }
        recorder.stop();
        recorder.record(1, Status::Running);
        let taken = recorder.take();
        assert_eq!(taken.len(), 9 * CAPACITY);
        assert_eq!(taken[6..9], [2, 0, Status::Success as u8]);
        assert!(recorder.take().is_empty());
    }
}
