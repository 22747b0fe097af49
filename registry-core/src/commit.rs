//! The commit loop: what waits becomes one batch, one sync, one step of the catalog, many answers.
//!
//! While the store has one batch, the one before is shown: neither waits for the other.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::{Due, Pulse, Slot, Step};
use crate::change::{Cause, Change, Revision};
use crate::driver::Driver;
use crate::encoding::encode;
use crate::error::{Error, Invalid};
use crate::key::Key;
use crate::lease::Beat;
use crate::limits;
use crate::operation::{Decision, Done, Draft, Operation, Reply, Ticket};
use crate::recover;
use crate::store::{Action, Expect, Outcome, StoreError, Write};

/// A write on its way to the store.
struct Pending {
    key: Key,
    draft: Draft,
    reply: Option<Reply>,
    beat: Beat,
}

/// A batch that the store has taken whole, and nobody has seen yet.
pub(crate) struct Taken {
    keys: Keys,
    pending: Vec<Pending>,
    outcomes: Vec<Outcome>,
}

/// A batch to be taken.
struct Batch {
    writes: Vec<Write>,
    keys: Keys,
    pending: Vec<Pending>,
}

type Keys = HashSet<Key, foldhash::fast::RandomState>;

// === impl Batch ===

impl Batch {
    fn with_room(writes: usize) -> Self {
        Self {
            writes: Vec::with_capacity(writes),
            keys: Keys::with_capacity_and_hasher(writes, Default::default()),
            pending: Vec::with_capacity(writes),
        }
    }
}

// === impl Driver ===

impl Driver {
    /// Commits one batch of what waits, and meanwhile shows the one before. One operation a key: a
    /// second one waits until the first is shown.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        let Batch { writes, keys, pending } = self.batch();
        if writes.is_empty() {
            self.show_taken();
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        let (committed, ()) = tokio::join!(store.commit(writes), async { self.show_taken() });
        match committed {
            Ok(outcomes) if outcomes.contains(&Outcome::Conflict) => {
                self.overtaken(pending, &outcomes).await
            }
            Ok(outcomes) => {
                self.taken = Some(Taken { keys, pending, outcomes });
                if !self.has_more() {
                    self.show_taken();
                }
                Ok(())
            }
            Err(StoreError::NotDone(reason)) => {
                tracing::warn!(%reason, "the store did not take a batch");
                self.failed(pending, &Error::Unavailable);
                Ok(())
            }
            Err(StoreError::Unknown(reason)) => {
                tracing::warn!(%reason, "the store did not say what became of a batch; looking");
                let reloaded = self.reload().await;
                if reloaded.is_err() {
                    self.failed(pending, &Error::Unknown);
                } else {
                    self.found_out(pending);
                }
                reloaded
            }
            Err(broken) => {
                self.failed(pending, &Error::Unknown);
                Err(broken)
            }
        }
    }

    fn batch(&mut self) -> Batch {
        let mut batch = Batch::with_room(self.waiting.len().min(limits::BATCH_OPERATIONS_MAX));
        let mut bytes = 0;
        let mut later = Vec::new();
        while batch.writes.len() < limits::BATCH_OPERATIONS_MAX
            && bytes < limits::BATCH_BYTES_MAX
            && let Some(ticket) = self.waiting.pop_front()
        {
            let is_taken =
                self.taken.as_ref().is_some_and(|taken| taken.keys.contains(&ticket.key));
            if is_taken || batch.keys.contains(&ticket.key) {
                later.push(ticket);
            } else if let Some((write, one)) = self.decide(ticket) {
                bytes += write.action.bytes();
                batch.keys.insert(one.key.clone());
                batch.writes.push(write);
                batch.pending.push(one);
            }
        }
        for ticket in later.into_iter().rev() {
            self.waiting.push_front(ticket);
        }
        batch
    }

