//! The newest camera frames, kept for the one in which the object turns out to be.

use std::collections::VecDeque;
use std::rc::Rc;

/// Bytes kept: some seconds of 640x480 frames.
const MAX_BYTES: usize = 48 << 20;

/// Frames as they came from ROS (CDR `sensor_msgs/Image`). Memory is bounded; the oldest frames go first.
#[derive(Debug, Default)]
pub struct FrameRing {
    frames: VecDeque<(i64, Rc<Vec<u8>>)>,
    bytes: usize,
}

impl FrameRing {
    /// Keeps a frame by its stamp (ns).
    pub fn push(&mut self, stamp: i64, payload: Vec<u8>) {
        self.bytes += payload.len();
        self.frames.push_back((stamp, Rc::new(payload)));
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.frames.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// The frame with this stamp (ns), if it is still there.
    pub fn get(&self, stamp: i64) -> Option<Rc<Vec<u8>>> {
        let (_, frame) = self.frames.iter().rev().find(|(s, _)| *s == stamp)?;
        Some(Rc::clone(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frames_are_found_by_stamp_and_memory_is_bounded() {
        let mut ring = FrameRing::default();
        for stamp in 1..=100 {
            ring.push(stamp, vec![stamp as u8; 1 << 20]);
        }
        assert!(ring.get(1).is_none());
        let kept = ring.get(100).expect("the newest is kept");
        assert_eq!(kept[0], 100);
        assert!(ring.bytes <= MAX_BYTES && ring.frames.len() > 40);
    }
}
