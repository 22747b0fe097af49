//! From an id to its record.

use std::sync::Arc;

use super::slot::{Pulse, Slot};
use super::table::Table;

/// The latest version of each record of a namespace, by its id.
///
/// A heartbeat touches two places of memory that are not at hand, and no more: a row here, and the
/// pulse, which has the id.
pub(super) struct Index(Table<Entry, SHARDS>);

struct Entry {
    pulse: Arc<Pulse>,
    slot: Arc<Slot>,
}

/// Enough that a shard of a million records moves into a larger table in half a millisecond.
const SHARDS: usize = 256;

// === impl Index ===

impl Index {
    pub(super) fn new() -> Self {
        Self(Table::new())
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<Slot>> {
        self.look(id, |slot, _| Arc::clone(slot))
    }

    /// What `look` makes of the record of this id, if there is one. Nothing is changed meanwhile,
    /// so it must be quick.
    pub(super) fn look<T>(
        &self,
        id: &str,
        look: impl FnOnce(&Arc<Slot>, &Arc<Pulse>) -> T,
    ) -> Option<T> {
        self.0.look(id, |entry| entry.is_of(id), |entry| look(&entry.slot, &entry.pulse))
    }

    /// Puts the slot in the place of an earlier version. `true` if there was none.
    pub(super) fn insert(&self, slot: &Arc<Slot>) -> bool {
        let id = slot.record().key.id();
        let entry = Entry { pulse: Arc::clone(slot.pulse()), slot: Arc::clone(slot) };
        self.0.put(id, entry, |entry| entry.is_of(id)).is_none()
    }

    /// Whether there was one.
    pub(super) fn remove(&self, id: &str) -> bool {
        self.0.remove(id, |entry| entry.is_of(id)).is_some()
    }
}

// === impl Entry ===

impl Entry {
    fn is_of(&self, id: &str) -> bool {
        self.pulse.key.id() == id
    }
}
