//! Where each key's record is: the rows themselves lie in the order of creation.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use registry_core::{Key, Revision};

/// The lives that are there, by what their keys hash to: sixteen bytes for each.
///
/// It knows no keys. Where two have one hash it names both lives, and only the rows tell whose is
/// whose.
#[derive(Default)]
pub(super) struct Index {
    hasher: RandomState,
    lives: HashTable<Life>,
}

struct Life {
    hash: u64,
    created: Revision,
}

// === impl Index ===

impl Index {
    pub(super) fn with_capacity(records: usize) -> Self {
        Self { lives: HashTable::with_capacity(records), ..Self::default() }
    }

    /// The lives that may be this key's: hardly ever more than one.
    pub(super) fn lives_of(&self, key: &Key) -> impl Iterator<Item = Revision> {
        let hash = self.hash(key);
        let lives = self.lives.iter_hash(hash);
        lives.filter(move |life| life.hash == hash).map(|life| life.created)
    }

    pub(super) fn insert(&mut self, key: &Key, created: Revision) {
        let hash = self.hash(key);
        self.lives.insert_unique(hash, Life { hash, created }, |life| life.hash);
    }

    pub(super) fn remove(&mut self, key: &Key, created: Revision) {
        let found = self.lives.find_entry(self.hash(key), |life| life.created == created);
        if let Ok(life) = found {
            life.remove();
        }
    }

    fn hash(&self, key: &Key) -> u64 {
        self.hasher.hash_one((key.namespace(), key.id()))
    }
}
