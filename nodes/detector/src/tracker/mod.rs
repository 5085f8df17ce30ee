//! Which boxes of successive frames are the same object: ByteTrack (Zhang et al., "ByteTrack: Multi-Object Tracking by
//! Associating Every Detection Box", ECCV 2022), with its published thresholds.
//!
//! Each track predicts its box ([`motion`]). Confident boxes are matched with the predictions first ([`assignment`]);
//! then the faint ones with the tracks that are left, for an object that is half hidden is seen with little confidence.
//! A track that is seen in one frame alone is dropped with the next.
//!
//! Other than as published, boxes of different classes are never the same object; a track has its number from its
//! first frame on, for an answer is sent at once and cannot be named later; where two tracks are found to be one, the
//! box has the older one's number, and not none; and boxes have no pixel more at their ends.

mod assignment;
mod motion;

use motion::Motion;
use wire::iou;

use crate::boxes::Found;

/// Boxes of more confidence are looked at.
pub const FAINT: f32 = 0.1;
/// Boxes of more confidence are matched first, those of less are the faint ones.
const CONFIDENT: f32 = 0.5;
/// Boxes of at least this confidence begin tracks.
const BEGINS: f32 = 0.6;
/// Least overlap, times confidence, of a confident box and the prediction that it is matched with.
const LEAST_OVERLAP: f32 = 0.2;
/// Least overlap of a faint box and its prediction.
const LEAST_OVERLAP_FAINT: f32 = 0.5;
/// Least overlap, times confidence, of a confident box and that of a track that was seen only once.
const LEAST_OVERLAP_NEW: f32 = 0.3;
/// Tracks whose boxes overlap more than this are of one object.
const SAME: f32 = 0.85;
/// A track ends when its object was missing for more frames than this.
const MAX_MISSED: u64 = 30;
/// Most tracks of one camera; boxes beyond begin none. Bounds memory and the time of an assignment.
const MAX_TRACKS: usize = 100;

/// The objects before one camera.
#[derive(Debug, Default)]
pub struct Tracker {
    tracks: Vec<Track>,
    /// The number of the newest frame, from 1.
    frame: u64,
}

#[derive(Debug)]
struct Track {
    number: u64,
    class: usize,
    motion: Motion,
    /// Frame that it was first seen in.
    began: u64,
    /// Frame that it was last seen in.
    seen: u64,
    /// Seen in a second frame, or among the first things that the camera saw.
    confirmed: bool,
}

impl Tracker {
    /// The numbers of the tracks of the next frame's `boxes`, in their order; `None` for a box that is of none. New
    /// numbers are made by counting `last` up.
    pub fn next(&mut self, boxes: &[Found], last: &mut u64) -> Vec<Option<u64>> {
        let before = self.frame;
        self.frame += 1;
        for track in self.tracks.iter_mut().filter(|track| track.confirmed) {
            track.motion.predict(track.seen < before);
        }
        let mut numbers = vec![None; boxes.len()];
        let confident = |found: &Found| found.confidence > CONFIDENT;
        let faint = |found: &Found| FAINT < found.confidence && found.confidence < CONFIDENT;
        let known = |track: &Track| track.confirmed;
        let tracked = |track: &Track| track.confirmed && track.seen == before;
        let new = |track: &Track| !track.confirmed;
        self.associate(boxes, confident, known, &mut numbers, |overlap, found| {
            overlap * found.confidence - LEAST_OVERLAP
        });
        self.associate(boxes, faint, tracked, &mut numbers, |overlap, _| {
            overlap - LEAST_OVERLAP_FAINT
        });
        self.associate(boxes, confident, new, &mut numbers, |overlap, found| {
            overlap * found.confidence - LEAST_OVERLAP_NEW
        });
        let frame = self.frame;
        self.tracks.retain(|track| {
            let may_be_missed = if track.confirmed { MAX_MISSED } else { 0 };
            frame - track.seen <= may_be_missed
        });
        for (found, number) in boxes.iter().zip(&mut numbers) {
            if number.is_none() && found.confidence >= BEGINS && self.tracks.len() < MAX_TRACKS {
                *last += 1;
                *number = Some(*last);
                self.tracks.push(Track {
                    number: *last,
                    class: found.class,
                    motion: Motion::new(found.bbox),
                    began: frame,
                    seen: frame,
                    confirmed: frame == 1,
                });
            }
        }
        self.drop_duplicates(&mut numbers);
        numbers
    }

