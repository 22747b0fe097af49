//! A hash table that one writer changes while many read: in shards, each behind a short lock.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;

/// What is found by a text that it has somewhere itself, so that no row repeats it: each call says
/// how to recognise whoever has the text.
///
/// Readers share a shard's lock for one look. Nothing that waits may run under it.
pub(super) struct Table<T, const SHARDS: usize> {
    hasher: RandomState,
    /// Set with the first row and never again taken away: many tables have none, ever.
    is_used: AtomicBool,
    shards: [Shard<T>; SHARDS],
}

/// Apart from the other shards, so that threads do not meet.
#[repr(align(64))]
struct Shard<T>(RwLock<Rows<T>>);

/// Rows at or soon behind the place that their hash names, with free places in between.
///
/// Not the usual table, which has a byte for each row in a place of its own: of a million records
/// neither is at hand, and whoever looks one up would wait for memory once more.
struct Rows<T> {
    /// A power of two of places, or none.
    places: Box<[Option<Row<T>>]>,
    len: usize,
}

struct Row<T> {
    /// That of the text. Kept, because a table that grows asks for the hashes of all its rows, and
    /// each would be a look at something that is not at hand.
    hash: u64,
    value: T,
}

/// Places of the first table.
const PLACES_MIN: usize = 4;

// === impl Table ===

impl<T, const SHARDS: usize> Table<T, SHARDS> {
    pub(super) fn new() -> Self {
        let shards = std::array::from_fn(|_| Shard(RwLock::new(Rows::new())));
        Self { hasher: RandomState::default(), is_used: AtomicBool::new(false), shards }
    }

    /// What `look` makes of whoever has this text. Nothing is changed meanwhile, so it must be
    /// quick.
    pub(super) fn look<R>(
        &self,
        text: &str,
        is: impl Fn(&T) -> bool,
        look: impl FnOnce(&T) -> R,
    ) -> Option<R> {
        if !self.is_used.load(Ordering::Acquire) {
            return None;
        }
        let hash = self.hasher.hash_one(text);
        self.shard(hash).read().get(hash, is).map(look)
    }

    /// Puts the value in the place of whoever has this text, and gives that back.
    pub(super) fn put(&self, text: &str, value: T, is: impl Fn(&T) -> bool) -> Option<T> {
        let hash = self.hasher.hash_one(text);
        let mut rows = self.shard(hash).write();
        match rows.get_mut(hash, is) {
            Some(before) => Some(std::mem::replace(before, value)),
            None => {
                self.is_used.store(true, Ordering::Release);
                rows.insert(Row { hash, value });
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
        let mut rows = self.shard(hash).write();
        let looked = rows.get(hash, is).map(look);
        if looked.is_none() {
            self.is_used.store(true, Ordering::Release);
            rows.insert(Row { hash, value: value() });
        }
        looked
    }

    /// Takes out whoever has this text.
    pub(super) fn remove(&self, text: &str, is: impl Fn(&T) -> bool) -> Option<T> {
        let hash = self.hasher.hash_one(text);
        self.shard(hash).write().remove(hash, is)
    }

    /// What `pick` takes of each. Shard by shard, so it is no snapshot.
    pub(super) fn pick<R>(&self, pick: impl Fn(&T) -> R) -> Vec<R> {
        let mut picked = Vec::new();
        for shard in &self.shards {
            picked.extend(shard.read().values().map(&pick));
        }
        picked
    }

    /// By bits that do not name the place within a shard.
    fn shard(&self, hash: u64) -> &Shard<T> {
        &self.shards[(hash >> 40) as usize % SHARDS]
    }
}

// === impl Shard ===

impl<T> Shard<T> {
    fn read(&self) -> RwLockReadGuard<'_, Rows<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Rows ===

impl<T> Rows<T> {
    fn new() -> Self {
        Self { places: Box::default(), len: 0 }
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().flatten().map(|row| &row.value)
    }

    fn get(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&T> {
        let place = self.place_of(hash, is)?;
        self.places[place].as_ref().map(|row| &row.value)
    }

    fn get_mut(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<&mut T> {
        let place = self.place_of(hash, is)?;
        self.places[place].as_mut().map(|row| &mut row.value)
    }

    /// Adds a row that is not there yet.
    fn insert(&mut self, row: Row<T>) {
        // A quarter stays free, or ways become long.
        if self.len >= self.places.len() / 4 * 3 {
            self.grow();
        }
        self.place(row);
        self.len += 1;
    }

    /// Takes the row out and moves those behind it up, so that none stands behind a free place.
    fn remove(&mut self, hash: u64, is: impl Fn(&T) -> bool) -> Option<T> {
        let mut free = self.place_of(hash, is)?;
        let removed = self.places[free].take();
        self.len -= 1;
        let mut place = self.next(free);
        while let Some(row) = &self.places[place] {
            let way = self.distance(self.home(row.hash), place);
            if way >= self.distance(free, place) {
                self.places.swap(free, place);
                free = place;
            }
            place = self.next(place);
        }
        removed.map(|row| row.value)
    }

    fn grow(&mut self) {
        let places = (2 * self.places.len()).max(PLACES_MIN);
        let larger = std::iter::repeat_with(|| None).take(places).collect();
        let before = std::mem::replace(&mut self.places, larger);
        before.into_iter().flatten().for_each(|row| self.place(row));
    }

    /// Puts the row in the first free place from its home on. There is one.
    fn place(&mut self, row: Row<T>) {
        let mut place = self.home(row.hash);
        while self.places[place].is_some() {
            place = self.next(place);
        }
        self.places[place] = Some(row);
    }

    fn place_of(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<usize> {
        let mut place = self.home(hash);
        while let Some(row) = self.places.get(place)?.as_ref() {
            if row.hash == hash && is(&row.value) {
                return Some(place);
            }
            place = self.next(place);
        }
        None
    }

    fn home(&self, hash: u64) -> usize {
        hash as usize & self.last()
    }

    fn next(&self, place: usize) -> usize {
        (place + 1) & self.last()
    }

    /// How many steps lead from one place to the other.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.last()
    }

    fn last(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_equal_a_plain_map_however_their_hashes_meet(
            // Some hashes are shared by many, and some begin at the last place.
            steps in prop::collection::vec(
                (0..24_u64, 0..4_u64, prop::bool::weighted(0.6)), 0..400
            ),
        ) {
            let (mut rows, mut map) = (Rows::new(), BTreeMap::new());
            for (step, (hash, key, insert)) in steps.into_iter().enumerate() {
                let hash = if hash < 8 { u64::MAX - hash } else { hash };
                let is = |value: &(u64, usize)| value.0 == key;
                let before = map.get(&(hash, key)).copied();
                prop_assert_eq!(rows.get(hash, is).map(|value| value.1), before);
                if insert {
                    map.insert((hash, key), step);
                    match rows.get_mut(hash, is) {
                        Some(value) => value.1 = step,
                        None => rows.insert(Row { hash, value: (key, step) }),
                    }
                } else {
                    map.remove(&(hash, key));
                    prop_assert_eq!(rows.remove(hash, is).map(|value| value.1), before);
                }
                prop_assert_eq!(rows.len, map.len());
                for ((hash, key), step) in &map {
                    prop_assert_eq!(rows.get(*hash, |value| value.0 == *key), Some(&(*key, *step)));
                }
                let mut all: Vec<usize> = rows.values().map(|value| value.1).collect();
                all.sort_unstable();
                let mut expected: Vec<usize> = map.values().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(all, expected);
            }
        }
    }
}
