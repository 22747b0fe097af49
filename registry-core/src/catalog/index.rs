//! From an id to its record.

use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::slot::{Pulse, Slot};

/// The latest version of each record of a namespace, by its id.
///
/// A heartbeat touches three places of memory that are not at hand, and no more: a byte and a row
/// here, and the pulse, which has the id. Readers share a shard's lock for as long as that takes.
pub(super) struct Index {
    hasher: RandomState,
    shards: [Shard; SHARDS],
}

/// Apart from the other shards, so that threads do not meet.
#[derive(Default)]
#[repr(align(64))]
struct Shard(RwLock<HashTable<Row>>);

struct Row {
    /// That of the id. Kept, because a table that grows asks for the hashes of all its rows, and
    /// each would be a look at a pulse that is not at hand.
    hash: u64,
    pulse: Arc<Pulse>,
    slot: Arc<Slot>,
}

/// Enough that a shard of a million records moves into a larger table in half a millisecond.
const SHARDS: usize = 256;

// === impl Index ===

impl Index {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::default(), shards: std::array::from_fn(|_| Shard::default()) }
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
        let hash = self.hasher.hash_one(id);
        let shard = self.shard(hash).read();
        shard.find(hash, |row| row.is_of(id)).map(|row| look(&row.slot, &row.pulse))
    }

    /// Puts the slot in the place of an earlier version. `true` if there was none.
    pub(super) fn insert(&self, slot: &Arc<Slot>) -> bool {
        let id = slot.record().key.id();
        let hash = self.hasher.hash_one(id);
        let mut shard = self.shard(hash).write();
        let row = Row { hash, pulse: Arc::clone(slot.pulse()), slot: Arc::clone(slot) };
        match shard.find_mut(hash, |row| row.is_of(id)) {
            Some(before) => {
                *before = row;
                false
            }
            None => {
                shard.insert_unique(hash, row, |row| row.hash);
                true
            }
        }
    }

    /// Whether there was one.
    pub(super) fn remove(&self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        let mut shard = self.shard(hash).write();
        let found = shard.find_entry(hash, |row| row.is_of(id));
        found.map(hashbrown::hash_table::OccupiedEntry::remove).is_ok()
    }

    /// By bits that neither the place in a table nor its tag are made of.
    fn shard(&self, hash: u64) -> &Shard {
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

// === impl Shard ===

impl Shard {
    fn read(&self) -> RwLockReadGuard<'_, HashTable<Row>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashTable<Row>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Row ===

impl Row {
    fn is_of(&self, id: &str) -> bool {
        self.pulse.key.id() == id
    }
}
