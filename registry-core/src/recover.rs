//! From the store to the catalog: at the start, and when a store could not say what it did.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::catalog::{Due, Pulse, Slot};
use crate::change::{Cause, Change};
use crate::clock::{Clock, Tick};
use crate::encoding::{DecodeError, decode};
use crate::key::Key;
use crate::lease::{Beat, Standing};
use crate::record::Record;
use crate::registry::{OpenError, Options, Shared};
use crate::store::{Loaded, Store, StoreError, Stored};

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

/// Everything a store holds, decoded, in the order of creation.
pub(crate) struct Contents {
    records: Vec<(Record, Beat)>,
    pub(crate) loaded: Loaded,
}

/// Records shown to the catalog at a time.
const STEP: usize = 8_192;

/// Reads everything.
pub(crate) async fn load(store: &dyn Store) -> Result<Contents, OpenError> {
    let mut records = Vec::new();
    let mut damaged: Option<DecodeError> = None;
    let mut each = |stored: Stored| match decode(&stored) {
        Ok(record) => records.push((record, stored.beat)),
        Err(error) => damaged = damaged.take().or(Some(error)),
    };
    let loaded = store.load(&mut each).await?;
    if let Some(error) = damaged {
        return Err(error.into());
    }
    records.sort_by_key(|(record, _)| record.created);
    Ok(Contents { records, loaded })
}

/// Where registry time goes on.
///
/// At the last mark: what came after it did not exist. Without a grace, time that the registry was
/// down counts, as far as the wall clock can tell.
pub(crate) fn resume_at(contents: &Contents, clock: &dyn Clock, options: &Options) -> Tick {
    let Some(mark) = contents.loaded.mark else {
        let renewed = contents.records.iter().map(|(_, beat)| beat.renewed);
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
    shared: &Shared,
    contents: Contents,
    now: Tick,
    options: &Options,
) -> Result<Recovered, OpenError> {
    let stopped = contents.loaded.mark.map_or(now, |mark| mark.tick);
    let mut recovered = Recovered::default();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for (record, _) in &contents.records {
        *counts.entry(record.key.namespace()).or_default() += 1;
    }
    for (name, count) in counts {
        shared.catalog.namespace_or_new(name)?.expect(count);
    }
    let mut changes = Vec::with_capacity(contents.records.len().min(STEP));
    for (mut record, beat) in contents.records {
        let namespace = shared.catalog.namespace_or_new(record.key.namespace())?;
        record.key = record.key.interned(&namespace.name);
        // What was renewed after the mark was renewed now: registry time goes on from the mark.
        let (stored, beat) = (beat, Beat { renewed: beat.renewed.min(now), ..beat });
        let pulse = Pulse::new(record.key.clone(), record.created, beat);
        pulse.set_lease(&record, &namespace.rules);
        if options.restart_grace_ms > 0 {
            let lease = pulse.lease().resumed(stopped, options.restart_grace_ms);
            pulse.beat(Beat { renewed: lease.renewed, ..beat }, || ());
        }
        if pulse.latest() != stored {
            // The next restart must begin with the lease as it is now.
            shared.catalog.soil(&pulse);
        }
        changes.push(recovered.add(record, pulse, None, now));
        if changes.len() == STEP {
            shared.hub.reset(&shared.catalog, &changes, contents.loaded.revision);
            changes.clear();
        }
    }
    shared.hub.reset(&shared.catalog, &changes, contents.loaded.revision);
    Ok(recovered)
}

/// Makes the catalog equal to the store again. Watchers are told to start over.
pub(crate) async fn reload(shared: &Shared, store: &dyn Store) -> Result<Recovered, StoreError> {
    let contents = match load(store).await {
        Ok(contents) => contents,
        Err(OpenError::Store(error)) => return Err(error),
        Err(other) => return Err(StoreError::Broken(other.into())),
    };
    let now = shared.timeline.now();
    let mut recovered = Recovered::default();
    let mut changes = Vec::new();
    let mut kept = HashSet::new();
    for (mut record, beat) in contents.records {
        let before = shared.catalog.get(record.key.namespace(), record.key.id());
        kept.insert(record.key.clone());
        if before.as_ref().is_some_and(|slot| slot.record().modified == record.modified) {
            continue;
        }
        let namespace = match shared.catalog.namespace_or_new(record.key.namespace()) {
            Ok(namespace) => namespace,
            Err(error) => return Err(StoreError::Broken(error.into())),
        };
        record.key = record.key.interned(&namespace.name);
        let same = before.as_ref().filter(|slot| slot.record().created == record.created);
        let pulse = same.map_or_else(
            || Pulse::new(record.key.clone(), record.created, beat),
            |slot| Arc::clone(slot.pulse()),
        );
        pulse.beat(beat, || shared.catalog.count_revival());
        pulse.set_lease(&record, &namespace.rules);
        changes.push(recovered.add(record, pulse, before, now));
    }
    let at = shared.timeline.wall();
    for view in shared.catalog.everything() {
        let slots = view.slots().filter(|slot| !kept.contains(&slot.record().key));
        changes.extend(slots.map(|slot| {
            let (revision, cause) = (contents.loaded.revision, Cause::Recovered);
            let before = Some(Arc::clone(slot));
            Arc::new(Change { revision, cause, at, before, after: None, by: None })
        }));
    }
    shared.hub.reset(&shared.catalog, &changes, contents.loaded.revision);
    Ok(recovered)
}

// === impl Recovered ===

impl Recovered {
    fn add(
        &mut self,
        record: Record,
        pulse: Arc<Pulse>,
        before: Option<Arc<Slot>>,
        now: Tick,
    ) -> Arc<Change> {
        let announced = record.lapsed_at.is_some();
        let stale = pulse.lease().standing(now) == Standing::Stale && pulse.lapse(now);
        if !stale {
            pulse.revive();
        }
        match (stale, announced) {
            (true, false) => self.due.push(Due::Lapsed(Arc::clone(&pulse))),
            (false, true) => self.revived.push(record.key.clone()),
            _ => {}
        }
        let revision = record.modified;
        let at = pulse.last_seen();
        let slot = Slot::new(record, pulse);
        self.slots.push(Arc::clone(&slot));
        let after = Some(slot);
        Arc::new(Change { revision, cause: Cause::Recovered, at, before, after, by: None })
    }
}
