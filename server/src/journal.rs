//! A log that is only added to: its entries are records of a namespace of the server's own.
//!
//! An entry is registered and never changed. Its generation is its id, and the order of the ids is
//! the order of the changes, so that who has seen an entry has seen every one before it. That
//! holds as long as one server writes to the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use registry_core::{
    Claim, Declared, Discovery, Error, Event, Generation, Guard, Key, OnConflict, Query, Registry,
    Slot, Start, Term, Timestamp, Watcher,
};
use ulid::Ulid;

use crate::limits::JOURNAL_REMOVALS_MAX;
use crate::sequence::Sequence;

/// One log.
#[derive(Clone)]
pub(crate) struct Journal {
    registry: Registry,
    sequence: Arc<Sequence>,
    namespace: &'static str,
    /// How many entries are kept: the newest. `None`: all.
    newest_max: Option<usize>,
    is_trimming: Arc<AtomicBool>,
}

/// An entry as it is to be: the key it is found by, and the rest.
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) declared: Declared,
}

/// Entries as they are added, each once and in order.
pub(crate) struct Follower {
    watcher: Watcher,
    /// While entries from before it began are given out: the text that their ids must come after.
    replay: Option<String>,
}

// === impl Journal ===

impl Journal {
    /// The log whose entries are the records of `namespace`, with ids from `sequence`.
    pub(crate) fn new(
        registry: Registry,
        sequence: Arc<Sequence>,
        namespace: &'static str,
        newest_max: Option<usize>,
    ) -> Self {
        Self { registry, sequence, namespace, newest_max, is_trimming: Arc::default() }
    }

    /// Adds the entry that `make` makes of its id and its time. Durable when it returns.
    ///
    /// # Errors
    /// Those of [`Registry::register`]; [`Error::Conflict`] if there is an entry of this key.
    pub(crate) async fn append(
        &self,
        make: impl FnOnce(Ulid, Timestamp) -> Entry,
    ) -> Result<Arc<Slot>, Error> {
        let now = self.registry.wall();
        let queued = self.sequence.next(now, |id| {
            let Entry { key, declared } = make(id, now);
            let key = Key::new(self.namespace, &key)?;
            let claim = Claim {
                generation: Some(Generation::new(&id.to_string())?),
                on_conflict: Some(OnConflict::Refuse),
                ..Claim::default()
            };
            let declared = Declared { term: Term::Endless, ..declared };
            Ok::<_, Error>(self.registry.register(key, declared, claim))
        });
        let slot = queued?.await?.slot;
        self.trim();
        Ok(slot)
    }

    /// The entry of this key.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<Slot>> {
        self.registry.get(self.namespace, key)
    }

    /// The entries that meet the query, oldest first.
    pub(crate) fn list(&self, query: Query) -> Discovery {
        self.registry.discover(&query.in_namespace(self.namespace).including_stale())
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.list(Query::any()).len()
    }

    /// Removes one entry.
    ///
    /// # Errors
    /// Those of [`Registry::deregister`].
    pub(crate) async fn remove(&self, key: &str) -> Result<(), Error> {
        self.registry.deregister(self.namespace, key, Guard::default()).await.map(|_| ())
    }

    /// Removes every entry that is there now.
    ///
    /// # Errors
    /// Those of a write. Some entries may be gone then; trying again removes the others.
    pub(crate) async fn clear(&self) -> Result<(), Error> {
        let found: Vec<_> = self.list(Query::any()).iter().map(Arc::clone).collect();
        for slots in found.chunks(JOURNAL_REMOVALS_MAX) {
            self.remove_all(slots).await?;
        }
        Ok(())
    }

    /// Follows the entries that meet the query: from now on or, with `since`, beginning with those
    /// whose ids come after it as text.
    ///
    /// # Errors
    /// [`Error::Busy`] if there are too many watchers.
    pub(crate) fn follow(&self, query: Query, since: Option<String>) -> Result<Follower, Error> {
        let start = if since.is_some() { Start::Snapshot } else { Start::Now };
        let query = query.in_namespace(self.namespace).including_stale();
        Ok(Follower { watcher: self.registry.watch(query, start)?, replay: since })
    }

    /// Removes, behind the back of who has added one, the entries that are too many.
    fn trim(&self) {
        let Some(newest_max) = self.newest_max else { return };
        if self.len() <= newest_max || self.is_trimming.swap(true, Ordering::AcqRel) {
            return;
        }
        let journal = self.clone();
        tokio::spawn(async move {
            let mut removed = Ok(());
            while removed.is_ok() {
                let found = journal.list(Query::any());
                let surplus = found.len().saturating_sub(newest_max).min(JOURNAL_REMOVALS_MAX);
                if surplus == 0 {
                    break;
                }
                let oldest: Vec<_> = found.iter().take(surplus).map(Arc::clone).collect();
                removed = journal.remove_all(&oldest).await;
            }
            journal.is_trimming.store(false, Ordering::Release);
            match removed {
                // What was added since the last look found this task still at work.
                Ok(()) => journal.trim(),
                Err(error) => tracing::debug!(%error, "old entries stay until the next is added"),
            }
        });
    }

    async fn remove_all(&self, slots: &[Arc<Slot>]) -> Result<(), Error> {
        let removals = slots.iter().map(|slot| self.remove(slot.record().key.id()));
        let gone = |removed| !matches!(removed, Ok(()) | Err(Error::NotFound));
        match join_all(removals).await.into_iter().find(|removed| gone(removed.clone())) {
            Some(failed) => failed,
            None => Ok(()),
        }
    }
}

// === impl Follower ===

impl Follower {
    /// The next entry. Waits for one. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`] once the registry has stopped.
    pub(crate) async fn next(&mut self) -> Result<Arc<Slot>, Error> {
        loop {
            // Before the event is taken: everything up to here has been given out.
            let seen = self.watcher.cursor();
            match self.watcher.next().await? {
                Event::Put(change) => return Ok(Arc::clone(change.slot())),
                Event::Present(slot) => {
                    let is_new = match &self.replay {
                        Some(since) => slot.record().generation.as_str() > since.as_str(),
                        // The history was too short for a slow reader; the entries are there yet.
                        None => slot.record().created > seen,
                    };
                    if is_new {
                        return Ok(slot);
                    }
                }
                Event::Synced(_) => self.replay = None,
                // Removed entries are no news; after a gap comes a snapshot.
                Event::Gone(_) | Event::Compacted { .. } => {}
            }
        }
    }
}

#[cfg(test)]
#[path = "journal_test.rs"]
mod tests;
