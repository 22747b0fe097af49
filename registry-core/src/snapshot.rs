//! Everything a registry holds at one revision, while writes go on.

use crate::catalog::{Catalog, Discovery, Slot};
use crate::clock::{Tick, Timeline};
use crate::encoding::encode;
use crate::query::{Query, Scope};
use crate::store::{Loaded, Mark, Stored};
use crate::watch::Hub;

/// What was registered at one revision. See [`Registry::snapshot`](crate::Registry::snapshot).
///
/// It shares the records with the registry, so taking it costs nothing that grows with their
/// number. What changes while it is held is kept for it.
#[derive(Debug)]
pub struct Snapshot {
    found: Discovery,
    loaded: Loaded,
}

// === impl Snapshot ===

impl Snapshot {
    pub(crate) fn take(catalog: &Catalog, hub: &Hub, timeline: &Timeline) -> Self {
        // Before the cut: a beat that is newer than the mark is taken back to it when it is read.
        let mark = Mark { tick: timeline.now(), wall: timeline.wall() };
        let all = Query { scope: Scope::All, ..Query::default() };
        let (found, revision) =
            hub.cut(|| catalog.discover(&all, Tick::default(), Tick::default, |_| true));
        Self { found, loaded: Loaded { revision, mark: Some(mark) } }
    }

    /// Its revision, and the instant it was taken at, for
    /// [`Store::restore`](crate::Store::restore).
    #[must_use]
    pub fn loaded(&self) -> Loaded {
        self.loaded
    }

    /// How many records it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.iter().count()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Every record as a store would hold it: by namespace, and within one by age. A beat is that
    /// of the moment in which it is read here.
    pub fn iter(&self) -> impl Iterator<Item = Stored> + '_ {
        self.found.iter().map(|slot| stored(slot))
    }
}

fn stored(slot: &Slot) -> Stored {
    let record = slot.record();
    Stored {
        key: record.key.clone(),
        created: record.created,
        modified: record.modified,
        body: encode(record),
        beat: slot.pulse().latest(),
    }
}
