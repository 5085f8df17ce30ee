//! The path that the robot has driven.

/// Poses closer than this to the last one kept add nothing, m: noise of a standing robot is no way driven.
const STEP: f64 = 0.01;
/// Points kept for drawing; beyond, every second one is dropped.
const MAX_POINTS: usize = 20_000;

/// Length and shape of the driven path, in one frame.
#[derive(Debug)]
pub struct DrivenPath {
    points: Vec<[f64; 2]>,
    last: Option<[f64; 2]>,
    length: f64,
    drawing_step: f64,
}

impl Default for DrivenPath {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            last: None,
            length: 0.0,
            drawing_step: STEP,
        }
    }
}

impl DrivenPath {
    /// The robot was seen at `[x, y]` in m. Values that are not finite are ignored.
    pub fn push(&mut self, at: [f64; 2]) {
        if !at.iter().all(|v| v.is_finite()) {
            return;
        }
        let Some(last) = self.last else {
            self.last = Some(at);
            self.points.push(at);
            return;
        };
        let step = distance(last, at);
        if step < STEP {
            return;
        }
        self.length += step;
        self.last = Some(at);
        if self
            .points
            .last()
            .is_none_or(|&drawn| distance(drawn, at) >= self.drawing_step)
        {
            self.points.push(at);
        }
        if self.points.len() > MAX_POINTS {
            let mut keep = false;
            self.points.retain(|_| {
                keep = !keep;
                keep
            });
            self.drawing_step *= 2.0;
        }
    }

    /// Length driven, m; `None` if no pose was seen.
    pub fn length(&self) -> Option<f64> {
        self.last.map(|_| self.length)
    }

    /// The path for drawing, from the start to the newest pose.
    pub fn points(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        self.points.iter().copied().chain(self.last)
    }
}

/// Distance in the plane, m.
pub(crate) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_that_of_the_way_not_of_the_noise() {
        let mut path = DrivenPath::default();
        assert_eq!(path.length(), None);
        for i in 0..1000 {
            path.push([0.001 * f64::from(i % 3), 0.0]);
        }
        assert_eq!(path.length(), Some(0.0));
        path.push([3.0, 0.0]);
        path.push([f64::NAN, 0.0]);
        path.push([3.0, 4.0]);
        assert!((path.length().expect("driven") - 7.0).abs() < 0.01);
    }

    #[test]
    fn a_long_run_keeps_a_bounded_number_of_points_and_the_whole_length() {
        let mut path = DrivenPath::default();
        for i in 0..100_000_u32 {
            path.push([f64::from(i) * 0.02, 0.0]);
        }
        assert!(path.points().count() <= MAX_POINTS + 1);
        assert!((path.length().expect("driven") - 99_999.0 * 0.02).abs() < 1e-3);
        assert_eq!(path.points().last(), Some([99_999.0 * 0.02, 0.0]));
    }
}
