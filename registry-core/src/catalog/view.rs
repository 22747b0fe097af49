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

/// Where the latest view of one facet stands.
#[derive(Default)]
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

// === impl Cell ===

impl Cell {
    pub(super) fn new() -> Self {
        Self { view: ArcSwap::default(), closing: AtomicU64::new(u64::MAX) }
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

    /// Announces, before it is published, a member that may lapse at `until`.
    pub(super) fn close_by(&self, until: Tick) {
        self.closing.fetch_min(until.0, Ordering::SeqCst);
    }

    /// Says which instant is covered now, after what lapsed has been taken out.
    pub(super) fn set_closing(&self, until: Tick) {
        self.closing.store(until.0, Ordering::SeqCst);
    }

    pub(super) fn publish(&self, view: View) {
        self.view.store(Arc::new(view));
    }
}
