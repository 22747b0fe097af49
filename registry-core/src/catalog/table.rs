//! A hash table that one writer changes while many read: in shards, each behind a short lock.

use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// What is found by a text that it has somewhere itself, so that no row repeats it: each call says
/// how to recognise whoever has the text.
///
/// Readers share a shard's lock for one look. Nothing that waits may run under it.
pub(super) struct Table<T, const SHARDS: usize> {
    hasher: RandomState,
    shards: [Shard<T>; SHARDS],
}

/// Apart from the other shards, so that threads do not meet.
#[repr(align(64))]
struct Shard<T>(RwLock<HashTable<Row<T>>>);

struct Row<T> {
    /// That of the text. Kept, because a table that grows asks for the hashes of all its rows, and
    /// each would be a look at something that is not at hand.
    hash: u64,
    value: T,
}

// === impl Table ===

impl<T, const SHARDS: usize> Table<T, SHARDS> {
    pub(super) fn new() -> Self {
        let shards = std::array::from_fn(|_| Shard(RwLock::default()));
        Self { hasher: RandomState::default(), shards }
    }

    /// What `look` makes of whoever has this text. Nothing is changed meanwhile, so it must be
    /// quick.
    pub(super) fn look<R>(
        &self,
        text: &str,
        is: impl Fn(&T) -> bool,
        look: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        let hash = self.hasher.hash_one(text);
        let shard = self.shard(hash).read();
        shard.find(hash, |row| row.hash == hash && is(&row.value)).map(|row| look(&row.value))
    }

    /// Puts the value in the place of whoever has this text, and gives that back.
    pub(super) fn put(&self, text: &str, value: T, is: impl Fn(&T) -> bool) -> Option<T> {
        let hash = self.hasher.hash_one(text);
        let mut shard = self.shard(hash).write();
        match shard.find_mut(hash, |row| row.hash == hash && is(&row.value)) {
            Some(row) => Some(std::mem::replace(&mut row.value, value)),
            None => {
                shard.insert_unique(hash, Row { hash, value }, |row| row.hash);
                None
            }
        }
    }

    /// What `look` makes of whoever has this text. If nobody has, the value is put there.
    pub(super) fn look_or_put<R>(
        &self,
        text: &str,
        value: impl FnOnce() -> T,
        is: impl Fn(&T) -> bool,
        look: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        let hash = self.hasher.hash_one(text);
        let mut shard = self.shard(hash).write();
        if let Some(row) = shard.find(hash, |row| row.hash == hash && is(&row.value)) {
            return Some(look(&row.value));
        }
        shard.insert_unique(hash, Row { hash, value: value() }, |row| row.hash);
        None
    }

    /// Takes out whoever has this text.
    pub(super) fn remove(&self, text: &str, is: impl Fn(&T) -> bool) -> Option<T> {
        let hash = self.hasher.hash_one(text);
        let mut shard = self.shard(hash).write();
        let found = shard.find_entry(hash, |row| row.hash == hash && is(&row.value));
        found.ok().map(|row| row.remove().0.value)
    }

    /// What `pick` takes of each. Shard by shard, so it is no snapshot.
    pub(super) fn pick<R>(&self, pick: impl Fn(&T) -> R) -> Vec<R> {
        let of =
            |shard: &Shard<T>| shard.read().iter().map(|row| pick(&row.value)).collect::<Vec<_>>();
        self.shards.iter().flat_map(of).collect()
    }

    /// By bits that neither the place in a shard nor its tag are made of.
    fn shard(&self, hash: u64) -> &Shard<T> {
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

// === impl Shard ===

impl<T> Shard<T> {
    fn read(&self) -> RwLockReadGuard<'_, HashTable<Row<T>>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashTable<Row<T>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
