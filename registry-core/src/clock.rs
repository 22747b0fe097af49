//! The only room that reads a clock: a monotonic one for leases, a wall clock for display.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};

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
    /// An instant that [`elapsed_ms`](Clock::elapsed_ms) has not passed yet, and soon will.
    ///
    /// For who wants to know that something has not happened so far. It may be had for less than
    /// the present, which is exact.
    fn ahead_ms(&self) -> u64 {
        self.elapsed_ms()
    }
    /// The wall clock, which may jump either way.
    fn wall(&self) -> Timestamp;
    /// Resolves once [`elapsed_ms`](Clock::elapsed_ms) has reached `at_ms`.
    fn alarm(&self, at_ms: u64) -> Alarm<'_>;
}

/// The machine's own clocks.
#[derive(Clone, Debug)]
pub struct SystemClock {
    started: Instant,
    /// The same instant, or earlier, on the kernel's own clock.
    #[cfg(target_os = "linux")]
    kernel_started: Duration,
}

/// Registry time: a clock, continued from where the registry stopped the last time.
#[derive(Clone)]
pub(crate) struct Timeline {
    clock: Arc<dyn Clock>,
    /// What the clock showed when registry time was `from`.
    origin_ms: u64,
    from: Tick,
}

/// The kernel moves its coarse clock once a tick, every 10 ms at least. The rest is for ticks that
/// come late: 23 ms were seen on a virtual machine whose host was busy.
#[cfg(target_os = "linux")]
const COARSE_MS: u64 = 250;

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
        // In this order: then what is ahead is never behind.
        Self {
            #[cfg(target_os = "linux")]
            kernel_started: kernel_time(ClockId::Monotonic),
            started: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn elapsed_ms(&self) -> u64 {
        whole_ms(self.started.elapsed())
    }

    #[cfg(target_os = "linux")]
    fn ahead_ms(&self) -> u64 {
        let coarse = kernel_time(ClockId::MonotonicCoarse).saturating_sub(self.kernel_started);
        whole_ms(coarse) + COARSE_MS
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

fn whole_ms(duration: Duration) -> u64 {
    duration.as_secs() * 1_000 + u64::from(duration.subsec_millis())
}

#[cfg(target_os = "linux")]
fn kernel_time(clock: ClockId) -> Duration {
    // These clocks count from when the machine was started: never a negative number.
    clock_gettime(clock).try_into().unwrap_or_default()
}

// === impl Timeline ===

impl Timeline {
    /// Continues registry time at `from`: it starts to run now.
    pub(crate) fn resume(clock: Arc<dyn Clock>, from: Tick) -> Self {
        let origin_ms = clock.elapsed_ms();
        Self { clock, origin_ms, from }
    }

    pub(crate) fn now(&self) -> Tick {
        self.at(self.clock.elapsed_ms())
    }

    /// An instant that the present has not passed yet, and soon will.
    pub(crate) fn ahead(&self) -> Tick {
        self.at(self.clock.ahead_ms())
    }

    pub(crate) fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    /// Resolves once registry time has reached `at`.
    pub(crate) async fn reach(&self, at: Tick) {
        self.clock.alarm(self.origin_ms + at.ms_since(self.from)).await;
    }

    fn at(&self, elapsed_ms: u64) -> Tick {
        self.from.after_ms(elapsed_ms.saturating_sub(self.origin_ms))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_ahead_has_not_passed_and_soon_will() {
        let clock = SystemClock::new();
        let begun = clock.elapsed_ms();
        while clock.elapsed_ms() < begun + 50 {
            let before = clock.elapsed_ms();
            let ahead = clock.ahead_ms();
            let after = clock.elapsed_ms();
            assert!(before <= ahead, "{ahead} has passed at {before}");
            assert!(ahead <= after + 2 * COARSE_MS, "{ahead} is too far from {after}");
        }
    }
}