    /// Matches the boxes that are `chosen` and have no number with the tracks that are `eligible` and not yet seen in
    /// this frame, so that the sum of what the pairs gain is greatest. `gain` is given how far a prediction and a box
    /// overlap (IoU).
    fn associate(
        &mut self,
        boxes: &[Found],
        chosen: impl Fn(&Found) -> bool,
        eligible: impl Fn(&Track) -> bool,
        numbers: &mut [Option<u64>],
        gain: impl Fn(f32, &Found) -> f32,
    ) {
        let frame = self.frame;
        let tracks = self.tracks.iter_mut();
        let mut tracks: Vec<&mut Track> = tracks
            .filter(|track| track.seen < frame && eligible(track))
            .collect();
        let open = boxes.iter().zip(&*numbers).enumerate();
        let open: Vec<usize> = open
            .filter(|(_, (found, number))| number.is_none() && chosen(found))
            .map(|(index, _)| index)
            .take(MAX_TRACKS)
            .collect();
        let gain = |track: &Track, found: &Found| {
            if track.class == found.class {
                gain(iou(&track.motion.bbox(), &found.bbox), found)
            } else {
                0.0
            }
        };
        let gains_of = |track: &&mut Track| {
            let gains = open.iter().map(|index| gain(track, &boxes[*index]));
            gains.collect::<Vec<f32>>()
        };
        let gains: Vec<_> = tracks.iter().map(gains_of).collect();
        for (track, column) in assignment::best(&gains) {
            let (track, index) = (&mut tracks[track], open[column]);
            track.motion.correct(boxes[index].bbox);
            track.seen = frame;
            track.confirmed = true;
            numbers[index] = Some(track.number);
        }
    }

