//! A clock that moves only when it is told to.

use tokio::sync::watch;

use crate::clock::{Alarm, Clock, Timestamp};

/// A clock for tests. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: watch::Sender<Now>,
}

#[derive(Clone, Copy, Debug)]
struct Now {
    elapsed_ms: u64,
    wall: Timestamp,
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that has run for no time yet and whose wall shows `wall`.
    #[must_use]
    pub fn new(wall: Timestamp) -> Self {
        Self { now: watch::Sender::new(Now { elapsed_ms: 0, wall }) }
    }

    /// Lets `ms` milliseconds pass, on both clocks. Alarms that are reached wake.
    pub fn advance(&self, ms: u64) {
        self.now.send_modify(|now| {
            now.elapsed_ms += ms;
            now.wall.0 += i64::try_from(ms).expect("a test takes less than 292 million years");
        });
    }

    /// Sets the wall clock forward, or back, by `ms` milliseconds. No time passes.
    pub fn jump_wall(&self, ms: i64) {
        self.now.send_modify(|now| now.wall.0 += ms);
    }
}

impl Clock for ManualClock {
    fn elapsed_ms(&self) -> u64 {
        self.now.borrow().elapsed_ms
    }

    fn wall(&self) -> Timestamp {
        self.now.borrow().wall
    }

    fn alarm(&self, at_ms: u64) -> Alarm<'_> {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            let reached = now.wait_for(|now| now.elapsed_ms >= at_ms).await;
            reached.expect("the clock lent us this alarm, so it is still there");
        })
    }
}
