//! An ordered, shared set of slots whose copy is cheap: what a view is made of.

use std::sync::Arc;

use super::chunks::{self, Chunks};
use super::slot::Slot;
use crate::change::Revision;

/// Slots in the order of their creation. Copies share what they have in common.
#[derive(Clone, Default)]
pub(crate) enum Members {
    #[default]
    None,
    /// Without an array, which would be one more allocation.
    One(Arc<Slot>),
    /// Most other sets are small: one array, read at memory speed.
    Few(Arc<[Arc<Slot>]>),
    /// The others share all but the path to what differs, so a change costs the same in any size.
    Many(Chunks),
}

/// Members after a point of the order.
pub(crate) enum Iter<'a> {
    Few(std::slice::Iter<'a, Arc<Slot>>),
    Many(chunks::Iter<'a>),
}

/// A set of this size is no longer small.
const FEW_MAX: usize = 32;
/// A set that shrinks to this size is small again. Lower, so that it does not flip to and fro.
const FEW_AGAIN: usize = 16;

// === impl Members ===

impl Members {
    pub(crate) fn len(&self) -> usize {
        match self.small() {
            Ok(slots) => slots.len(),
            Err(chunks) => chunks.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The slot that was created last.
    pub(crate) fn last(&self) -> Option<&Arc<Slot>> {
        match self.small() {
            Ok(slots) => slots.last(),
            Err(chunks) => chunks.last(),
        }
    }

    /// Puts the slot in its place, or in the place of an earlier version. `true` if there was none.
    pub(crate) fn insert(&mut self, slot: &Arc<Slot>) -> bool {
        let at = slot.record().created;
        if let Self::Many(chunks) = self {
            return chunks.insert(at, Arc::clone(slot));
        }
        let slots = self.small().unwrap_or_default();
        if slots.len() >= FEW_MAX {
            let with_revisions = slots.iter().map(|slot| (slot.record().created, Arc::clone(slot)));
            let mut chunks: Chunks = with_revisions.collect();
            let is_new = chunks.insert(at, Arc::clone(slot));
            *self = Self::Many(chunks);
            return is_new;
        }
        let before = slots.partition_point(|s| s.record().created < at);
        let after = slots.partition_point(|s| s.record().created <= at);
        let parts = [&slots[..before], std::slice::from_ref(slot), &slots[after..]];
        *self = Self::small_of(parts.concat());
        before == after
    }

    /// Takes out whatever version of the record created at `at` is there.
    pub(crate) fn remove(&mut self, at: Revision) {
        match self {
            Self::Many(chunks) => {
                chunks.remove(at);
                if chunks.len() <= FEW_AGAIN {
                    *self = Self::small_of(chunks.iter_after(None).map(Arc::clone).collect());
                }
            }
            _ => {
                let slots = self.small().unwrap_or_default();
                if slots.iter().any(|s| s.record().created == at) {
                    let kept = slots.iter().filter(|s| s.record().created != at);
                    *self = Self::small_of(kept.map(Arc::clone).collect());
                }
            }
        }
    }

    pub(crate) fn iter_after(&self, after: Option<Revision>) -> Iter<'_> {
        match self.small() {
            Ok(slots) => {
                let from =
                    after.map_or(0, |at| slots.partition_point(|s| s.record().created <= at));
                Iter::Few(slots[from..].iter())
            }
            Err(chunks) => Iter::Many(chunks.iter_after(after)),
        }
    }

    /// Of slots in the order of their creation.
    pub(super) fn of(slots: Vec<(Revision, Arc<Slot>)>) -> Self {
        if slots.len() > FEW_MAX {
            return Self::Many(slots.into_iter().collect());
        }
        Self::small_of(slots.into_iter().map(|(_, slot)| slot).collect())
    }

    /// A small set; the slots are in their order.
    fn small_of(mut slots: Vec<Arc<Slot>>) -> Self {
        if slots.len() > 1 {
            return Self::Few(slots.into());
        }
        slots.pop().map_or(Self::None, Self::One)
    }

    /// All members in one piece, or the pieces that they lie in.
    fn small(&self) -> Result<&[Arc<Slot>], &Chunks> {
        match self {
            Self::None => Ok(&[]),
            Self::One(slot) => Ok(std::slice::from_ref(slot)),
            Self::Few(slots) => Ok(slots),
            Self::Many(chunks) => Err(chunks),
        }
    }
}

// === impl Iter ===

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<Slot>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(slots) => slots.next(),
            Self::Many(slots) => slots.next(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog::Pulse;
    use crate::clock::Timestamp;
    use crate::key::Key;
    use crate::lease::Beat;
    use crate::record::{Declared, Generation, Record};

    fn slot(created: u64, version: u64) -> Arc<Slot> {
        let key = Key::new("n", &created.to_string()).unwrap();
        let pulse = Pulse::new(key.clone(), Revision(created), Beat::default());
        let record = Record {
            key,
            declared: Declared::default(),
            generation: Generation::new("g").unwrap(),
            registered_at: Timestamp(0),
            lapsed_at: None,
            created: Revision(created),
            modified: Revision(version),
        };
        Slot::new(record, pulse)
    }

    proptest! {
        #[test]
        fn equals_a_plain_map_at_every_size(
            steps in prop::collection::vec((1..200_u64, prop::bool::weighted(0.6)), 0..600),
            in_order in 0..200_u64
        ) {
            let (mut members, mut map) = (Members::default(), BTreeMap::new());
            // As most come: the youngest last. Then in any order.
            let steps = (1..=in_order).map(|created| (created, true)).chain(steps);
            for (version, (created, insert)) in (0..).zip(steps) {
                let before = members.clone();
                let copied: Vec<_> = before.iter_after(None).map(Arc::clone).collect();
                if insert {
                    let is_new = members.insert(&slot(created, version));
                    prop_assert_eq!(map.insert(created, version).is_none(), is_new);
                } else {
                    members.remove(Revision(created));
                    map.remove(&created);
                }
                let of = |slot: &Arc<Slot>| (slot.record().created.0, slot.record().modified.0);
                let all: Vec<_> = members.iter_after(None).map(of).collect();
                prop_assert_eq!(all, map.iter().map(|(c, v)| (*c, *v)).collect::<Vec<_>>());
                let after: Vec<_> = members.iter_after(Some(Revision(created))).map(of).collect();
                let rest = map.range(created + 1..).map(|(c, v)| (*c, *v));
                prop_assert_eq!(after, rest.collect::<Vec<_>>());
                prop_assert_eq!(members.last().map(of), map.iter().last().map(|(c, v)| (*c, *v)));
                prop_assert_eq!(members.len(), map.len());
                let kept = before.iter_after(None).zip(&copied).all(|(a, b)| Arc::ptr_eq(a, b));
                prop_assert!(kept && before.len() == copied.len(), "a copy has changed");
            }
        }
    }
}