    /// Of a track that is seen and one that is lost in the same place the one that was followed for longer stays.
    fn drop_duplicates(&mut self, numbers: &mut [Option<u64>]) {
        let age = |track: &Track| track.seen - track.began;
        let mut dropped = vec![false; self.tracks.len()];
        let (seen, lost): (Vec<_>, Vec<_>) = self
            .tracks
            .iter()
            .enumerate()
            .partition(|(_, track)| track.seen == self.frame);
        for (index, track) in seen {
            for &(other_index, other) in &lost {
                let overlap = iou(&track.motion.bbox(), &other.motion.bbox());
                if track.class != other.class || overlap <= SAME {
                    continue;
                }
                if age(track) > age(other) {
                    dropped[other_index] = true;
                } else {
                    dropped[index] = true;
                    let older = Some(other.number);
                    let is_free = !numbers.contains(&older);
                    let its = |number: &&mut Option<u64>| **number == Some(track.number);
                    if let Some(number) = numbers.iter_mut().find(its) {
                        *number = older.filter(|_| is_free);
                    }
                }
            }
        }
        let mut dropped = dropped.into_iter();
        self.tracks.retain(|_| dropped.next() != Some(true));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
                40..=50 => vec![found(1, 0.15, x, 100.0)],
                _ => vec![found(1, 0.9, x, 100.0)],
            };
            let expected = vec![Some(1); boxes.len()];
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
                ([right, left], [Some(1), Some(2)])
            } else {
                ([left, right], [Some(2), Some(1)])
            };
            assert_eq!(tracker.next(&boxes, &mut last), expected, "frame {frame}");
        }
    }

    #[test]
    fn another_class_another_place_and_a_long_absence_are_another_object() {
        let (mut tracker, mut last) = (Tracker::default(), 10);
        let mut next = |boxes: &[Found]| tracker.next(boxes, &mut last);
        assert_eq!(next(&[found(1, 0.9, 0.0, 0.0)]), [Some(11)]);
        assert_eq!(next(&[found(2, 0.9, 0.0, 0.0)]), [Some(12)]);
        assert_eq!(next(&[found(1, 0.9, 300.0, 0.0)]), [Some(13)]);
        assert_eq!(next(&[found(1, 0.9, 300.0, 0.0)]), [Some(13)]);
        // Not sure enough to begin a track.
        assert_eq!(next(&[found(1, 0.55, 600.0, 0.0)]), [None]);
        for _ in 0..MAX_MISSED - 1 {
            assert!(next(&[]).is_empty());
        }
        assert_eq!(next(&[found(1, 0.9, 300.0, 0.0)]), [Some(13)]);
        for _ in 0..=MAX_MISSED {
            assert!(next(&[]).is_empty());
        }
        assert_eq!(next(&[found(1, 0.9, 300.0, 0.0)]), [Some(14)]);
    }

    #[test]
    fn what_is_seen_once_is_forgotten_but_for_what_was_there_from_the_start() {
        let (mut tracker, mut last) = (Tracker::default(), 0);
        let mut next = |boxes: &[Found]| tracker.next(boxes, &mut last);
        let [there, new] = [found(1, 0.9, 0.0, 0.0), found(1, 0.9, 300.0, 0.0)];
        assert_eq!(next(&[there]), [Some(1)]);
        assert_eq!(next(&[new]), [Some(2)]);
        assert!(next(&[]).is_empty());
        assert_eq!(next(&[there, new]), [Some(1), Some(3)]);
        assert_eq!(next(&[there, new]), [Some(1), Some(3)]);
    }

    #[test]
    fn of_two_tracks_in_one_place_the_older_stays() {
        let (mut tracker, mut last) = (Tracker::default(), 0);
        let mut next = |boxes: &[Found]| tracker.next(boxes, &mut last);
        let (old, beside) = (found(1, 0.9, 0.0, 0.0), found(1, 0.7, 13.0, 0.0));
        for _ in 0..30 {
            assert_eq!(next(&[old]), [Some(1)]);
        }
        for _ in 0..3 {
            assert_eq!(next(&[old, beside]), [Some(1), Some(2)]);
        }
        // The older one's object is lost for a moment, and the other's box comes almost where it was.
        let mut place = 13.0;
        let mut numbers = Vec::new();
        while place > 3.0 {
            place -= 1.0;
            numbers.extend(next(&[found(1, 0.9, place, 0.0)]));
        }
        assert_eq!(numbers[..3], [Some(2); 3]);
        for _ in 0..3 {
            assert_eq!(next(&[found(1, 0.9, place, 0.0)]), [Some(1)]);
        }
    }

    /// A box x1, y1, x2, y2, its confidence, and the published tracker's number (`tests/record_bytetrack.py`).
    type Recorded = (f32, f32, f32, f32, f32, Option<u64>);

    #[test]
    fn numbers_are_those_of_the_published_tracker() {
        let sequences: Vec<Vec<Vec<Recorded>>> =
            serde_json::from_str(include_str!("../../tests/bytetrack.json")).unwrap();
        let (mut numbered, mut duplicates) = (0, 0);
        for (index, sequence) in sequences.iter().enumerate() {
            let (mut tracker, mut last) = (Tracker::default(), 0);
            let (mut own_of, mut theirs_of) = (BTreeMap::new(), BTreeMap::new());
            for (frame, recorded) in sequence.iter().enumerate() {
                let found = |&(x1, y1, x2, y2, confidence, _): &Recorded| Found {
                    bbox: [x1, y1, x2, y2],
                    confidence,
                    class: 0,
                };
                let boxes: Vec<Found> = recorded.iter().map(found).collect();
                let numbers = tracker.next(&boxes, &mut last);
                for (own, (.., confidence, theirs)) in numbers.into_iter().zip(recorded) {
                    let place = format!("sequence {index}, frame {frame}, confidence {confidence}");
                    // It gives none to a track that was seen only once, and to one that is another's duplicate.
                    let Some(theirs) = theirs else {
                        let is_known = own.is_some_and(|own| theirs_of.contains_key(&own));
                        duplicates += u32::from(is_known);
                        continue;
                    };
                    numbered += 1;
                    let own = own.unwrap_or_else(|| panic!("{place}: none for {theirs}"));
                    assert_eq!(*own_of.entry(*theirs).or_insert(own), own, "{place}");
                    assert_eq!(*theirs_of.entry(own).or_insert(*theirs), *theirs, "{place}");
                }
            }
        }
        assert!(
            numbered > 1000 && duplicates < 10,
            "{numbered} {duplicates}"
        );
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
