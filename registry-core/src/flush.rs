//! Keeping beats: heartbeats move memory only, and in rounds their latest state goes to the store.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::catalog::Pulse;
use crate::clock::Tick;
use crate::driver::Driver;
use crate::error::Error;
use crate::limits;
use crate::store::{Mark, Renewal, StoreError};

/// Beats on their way to the store.
#[derive(Default)]
pub(crate) struct Flush {
    /// Still to be written in the round that is under way.
    round: Vec<Arc<Pulse>>,
    /// What the round will have proved when it is done.
    pub(crate) mark: Option<Mark>,
    /// Up to here every beat is at rest.
    pub(crate) marked: Tick,
    pub(crate) next: Tick,
    /// When the round under way began.
    began: Tick,
    /// Something lapsed that no mark covers yet: do not wait for the interval.
    pub(crate) wanted: bool,
    /// Something was committed since the last mark.
    pub(crate) changed: bool,
    /// Who waits for the next round, and who for the one under way.
    pub(crate) callers: Vec<oneshot::Sender<Result<(), Error>>>,
    served: Vec<oneshot::Sender<Result<(), Error>>>,
}

// === impl Driver ===

impl Driver {
    /// Writes some of the beats that are due to be kept.
    pub(crate) async fn keep_beats(&mut self) -> Result<(), StoreError> {
        if self.flush.mark.is_none() && !self.begin_round() {
            return Ok(());
        }
        // Whoever waits for the batch that was taken last must not wait for this, too.
        self.show_taken();
        let from = self.flush.round.len().saturating_sub(limits::RENEWALS_MAX);
        let some = self.flush.round.split_off(from);
        let mark = self.flush.mark.filter(|_| from == 0);
        let renewals = some.iter().filter(|pulse| !pulse.is_removed()).map(renewal).collect();
        match self.store.renew(renewals, mark).await {
            Ok(()) => {
                if let Some(mark) = mark {
                    self.flush.mark = None;
                    self.flush.marked = mark.tick;
                    self.flush.answer(&Ok(()));
                    self.flush.pause(self.shared.timeline.now());
                }
                Ok(())
            }
            Err(StoreError::Broken(reason)) => Err(StoreError::Broken(reason)),
            Err(StoreError::NotDone(reason) | StoreError::Unknown(reason)) => {
                tracing::warn!(%reason, "the store did not keep the heartbeats; trying again");
                let again = some.into_iter().chain(self.flush.round.drain(..));
                for pulse in again {
                    pulse.clean();
                    self.shared.catalog.soil(&pulse);
                }
                self.flush.mark = None;
                self.flush.changed = true;
                self.flush.answer(&Err(Error::Unavailable));
                Ok(())
            }
        }
    }

    /// Begins to keep the beats of all that have beaten, if it is time to or somebody asks for it.
    fn begin_round(&mut self) -> bool {
        let now = self.shared.timeline.now();
        let flush = &mut self.flush;
        let asked = flush.wanted || !flush.callers.is_empty();
        if !asked && now < flush.next {
            return false;
        }
        (flush.began, flush.next) = (now, now.after_ms(self.options.flush_ms));
        flush.round = self.shared.catalog.take_dirty();
        let overdue = now.ms_since(flush.marked) >= limits::MARK_MS && !self.deadlines.is_empty();
        if !(asked || overdue || flush.changed || !flush.round.is_empty() || !self.due.is_empty()) {
            return false;
        }
        (flush.wanted, flush.changed) = (false, false);
        flush.served = std::mem::take(&mut flush.callers);
        flush.mark = Some(Mark { tick: now, wall: self.shared.timeline.wall() });
        true
    }
}

/// The latest beat; one that comes later makes the pulse dirty again.
fn renewal(pulse: &Arc<Pulse>) -> Renewal {
    pulse.clean();
    Renewal { key: pulse.key.clone(), created: pulse.created, beat: pulse.latest() }
}

// === impl Flush ===

impl Flush {
    /// Nothing to keep yet; the first round is at `next`.
    pub(crate) fn begin(next: Tick) -> Self {
        Self { next, ..Self::default() }
    }

    /// Puts the next round off where this one took long, so that beats leave the store time for
    /// writes; never by more than a crash may lengthen a lease.
    fn pause(&mut self, now: Tick) {
        let took_ms = now.ms_since(self.began);
        let rest =
            now.after_ms(took_ms * limits::FLUSH_REST).min(self.began.after_ms(limits::MARK_MS));
        self.next = self.next.max(rest);
    }

    fn answer(&mut self, result: &Result<(), Error>) {
        for caller in self.served.drain(..) {
            let _gone = caller.send(result.clone());
        }
    }
}
