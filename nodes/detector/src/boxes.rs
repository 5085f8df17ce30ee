//! From the network's output to boxes: candidates above the confidence limit, then class-wise non-maximum suppression.
//! Limits and order are those of Ultralytics' predictor.

use pulp::Arch;
use wire::iou;

use crate::kernels;

/// Most boxes that a frame is answered with.
pub const MAX_BOXES: usize = 300;
/// Most candidates that suppression looks at; the less confident ones beyond are dropped.
const MAX_CANDIDATES: usize = 30_000;

/// What counts as a detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least confidence, 0 to 1.
    pub confidence: f32,
    /// Boxes of one class that overlap more than this are one object, 0 to 1.
    pub iou: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            confidence: 0.25,
            iou: 0.7,
        }
    }
}

/// One box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// x1, y1, x2, y2 in pixels of the network's input.
    pub bbox: [f32; 4],
    /// 0 to 1.
    pub confidence: f32,
    /// Index of the class.
    pub class: usize,
}

/// Finds boxes; keeps its buffers, so that it allocates nothing once it has seen a crowded frame.
#[derive(Default)]
pub struct BoxFinder {
    arch: Arch,
    best: Vec<f32>,
    candidates: Vec<Candidate>,
    found: Vec<Found>,
}

#[derive(Clone, Copy)]
struct Candidate {
    found: Found,
    /// Its column or row of the output.
    anchor: usize,
}

impl BoxFinder {
    /// Boxes of a raw head: `output` holds rows of `anchors` numbers: centre x, centre y, width, height, then a row
    /// for each of `classes`. Highest confidence first.
    pub fn from_raw(
        &mut self,
        output: &[f32],
        classes: usize,
        anchors: usize,
        limits: Thresholds,
    ) -> &[Found] {
        let (places, scores) = output.split_at((4 * anchors).min(output.len()));
        self.best.clear();
        self.best.resize(anchors, f32::NEG_INFINITY);
        kernels::column_maxima(self.arch, scores, &mut self.best);
        self.candidates.clear();
        for (anchor, confidence) in self.best.iter().copied().enumerate() {
            if confidence > limits.confidence {
                let class =
                    (0..classes).find(|class| scores[class * anchors + anchor] == confidence);
                let [x, y, w, h] = [0, 1, 2, 3].map(|row| places[row * anchors + anchor]);
                let bbox = [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0];
                let found = Found {
                    bbox,
                    confidence,
                    class: class.unwrap_or_default(),
                };
                add(&mut self.candidates, found, anchor);
            }
        }
        self.suppress(limits.iou)
    }

    /// Boxes of a head that has suppressed already: `output` holds x1, y1, x2, y2, confidence, class for each.
    /// Highest confidence first.
    pub fn from_rows(&mut self, output: &[f32], classes: usize, limits: Thresholds) -> &[Found] {
        let (rows, _) = output.as_chunks::<6>();
        self.candidates.clear();
        for (anchor, &[x1, y1, x2, y2, confidence, class]) in rows.iter().enumerate() {
            let known = (0.0..classes as f32).contains(&class);
            if confidence > limits.confidence && known {
                let found = Found {
                    bbox: [x1, y1, x2, y2],
                    confidence,
                    class: class as usize,
                };
                add(&mut self.candidates, found, anchor);
            }
        }
        self.sort();
        let first = self.candidates.iter().take(MAX_BOXES);
        self.found.clear();
        self.found.extend(first.map(|candidate| candidate.found));
        &self.found
    }

    /// By falling confidence; of equal ones the first stays the first.
    fn sort(&mut self) {
        self.candidates.sort_unstable_by(|a, b| {
            b.found
                .confidence
                .total_cmp(&a.found.confidence)
                .then(a.anchor.cmp(&b.anchor))
        });
    }

    fn suppress(&mut self, max_iou: f32) -> &[Found] {
        self.sort();
        self.candidates.truncate(MAX_CANDIDATES);
        self.found.clear();
        for Candidate { found, .. } in &self.candidates {
            let hidden =
                |kept: &Found| kept.class == found.class && iou(&kept.bbox, &found.bbox) > max_iou;
            if !self.found.iter().any(hidden) {
                self.found.push(*found);
                if self.found.len() == MAX_BOXES {
                    break;
                }
            }
        }
        &self.found
    }
}

/// A box with a side that is no number is nowhere.
fn add(candidates: &mut Vec<Candidate>, found: Found, anchor: usize) {
    if found.bbox.iter().all(|side| side.is_finite()) {
        candidates.push(Candidate { found, anchor });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of a raw head with two classes from (x, y, w, h, score of class 0, score of class 1).
    fn raw(anchors: &[[f32; 6]]) -> Vec<f32> {
        (0..6)
            .flat_map(|row| anchors.iter().map(move |anchor| anchor[row]))
            .collect()
    }

    #[test]
    fn overlapping_boxes_of_one_class_are_one_object() {
        let output = raw(&[
            [50.0, 50.0, 20.0, 20.0, 0.6, 0.1],
            [51.0, 50.0, 20.0, 20.0, 0.9, 0.1],
            [51.0, 50.0, 20.0, 20.0, 0.1, 0.5],
            [80.0, 50.0, 20.0, 20.0, 0.3, 0.2],
            [90.0, 90.0, 20.0, 20.0, 0.25, 0.2],
        ]);
        let mut finder = BoxFinder::default();
        let found = finder.from_raw(&output, 2, 5, Thresholds::default());
        let summary: Vec<_> = found
            .iter()
            .map(|f| (f.class, f.confidence, f.bbox))
            .collect();
        assert_eq!(
            summary,
            [
                (0, 0.9, [41.0, 40.0, 61.0, 60.0]),
                (1, 0.5, [41.0, 40.0, 61.0, 60.0]),
                (0, 0.3, [70.0, 40.0, 90.0, 60.0])
            ]
        );
    }

    #[test]
    fn at_most_three_hundred_boxes_are_given() {
        let anchors: Vec<_> = (0..400)
            .map(|i| [i as f32 * 10.0, 0.0, 4.0, 4.0, 0.5 + i as f32 / 1000.0, 0.0])
            .collect();
        let mut finder = BoxFinder::default();
        let found = finder.from_raw(&raw(&anchors), 2, 400, Thresholds::default());
        assert_eq!(found.len(), MAX_BOXES);
        assert!((found[0].confidence - 0.899).abs() < 1e-6);
    }

    #[test]
    fn numbers_that_are_none_are_no_boxes() {
        let output = raw(&[[f32::NAN; 6], [f32::INFINITY, 1.0, 1.0, 1.0, f32::NAN, 0.2]]);
        assert!(
            BoxFinder::default()
                .from_raw(&output, 2, 2, Thresholds::default())
                .is_empty()
        );
        let rows = [
            0.0,
            0.0,
            1.0,
            1.0,
            0.9,
            f32::NAN,
            0.0,
            0.0,
            1.0,
            1.0,
            0.9,
            7.0,
            1.0,
            2.0,
            3.0,
            4.0,
            0.9,
            1.0,
        ];
        let mut finder = BoxFinder::default();
        let found = finder.from_rows(&rows, 2, Thresholds::default());
        assert_eq!(
            found,
            [Found {
                bbox: [1.0, 2.0, 3.0, 4.0],
                confidence: 0.9,
                class: 1
            }]
        );
    }
}
