//! The only room that reads a clock: a monotonic one for leases, a wall clock for display.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on the registry's own time line, in milliseconds.
///
/// Registry time runs only while the registry does and never goes back, also across restarts: time
/// during which the registry was down does not exist on it. Leases are measured on it alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

/// A wall-clock instant, in milliseconds since 1970-01-01T00:00:00Z.
///
/// For people and for the wire. No lease is ever decided by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A future that a clock hands out.
pub type Alarm<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds on a monotonic clock since an arbitrary start. Never goes back.
    fn elapsed_ms(&self) -> u64;
    /// The wall clock, which may jump either way.
    fn wall(&self) -> Timestamp;
    /// Resolves once [`elapsed_ms`](Clock::elapsed_ms) has reached `at_ms`.
    fn alarm(&self, at_ms: u64) -> Alarm<'_>;
}

/// The machine's own clocks.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
}

/// Registry time: a clock, continued from where the registry stopped the last time.
#[derive(Clone)]
pub(crate) struct Timeline {
    clock: Arc<dyn Clock>,
    /// What the clock showed when registry time was `from`.
    origin_ms: u64,
    from: Tick,
}

// === impl Tick ===

impl Tick {
    /// The instant `ms` milliseconds later.
    #[must_use]
    pub fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to here; zero if it is not earlier.
    #[must_use]
    pub fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

// === impl SystemClock ===

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn elapsed_ms(&self) -> u64 {
        let elapsed = self.started.elapsed();
        elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis())
    }

    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn alarm(&self, at_ms: u64) -> Alarm<'_> {
        let wait = Duration::from_millis(at_ms.saturating_sub(self.elapsed_ms()));
        Box::pin(tokio::time::sleep(wait))
    }
}

// === impl Timeline ===

impl Timeline {
    /// Continues registry time at `from`: it starts to run now.
    pub(crate) fn resume(clock: Arc<dyn Clock>, from: Tick) -> Self {
        let origin_ms = clock.elapsed_ms();
        Self { clock, origin_ms, from }
    }

    pub(crate) fn now(&self) -> Tick {
        self.from.after_ms(self.clock.elapsed_ms().saturating_sub(self.origin_ms))
    }

    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Resolves once registry time has reached `at`.
    pub(crate) async fn reach(&self, at: Tick) {
        self.clock.alarm(self.origin_ms + at.ms_since(self.from)).await;
    }
}
