//! Many slots in the order of their creation, in chunks that copies share.

use std::sync::Arc;

use arrayvec::ArrayVec;
use imbl::OrdMap;

use super::slot::Slot;
use crate::change::Revision;

/// Slots by the revision that created them. A change copies one chunk and the path to it; the rest
/// is shared with every copy.
///
/// Records come in the order of their creation, and then each chunk is filled to the last place: a
/// tree of single slots would stay half empty, and take twice the memory. They come to a chunk at
/// hand, so that there is a path to be copied for one in [`CHUNK`] of them only.
#[derive(Clone, Default)]
pub(crate) struct Chunks {
    /// By a revision that no slot of the chunk is older than, nor one of the chunk before as young
    /// as. That of the first chunk is [`OLDEST`].
    chunks: OrdMap<Revision, Arc<Chunk>>,
    /// Younger than all of those. None if there is none.
    youngest: Option<Arc<Chunk>>,
    len: usize,
}

/// Slots after a point of the order.
pub(crate) struct Iter<'a> {
    current: std::slice::Iter<'a, (Revision, Arc<Slot>)>,
    chunks: imbl::ordmap::RangedIter<'a, Revision, Arc<Chunk>, imbl::shared_ptr::DefaultSharedPtr>,
    youngest: std::slice::Iter<'a, (Revision, Arc<Slot>)>,
}

type Chunk = ArrayVec<(Revision, Arc<Slot>), CHUNK>;

/// So many fill a block of memory, and are few enough to be copied for each change.
const CHUNK: usize = 18;
/// A chunk of so few goes into the one before it, if that leaves room for more.
const SPARSE: usize = CHUNK / 4;
const OLDEST: Revision = Revision(0);

// === impl Chunks ===

impl Chunks {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn last(&self) -> Option<&Arc<Slot>> {
        let in_place = || self.chunks.get_max().map(|(_, chunk)| chunk);
        // Only the first chunk can be empty, and then there is no other in its place.
        self.youngest.as_ref().or_else(in_place)?.last().map(|(_, slot)| slot)
    }

    /// Puts the slot in its place, or in the place of an earlier version. `true` if there was none.
    pub(crate) fn insert(&mut self, at: Revision, slot: Arc<Slot>) -> bool {
        if self.last().is_none_or(|last| last.record().created < at) {
            self.append(at, slot);
            return true;
        }
        if let Some(chunk) = youngest_with(&mut self.youngest, at) {
            let chunk = Arc::make_mut(chunk);
            match chunk.binary_search_by_key(&at, |(created, _)| *created) {
                Ok(place) => {
                    chunk[place].1 = slot;
                    return false;
                }
                Err(place) if !chunk.is_full() => {
                    chunk.insert(place, (at, slot));
                    self.len += 1;
                    return true;
                }
                Err(_) => self.put_away(),
            }
        }
        let Some((_, chunk)) = self.chunks.get_prev_mut(&at) else {
            self.chunks.insert(OLDEST, Arc::new([(at, slot)].into_iter().collect()));
            self.len += 1;
            return true;
        };
        let chunk = Arc::make_mut(chunk);
        let place = match chunk.binary_search_by_key(&at, |(created, _)| *created) {
            Ok(place) => {
                chunk[place].1 = slot;
                return false;
            }
            Err(place) => place,
        };
        self.len += 1;
        if !chunk.is_full() {
            chunk.insert(place, (at, slot));
            return true;
        }
        // At the end, where nearly all come, the chunk stays full; elsewhere both halves get room.
        let from = if place == CHUNK { CHUNK } else { CHUNK / 2 };
        let mut upper: Chunk = chunk.drain(from..).collect();
        let lower = chunk;
        if place <= from && from < CHUNK {
            lower.insert(place, (at, slot))
        } else {
            upper.insert(place - from, (at, slot))
        }
        self.chunks.insert(upper[0].0, Arc::new(upper));
        true
    }

