//! How long commands take through the gate.

use std::time::Duration;

use wire::Percentiles;

/// The newest durations, in a ring of fixed size.
#[derive(Debug)]
pub struct Latencies {
    ring_ms: Box<[f64; Self::SIZE]>,
    count: usize,
}

impl Latencies {
    const SIZE: usize = 1024;

    /// An empty ring.
    pub fn new() -> Self {
        Self {
            ring_ms: Box::new([0.0; Self::SIZE]),
            count: 0,
        }
    }

    /// Adds one, in place of the oldest where the ring is full.
    pub fn add(&mut self, latency: Duration) {
        self.ring_ms[self.count % Self::SIZE] = latency.as_nanos() as f64 / 1e6;
        self.count += 1;
    }

    /// In ms; none before the first.
    pub fn percentiles(&self) -> Option<Percentiles> {
        let filled = self.count.min(Self::SIZE);
        (filled > 0).then(|| Percentiles::of(&mut self.ring_ms[..filled].to_vec()))
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
    fn percentiles_are_over_the_newest() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        for ms in 0..2000 {
            latencies.add(Duration::from_millis(ms));
        }
        let expected = Percentiles {
            p50: 976.0 + 511.0,
            p95: 976.0 + 972.0,
            p99: 976.0 + 1013.0,
            count: 1024,
        };
        assert_eq!(latencies.percentiles(), Some(expected));
    }
}
