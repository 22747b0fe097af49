//! How long something takes by itself, also on a machine that others work on.

use std::time::{Duration, Instant};

/// Runs from its start, but not while its thread waits for a core that another thread has.
pub(crate) struct Stopwatch {
    waited: Duration,
    started: Instant,
}

// === impl Stopwatch ===

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { waited: waited(), started: Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        let elapsed = self.started.elapsed();
        elapsed.saturating_sub(waited().saturating_sub(self.waited))
    }
}

/// How long this thread has waited for a core so far. Only Linux says; elsewhere waits count.
fn waited() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').nth(1).and_then(|waited| waited.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
