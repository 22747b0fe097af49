//! Watching: a bounded history of changes that any number of watchers read at their own pace.
//!
//! A watcher holds a position, not a buffer. One that falls behind the oldest change kept is told
//! so and given a snapshot, so a slow reader costs nobody memory.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch as signal;

use crate::catalog::{Catalog, Slot, Step};
use crate::change::{Cause, Change, Revision};
use crate::clock::Tick;
use crate::error::Error;
use crate::limits;
use crate::query::Query;

/// Where a watcher begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With every record that the query shows now, then the changes.
    Snapshot,
    /// With the changes from now on.
    Now,
    /// With the changes after this revision; with a snapshot if they are no longer kept.
    After(Revision),
}

/// What a watcher sees, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// Part of a snapshot: this record is there.
    Present(Arc<Slot>),
    /// The snapshot is complete, as of this revision: whatever it did not name is not there.
    Synced(Revision),
    /// The query shows this record now, or shows it changed: `change.after`.
    Put(Arc<Change>),
    /// The query no longer shows this record: removed, lapsed, or no longer a match.
    Gone(Arc<Change>),
    /// The changes that come next are no longer kept. A snapshot follows.
    Compacted {
        /// The oldest revision that can be resumed from.
        oldest: Revision,
    },
}

/// A reader of changes. See [`Registry::watch`](crate::Registry::watch).
pub struct Watcher {
    hub: Arc<Hub>,
    catalog: Arc<Catalog>,
    query: Query,
    signal: signal::Receiver<Told>,
    /// Everything up to here has been taken from the history.
    taken: Revision,
    /// Everything up to here has been given out.
    cursor: Revision,
    /// The cursor, for the hub.
    position: Arc<AtomicU64>,
    queue: VecDeque<Event>,
}

/// Where changes are told.
pub(crate) struct Hub {
    history: Mutex<History>,
    /// Held while changes become visible and enter the history, so that a snapshot has a revision.
    telling: Mutex<()>,
    signal: signal::Sender<Told>,
    /// How far each watcher has come, by the address of its position.
    positions: Mutex<HashMap<usize, Arc<AtomicU64>>>,
    /// Changes told, by cause.
    told: [AtomicU64; Cause::ALL.len()],
}

/// What wakes watchers.
#[derive(Clone, Copy)]
struct Told {
    latest: Revision,
    /// Nothing will be told any more.
    ended: bool,
}

struct History {
    changes: VecDeque<Kept>,
    bytes: usize,
    /// The revision before the oldest change kept.
    oldest: Revision,
    latest: Revision,
}

/// A change, and what it weighed when it came: to weigh it again when it goes would be to look into
/// records that nobody has touched for long.
struct Kept {
    change: Arc<Change>,
    bytes: usize,
}

// === impl Hub ===

impl Hub {
    pub(crate) fn new(revision: Revision) -> Arc<Self> {
        let history =
            History { changes: VecDeque::new(), bytes: 0, oldest: revision, latest: revision };
        Arc::new(Self {
            history: Mutex::new(history),
            telling: Mutex::new(()),
            signal: signal::Sender::new(Told { latest: revision, ended: false }),
            positions: Mutex::default(),
            told: std::array::from_fn(|_| AtomicU64::new(0)),
        })
    }

    /// Makes the changes visible to readers, then known to watchers, as one.
    pub(crate) fn tell(&self, catalog: &Catalog, changes: &[Arc<Change>]) {
        let Some(last) = changes.last() else { return };
        {
            let _telling = lock(&self.telling);
            catalog.apply(changes.iter().map(|change| Step::Change(change)));
            let mut history = lock(&self.history);
            changes.iter().for_each(|change| history.push(change));
        }
        for change in changes {
            self.told[change.cause as usize].fetch_add(1, Ordering::Relaxed);
        }
        self.signal.send_modify(|told| told.latest = last.revision);
    }

    /// Forgets the history: what led to `revision` cannot be told change by change.
    pub(crate) fn reset(&self, catalog: &Catalog, changes: &[Change], revision: Revision) {
        {
            let _telling = lock(&self.telling);
            catalog.apply(changes.iter().map(Step::Change));
            catalog.skip_to(revision);
            let mut history = lock(&self.history);
            history.changes.clear();
            history.bytes = 0;
            (history.oldest, history.latest) = (revision, revision);
        }
        self.signal.send_modify(|told| told.latest = revision);
    }

