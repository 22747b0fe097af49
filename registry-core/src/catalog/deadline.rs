//! When each lease runs out: looked at a little ahead of time, so that readers need not look.
//!
//! A deadline stands in a bucket of time. Heartbeats do not touch it; when its bucket comes up, the
//! lease is looked at again and the deadline moves on if there was a heartbeat. The driver looks
//! [`LOOKAHEAD_MS`](limits::LOOKAHEAD_MS) ahead and then moves the catalog's *horizon*: up to it,
//! no live record lapses but those whose views say so (they are *closing*). Readers within the
//! horizon take a view as it is; beyond it, or past a view's closing, they look at each lease. So a
//! late driver makes reads slower, never wrong.

use std::collections::{BTreeMap, HashMap};
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
    /// Due before the horizon: looked at in every round.
    closing: Vec<Arc<Pulse>>,
    /// Cells that were told of a closing member, by address.
    told: HashMap<usize, Arc<Cell>>,
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
    /// Live, and due before the horizon.
    closing: Vec<(Arc<Slot>, Tick)>,
}

/// Width of a bucket.
const BUCKET_MS: u64 = 128;
/// `armed`: in no list.
const NOWHERE: u64 = 0;
/// `armed`: among the closing. Any other value is a bucket's number plus one.
const CLOSING: u64 = u64::MAX;

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
        let horizon = Tick(catalog.horizon.load(Relaxed));
        match next_deadline(catalog, pulse) {
            Some(at) => self.place(pulse, at, horizon),
            None => pulse.armed.store(NOWHERE, Relaxed),
        }
        if !self.closing.is_empty() {
            // Its cells may have been told when it was applied: of itself, or of the record that
            // was the only one there before. The next look takes that back.
            let cells = catalog.cells(slot).into_iter();
            self.told.extend(cells.map(|cell| (Arc::as_ptr(&cell) as usize, cell)));
        }
    }

    /// Whether no lease runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.closing.is_empty()
    }

    /// Looks at what is due by now or soon, hides what has lapsed and moves the horizon.
    ///
    /// The second part of the answer says that there was more than one round can look at.
    pub(crate) fn look(&mut self, catalog: &Catalog, now: Tick) -> (Vec<Due>, bool) {
        let target = now.after_ms(limits::LOOKAHEAD_MS);
        let (candidates, horizon) = self.take_until(target);
        let mut found = Findings::default();
        for pulse in candidates {
            self.examine(catalog, &pulse, now, horizon, &mut found);
        }
        catalog.apply(found.hidden.iter().map(Step::Relist));
        self.tell(catalog, &found.closing);
        catalog.set_horizon(horizon);
        (found.due, horizon < target)
    }

    /// What stands in buckets up to `target`, or up to the instant that is given back.
    fn take_until(&mut self, target: Tick) -> (Vec<Arc<Pulse>>, Tick) {
        let mut taken = std::mem::take(&mut self.closing);
        while let Some(bucket) = self.buckets.first_entry() {
            let begins = bucket.key().saturating_mul(BUCKET_MS);
            if begins > target.0 {
                break;
            }
            if taken.len() >= limits::DEADLINES_PER_TICK_MAX {
                return (taken, Tick(begins.saturating_sub(1)));
            }
            let number = *bucket.key();
            let here = |pulse: &Arc<Pulse>| pulse.armed.load(Relaxed) == number + 1;
            taken.extend(bucket.remove().into_iter().filter(here));
        }
        (taken, target)
    }

    fn examine(
        &mut self,
        catalog: &Catalog,
        pulse: &Arc<Pulse>,
        now: Tick,
        horizon: Tick,
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
        if now <= at {
            self.place(pulse, at, horizon);
            if at <= horizon && !pulse.is_lapsed() {
                found.closing.extend(slot().map(|slot| (slot, at)));
            }
        } else if pulse.is_lapsed() {
            found.due.push(Due::Purge(Arc::clone(pulse)));
        } else if pulse.lapse(now) {
            found.due.push(Due::Lapsed(Arc::clone(pulse)));
            found.hidden.extend(slot());
            if let Some(purge) = next_deadline(catalog, pulse) {
                self.place(pulse, purge, horizon);
            }
        } else if let Some(at) = next_deadline(catalog, pulse) {
            self.place(pulse, at, horizon);
        }
    }

    fn place(&mut self, pulse: &Arc<Pulse>, at: Tick, horizon: Tick) {
        let armed = pulse.armed.load(Relaxed);
        if at <= horizon {
            if armed != CLOSING {
                pulse.armed.store(CLOSING, Relaxed);
                self.closing.push(Arc::clone(pulse));
            }
            return;
        }
        let bucket = at.0 / BUCKET_MS;
        // Whatever comes up earlier finds out then that the deadline has moved on.
        let comes_up = armed == CLOSING || armed != NOWHERE && armed - 1 <= bucket;
        if !comes_up {
            pulse.armed.store(bucket + 1, Relaxed);
            self.buckets.entry(bucket).or_default().push(Arc::clone(pulse));
        }
    }

    /// Tells each cell when its first member closes, and those told before that none does.
    fn tell(&mut self, catalog: &Catalog, closing: &[(Arc<Slot>, Tick)]) {
        let mut told: HashMap<usize, (Arc<Cell>, Tick)> = HashMap::new();
        for (slot, at) in closing {
            for cell in catalog.cells(slot) {
                let address = Arc::as_ptr(&cell) as usize;
                let entry = told.entry(address).or_insert((cell, *at));
                entry.1 = entry.1.min(*at);
            }
        }
        for (address, cell) in &self.told {
            if !told.contains_key(address) {
                cell.set_closing(Tick(u64::MAX));
            }
        }
        self.told = HashMap::with_capacity(told.len());
        for (address, (cell, at)) in told {
            cell.set_closing(at);
            self.told.insert(address, cell);
        }
    }
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
