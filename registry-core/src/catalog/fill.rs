//! Filling an empty catalog with everything at once: each view is made whole, and made once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::members::Members;
use super::slot::Slot;
use super::view::{Cell, View};
use super::{Catalog, Namespace};
use crate::change::Revision;
use crate::clock::Tick;
use crate::query::{Facet, facets_of};

/// What will be shown of an empty catalog once all of it is here.
#[derive(Default)]
pub(crate) struct Filling {
    heaps: HashMap<Arc<str>, Heap>,
}

/// Of one namespace.
struct Heap {
    namespace: Arc<Namespace>,
    all: Pile,
    /// What more than one record carries. What only one does stands in its place already.
    shared: [HashMap<Box<str>, Pile, foldhash::fast::RandomState>; Facet::ALL.len()],
}

/// Slots, and when each was created: looking into them again would cost more than all else here.
type Pile = Vec<(Revision, Arc<Slot>)>;

/// Up to when a view holds: there is no horizon yet, so readers look at each lease.
const CLOSING: Tick = Tick(u64::MAX);

// === impl Catalog ===

impl Catalog {
    /// Puts a slot, in whatever order they come, where ids and values are looked up.
    pub(crate) fn put(&self, slot: Arc<Slot>, filling: &mut Filling) {
        let name = slot.record().key.namespace();
        if let Some(heap) = filling.heaps.get_mut(name) {
            return heap.put(slot);
        }
        let namespace = self.namespace(name).expect("it came to be with its first slot");
        let name = Arc::clone(&namespace.name);
        filling.heaps.entry(name).or_insert_with(|| Heap::new(namespace)).put(slot);
    }

    /// Shows all that was put, up to `revision`. Those created at `unlisted` stand among the rest.
    pub(crate) fn show(&self, filling: Filling, unlisted: &HashSet<Revision>, revision: Revision) {
        for heap in filling.heaps.into_values() {
            self.len.fetch_add(heap.all.len(), Ordering::Relaxed);
            heap.show(unlisted);
        }
        self.skip_to(revision);
    }
}

// === impl Heap ===

impl Heap {
    fn new(namespace: Arc<Namespace>) -> Self {
        Self { namespace, all: Pile::new(), shared: Default::default() }
    }

    fn put(&mut self, slot: Arc<Slot>) {
        let created = slot.record().created;
        self.namespace.records.insert(&slot);
        for (facet, text) in facets_of(slot.record(), &self.namespace.rules.indexed_labels) {
            let shared = &mut self.shared[facet as usize];
            if let Some(pile) = shared.get_mut(&*text) {
                // A record may say the same thing twice.
                if pile.last().is_none_or(|(last, _)| *last != created) {
                    pile.push((created, Arc::clone(&slot)));
                }
                continue;
            }
            let first = self.namespace.facets[facet as usize].single_or_put(&text, &slot);
            if let Some(first) = first.filter(|first| !Arc::ptr_eq(first, &slot)) {
                let first = (first.record().created, first);
                shared.insert(text.into(), vec![first, (created, Arc::clone(&slot))]);
            }
        }
        self.all.push((created, slot));
    }

    fn show(self, unlisted: &HashSet<Revision>) {
        for (shared, values) in self.shared.into_iter().zip(&self.namespace.facets) {
            for (text, pile) in shared {
                values.put_cell(text, Arc::new(Cell::new(view(pile, unlisted), CLOSING)));
            }
        }
        self.namespace.all.publish(view(self.all, unlisted), CLOSING);
    }
}

fn view(mut pile: Pile, unlisted: &HashSet<Revision>) -> View {
    pile.sort_unstable_by_key(|(created, _)| *created);
    let (rest, live) = pile.into_iter().partition(|(created, _)| unlisted.contains(created));
    View { live: Members::of(live), rest: Members::of(rest) }
}