    /// Tells every watcher that nothing more will come.
    pub(crate) fn end(&self) {
        self.signal.send_modify(|told| told.ended = true);
    }

    /// What `read` finds while nothing changes, and the revision it is as of.
    pub(crate) fn cut<T>(&self, read: impl FnOnce() -> T) -> (T, Revision) {
        let _telling = lock(&self.telling);
        (read(), lock(&self.history).latest)
    }

    /// A watcher of what `query` shows.
    pub(crate) fn watch(
        self: &Arc<Self>,
        catalog: &Arc<Catalog>,
        query: Query,
        start: Start,
    ) -> Result<Watcher, Error> {
        let position = Arc::new(AtomicU64::new(0));
        {
            let mut positions = lock(&self.positions);
            if positions.len() >= limits::WATCHERS_MAX {
                return Err(Error::Busy);
            }
            positions.insert(Arc::as_ptr(&position).addr(), Arc::clone(&position));
        }
        let latest = lock(&self.history).latest;
        let mut watcher = Watcher {
            hub: Arc::clone(self),
            catalog: Arc::clone(catalog),
            query,
            signal: self.signal.subscribe(),
            taken: latest,
            cursor: latest,
            position,
            queue: VecDeque::new(),
        };
        match start {
            Start::Now => {}
            Start::Snapshot => watcher.snapshot(),
            // A revision from the future is from another registry, or from one restored to before.
            Start::After(revision) if revision > latest => watcher.start_over(),
            Start::After(revision) => (watcher.taken, watcher.cursor) = (revision, revision),
        }
        watcher.position.store(watcher.cursor.0, Ordering::Relaxed);
        Ok(watcher)
    }

    /// The changes of one key that are kept, oldest first, and the revision they are kept from.
    pub(crate) fn changes_of(&self, namespace: &str, id: &str) -> (Vec<Arc<Change>>, Revision) {
        let mut found = Vec::new();
        let oldest = lock(&self.history).oldest;
        let mut from = oldest;
        loop {
            // Some at a time: whoever tells a change waits for this lock.
            let Some(some) = lock(&self.history).after(from) else {
                from = lock(&self.history).oldest;
                continue;
            };
            let Some(last) = some.last() else { return (found, oldest) };
            from = last.revision;
            let is_it = |change: &Arc<Change>| {
                change.key().namespace() == namespace && change.key().id() == id
            };
            found.extend(some.into_iter().filter(is_it));
        }
    }

    /// The oldest revision that can be resumed from.
    pub(crate) fn oldest(&self) -> Revision {
        lock(&self.history).oldest
    }

    pub(crate) fn watchers(&self) -> usize {
        lock(&self.positions).len()
    }

    /// How many changes were told, by cause.
    pub(crate) fn told(&self) -> [(Cause, u64); Cause::ALL.len()] {
        Cause::ALL.map(|cause| (cause, self.told[cause as usize].load(Ordering::Relaxed)))
    }

