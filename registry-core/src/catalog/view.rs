//! The ready answer to one question, and the cell it is published in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;

use super::members::Members;
use super::slot::Slot;
use crate::change::Revision;
use crate::clock::Tick;

/// The records that share one facet. A snapshot: it never changes.
#[derive(Clone, Default)]
pub(crate) struct View {
    /// Running, and not known to have lapsed.
    pub(crate) live: Members,
    /// All others.
    pub(crate) rest: Members,
}

/// What is kept for one value of a facet.
#[derive(Clone)]
pub(crate) enum Listing {
    /// The only record of this value, as of nearly every name: a view of it is made when asked for.
    One(Arc<Slot>),
    /// More than one; or there was, since the value came to be.
    Many(Arc<Cell>),
}

/// Where the latest view of several records stands.
pub(crate) struct Cell {
    view: ArcSwap<View>,
    /// The earliest instant at which a live member may lapse that the horizon does not cover.
    closing: AtomicU64,
}

// === impl View ===

impl View {
    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.rest.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.rest.len()
    }

    /// The only slot, if there is but one.
    pub(super) fn only(&self) -> Option<&Arc<Slot>> {
        self.slots().next().filter(|_| self.len() == 1)
    }

    /// Every slot, live ones first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.live.iter_after(None).chain(self.rest.iter_after(None))
    }

    /// Puts the slot where its standing says, over any earlier version.
    pub(super) fn put(&mut self, slot: &Arc<Slot>) {
        let at = slot.record().created;
        if slot.is_listed() {
            self.rest.remove(at);
            self.live.insert(slot);
        } else {
            self.live.remove(at);
            self.rest.insert(slot);
        }
    }

    pub(super) fn remove(&mut self, at: Revision) {
        self.live.remove(at);
        self.rest.remove(at);
    }
}

// === impl Listing ===

impl Listing {
    /// The view as of `now`.
    pub(super) fn load(&self, now: Tick) -> Arc<View> {
        match self {
            // By its lease alone: whether it is marked as lapsed may be undecided just now.
            Self::One(slot) if slot.is_live(now) => {
                Arc::new(View { live: Members::One(Arc::clone(slot)), rest: Members::None })
            }
            Self::One(slot) => {
                Arc::new(View { live: Members::None, rest: Members::One(Arc::clone(slot)) })
            }
            Self::Many(cell) => cell.load(),
        }
    }

    /// Like [`Cell::load_at`].
    pub(super) fn load_at(&self, now: Tick, horizon: Tick) -> (Arc<View>, bool) {
        match self {
            Self::One(_) => (self.load(now), true),
            Self::Many(cell) => cell.load_at(now, horizon),
        }
    }

    pub(super) fn cell(&self) -> Option<&Arc<Cell>> {
        match self {
            Self::One(_) => None,
            Self::Many(cell) => Some(cell),
        }
    }
}

// === impl Cell ===

impl Cell {
    /// A cell in which `view` stands; the first of its members lapses at `closing`, for all that
    /// the horizon does not cover.
    pub(super) fn new(view: View, closing: Tick) -> Self {
        Self { view: ArcSwap::from_pointee(view), closing: AtomicU64::new(closing.0) }
    }

    pub(super) fn empty() -> Self {
        Self::new(View::default(), Tick(u64::MAX))
    }

    pub(super) fn load(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The view, and whether every live member of it is live at `now` without a look at its lease.
    ///
    /// `now` must have been read before, and so must `horizon`; `closing` is read before the view.
    /// Then a member that either does not cover entered the view later, and its lease is younger
    /// than `now`.
    pub(super) fn load_at(&self, now: Tick, horizon: Tick) -> (Arc<View>, bool) {
        let closing = Tick(self.closing.load(Ordering::SeqCst));
        (self.load(), now <= horizon && now <= closing)
    }

    /// Says which instant is covered now, after what lapsed has been taken out.
    pub(super) fn set_closing(&self, until: Tick) {
        self.closing.store(until.0, Ordering::SeqCst);
    }

    /// Shows the view; first, that some member of it may lapse at `closing`.
    pub(super) fn publish(&self, view: View, closing: Tick) {
        self.closing.fetch_min(closing.0, Ordering::SeqCst);
        self.view.store(Arc::new(view));
    }
}
