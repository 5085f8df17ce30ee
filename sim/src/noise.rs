//! Seeded randomness: one generator for each purpose and instant, so that a reading does not depend on who asked for which before.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a generator is for; readings of one purpose never share numbers with another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The drift and jitter of wheel odometry.
    Odometry = 1,
    /// Lidar ranges.
    Lidar = 2,
    /// Accelerations and turning rates.
    Imu = 3,
    /// Pixels.
    Camera = 4,
    /// Mazes and what stands in them.
    Maze = 5,
    /// Surfaces.
    Texture = 6,
    /// Training frames.
    Frames = 7,
}

/// The generator of `seed` for a purpose and an instant (a step or a count).
pub fn generator(seed: u64, purpose: Purpose, instant: u64) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
    key[16..24].copy_from_slice(&instant.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

/// A sample of the standard normal distribution.
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    let v: f64 = rng.random();
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// Noise for whole pictures: a stock of it, from which each row takes a stretch at random.
pub struct Grain {
    stock: Vec<i8>,
}

/// Values in the stock; rows are shorter.
const STOCK: usize = 1 << 14;
/// Bytes that take one stretch of the stock.
const STRETCH: usize = 2048;

impl Grain {
    /// Noise with a standard deviation of `sigma` steps of 255.
    pub fn new(sigma: f64, rng: &mut ChaCha8Rng) -> Self {
        Self {
            stock: (0..STOCK)
                .map(|_| (sigma * normal(rng)).round().clamp(-127.0, 127.0) as i8)
                .collect(),
        }
    }

    /// Adds noise to the colours of a picture.
    pub fn add(&self, rgb: &mut [u8], rng: &mut ChaCha8Rng) {
        for stretch in rgb.chunks_mut(STRETCH) {
            let start = rng.random_range(0..STOCK - STRETCH);
            for (value, &grain) in stretch.iter_mut().zip(&self.stock[start..]) {
                *value = (i16::from(*value) + i16::from(grain)).clamp(0, 255) as u8;
            }
        }
    }
}
