//! Which boxes of successive frames are the same object: ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by
//! Associating Every Detection Box", ECCV 2022), with its published thresholds.
//!
//! Each track predicts its box ([`motion`]). Confident boxes are matched with the predictions first ([`assignment`]);
//! then the others with the tracks that are left, for an object that is half hidden is seen with little confidence.
//!
//! Other than in the paper, boxes of different classes are never the same object, and a track is named in its first
//! frame: an answer is sent at once, and cannot be named later.

mod assignment;
mod motion;

use motion::Motion;
use wire::iou;

use crate::boxes::Found;

/// Boxes of at least this confidence are matched first.
const CONFIDENT: f32 = 0.5;
/// Boxes of at least this confidence begin tracks.
const BEGINS: f32 = 0.6;
/// Least overlap, times confidence, of a confident box and the prediction that it is matched with.
const LEAST_OVERLAP: f32 = 0.2;
/// Least overlap of another box and its prediction.
const LEAST_OVERLAP_UNSURE: f32 = 0.5;
/// A track ends when its object was missing for more frames than this.
const MAX_MISSED: u32 = 30;
/// Most tracks of one camera; boxes beyond begin none. Bounds memory and the time of an assignment.
const MAX_TRACKS: usize = 100;

/// The objects before one camera.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    number: u64,
    class: usize,
    motion: Motion,
    /// Frames since it was last seen.
    missed: u32,
}

impl Tracker {
    /// The number of each box of the next frame, in their order: its track's, or for a box that is not confident enough
    /// for a track one that never comes again. New numbers are made by counting `last` up.
    pub fn next(&mut self, boxes: &[Found], last: &mut u64) -> Vec<u64> {
        for track in &mut self.tracks {
            track.motion.predict(track.missed > 0);
            track.missed = track.missed.saturating_add(1);
        }
        let mut numbers = vec![None; boxes.len()];
        let of_confidence = |confident: bool| {
            let confidences = boxes.iter().map(|found| found.confidence >= CONFIDENT);
            let chosen = confidences.enumerate().filter(|(_, is)| *is == confident);
            chosen
                .map(|(index, _)| index)
                .take(MAX_TRACKS)
                .collect::<Vec<_>>()
        };
        // Now `missed` is 1 for what was seen in the last frame, more for what is lost, 0 for what is seen again.
        let all = |track: &Track| track.missed > 0;
        let weighted = |overlap: f32, found: &Found| overlap * found.confidence;
        self.associate(
            boxes,
            &of_confidence(true),
            all,
            weighted,
            LEAST_OVERLAP,
            &mut numbers,
        );
        let seen_last = |track: &Track| track.missed == 1;
        let plain = |overlap: f32, _: &Found| overlap;
        self.associate(
            boxes,
            &of_confidence(false),
            seen_last,
            plain,
            LEAST_OVERLAP_UNSURE,
            &mut numbers,
        );
        self.tracks.retain(|track| track.missed <= MAX_MISSED);
        let mut number_of = |(found, known): (&Found, Option<u64>)| {
            if let Some(number) = known {
                return number;
            }
            *last += 1;
            if found.confidence >= BEGINS && self.tracks.len() < MAX_TRACKS {
                self.tracks.push(Track {
                    number: *last,
                    class: found.class,
                    motion: Motion::new(found.bbox),
                    missed: 0,
                });
            }
            *last
        };
        boxes.iter().zip(numbers).map(&mut number_of).collect()
    }

    /// Matches the `chosen` boxes with the `eligible` tracks so that the sum of `likeness` is greatest.
    fn associate(
        &mut self,
        boxes: &[Found],
        chosen: &[usize],
        eligible: impl Fn(&Track) -> bool,
        likeness: impl Fn(f32, &Found) -> f32,
        least: f32,
        numbers: &mut [Option<u64>],
    ) {
        let mut tracks: Vec<&mut Track> = self
            .tracks
            .iter_mut()
            .filter(|track| eligible(track))
            .collect();
        let gain = |track: usize, chosen: usize| {
            let (track, found) = (&tracks[track], &boxes[chosen]);
            if track.class == found.class {
                likeness(iou(&track.motion.bbox(), &found.bbox), found) - least
            } else {
                0.0
            }
        };
        let gains: Vec<Vec<f32>> = (0..tracks.len())
            .map(|track| chosen.iter().map(|index| gain(track, *index)).collect())
            .collect();
        for (track, column) in assignment::best(&gains) {
            let index = chosen[column];
            let track = &mut tracks[track];
            track.motion.correct(boxes[index].bbox);
            track.missed = 0;
            numbers[index] = Some(track.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(class: usize, confidence: f32, x: f32, y: f32) -> Found {
        Found {
            bbox: [x, y, x + 40.0, y + 60.0],
            confidence,
            class,
        }
    }

    #[test]
    fn an_object_keeps_its_number_while_it_moves_hides_and_pales() {
        let (mut tracker, mut last) = (Tracker::default(), 0);
        for frame in 0..60 {
            let x = 5.0 * frame as f32;
            let boxes = match frame {
                // Hidden for longer than the box is wide: where it comes out is predicted.
                20..=32 => vec![],
                // Half hidden: seen with little confidence.
                40..=50 => vec![found(1, 0.3, x, 100.0)],
                _ => vec![found(1, 0.9, x, 100.0)],
            };
            let expected = vec![1; boxes.len()];
            assert_eq!(tracker.next(&boxes, &mut last), expected, "frame {frame}");
        }
        assert_eq!(last, 1);
    }

    #[test]
    fn two_objects_that_pass_each_other_keep_their_numbers() {
        let (mut tracker, mut last) = (Tracker::default(), 0);
        for frame in 0..40 {
            let way = 6.0 * frame as f32;
            let (right, left) = (found(1, 0.9, way, 100.0), found(1, 0.8, 240.0 - way, 120.0));
            // Highest confidence first, as the detector gives them; then the other way round.
            let (boxes, expected) = if frame % 2 == 0 {
                ([right, left], [1, 2])
            } else {
                ([left, right], [2, 1])
            };
            assert_eq!(tracker.next(&boxes, &mut last), expected, "frame {frame}");
        }
    }

    #[test]
    fn another_class_another_place_and_a_long_absence_are_another_object() {
        let (mut tracker, mut last) = (Tracker::default(), 10);
        let mut next = |boxes: &[Found]| tracker.next(boxes, &mut last);
        assert_eq!(next(&[found(1, 0.9, 0.0, 0.0)]), [11]);
        assert_eq!(next(&[found(2, 0.9, 0.0, 0.0)]), [12]);
        assert_eq!(next(&[found(1, 0.9, 300.0, 0.0)]), [13]);
        // Not sure enough to begin a track: a number for this frame alone.
        assert_eq!(next(&[found(1, 0.55, 600.0, 0.0)]), [14]);
        assert_eq!(next(&[found(1, 0.9, 600.0, 0.0)]), [15]);
        for _ in 0..=MAX_MISSED {
            assert!(next(&[]).is_empty());
        }
        assert_eq!(next(&[found(1, 0.9, 300.0, 0.0)]), [16]);
    }

    #[test]
    fn tracks_are_bounded_whatever_is_seen() {
        let (mut tracker, mut last) = (Tracker::default(), 0);
        for frame in 0..20 {
            let at = |n: u16| found(0, 0.9, f32::from(n) * 100.0, frame as f32 * 1000.0);
            let boxes: Vec<Found> = (0..300).map(at).collect();
            assert_eq!(tracker.next(&boxes, &mut last).len(), 300);
            assert!(tracker.tracks.len() <= MAX_TRACKS);
        }
    }
}
