//! The shortest correct store: a map behind a lock. Read this one first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use registry_core::Key;
use registry_core::Revision;
use registry_core::store::{
    Action, Capabilities, Expect, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError,
    Stored, Write,
};

/// Keeps records for as long as somebody holds a handle.
///
/// A clone is a second handle on the same location, so a registry dropped and another opened over a
/// clone is a restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    // A plain lock, never held across an await: every step under it is a few lookups.
    content: Arc<Mutex<Content>>,
}

#[derive(Debug, Default)]
struct Content {
    revision: Revision,
    mark: Option<Mark>,
    records: BTreeMap<Key, Stored>,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no code that can panic runs under this lock")
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: false }
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        // Copied first: `each` is not our code, so it must not run under the lock.
        let (records, loaded) = {
            let content = self.content();
            let loaded = Loaded { revision: content.revision, mark: content.mark };
            (content.records.values().cloned().collect::<Vec<_>>(), loaded)
        };
        records.into_iter().for_each(each);
        Ok(loaded)
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        let mut content = self.content();
        Ok(writes.into_iter().map(|write| content.apply(write)).collect())
    }

    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError> {
        let mut content = self.content();
        for renewal in renewals {
            match content.records.get_mut(&renewal.key) {
                Some(held) if held.created == renewal.created => held.beat = renewal.beat,
                _ => {}
            }
        }
        content.mark = mark.or(content.mark);
        Ok(())
    }

    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        let mut restored =
            Content { revision: loaded.revision, mark: loaded.mark, ..Content::default() };
        for record in records {
            let record = record.map_err(StoreError::NotDone)?;
            record.check(&loaded).map_err(StoreError::NotDone)?;
            let key = record.key.clone();
            if restored.records.insert(key.clone(), record).is_some() {
                return Err(StoreError::NotDone(format!("{key} comes twice").into()));
            }
        }
        let mut content = self.content();
        if content.revision > Revision(0) {
            return Err(StoreError::NotDone("it is not empty".into()));
        }
        *content = restored;
        Ok(())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

// === impl Content ===

impl Content {
    fn apply(&mut self, write: Write) -> Outcome {
        let held = self.records.get(&write.key);
        let holds = match write.expect {
            Expect::Absent => held.is_none(),
            Expect::Modified(revision) => held.is_some_and(|held| held.modified == revision),
        };
        if !holds {
            return Outcome::Conflict;
        }
        let created = held.map(|held| held.created);
        self.revision.0 += 1;
        let modified = self.revision;
        match write.action {
            Action::Put { body, beat } => {
                let created = created.unwrap_or(modified);
                let stored = Stored { key: write.key.clone(), created, modified, body, beat };
                self.records.insert(write.key, stored);
            }
            Action::Delete => {
                self.records.remove(&write.key);
            }
        }
        Outcome::Done(modified)
    }
}