    pub(crate) fn remove(&mut self, at: Revision) {
        if let Some(chunk) = youngest_with(&mut self.youngest, at) {
            if let Ok(place) = chunk.binary_search_by_key(&at, |(created, _)| *created) {
                self.len -= 1;
                Arc::make_mut(chunk).remove(place);
                if chunk.is_empty() {
                    self.youngest = None;
                }
            }
            return;
        }
        let Some((key, chunk)) = self.chunks.get_prev(&at) else { return };
        let (key, found) = (*key, chunk.binary_search_by_key(&at, |(created, _)| *created));
        let Ok(place) = found else { return };
        let chunk = Arc::make_mut(self.chunks.get_mut(&key).expect("it was found just now"));
        chunk.remove(place);
        self.len -= 1;
        if chunk.len() > SPARSE || key == OLDEST {
            return;
        }
        if chunk.is_empty() {
            self.chunks.remove(&key);
            return;
        }
        let few = chunk.clone();
        let before = self.chunks.get_prev_mut(&Revision(key.0 - 1));
        let (_, before) = before.expect("the first chunk has the oldest key");
        if few.len() + before.len() <= CHUNK - SPARSE {
            Arc::make_mut(before).extend(few);
            self.chunks.remove(&key);
        }
    }

    pub(crate) fn iter_after(&self, after: Option<Revision>) -> Iter<'_> {
        let after = after.unwrap_or(OLDEST);
        let from = self.chunks.get_prev(&after).map_or(OLDEST, |(key, _)| *key);
        let mut chunks = self.chunks.range(from..);
        let first = chunks.next().map(|(_, chunk)| chunk);
        let [current, youngest] = [first, self.youngest.as_ref()].map(|chunk| {
            let slots = chunk.map_or(&[][..], |chunk| chunk);
            slots[slots.partition_point(|(created, _)| *created <= after)..].iter()
        });
        Iter { current, chunks, youngest }
    }

    /// Puts the youngest slot of all in its place.
    fn append(&mut self, at: Revision, slot: Arc<Slot>) {
        if self.youngest.as_ref().is_some_and(|chunk| chunk.is_full()) {
            self.put_away();
        }
        Arc::make_mut(self.youngest.get_or_insert_default()).push((at, slot));
        self.len += 1;
    }

    /// Gives the youngest chunk its place among the others.
    fn put_away(&mut self) {
        if let Some(chunk) = self.youngest.take() {
            let key = if self.chunks.is_empty() { OLDEST } else { chunk[0].0 };
            self.chunks.insert(key, chunk);
        }
    }
}

/// The youngest chunk, if what was created at `at` is there, or would be.
fn youngest_with(youngest: &mut Option<Arc<Chunk>>, at: Revision) -> Option<&mut Arc<Chunk>> {
    youngest.as_mut().filter(|chunk| chunk[0].0 <= at)
}

impl FromIterator<(Revision, Arc<Slot>)> for Chunks {
    /// Of slots in their order.
    fn from_iter<I: IntoIterator<Item = (Revision, Arc<Slot>)>>(slots: I) -> Self {
        let mut slots = slots.into_iter();
        let mut len = 0;
        let chunks = std::iter::from_fn(|| {
            let chunk: Chunk = slots.by_ref().take(CHUNK).collect();
            let (first, _) = chunk.first()?;
            let key = if len == 0 { OLDEST } else { *first };
            len += chunk.len();
            Some((key, Arc::new(chunk)))
        });
        let chunks = chunks.collect();
        Self { chunks, youngest: None, len }
    }
}

// === impl Iter ===

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<Slot>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((_, slot)) = self.current.next() {
                return Some(slot);
            }
            self.current = match self.chunks.next() {
                Some((_, chunk)) => chunk.iter(),
                None if self.youngest.as_slice().is_empty() => return None,
                None => std::mem::take(&mut self.youngest),
            };
        }
    }
}
