//! How long commands take through the gate.

use std::time::Duration;

/// The newest durations, in a ring of fixed size.
#[derive(Debug)]
pub struct Latencies {
    ring: Box<[Duration; Self::SIZE]>,
    count: usize,
}

/// What the ring says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half are shorter.
    pub p50: Duration,
    /// 95 % are shorter.
    pub p95: Duration,
    /// 99 % are shorter.
    pub p99: Duration,
}

impl Latencies {
    const SIZE: usize = 1024;

    /// An empty ring.
    pub fn new() -> Self {
        Self {
            ring: Box::new([Duration::ZERO; Self::SIZE]),
            count: 0,
        }
    }

    /// Adds one, in place of the oldest where the ring is full.
    pub fn add(&mut self, latency: Duration) {
        self.ring[self.count % Self::SIZE] = latency;
        self.count += 1;
    }

    /// None before the first.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let filled = self.count.min(Self::SIZE);
        let mut sorted = self.ring[..filled].to_vec();
        sorted.sort_unstable();
        // Nearest rank.
        let at = |percent: usize| {
            sorted
                .get((filled * percent).div_ceil(100).max(1) - 1)
                .copied()
        };
        Some(Percentiles {
            p50: at(50)?,
            p95: at(95)?,
            p99: at(99)?,
        })
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank_over_the_newest() {
        let ms = Duration::from_millis;
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        latencies.add(ms(7));
        assert_eq!(
            latencies.percentiles(),
            Some(Percentiles {
                p50: ms(7),
                p95: ms(7),
                p99: ms(7)
            })
        );
        for latency in 0..2000 {
            latencies.add(ms(latency));
        }
        let expected = Percentiles {
            p50: ms(976 + 511),
            p95: ms(976 + 972),
            p99: ms(976 + 1013),
        };
        assert_eq!(latencies.percentiles(), Some(expected));
    }
}