    /// How far behind the slowest watcher is.
    pub(crate) fn lag(&self) -> u64 {
        let latest = lock(&self.history).latest.0;
        let positions = lock(&self.positions);
        let slowest = positions.values().map(|position| position.load(Ordering::Relaxed)).min();
        slowest.map_or(0, |position| latest.saturating_sub(position))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl History ===

impl History {
    fn push(&mut self, change: &Arc<Change>) {
        let bytes = weight(change);
        self.bytes += bytes;
        self.latest = change.revision;
        self.changes.push_back(Kept { change: Arc::clone(change), bytes });
        while self.changes.len() > limits::HISTORY_CHANGES_MAX
            || self.bytes > limits::HISTORY_BYTES_MAX
        {
            let Some(oldest) = self.changes.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes;
            self.oldest = oldest.change.revision;
        }
    }

    /// Some of the changes after `revision`; `None` if not all of them are kept.
    fn after(&self, revision: Revision) -> Option<Vec<Arc<Change>>> {
        if revision < self.oldest {
            return None;
        }
        let from = self.changes.partition_point(|kept| kept.change.revision <= revision);
        let some = self.changes.range(from..).take(limits::WATCH_FETCH_MAX);
        Some(some.map(|kept| Arc::clone(&kept.change)).collect())
    }
}

/// Roughly the bytes that a change keeps alive.
fn weight(change: &Change) -> usize {
    let slots = [&change.before, &change.after].into_iter().flatten();
    256 + change.by.as_ref().map_or(0, |by| by.len())
        + slots.map(|slot| slot.record().weight()).sum::<usize>()
}

// === impl Watcher ===

impl Watcher {
    /// The next event, in order. Waits for one.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Closed`] once the registry has stopped and everything has been told.
    pub async fn next(&mut self) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                match &event {
                    Event::Put(change) | Event::Gone(change) => self.cursor = change.revision,
                    Event::Synced(revision) => self.cursor = *revision,
                    Event::Present(_) | Event::Compacted { .. } => {}
                }
                if self.queue.is_empty() {
                    self.cursor = self.cursor.max(self.taken);
                }
                self.position.store(self.cursor.0, Ordering::Relaxed);
                return Ok(event);
            }
            let told = *self.signal.borrow_and_update();
            if self.taken < told.latest {
                self.fetch();
            } else if told.ended || self.signal.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    /// Everything up to this revision has been given out: where to resume from.
    ///
    /// Moves on also past changes that the query does not show.
    #[must_use]
    pub fn cursor(&self) -> Revision {
        self.cursor
    }

    /// Takes the next changes from the history and keeps those that the query shows.
    fn fetch(&mut self) {
        let found = lock(&self.hub.history).after(self.taken);
        let Some(changes) = found else {
            return self.start_over();
        };
        for change in changes {
            self.taken = change.revision;
            let shows =
                |slot: &Option<Arc<Slot>>| slot.as_ref().is_some_and(|slot| self.query.shows(slot));
            if shows(&change.after) {
                self.queue.push_back(Event::Put(change));
            } else if shows(&change.before) {
                self.queue.push_back(Event::Gone(change));
            }
        }
        if self.queue.is_empty() {
            self.cursor = self.taken;
            self.position.store(self.cursor.0, Ordering::Relaxed);
        }
    }

    fn start_over(&mut self) {
        let oldest = lock(&self.hub.history).oldest;
        self.queue.push_back(Event::Compacted { oldest });
        self.snapshot();
    }

    /// Queues every record that the query shows, as of one revision.
    fn snapshot(&mut self) {
        let all = Query { scope: crate::Scope::All, ..self.query.clone() };
        let (found, revision) =
            self.hub.cut(|| self.catalog.discover(&all, Tick::default(), Tick::default, |_| true));
        let shown = found.iter().filter(|slot| self.query.shows(slot));
        self.queue.extend(shown.map(|slot| Event::Present(Arc::clone(slot))));
        self.queue.push_back(Event::Synced(revision));
        self.taken = revision;
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        lock(&self.hub.positions).remove(&Arc::as_ptr(&self.position).addr());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Pulse;
    use crate::clock::Timestamp;
    use crate::key::Key;
    use crate::lease::Beat;
    use crate::record::{Declared, Generation, Record};

    fn change(revision: u64, document_bytes: usize) -> Arc<Change> {
        let key = Key::new("n", &revision.to_string()).unwrap();
        let document = "x".repeat(document_bytes).into();
        let record = Record {
            key: key.clone(),
            declared: Declared { document: Some(document), ..Declared::default() },
            generation: Generation::new("g").unwrap(),
            registered_at: Timestamp(0),
            lapsed_at: None,
            created: Revision(revision),
            modified: Revision(revision),
        };
        let slot = Slot::new(record, Pulse::new(key, Revision(revision), Beat::default()));
        let (revision, cause, at) = (Revision(revision), Cause::Registered, Timestamp(0));
        Arc::new(Change { revision, cause, at, before: None, after: Some(slot), by: None })
    }

    #[test]
    fn history_is_as_long_as_its_bytes_allow_however_much_has_passed() {
        let hub = Hub::new(Revision(0));
        let mut history = lock(&hub.history);
        const LARGE: usize = limits::HISTORY_BYTES_MAX / 10;
        for revision in 1..=40 {
            history.push(&change(revision, LARGE));
        }
        assert_eq!((history.changes.len(), history.oldest), (9, Revision(31)));
        for revision in 41..=100 {
            history.push(&change(revision, 10));
        }
        let kept: usize = history.changes.iter().map(|kept| weight(&kept.change)).sum();
        assert_eq!((history.bytes, history.oldest), (kept, Revision(31)), "small ones fit as well");
    }
}
