//! A box that moves: ByteTrack's Kalman filter over centre, aspect ratio and height, each with its velocity.
//!
//! The published filter has one state of eight numbers. All its matrices leave the four quantities apart, so four
//! filters of two numbers are the same.

/// Standard deviation of a position as a share of the height.
const POSITION: f32 = 1.0 / 20.0;
/// Of a velocity, a frame.
const VELOCITY: f32 = 1.0 / 160.0;
/// The quantity whose noise is no share of the height: width over height.
const ASPECT: usize = 2;
const HEIGHT: usize = 3;

/// Centre x, centre y, width over height, height.
#[derive(Debug, Clone, Copy)]
pub struct Motion([Quantity; 4]);

/// One quantity and its velocity, with their variances and covariance.
#[derive(Debug, Clone, Copy)]
struct Quantity {
    value: f32,
    velocity: f32,
    var_value: f32,
    covar: f32,
    var_velocity: f32,
}

impl Motion {
    /// Of a box x1, y1, x2, y2 that is seen for the first time.
    pub fn new(bbox: [f32; 4]) -> Self {
        let measured = quantities(bbox);
        let height = measured[HEIGHT];
        let mut index = 0;
        Self(measured.map(|value| {
            let (of_value, of_velocity) = if index == ASPECT {
                (1e-2, 1e-5)
            } else {
                (2.0 * POSITION * height, 10.0 * VELOCITY * height)
            };
            index += 1;
            Quantity {
                value,
                velocity: 0.0,
                var_value: of_value * of_value,
                covar: 0.0,
                var_velocity: of_velocity * of_velocity,
            }
        }))
    }

    /// One frame later. The height of an object that is `lost` is taken to stay.
    pub fn predict(&mut self, lost: bool) {
        let height = self.0[HEIGHT].value;
        if lost {
            self.0[HEIGHT].velocity = 0.0;
        }
        for (index, quantity) in self.0.iter_mut().enumerate() {
            let (of_value, of_velocity) = if index == ASPECT {
                (1e-2, 1e-5)
            } else {
                (POSITION * height, VELOCITY * height)
            };
            quantity.value += quantity.velocity;
            quantity.var_value +=
                2.0 * quantity.covar + quantity.var_velocity + of_value * of_value;
            quantity.covar += quantity.var_velocity;
            quantity.var_velocity += of_velocity * of_velocity;
        }
    }

    /// It is seen in this box.
    pub fn correct(&mut self, bbox: [f32; 4]) {
        let height = self.0[HEIGHT].value;
        for (index, (quantity, measured)) in self.0.iter_mut().zip(quantities(bbox)).enumerate() {
            let noise = if index == ASPECT {
                1e-1
            } else {
                POSITION * height
            };
            let total = quantity.var_value + noise * noise;
            let (gain, gain_velocity) = (quantity.var_value / total, quantity.covar / total);
            let surprise = measured - quantity.value;
            quantity.value += gain * surprise;
            quantity.velocity += gain_velocity * surprise;
            quantity.var_velocity -= gain_velocity * quantity.covar;
            quantity.covar -= gain * quantity.covar;
            quantity.var_value -= gain * quantity.var_value;
        }
    }

    /// Where it is: x1, y1, x2, y2.
    pub fn bbox(&self) -> [f32; 4] {
        let [x, y, aspect, height] = self.0.map(|quantity| quantity.value);
        let (half_width, half_height) = (aspect * height / 2.0, height / 2.0);
        [
            x - half_width,
            y - half_height,
            x + half_width,
            y + half_height,
        ]
    }
}

/// Centre, aspect ratio and height of a box. A box without area is given a little, so that nothing is divided by 0.
fn quantities([x1, y1, x2, y2]: [f32; 4]) -> [f32; 4] {
    let height = (y2 - y1).max(1e-3);
    [(x1 + x2) / 2.0, (y1 + y2) / 2.0, (x2 - x1) / height, height]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_movement_is_predicted() {
        let at = |frame: f32| {
            [
                4.0 * frame,
                100.0 - frame,
                4.0 * frame + 40.0,
                180.0 - frame,
            ]
        };
        let mut motion = Motion::new(at(0.0));
        for frame in 1..30 {
            motion.predict(false);
            motion.correct(at(frame as f32));
        }
        motion.predict(false);
        for (predicted, expected) in motion.bbox().into_iter().zip(at(30.0)) {
            assert!((predicted - expected).abs() < 1.0, "{predicted} {expected}");
        }
    }

    #[test]
    fn a_box_without_area_makes_no_infinity() {
        let mut motion = Motion::new([5.0; 4]);
        for _ in 0..10 {
            motion.predict(true);
            motion.correct([5.0; 4]);
            assert!(motion.bbox().into_iter().all(f32::is_finite), "{motion:?}");
        }
    }
}
