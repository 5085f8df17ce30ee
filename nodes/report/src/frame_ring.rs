//! The newest camera frames, kept for the one in which the object turns out to be.

use std::collections::VecDeque;
use std::rc::Rc;

use wire::messages::ImageHeader;

/// Bytes kept: some seconds of 640x480 frames.
const MAX_BYTES: usize = 48 << 20;

/// Frames as they came from ROS (CDR `sensor_msgs/Image`). Memory is bounded; the oldest frames go first.
#[derive(Debug, Default)]
pub struct FrameRing {
    frames: VecDeque<(i64, Rc<[u8]>)>,
    bytes: usize,
}

impl FrameRing {
    /// Keeps a frame; what is no image is dropped.
    pub fn push(&mut self, payload: Vec<u8>) {
        let Ok(header) = ImageHeader::read(&payload, payload.len()) else {
            return;
        };
        let stamp = header.stamp.as_nanos();
        self.bytes += payload.len();
        self.frames.push_back((stamp, payload.into()));
        while self.bytes > MAX_BYTES
            && let Some((_, oldest)) = self.frames.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// The frame with this stamp (ns), if it is still there.
    pub fn get(&self, stamp: i64) -> Option<Rc<[u8]>> {
        let (_, frame) = self.frames.iter().rev().find(|(s, _)| *s == stamp)?;
        Some(Rc::clone(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Stamp;
    use wire::messages::ImageView;

    fn frame(stamp: i64, size: usize) -> Vec<u8> {
        let header = ImageHeader {
            stamp: Stamp::from_nanos(stamp),
            frame_id: "camera",
            height: 1,
            width: size as u32,
            encoding: "mono8",
            is_bigendian: false,
            step: size as u32,
            data: 0..0,
        };
        let data = vec![stamp as u8; size];
        ImageView {
            header,
            data: &data,
        }
        .to_cdr(true)
    }

    #[test]
    fn the_newest_frames_are_found_by_stamp_and_memory_is_bounded() {
        let mut ring = FrameRing::default();
        ring.push(b"no image".to_vec());
        for stamp in 1..=100 {
            ring.push(frame(stamp, 1 << 20));
        }
        assert!(ring.get(1).is_none());
        let kept = ring.get(100).expect("the newest is kept");
        assert_eq!(ImageView::read(&kept).expect("an image").data[0], 100);
        assert!(ring.bytes <= MAX_BYTES && ring.frames.len() > 40);
    }
}
