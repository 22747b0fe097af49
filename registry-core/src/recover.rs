//! From the store to the catalog: at the start, and when a store could not say what it did.

use std::collections::HashSet;
use std::sync::Arc;

use crate::catalog::{Catalog, Due, Filling, Slot};
use crate::change::{Cause, Change};
use crate::clock::{Clock, Tick};
use crate::key::Key;
use crate::lease::{Lease, Standing};
use crate::maker::Maker;
use crate::registry::{OpenError, Options, Shared};
use crate::store::{Loaded, Store, StoreError};

/// What the driver has to go on with.
#[derive(Default)]
pub(crate) struct Recovered {
    /// Everything that was applied.
    pub(crate) slots: Vec<Arc<Slot>>,
    /// Stale, and not announced as such yet.
    pub(crate) due: Vec<Due>,
    /// Announced as stale, and live all the same: it has beaten since.
    pub(crate) revived: Vec<Key>,
}

/// Everything a store holds.
pub(crate) struct Contents {
    /// Each lease is as it rests: [`fill`] says what it comes to.
    slots: Vec<Arc<Slot>>,
    filling: Filling,
    pub(crate) loaded: Loaded,
}

/// Reads everything into an empty catalog, which does not show it yet.
pub(crate) async fn load(store: &dyn Store, catalog: &Arc<Catalog>) -> Result<Contents, OpenError> {
    let (mut slots, mut filling) = (Vec::new(), Filling::default());
    let loaded = read(store, catalog, |slot| {
        slots.push(Arc::clone(&slot));
        catalog.put(slot, &mut filling);
    });
    let loaded = loaded.await?;
    Ok(Contents { slots, filling, loaded })
}

/// Where registry time goes on.
///
/// At the last mark: what came after it did not exist. Without a grace, time that the registry was
/// down counts, as far as the wall clock can tell.
pub(crate) fn resume_at(contents: &Contents, clock: &dyn Clock, options: &Options) -> Tick {
    let Some(mark) = contents.loaded.mark else {
        let renewed = contents.slots.iter().map(|slot| slot.lease().renewed);
        return renewed.max().unwrap_or_default();
    };
    if options.restart_grace_ms > 0 {
        return mark.tick;
    }
    let down_ms = clock.wall().0.saturating_sub(mark.wall.0);
    mark.tick.after_ms(u64::try_from(down_ms).unwrap_or(0))
}

/// Fills an empty catalog.
pub(crate) fn fill(
    catalog: &Catalog,
    contents: Contents,
    now: Tick,
    options: &Options,
) -> Recovered {
    let Contents { slots, filling, loaded } = contents;
    let stopped = loaded.mark.map_or(now, |mark| mark.tick);
    let (mut recovered, mut unlisted) = (Recovered::default(), HashSet::new());
    for slot in &slots {
        let pulse = slot.pulse();
        let stored = pulse.latest().renewed;
        // What was renewed after the mark was renewed now: registry time goes on from the mark.
        let mut lease = Lease { renewed: stored.min(now), ..pulse.lease() };
        if options.restart_grace_ms > 0 {
            lease = lease.resumed(stopped, options.restart_grace_ms);
        }
        if lease.renewed != stored {
            pulse.resume(lease.renewed);
            // The next restart must begin with the lease as it is now.
            catalog.soil(pulse);
        }
        recovered.note(slot, now);
        if !slot.is_listed() {
            unlisted.insert(slot.record().created);
        }
    }
    catalog.show(filling, &unlisted, loaded.revision);
    recovered.slots = slots;
    recovered
}

/// Hands out a slot for every record, with the lease as it rests.
async fn read(
    store: &dyn Store,
    catalog: &Arc<Catalog>,
    mut take: impl FnMut(Arc<Slot>) + Send,
) -> Result<Loaded, OpenError> {
    let mut maker = Maker::start(catalog)?;
    let loaded = store.load(&mut |stored| maker.give(stored, &mut take)).await?;
    maker.finish(take).map(|()| loaded)
}

/// Makes the catalog equal to the store again. Watchers are told to start over.
pub(crate) async fn reload(shared: &Shared, store: &dyn Store) -> Result<Recovered, StoreError> {
    let mut slots = Vec::new();
    let loaded = match read(store, &shared.catalog, |slot| slots.push(slot)).await {
        Ok(loaded) => loaded,
        Err(OpenError::Store(error)) => return Err(error),
        Err(other) => return Err(StoreError::Broken(other.into())),
    };
    slots.sort_by_key(|slot| slot.record().created);
    let now = shared.timeline.now();
    let mut recovered = Recovered::default();
    let mut changes = Vec::new();
    let mut kept = HashSet::new();
    for mut slot in slots {
        let record = slot.record();
        let before = shared.catalog.get(record.key.namespace(), record.key.id());
        kept.insert(record.key.clone());
        if before.as_ref().is_some_and(|before| before.record().modified == record.modified) {
            continue;
        }
        if let Some(before) = &before
            && before.record().created == record.created
        {
            // The same life: its heartbeats go on.
            let beat = slot.pulse().latest();
            slot = Slot::new(record.clone(), Arc::clone(before.pulse()));
            slot.pulse().beat(beat, || shared.catalog.count_revival());
            let rules = shared.catalog.rules(slot.record().key.namespace());
            slot.pulse().set_lease(slot.record(), &rules);
        }
        recovered.note(&slot, now);
        recovered.slots.push(Arc::clone(&slot));
        let (revision, at) = (slot.record().modified, slot.last_seen());
        let after = Some(slot);
        changes.push(Change { revision, cause: Cause::Recovered, at, before, after, by: None });
    }
    let (revision, at) = (loaded.revision, shared.timeline.wall());
    for view in shared.catalog.everything() {
        let slots = view.slots().filter(|slot| !kept.contains(&slot.record().key));
        changes.extend(slots.map(|slot| {
            let before = Some(Arc::clone(slot));
            Change { revision, cause: Cause::Recovered, at, before, after: None, by: None }
        }));
    }
    shared.hub.reset(&shared.catalog, &changes, loaded.revision);
    Ok(recovered)
}

// === impl Recovered ===

impl Recovered {
    /// Says what the lease of a record has come to, and remembers what is to be announced of it.
    fn note(&mut self, slot: &Slot, now: Tick) {
        let (record, pulse) = (slot.record(), slot.pulse());
        let announced = record.lapsed_at.is_some();
        let stale = pulse.lease().standing(now) == Standing::Stale && pulse.lapse(now);
        if !stale {
            pulse.revive();
        }
        match (stale, announced) {
            (true, false) => self.due.push(Due::Lapsed(Arc::clone(pulse))),
            (false, true) => self.revived.push(record.key.clone()),
            _ => {}
        }
    }
}
