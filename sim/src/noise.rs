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
