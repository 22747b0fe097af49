//! From a value, such as a role, to the records that carry it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;

use super::slot::Slot;
use super::table::Table;
use super::view::{Answer, Cell, View};
use crate::clock::Tick;
use crate::query::{Facet, is_carried};

/// All values of one facet, and what is kept for each.
pub(super) struct Values {
    facet: Facet,
    /// Those that more than one record carries; or did, since the value came to be.
    cells: papaya::HashMap<Box<str>, Arc<Cell>, RandomState>,
    /// Those that one record carries, as nearly every name: each view is made when asked for, and
    /// the value is not repeated.
    singles: Table<Arc<Slot>, SHARDS>,
    /// How many of the singles have got their cell.
    moved: AtomicU64,
}

/// What is kept for one value.
pub(super) enum Listing {
    /// The only record that carries it.
    One(Arc<Slot>),
    /// Where the view of those that do stands.
    Many(Arc<Cell>),
}

/// Fewer than an index has: many namespaces have none, and readers mostly ask for what many carry.
const SHARDS: usize = 64;

// === impl Values: reading ===

impl Values {
    pub(super) fn of(facet: Facet) -> Self {
        Self {
            facet,
            cells: papaya::HashMap::default(),
            singles: Table::new(),
            moved: AtomicU64::new(0),
        }
    }

    /// The view of a value, as by [`Cell::load_at`]; `None` if nobody carries it.
    pub(super) fn load_at(&self, value: &str, by: Tick, horizon: Tick) -> Option<Answer> {
        let moved = self.moved.load(Ordering::Acquire);
        let cells = self.cells.pin();
        if let Some(cell) = cells.get(value) {
            return Some(cell.load_at(by, horizon));
        }
        if let Some(slot) = self.single(value) {
            return Some(Answer::of_one(&slot, by));
        }
        // Between the two looks it may have got its cell: that comes first, then the single goes.
        if self.moved.load(Ordering::Acquire) == moved {
            return None;
        }
        cells.get(value).map(|cell| cell.load_at(by, horizon))
    }

    /// Where the view of a value stands, if more than one record carries it.
    pub(super) fn cell(&self, value: &str) -> Option<Arc<Cell>> {
        self.cells.pin().get(value).map(Arc::clone)
    }

    /// The only record that carries the value.
    pub(super) fn single(&self, value: &str) -> Option<Arc<Slot>> {
        self.singles.look(value, |slot| self.is_of(slot, value), Arc::clone)
    }

    /// The records that carry a value alone. Who asks for the cells afterwards misses none.
    pub(super) fn singles(&self) -> Vec<Arc<Slot>> {
        self.singles.pick(Arc::clone)
    }

    /// The values that more than one record carries, and their views.
    pub(super) fn shared(&self) -> Vec<(Box<str>, Arc<View>)> {
        let cells = self.cells.pin();
        cells.iter().map(|(value, cell)| (value.clone(), cell.load())).collect()
    }
}

// === impl Values: writing, by the driver alone ===

impl Values {
    pub(super) fn get(&self, value: &str) -> Option<Listing> {
        let cell = self.cell(value).map(Listing::Many);
        cell.or_else(|| self.single(value).map(Listing::One))
    }

    /// Says that only this record carries the value.
    pub(super) fn put_single(&self, value: &str, slot: &Arc<Slot>) {
        self.singles.put(value, Arc::clone(slot), |slot| self.is_of(slot, value));
    }

    /// What is kept for the value. If nobody carries it, this record does from now on, alone.
    pub(super) fn get_or_put(&self, value: &str, slot: &Arc<Slot>) -> Option<Listing> {
        let cell = self.cell(value).map(Listing::Many);
        cell.or_else(|| self.single_or_put(value, slot).map(Listing::One))
    }

    /// The only record that carries the value. If nobody does, this one does from now on.
    pub(super) fn single_or_put(&self, value: &str, slot: &Arc<Slot>) -> Option<Arc<Slot>> {
        let is_of = |slot: &Arc<Slot>| self.is_of(slot, value);
        self.singles.look_or_put(value, || Arc::clone(slot), is_of, Arc::clone)
    }

    /// Says that more than one record carries the value.
    pub(super) fn put_cell(&self, value: Box<str>, cell: Arc<Cell>) {
        let cells = self.cells.pin();
        // In this order, or a reader in between would find neither.
        cells.insert(value.clone(), cell);
        self.moved.fetch_add(1, Ordering::Release);
        self.singles.remove(&value, |slot| self.is_of(slot, &value));
    }

    /// Says that nobody carries the value any more.
    pub(super) fn remove(&self, value: &str) {
        self.cells.pin().remove(value);
        self.singles.remove(value, |slot| self.is_of(slot, value));
    }

    fn is_of(&self, slot: &Slot, value: &str) -> bool {
        is_carried(slot.record(), self.facet, value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::catalog::Pulse;
    use crate::change::Revision;
    use crate::clock::Timestamp;
    use crate::key::Key;
    use crate::lease::Beat;
    use crate::query::facets_of;
    use crate::record::{Declared, Generation, Record, Service};

    fn slot(id: &str, declared: Declared) -> Arc<Slot> {
        let key = Key::new("n", id).unwrap();
        let pulse = Pulse::new(key.clone(), Revision(1), Beat::default());
        let record = Record {
            key,
            declared,
            generation: Generation::new("g").unwrap(),
            registered_at: Timestamp(0),
            lapsed_at: None,
            created: Revision(1),
            modified: Revision(1),
        };
        Slot::new(record, pulse)
    }

    fn is_found(values: &Values, value: &str) -> bool {
        values.load_at(value, Tick(0), Tick(0)).is_some()
    }

    #[test]
    fn whatever_a_record_is_indexed_under_finds_it_alone_and_nothing_else_does() {
        let declared = Declared {
            name: "a".into(),
            role: "b".into(),
            services: ["c", "d"].map(|name| Service { name: name.into(), port: None }).into(),
            capabilities: ["e".into(), "f".into()].into(),
            labels: [("g", "h"), ("i", "j")].into(),
            ..Declared::default()
        };
        let one = slot("one", declared);
        let labels = ["g", "i"].map(str::to_owned);
        for (facet, text) in facets_of(one.record(), &labels) {
            let values = Values::of(facet);
            values.put_single(&text, &one);
            assert!(is_found(&values, &text), "{facet:?} {text}");
            assert!(!is_found(&values, "another"), "{facet:?}");
            values.remove(&text);
            assert!(!is_found(&values, &text), "{facet:?} {text}");
        }
    }

    #[test]
    fn a_value_that_gets_its_cell_is_found_all_the_while() {
        let values = Values::of(Facet::Name);
        let names: Vec<String> = (0..20_000).map(|number| format!("name-{number}")).collect();
        for name in &names {
            let declared = Declared { name: name.as_str().into(), ..Declared::default() };
            values.put_single(name, &slot(name, declared));
        }
        // The reader asks for the very one that is on its way.
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let names = std::iter::from_fn(|| names.get(next.load(Ordering::SeqCst)));
                names.into_iter().all(|name| is_found(&values, name))
            });
            for name in &names {
                values.put_cell(name.as_str().into(), Arc::new(Cell::empty()));
                next.fetch_add(1, Ordering::SeqCst);
            }
            assert!(reader.join().unwrap(), "neither a single nor a cell");
        });
        assert!(values.singles().is_empty());
    }
}
