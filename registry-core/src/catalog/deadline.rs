//! When each lease runs out: looked at a little ahead of time, so that readers need not look.
//!
//! A deadline stands in a bucket of time. Heartbeats do not touch it; when its bucket comes up, the
//! lease is looked at again and the deadline moves on if there was a heartbeat. The driver looks
//! [`LOOKAHEAD_MS`](limits::LOOKAHEAD_MS) ahead, tells the views which buckets their members close
//! in, and then moves the catalog's *horizon*: up to it, no live record lapses but those whose
//! views say so. Readers within the horizon take a view as it is; beyond it, or past a view's
//! closing, they look at each lease. So a late driver makes reads slower, never wrong.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::slot::{Pulse, Slot};
use super::view::Cell;
use super::{Catalog, Step};
use crate::clock::Tick;
use crate::limits;
use crate::namespace::OnExpiry;

/// Every deadline that may come, by time.
#[derive(Default)]
pub(crate) struct Deadlines {
    buckets: BTreeMap<u64, Vec<Arc<Pulse>>>,
    /// The members of buckets before this one have told their cells: the horizon is there.
    told_until: u64,
    /// Cells, by address, and the buckets that members of theirs close in.
    told: HashMap<usize, Closings>,
}

/// When members of one cell may lapse that the horizon does not cover.
struct Closings {
    cell: Arc<Cell>,
    buckets: BTreeSet<u64>,
}

/// A record whose time has come.
#[derive(Clone)]
pub(crate) enum Due {
    /// It has just lapsed, and is hidden already: this is to be announced.
    Lapsed(Arc<Pulse>),
    /// It has been stale for as long as its namespace keeps such records.
    Purge(Arc<Pulse>),
    /// It has beaten after it was announced as lapsed, and is shown already: to be announced.
    Revived(Arc<Pulse>),
}

/// What one look found.
#[derive(Default)]
struct Findings {
    due: Vec<Due>,
    /// Lapsed just now: to be hidden.
    hidden: Vec<Arc<Slot>>,
    /// So many deadlines were looked at.
    looked: usize,
    /// There is more than one look may do.
    more: bool,
}

/// Width of a bucket.
const BUCKET_MS: u64 = 128;
/// `armed`: in no bucket. Any other value is a bucket's number plus one.
const NOWHERE: u64 = 0;

// === impl Due ===

impl Due {
    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        match self {
            Self::Lapsed(pulse) | Self::Purge(pulse) | Self::Revived(pulse) => pulse,
        }
    }
}

// === impl Deadlines ===

impl Deadlines {
    /// Takes note of the deadline of a slot that has just been applied.
    pub(crate) fn arm(&mut self, catalog: &Catalog, slot: &Slot) {
        let pulse = slot.pulse();
        match next_deadline(catalog, pulse) {
            Some(at) => self.place(pulse, at),
            None => pulse.armed.store(NOWHERE, Relaxed),
        }
        // If anything closes, its cells may have been told when it was applied: of itself, or of
        // the record that was the only one there before.
        if self.buckets.first_key_value().is_some_and(|(first, _)| *first < self.told_until) {
            self.tell(catalog, slot);
        }
    }

    /// Whether no lease runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Looks at what is due by now or soon, hides what has lapsed and moves the horizon.
    ///
    /// The second part of the answer says that there was more than one look may do.
    pub(crate) fn look(&mut self, catalog: &Catalog, now: Tick) -> (Vec<Due>, bool) {
        let mut found = Findings::default();
        let unfinished = self.take_due(catalog, now, &mut found);
        catalog.apply(found.hidden.iter().map(Step::Relist));
        self.untell(unfinished);
        let target = now.after_ms(limits::LOOKAHEAD_MS);
        self.look_ahead(catalog, target, &mut found);
        let told_until = Tick(self.told_until.saturating_mul(BUCKET_MS).saturating_sub(1));
        catalog.set_horizon(target.min(told_until));
        (found.due, found.more)
    }

    /// Examines the buckets that have begun. The first one that may hold what is not due yet, or
    /// has not been examined, is given back.
    fn take_due(&mut self, catalog: &Catalog, now: Tick, found: &mut Findings) -> u64 {
        let present = now.0 / BUCKET_MS;
        while let Some(bucket) = self.buckets.first_entry().filter(|first| *first.key() <= present)
        {
            let (number, mut pulses) = bucket.remove_entry();
            let room = limits::DEADLINES_PER_TICK_MAX.saturating_sub(found.looked);
            let left = pulses.split_off(pulses.len().min(room));
            found.looked += pulses.len();
            for pulse in pulses.iter().filter(|pulse| stands_in(pulse, number)) {
                self.examine(catalog, pulse, number, now, found);
            }
            if !left.is_empty() {
                self.buckets.entry(number).or_default().extend(left);
                found.more = true;
                return number;
            }
            if number == present {
                break;
            }
        }
        present
    }

