//! The views of one batch before they are published.

use std::collections::HashMap;
use std::sync::Arc;

use super::Namespace;
use super::slot::Slot;
use super::values::{Listing, Values};
use super::view::{Cell, View};
use crate::change::Revision;
use crate::clock::Tick;
use crate::query::{Facet, facets_of};

/// Views being changed, each once however many of a batch's steps concern it.
pub(super) struct Drafts {
    horizon: Tick,
    namespaces: HashMap<Arc<str>, Desk>,
}

/// The drafts of one namespace.
struct Desk {
    namespace: Arc<Namespace>,
    all: Draft,
    drafts: Vec<Draft>,
    places: [Places; Facet::ALL.len()],
}

/// Where the draft of each value of a facet stands.
#[derive(Default)]
struct Places(HashMap<Box<str>, usize, foldhash::fast::RandomState>);

struct Draft {
    /// Where it will stand; none if a single record stands there, or nothing.
    cell: Option<Arc<Cell>>,
    view: View,
    /// When the first of the members put here may lapse, if that is before the horizon.
    closing: Tick,
    /// Whether a member has come back to its place among the live.
    relisted: bool,
}

// === impl Drafts ===

impl Drafts {
    pub(super) fn new(horizon: Tick) -> Self {
        Self { horizon, namespaces: HashMap::new() }
    }

    /// Puts the slot into every view that shows it.
    pub(super) fn put(&mut self, namespace: &Arc<Namespace>, slot: &Arc<Slot>) {
        let horizon = self.horizon;
        let desk = self.desk(namespace);
        desk.all.put(slot, horizon);
        for (facet, text) in facets_of(slot.record(), &namespace.rules.indexed_labels) {
            desk.put(facet, &text, slot, horizon);
        }
    }

    /// Takes `before` out of every view that `after` does not stand in.
    pub(super) fn remove(
        &mut self,
        namespace: &Arc<Namespace>,
        before: &Slot,
        after: Option<&Slot>,
    ) {
        let horizon = self.horizon;
        let desk = self.desk(namespace);
        let labels = &namespace.rules.indexed_labels;
        let at = before.record().created;
        let same = after.filter(|after| after.record().created == at);
        if same.is_none() {
            desk.all.view.remove(at);
        }
        for (facet, text) in facets_of(before.record(), labels) {
            let stays = same.is_some_and(|after| {
                facets_of(after.record(), labels).any(|kept| kept == (facet, text.clone()))
            });
            if !stays {
                desk.remove(facet, &text, at, horizon);
            }
        }
    }

    /// Shows it all. `true` if something is listed again that a reader may have passed over.
    pub(super) fn publish(self) -> bool {
        let mut relisted = false;
        for mut desk in self.namespaces.into_values() {
            relisted |= desk.all.relisted;
            desk.namespace.all.publish(desk.all.view, desk.all.closing);
            for (places, values) in desk.places.into_iter().zip(&desk.namespace.facets) {
                for (text, place) in places.0 {
                    relisted |= desk.drafts[place].relisted;
                    std::mem::take(&mut desk.drafts[place]).publish(values, text);
                }
            }
        }
        relisted
    }

    fn desk(&mut self, namespace: &Arc<Namespace>) -> &mut Desk {
        self.namespaces.entry(Arc::clone(&namespace.name)).or_insert_with(|| Desk {
            namespace: Arc::clone(namespace),
            all: Draft::in_cell(&namespace.all),
            drafts: Vec::new(),
            places: Default::default(),
        })
    }
}

// === impl Desk ===

impl Desk {
    fn put(&mut self, facet: Facet, text: &str, slot: &Arc<Slot>, horizon: Tick) {
        let values = &self.namespace.facets[facet as usize];
        let draft = self.places[facet as usize].draft(text, &mut self.drafts, || {
            // Mostly nobody else carries it, as with nearly every name: so it needs no draft.
            let listing = values.get_or_put(text, slot)?;
            Some(Draft::of(listing, horizon))
        });
        if let Some(draft) = draft {
            draft.put(slot, horizon);
        }
    }

    fn remove(&mut self, facet: Facet, text: &str, at: Revision, horizon: Tick) {
        let values = &self.namespace.facets[facet as usize];
        let draft = self.places[facet as usize].draft(text, &mut self.drafts, || {
            values.get(text).map(|listing| Draft::of(listing, horizon))
        });
        if let Some(draft) = draft {
            draft.view.remove(at);
        }
    }
}

// === impl Places ===

impl Places {
    /// The draft of a value; `begin` begins one, if somebody carries it.
    fn draft<'a>(
        &mut self,
        text: &str,
        drafts: &'a mut Vec<Draft>,
        begin: impl FnOnce() -> Option<Draft>,
    ) -> Option<&'a mut Draft> {
        let place = match self.0.get(text) {
            Some(place) => *place,
            None => {
                drafts.push(begin()?);
                self.0.insert(text.into(), drafts.len() - 1);
                drafts.len() - 1
            }
        };
        Some(&mut drafts[place])
    }
}

// === impl Draft ===

impl Default for Draft {
    fn default() -> Self {
        Self { cell: None, view: View::default(), closing: Tick(u64::MAX), relisted: false }
    }
}

impl Draft {
    fn of(listing: Listing, horizon: Tick) -> Self {
        match listing {
            Listing::Many(cell) => Self::in_cell(&cell),
            Listing::One(slot) => {
                let mut draft = Self::default();
                draft.put(&slot, horizon);
                draft
            }
        }
    }

    fn in_cell(cell: &Arc<Cell>) -> Self {
        let view = View::clone(&cell.load());
        Self { cell: Some(Arc::clone(cell)), view, ..Self::default() }
    }

    fn put(&mut self, slot: &Arc<Slot>, horizon: Tick) {
        let until = slot.lease().live_until();
        if let Some(until) = until.filter(|until| *until <= horizon) {
            self.closing = self.closing.min(until);
        }
        self.relisted |= self.view.put(slot);
    }

    /// Shows it where its value is looked up.
    ///
    /// A value that nobody carries any more is forgotten, so that it costs nothing. One that
    /// several had keeps its cell until then: whoever has just found the cell sees what is true.
    fn publish(self, values: &Values, text: Box<str>) {
        let empty = self.view.is_empty();
        if empty {
            values.remove(&text);
        }
        match (self.cell, self.view.only()) {
            (Some(cell), _) => cell.publish(self.view, self.closing),
            (None, Some(slot)) => values.put_single(&text, slot),
            (None, None) if empty => {}
            (None, None) => values.put_cell(text, Arc::new(Cell::new(self.view, self.closing))),
        }
    }
}
