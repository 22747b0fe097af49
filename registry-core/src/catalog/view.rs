//! The ready answer to one question, and the cell it is published in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::members::Members;
use super::slot::Slot;
use crate::change::Revision;
use crate::clock::Tick;
use crate::record::State;

/// The records that share one facet. A snapshot: it never changes.
#[derive(Clone, Default)]
pub(crate) struct View {
    /// Running, and not known to have lapsed.
    pub(crate) live: Members,
    /// All others.
    pub(crate) rest: Members,
}

/// Where the latest view of several records stands.
pub(crate) struct Cell {
    view: ArcSwap<View>,
    /// The earliest instant at which a live member may lapse that the horizon does not cover.
    closing: AtomicU64,
    passed: Mutex<Passed>,
}

/// What a reader has passed over, so that the next one need not: when very many leases run out at
/// once, it takes the driver a while to take them out of the views.
#[derive(Clone, Copy, Default)]
struct Passed {
    /// Of the listed members created up to here none was live,
    up_to: Revision,
    /// when so many revivals had been counted.
    revivals: u64,
}

/// A view as it was found.
pub(crate) struct Answer {
    pub(crate) view: Arc<View>,
    /// Whether every live member is live; else look at the lease of each.
    pub(crate) is_sure: bool,
    /// Where it was found, if it is in doubt and several stand there.
    pub(crate) cell: Option<Arc<Cell>>,
}

// === impl View ===

impl View {
    /// The view of a record that stands alone.
    pub(super) fn of_one(slot: &Arc<Slot>, is_live: bool) -> Self {
        let (one, none) = (Members::One(Arc::clone(slot)), Members::None);
        let (live, rest) = if is_live { (one, none) } else { (none, one) };
        Self { live, rest }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty() && self.rest.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len() + self.rest.len()
    }

    /// The only slot, if there is but one.
    pub(super) fn only(&self) -> Option<&Arc<Slot>> {
        if self.len() == 1 { self.slots().next() } else { None }
    }

    /// Every slot, live ones first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.live.iter_after(None).chain(self.rest.iter_after(None))
    }

    /// Puts the slot where its standing says, over any earlier version. `true` if it is now among
    /// live members, was not before, and does not stand at the end.
    pub(super) fn put(&mut self, slot: &Arc<Slot>) -> bool {
        let at = slot.record().created;
        if !slot.is_listed() {
            self.live.remove(at);
            self.rest.insert(slot);
            return false;
        }
        self.rest.remove(at);
        let is_last = self.live.last().is_some_and(|last| last.record().created < at);
        self.live.insert(slot) && !is_last
    }

    pub(super) fn remove(&mut self, at: Revision) {
        self.live.remove(at);
        self.rest.remove(at);
    }
}

// === impl Answer ===

impl Answer {
    /// The view of a record that stands alone, made for one who asks.
    pub(super) fn of_one(slot: &Arc<Slot>, by: Tick) -> Self {
        let is_running = slot.record().declared.state == State::Running;
        let view = Arc::new(View::of_one(slot, is_running));
        Self { view, is_sure: !is_running || slot.is_live(by), cell: None }
    }
}

// === impl Cell ===

impl Cell {
    /// A cell in which `view` stands; the first of its members lapses at `closing`, for all that
    /// the horizon does not cover.
    pub(super) fn new(view: View, closing: Tick) -> Self {
        let passed = Mutex::default();
        Self { view: ArcSwap::from_pointee(view), closing: AtomicU64::new(closing.0), passed }
    }

    pub(super) fn empty() -> Self {
        Self::new(View::default(), Tick(u64::MAX))
    }

    pub(super) fn load(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The view, and whether every live member of it is live, where the present is no later than
    /// `by`.
    ///
    /// `by` must have been read before, and so must `horizon`; `closing` is read before the view.
    /// Then a member that either does not cover entered the view later, and its lease is younger
    /// than this call.
    pub(super) fn load_at(self: &Arc<Self>, by: Tick, horizon: Tick) -> Answer {
        let is_sure = by <= horizon && by <= self.closing();
        Answer { view: self.load(), is_sure, cell: (!is_sure).then(|| Arc::clone(self)) }
    }

    /// Up to where none of the listed members is live, as long as `revivals` is the count that was
    /// read before the view was.
    ///
    /// Whatever is revived is counted afterwards, whether by a heartbeat or because it is listed
    /// again; so who reads the same count as the reader that has passed over it sees it dead, too.
    pub(super) fn passed(&self, revivals: u64) -> Option<Revision> {
        let passed = *self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        (passed.revivals == revivals).then_some(passed.up_to)
    }

    /// A reader has passed over all listed members up to here.
    pub(super) fn pass(&self, up_to: Revision, revivals: u64) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        if (passed.revivals, passed.up_to) < (revivals, up_to) {
            *passed = Passed { up_to, revivals };
        }
    }

    /// The earliest instant at which a live member may lapse that the horizon does not cover.
    pub(super) fn closing(&self) -> Tick {
        Tick(self.closing.load(Ordering::SeqCst))
    }

    /// Says that some member of it may lapse at `at`.
    pub(super) fn close_by(&self, at: Tick) {
        self.closing.fetch_min(at.0, Ordering::SeqCst);
    }

    /// Says which instant is covered now, after what lapsed has been taken out.
    pub(super) fn set_closing(&self, until: Tick) {
        self.closing.store(until.0, Ordering::SeqCst);
    }

    /// Shows the view; first, that some member of it may lapse at `closing`.
    pub(super) fn publish(&self, view: View, closing: Tick) {
        self.close_by(closing);
        self.view.store(Arc::new(view));
    }
}