    fn examine(
        &mut self,
        catalog: &Catalog,
        pulse: &Arc<Pulse>,
        number: u64,
        now: Tick,
        found: &mut Findings,
    ) {
        pulse.armed.store(NOWHERE, Relaxed);
        let slot = || catalog.get(pulse.key.namespace(), pulse.key.id());
        if pulse.is_removed() {
            return;
        }
        let Some(at) = next_deadline(catalog, pulse) else {
            return;
        };
        if now > at && pulse.is_lapsed() {
            found.due.push(Due::Purge(Arc::clone(pulse)));
            return;
        }
        if now > at && pulse.lapse(now) {
            found.due.push(Due::Lapsed(Arc::clone(pulse)));
            found.hidden.extend(slot());
        }
        // It has been heard of, or its purge is next.
        if let Some(next) = next_deadline(catalog, pulse) {
            self.place(pulse, next);
            let moved = next.0 / BUCKET_MS != number;
            if moved
                && next.0 / BUCKET_MS < self.told_until
                && !pulse.is_lapsed()
                && let Some(slot) = slot()
            {
                self.tell(catalog, &slot);
            }
        }
    }

    /// Lets the members of the buckets up to `target` tell their cells, as many as one look may.
    ///
    /// A bucket that is too large for one look is left alone: the horizon stays before it until it
    /// is due.
    fn look_ahead(&mut self, catalog: &Catalog, target: Tick, found: &mut Findings) {
        let last = target.0 / BUCKET_MS;
        while let Some((&number, bucket)) =
            self.buckets.range_mut(self.told_until..).next().filter(|next| *next.0 <= last)
        {
            if found.looked + bucket.len() > limits::DEADLINES_PER_TICK_MAX {
                found.more |= bucket.len() <= limits::DEADLINES_PER_TICK_MAX;
                self.told_until = number;
                return;
            }
            found.looked += bucket.len();
            self.told_until = number + 1;
            let mut pulses = std::mem::take(bucket);
            pulses.retain(|pulse| stands_in(pulse, number) && self.stays(catalog, pulse, number));
            if pulses.is_empty() {
                self.buckets.remove(&number);
            } else {
                self.buckets.insert(number, pulses);
            }
        }
        self.told_until = self.told_until.max(last + 1);
    }

    /// Whether its deadline is still in this bucket; then its cells are told. Else it moves on.
    fn stays(&mut self, catalog: &Catalog, pulse: &Arc<Pulse>, number: u64) -> bool {
        let deadline = next_deadline(catalog, pulse).filter(|_| !pulse.is_removed());
        let stays = deadline.is_some_and(|at| at.0 / BUCKET_MS <= number);
        if !stays {
            pulse.armed.store(NOWHERE, Relaxed);
            if let Some(at) = deadline {
                self.place(pulse, at);
            }
        } else if !pulse.is_lapsed()
            && let Some(slot) = catalog.get(pulse.key.namespace(), pulse.key.id())
        {
            self.tell(catalog, &slot);
        }
        stays
    }

    fn place(&mut self, pulse: &Arc<Pulse>, at: Tick) {
        let armed = pulse.armed.load(Relaxed);
        let bucket = at.0 / BUCKET_MS;
        // Whatever comes up earlier finds out then that the deadline has moved on.
        let comes_up = armed != NOWHERE && armed - 1 <= bucket;
        if !comes_up {
            pulse.armed.store(bucket + 1, Relaxed);
            self.buckets.entry(bucket).or_default().push(Arc::clone(pulse));
        }
    }

    /// Tells the cells of a slot in which bucket it closes, if the horizon is past that.
    fn tell(&mut self, catalog: &Catalog, slot: &Slot) {
        let standing_in = slot.pulse().armed.load(Relaxed).checked_sub(1);
        let closes_in = standing_in.filter(|bucket| *bucket < self.told_until);
        for cell in catalog.cells(slot) {
            let closings =
                self.told.entry(Arc::as_ptr(&cell) as usize).or_insert_with(|| Closings {
                    // What was published with the cell may close in any bucket from then on.
                    buckets: (cell.closing().0 / BUCKET_MS..self.told_until).collect(),
                    cell,
                });
            if let Some(bucket) = closes_in {
                closings.buckets.insert(bucket);
                closings.cell.close_by(begin(bucket));
            }
        }
    }

    /// Tells each cell when its next member closes, now that all buckets before `first` are done.
    fn untell(&mut self, first: u64) {
        self.told.retain(|_, closings| {
            closings.buckets = closings.buckets.split_off(&first);
            let next = closings.buckets.first().map_or(Tick(u64::MAX), |bucket| begin(*bucket));
            closings.cell.set_closing(next);
            !closings.buckets.is_empty()
        });
    }
}

/// The first instant of a bucket.
fn begin(bucket: u64) -> Tick {
    Tick(bucket.saturating_mul(BUCKET_MS))
}

/// Whether it has not been put elsewhere since it was put into this bucket.
fn stands_in(pulse: &Pulse, bucket: u64) -> bool {
    pulse.armed.load(Relaxed) == bucket + 1
}

/// When the record lapses or, if it has, when it is to be purged.
fn next_deadline(catalog: &Catalog, pulse: &Pulse) -> Option<Tick> {
    let lapses = pulse.lease().live_until()?;
    if !pulse.is_lapsed() {
        return Some(lapses);
    }
    match catalog.namespace(pulse.key.namespace())?.rules.on_expiry {
        OnExpiry::Keep => None,
        OnExpiry::PurgeAfterMs(ms) => Some(lapses.after_ms(ms)),
    }
}