    /// Answers the operation, or says what is to be written for it.
    fn decide(&mut self, ticket: Ticket) -> Option<(Write, Pending)> {
        let Ticket { key, operation, reply } = ticket;
        let now = self.shared.timeline.now();
        let catalog = &self.shared.catalog;
        let draft = match operation.decide(&key, catalog, now, self.shared.timeline.wall()) {
            Decision::Write(draft) => draft,
            Decision::Refuse(error) => return answer(reply, Err(error)),
            Decision::Nothing => return answer(reply, Err(Error::NotFound)),
            Decision::Relist(slot) => {
                self.relist(&slot);
                return answer(reply, Ok(Done { slot, cause: Cause::Revived }));
            }
        };
        let before = draft.before.as_ref();
        let mut beat = before.map(|slot| slot.pulse().latest()).unwrap_or_default();
        if draft.renews {
            beat = Beat { last_seen: beat.last_seen.max(draft.at), renewed: beat.renewed.max(now) };
        }
        let action = match &draft.record {
            Some(record) => Action::Put { body: encode(record), beat },
            None => Action::Delete,
        };
        if action.bytes() > limits::RECORD_BYTES_MAX {
            let error = Invalid::too_long("record", action.bytes(), limits::RECORD_BYTES_MAX);
            return answer(reply, Err(error.into()));
        }
        let modified = before.map(|slot| slot.record().modified);
        let expect = modified.map_or(Expect::Absent, Expect::Modified);
        let write = Write { key: key.clone(), expect, action };
        Some((write, Pending { key, draft, reply, beat }))
    }

    /// Shows a record that has beaten; if it had been announced as lapsed, queues the news.
    fn relist(&mut self, slot: &Arc<Slot>) {
        slot.pulse().revive();
        self.shared.catalog.apply([Step::Relist(slot)]);
        self.deadlines.arm(&self.shared.catalog, slot);
        if slot.record().lapsed_at.is_some() {
            let operation = Operation::Due(Due::Revived(Arc::clone(slot.pulse())));
            let key = slot.record().key.clone();
            self.waiting.push_back(Ticket { key, operation, reply: None });
        }
    }

    /// Shows the batch that the store has taken, if there is one, then answers.
    pub(crate) fn show_taken(&mut self) {
        if let Some(Taken { pending, outcomes, .. }) = self.taken.take() {
            self.show(pending, &outcomes);
        }
    }

