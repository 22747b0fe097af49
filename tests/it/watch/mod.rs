//! Watching: a snapshot and then every change, once and in order; or a plain word that something
//! was missed, and a snapshot again.
//!
//! What one watcher sees of single changes is told in `view`, what it sees of many writers at once
//! in `churn`, and where it begins, lags and ends in `life`.

mod churn;
mod life;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use registry_core::testkit::ManualClock;
use registry_core::{
    Cause, Change, Claim, Clock, Declared, Error, Event, Guard, Key, OnConflict, Query, Registry,
    Revision, Rules, Slot, Start, Timestamp, Ttl, Watcher,
};
use support::wait::PATIENCE;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const NAMESPACE: &str = "things";
const TTL_MS: u64 = 10_000;

/// A registry in memory, on a clock that the test moves.
struct Home {
    registry: Registry,
    clock: ManualClock,
    stop: oneshot::Sender<()>,
    driver: JoinHandle<()>,
}

/// What somebody who only watches knows: each key and the revision it is at.
#[derive(Debug, Default, PartialEq, Eq)]
struct Known(BTreeMap<String, Revision>);

// === impl Home ===

impl Home {
    async fn open() -> Self {
        let clock = ManualClock::new(Timestamp(1_700_000_000_000));
        let rules = Rules {
            on_conflict: OnConflict::Refuse,
            default_ttl: Some(Ttl::from_ms(TTL_MS)),
            ..Rules::default()
        };
        let builder = Registry::builder(Arc::new(backends::MemoryStore::new()));
        let builder = builder.clock(Arc::new(clock.clone()) as Arc<dyn Clock>);
        let (registry, driver) = builder.namespace(NAMESPACE, rules).open().await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let driver = driver.run(async { stopped.await.unwrap_or(()) });
        let driver = tokio::spawn(async { driver.await.unwrap() });
        Self { registry, clock, stop, driver }
    }

    async fn register(&self, id: &str, role: &str) {
        register(&self.registry, id, role).await.unwrap();
    }

    async fn update(&self, id: &str, edit: impl FnOnce(&mut Declared) + Send + 'static) {
        let edit = |declared: &mut Declared| {
            edit(declared);
            Ok(())
        };
        self.registry.update(NAMESPACE, id, Guard::default(), edit).await.unwrap();
    }

    async fn deregister(&self, id: &str) {
        self.registry.deregister(NAMESPACE, id, Guard::default()).await.unwrap();
    }

    async fn heartbeat(&self, id: &str) {
        self.registry.heartbeat(NAMESPACE, id, &Guard::default()).await.unwrap();
    }

    /// Lets time pass, and all that follows from it happen.
    async fn pass(&self, ms: u64) {
        self.clock.advance(ms);
        self.registry.checkpoint().await.unwrap();
    }

    fn watch(&self, query: Query, start: Start) -> Watcher {
        self.registry.watch(query, start).unwrap()
    }

    /// What the registry itself says is there, whatever its standing.
    fn state(&self) -> Known {
        let found = self.registry.discover(&everything());
        Known(found.iter().map(|slot| at(slot)).collect())
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.driver.await.unwrap();
    }
}

async fn register(registry: &Registry, id: &str, role: &str) -> Result<Revision, Error> {
    let key = Key::new(NAMESPACE, id).unwrap();
    let declared = Declared { role: role.into(), ..Declared::default() };
    let done = registry.register(key, declared, Claim::default()).await?;
    Ok(done.slot.record().modified)
}

fn everything() -> Query {
    Query::any().including_stale()
}

fn at(slot: &Slot) -> (String, Revision) {
    (slot.record().key.id().to_owned(), slot.record().modified)
}

/// The next event, which must come.
async fn next(watcher: &mut Watcher) -> Event {
    let event = tokio::time::timeout(PATIENCE, watcher.next()).await;
    event.expect("an event comes in time").expect("the registry is open")
}

/// The next event in short: `put a`, `gone a`, `present a`, `synced`, `compacted`.
async fn told(watcher: &mut Watcher) -> String {
    match next(watcher).await {
        Event::Present(slot) => format!("present {}", slot.record().key.id()),
        Event::Put(change) => format!("put {} {}", change.key().id(), change.cause.as_str()),
        Event::Gone(change) => format!("gone {} {}", change.key().id(), change.cause.as_str()),
        Event::Synced(_) => "synced".to_owned(),
        Event::Compacted { .. } => "compacted".to_owned(),
    }
}

async fn expect(watcher: &mut Watcher, events: &[&str]) {
    for expected in events {
        assert_eq!(told(watcher).await, *expected);
    }
}

// === impl Known ===

impl Known {
    /// Follows one change of everything; what it says of before must be what was known.
    fn follow(&mut self, change: &Change) {
        let id = change.key().id();
        let before = change.before.as_ref().map(|slot| slot.record().modified);
        assert_eq!(self.0.get(id).copied(), before, "{id}: {:?}", change.cause);
        match &change.after {
            Some(slot) => {
                assert_eq!(slot.record().modified, change.revision);
                self.0.insert(id.to_owned(), change.revision);
            }
            None => {
                assert!(matches!(change.cause, Cause::Deregistered | Cause::Purged));
                self.0.remove(id);
            }
        }
    }

    /// Reads a whole snapshot.
    async fn snapshot(watcher: &mut Watcher) -> (Self, Revision) {
        let mut known = Self::default();
        loop {
            match next(watcher).await {
                Event::Present(slot) => {
                    let (id, revision) = at(&slot);
                    assert_eq!(known.0.insert(id, revision), None, "a snapshot names a key once");
                }
                Event::Synced(revision) => return (known, revision),
                other => panic!("in the middle of a snapshot: {other:?}"),
            }
        }
    }
}
