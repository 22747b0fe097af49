//! Where the server stands between its start and its end.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::watch;

/// One stage of the server's life; it only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Phase {
    /// The records are being read from the store.
    Starting,
    /// Every request is answered.
    Ready,
    /// The signal to stop has come: open requests are answered, connections close behind them.
    Draining,
    /// The deadline has passed: what is still open is dropped.
    Over,
}

/// The current phase: cheap to read on every request, and possible to wait for.
#[derive(Debug)]
pub struct Lifecycle {
    // Beside the channel, whose read takes a lock: requests ask once each, on every core.
    now: AtomicU8,
    told: watch::Sender<Phase>,
}

/// Waits with `receiver` for `phase`.
///
/// Always asks the channel. To skip it while [`Lifecycle::phase`] has not changed loses the news
/// for who looks between the change of the number and the wake-up.
pub(crate) async fn reached(phase: Phase, receiver: &mut watch::Receiver<Phase>) {
    // An error means that the server is gone.
    let _ = receiver.wait_for(|current| *current >= phase).await;
}

// === impl Lifecycle ===

impl Lifecycle {
    /// Begins in [`Phase::Starting`].
    pub fn new() -> Self {
        Self {
            now: AtomicU8::new(Phase::Starting as u8),
            told: watch::Sender::new(Phase::Starting),
        }
    }

    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.now.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            2 => Phase::Draining,
            _ => Phase::Over,
        }
    }

    /// Moves on to `phase`; a phase already passed is ignored.
    pub fn advance(&self, phase: Phase) {
        self.told.send_if_modified(|current| {
            let moves = phase > *current;
            if moves {
                *current = phase;
                self.now.store(phase as u8, Ordering::Release);
            }
            moves
        });
    }

    /// A receiver to wait with, for connections and for answers that stream.
    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.told.subscribe()
    }

    /// Waits until every receiver is gone, that is until every connection has ended.
    pub(crate) async fn unwatched(&self) {
        self.told.closed().await;
    }

    /// How many receivers there are.
    pub(crate) fn watchers(&self) -> usize {
        self.told.receiver_count()
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_phase_never_goes_back() {
        let life = Lifecycle::new();
        assert_eq!(life.phase(), Phase::Starting);
        life.advance(Phase::Draining);
        life.advance(Phase::Ready);
        assert_eq!(life.phase(), Phase::Draining);
        assert_eq!(*life.watch().borrow(), Phase::Draining);
    }

    #[tokio::test]
    async fn who_waits_for_a_later_phase_is_not_lost_in_an_earlier_one() {
        let life = Lifecycle::new();
        let mut receiver = life.watch();
        let waiter = tokio::spawn(async move { reached(Phase::Draining, &mut receiver).await });
        for phase in [Phase::Ready, Phase::Draining] {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            assert!(!waiter.is_finished(), "before {phase:?}");
            life.advance(phase);
        }
        tokio::time::timeout(Duration::from_secs(10), waiter).await.unwrap().unwrap();
    }
}
