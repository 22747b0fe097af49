//! What a watcher sees while several writers are at it: all of it, once, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use registry_core::{Event, Guard, Query, Registry, Revision, Start, Watcher};
use support::dice::Dice;
use tokio::task::JoinHandle;

use super::{Home, Known, NAMESPACE, everything, next, register};

const WRITERS: u64 = 4;
const IDS: usize = 12;
const RECONNECTS: usize = 1_000;

/// Writers at work until told to stop.
struct Writers {
    over: Arc<AtomicBool>,
    /// Changes that were acknowledged.
    changes: Arc<AtomicU64>,
    /// Each gives the revisions that it was told.
    tasks: Vec<JoinHandle<Vec<Revision>>>,
}

// === impl Writers ===

impl Writers {
    fn start(home: &Home, seed: u64) -> Self {
        let (over, changes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let tasks = (0..WRITERS).map(|writer| {
            let (over, changes) = (Arc::clone(&over), Arc::clone(&changes));
            let (registry, dice) = (home.registry.clone(), Dice::new(seed + writer));
            tokio::spawn(write(registry, dice, over, changes))
        });
        let tasks = tasks.collect();
        Self { over, changes, tasks }
    }

    /// Stops them: how many changes they made, and the revisions they were told.
    async fn stop(self) -> (u64, Vec<Revision>) {
        self.over.store(true, Ordering::Relaxed);
        let mut told = Vec::new();
        for task in self.tasks {
            told.extend(task.await.unwrap());
        }
        (self.changes.load(Ordering::Relaxed), told)
    }
}

/// All writers share their ids, so that they get in each other's way.
async fn write(
    registry: Registry,
    mut dice: Dice,
    over: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
) -> Vec<Revision> {
    let mut told = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let id = format!("v{}", dice.below(IDS));
        let role = *dice.one(&["worker", "infra"]);
        let revision = match dice.below(4) {
            0 | 1 => register(&registry, &id, role).await.ok(),
            2 => {
                let edit = move |declared: &mut registry_core::Declared| {
                    declared.role = role.into();
                    Ok(())
                };
                let done = registry.update(NAMESPACE, &id, Guard::default(), edit).await;
                done.ok().map(|done| done.slot.record().modified)
            }
            _ => {
                let done = registry.deregister(NAMESPACE, &id, Guard::default()).await;
                // What was removed does not say at which revision.
                changes.fetch_add(u64::from(done.is_ok()), Ordering::Relaxed);
                None
            }
        };
        changes.fetch_add(u64::from(revision.is_some()), Ordering::Relaxed);
        told.extend(revision);
        tokio::task::yield_now().await;
    }
    told
}

/// Takes the next change of everything; the revision before it must be the one known.
async fn take(watcher: &mut Watcher, known: &mut Known, seen: &mut Vec<Revision>) {
    let (Event::Put(change) | Event::Gone(change)) = next(watcher).await else {
        panic!("nothing was compacted")
    };
    let last = seen.last().copied().unwrap_or_default();
    // A memory store numbers without gaps, so a gap is a change that was not told.
    assert_eq!(change.revision.0, last.0 + 1, "after {last:?}");
    known.follow(&change);
    seen.push(change.revision);
    assert_eq!(watcher.cursor(), change.revision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reconnects_under_churn_see_every_change_once_and_in_order() {
    let home = Home::open().await;
    let writers = Writers::start(&home, 21);
    let mut dice = Dice::new(22);
    let (mut known, mut seen) = (Known::default(), Vec::new());
    for _ in 0..RECONNECTS {
        let after = seen.last().copied().unwrap_or_default();
        let mut watcher = home.watch(everything(), Start::After(after));
        for _ in 0..dice.below(40) {
            take(&mut watcher, &mut known, &mut seen).await;
        }
    }
    let (changes, told) = writers.stop().await;
    let mut watcher = home.watch(everything(), Start::After(*seen.last().unwrap()));
    while seen.last() < Some(&home.registry.revision()) {
        take(&mut watcher, &mut known, &mut seen).await;
    }
    assert_eq!(known, home.state());
    assert_eq!(seen.len() as u64, changes, "as many changes as were acknowledged");
    assert!(changes > RECONNECTS as u64, "hardly any churn");
    let untold: Vec<_> = told.iter().filter(|told| seen.binary_search(told).is_err()).collect();
    assert!(untold.is_empty(), "acknowledged, but never told: {untold:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_in_the_middle_of_churn_and_what_follows_it_make_up_the_state() {
    let home = Home::open().await;
    let writers = Writers::start(&home, 31);
    let mut watchers = Vec::new();
    for _ in 0..200 {
        let mut watcher = home.watch(everything(), Start::Snapshot);
        let (known, revision) = Known::snapshot(&mut watcher).await;
        assert!(known.0.values().all(|at| *at <= revision), "nothing from after the snapshot");
        watchers.push((watcher, known, vec![revision]));
        tokio::task::yield_now().await;
    }
    writers.stop().await;
    for (watcher, known, seen) in &mut watchers {
        while seen.last() < Some(&home.registry.revision()) {
            take(watcher, known, seen).await;
        }
        assert_eq!(*known, home.state());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filtered_watcher_that_reconnects_knows_what_discover_shows() {
    let home = Home::open().await;
    let writers = Writers::start(&home, 41);
    let query = Query::role("worker");
    let mut dice = Dice::new(42);
    let mut watcher = home.watch(query.clone(), Start::Snapshot);
    let (mut known, _) = Known::snapshot(&mut watcher).await;
    for _ in 0..300 {
        for _ in 0..dice.below(20) {
            follow(&mut known, next(&mut watcher).await);
        }
        watcher = home.watch(query.clone(), Start::After(watcher.cursor()));
    }
    writers.stop().await;
    while watcher.cursor() < home.registry.revision() {
        // The last changes may concern other roles: then there is nothing to wait for.
        let soon = std::time::Duration::from_millis(200);
        match tokio::time::timeout(soon, watcher.next()).await {
            Ok(event) => follow(&mut known, event.unwrap()),
            Err(_) => assert_eq!(watcher.cursor(), home.registry.revision()),
        }
    }
    let found = home.registry.discover(&query);
    assert_eq!(known, Known(found.iter().map(|slot| super::at(slot)).collect()));
}

/// Follows one change of what a query shows: it cannot be gone without having been there.
fn follow(known: &mut Known, event: Event) {
    match event {
        Event::Put(change) => {
            known.0.insert(change.key().id().to_owned(), change.revision);
        }
        Event::Gone(change) => {
            let before = known.0.remove(change.key().id());
            assert!(before.is_some(), "{} was not shown", change.key());
        }
        other => panic!("nothing was compacted: {other:?}"),
    }
}
