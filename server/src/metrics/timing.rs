//! How long something takes, as a histogram.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the store took for each batch of writes, and how many batches it refused.
#[derive(Debug, Default)]
pub struct Timing {
    /// Batches that took at most so long, one number a bound; the last has none.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    nanoseconds: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// From a memory store to a disk that is in trouble, in microseconds.
const BOUNDS_US: [u64; 12] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 2_500_000];

// === impl Timing ===

impl Timing {
    /// Notes one batch of `writes`.
    pub(super) fn note(&self, took: Duration, writes: usize, failed: bool) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.writes.fetch_add(writes as u64, Ordering::Relaxed);
        self.failures.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    /// For each bound in seconds, how many took at most so long; the last bound is infinity.
    pub(super) fn cumulated(&self) -> Vec<(String, u64)> {
        let bounds = BOUNDS_US.iter().map(|us| (*us as f64 / 1e6).to_string());
        let mut sum = 0;
        let counts = self.buckets.iter().map(|bucket| {
            sum += bucket.load(Ordering::Relaxed);
            sum
        });
        bounds.chain(["+Inf".to_owned()]).zip(counts).collect()
    }

    /// All of it, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_holds_those_before_it() {
        let timing = Timing::default();
        for us in [1, 50, 51, 10_000_000] {
            timing.note(Duration::from_micros(us), 2, us == 51);
        }
        let cumulated = timing.cumulated();
        assert_eq!(cumulated[0], ("0.00005".to_owned(), 2));
        assert_eq!(cumulated[1], ("0.0001".to_owned(), 3));
        assert_eq!(cumulated[11].1, 3);
        assert_eq!(cumulated[12], ("+Inf".to_owned(), 4));
        assert!((timing.seconds() - 10.000_102).abs() < 1e-9);
        assert_eq!(timing.writes.load(Ordering::Relaxed), 8);
        assert_eq!(timing.failures.load(Ordering::Relaxed), 1);
    }
}
