//! A clock that can leap ahead: an hour's lease ends while a measurement lasts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use registry_core::{Alarm, Clock, SystemClock, Timestamp};

/// The machine's clocks, so much ahead.
#[derive(Clone, Default)]
pub(crate) struct LeapingClock {
    clock: SystemClock,
    ahead_ms: Arc<AtomicU64>,
}

// === impl LeapingClock ===

impl LeapingClock {
    /// Lets this much time pass at once. What waits for an instant in between wakes up no earlier.
    pub(crate) fn leap(&self, ms: u64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn ahead_ms(&self) -> u64 {
        self.ahead_ms.load(Ordering::SeqCst)
    }
}

impl Clock for LeapingClock {
    fn elapsed_ms(&self) -> u64 {
        self.clock.elapsed_ms() + self.ahead_ms()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.clock.wall().0.saturating_add_unsigned(self.ahead_ms()))
    }

    fn alarm(&self, at_ms: u64) -> Alarm<'_> {
        self.clock.alarm(at_ms.saturating_sub(self.ahead_ms()))
    }
}
