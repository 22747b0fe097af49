//! Where each key's record is: the rows themselves lie in the order of creation.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use registry_core::{Key, Revision};

/// The lives that are there, by what their keys hash to: twenty to forty bytes for each.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_told_apart_and_leave_nothing_behind() {
        let mut index = Index::default();
        let [one, other] = ["one", "other"].map(|id| Key::new("n", id).unwrap());
        // A key may have two lives on their way; two keys may have one hash.
        for (key, life) in [(&one, 1), (&other, 2), (&one, 3)] {
            index.insert(key, Revision(life));
        }
        let lives_of = |index: &Index, key| {
            let mut lives: Vec<u64> = index.lives_of(key).map(|life| life.0).collect();
            lives.sort_unstable();
            lives
        };
        assert_eq!(lives_of(&index, &one), [1, 3]);
        index.remove(&one, Revision(1));
        index.remove(&one, Revision(2)); // not its own
        assert_eq!((lives_of(&index, &one), lives_of(&index, &other)), (vec![3], vec![2]));
        index.remove(&one, Revision(3));
        index.remove(&other, Revision(2));
        assert!(index.lives.is_empty());
    }

    #[test]
    fn the_same_id_in_another_namespace_is_another_key() {
        let mut index = Index::default();
        index.insert(&Key::new("a", "bc").unwrap(), Revision(1));
        assert_eq!(index.lives_of(&Key::new("ab", "c").unwrap()).count(), 0);
    }
}