    /// Shows what the store has taken of a batch, then answers. Gives back what it has refused.
    fn show(&mut self, pending: Vec<Pending>, outcomes: &[Outcome]) -> Vec<Pending> {
        let mut changes = Vec::with_capacity(pending.len());
        let mut answers = Vec::with_capacity(pending.len());
        let mut refused = Vec::new();
        for (one, outcome) in pending.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Done(revision) => {
                    let change = Arc::new(self.change(one.draft, *revision, one.beat));
                    answers.push((one.reply, Arc::clone(&change)));
                    changes.push(change);
                }
                Outcome::Conflict => refused.push(one),
            }
        }
        changes.sort_by_key(|change| change.revision);
        self.shared.hub.tell(&self.shared.catalog, &changes);
        self.flush.changed = true;
        for change in &changes {
            if let Some(slot) = &change.after {
                self.deadlines.arm(&self.shared.catalog, slot);
            }
        }
        for (reply, change) in answers {
            answer(reply, Ok(Done { slot: Arc::clone(change.slot()), cause: change.cause }));
        }
        refused
    }

    /// Shows what was taken of a batch of which the store has refused something, and finds out why.
    async fn overtaken(
        &mut self,
        pending: Vec<Pending>,
        outcomes: &[Outcome],
    ) -> Result<(), StoreError> {
        let refused = self.show(pending, outcomes);
        tracing::warn!(writes = refused.len(), "another writer has changed the store; reloading");
        self.reload().await?;
        self.failed(refused, &Error::Unavailable);
        Ok(())
    }

    /// The change that a draft has become.
    fn change(&self, draft: Draft, revision: Revision, beat: Beat) -> Change {
        let Draft { cause, at, before, record, by, renews } = draft;
        let after = record.map(|mut record| {
            record.modified = revision;
            let pulse = match &before {
                Some(slot) => Arc::clone(slot.pulse()),
                None => {
                    record.created = revision;
                    Pulse::new(record.key.clone(), revision, beat)
                }
            };
            if renews {
                // From now, not from before the commit: a lease begins when it can be seen.
                let catalog = &self.shared.catalog;
                let beat = Beat { renewed: self.shared.timeline.now(), ..beat };
                pulse.beat(beat, || catalog.count_revival());
                pulse.revive();
            }
            Slot::new(*record, pulse)
        });
        Change { revision, cause, at, before, after, by }
    }

    /// Tells the callers; what the driver itself wanted is decided anew after the next mark.
    fn failed(&mut self, pending: Vec<Pending>, error: &Error) {
        for one in pending {
            if one.reply.is_none()
                && let Some(slot) = &one.draft.before
            {
                let pulse = Arc::clone(slot.pulse());
                let due = match one.draft.cause {
                    Cause::Lapsed => Due::Lapsed(pulse),
                    Cause::Revived => Due::Revived(pulse),
                    _ => Due::Purge(pulse),
                };
                self.due.push_back((self.shared.timeline.now(), due));
            }
            answer(one.reply, Err(error.clone()));
        }
    }

    /// Answers by what the store turned out to hold.
    fn found_out(&mut self, pending: Vec<Pending>) {
        let mut undone = Vec::new();
        for one in pending {
            let now = self.shared.catalog.get(one.key.namespace(), one.key.id());
            let revision = |slot: &Option<Arc<Slot>>| slot.as_ref().map(|s| s.record().modified);
            let Draft { cause, before, record, .. } = &one.draft;
            if revision(&now) == revision(before) {
                undone.push(one);
                continue;
            }
            let done = match (&now, record, before) {
                (Some(slot), Some(wanted), _) => {
                    slot.record().says_the_same(wanted).then_some(slot)
                }
                (None, None, Some(slot)) => Some(slot),
                _ => None,
            };
            let done = done.map(|slot| Done { slot: Arc::clone(slot), cause: *cause });
            answer(one.reply, done.ok_or(Error::Unknown));
        }
        self.failed(undone, &Error::Unavailable);
    }

    /// Finds out what is true after the store could not say. Nothing is committed before that.
    async fn reload(&mut self) -> Result<(), StoreError> {
        let mut tries = 1;
        let reloaded = loop {
            match recover::reload(&self.shared, self.store.as_ref()).await {
                Ok(reloaded) => break reloaded,
                Err(StoreError::NotDone(_)) if tries < limits::RELOAD_TRIES_MAX => {
                    let again = self.shared.timeline.now().after_ms(limits::RELOAD_PAUSE_MS);
                    self.shared.timeline.reach(again).await;
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        };
        let now = self.shared.timeline.now();
        self.flush.wanted |= !reloaded.due.is_empty();
        self.due.extend(reloaded.due.into_iter().map(|due| (now, due)));
        self.waiting.extend(reloaded.revived.into_iter().map(Ticket::revive));
        for slot in reloaded.slots {
            self.deadlines.arm(&self.shared.catalog, &slot);
        }
        Ok(())
    }
}

fn answer(reply: Option<Reply>, answer: Result<Done, Error>) -> Option<(Write, Pending)> {
    if let Some(reply) = reply {
        // A caller that has gone away does not want to know.
        let _gone = reply.send(answer);
    }
    None
}

// === impl Action ===

impl Action {
    fn bytes(&self) -> usize {
        match self {
            Self::Put { body, .. } => body.len(),
            Self::Delete => 0,
        }
    }
}
