//! Compaction loses nothing, shrinks the disk and lets go when the store is closed.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use backends::sled::SledStore;
use registry_core::Key;
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Outcome, Store, Stored};
use registry_core::testkit::fixture::{beat, body, content, delete, fill, key, mark, put, renewal};

use crate::home::{DEADLINE, Home};

type Model = BTreeMap<Key, Stored>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_under_writes_loses_nothing_and_shrinks_the_disk() {
    const WRITERS: usize = 3;
    let home = Home::new();
    let deadline = Instant::now() + DEADLINE;
    let log_bytes = || fs::metadata(home.log()).unwrap().len();

    let store = home.open().await;
    let mut waste = Vec::new();
    for n in 0..20 {
        let keys: Vec<_> = (0..500).map(|i| key(&format!("waste/{n}/{i}"))).collect();
        let revisions = fill(&store, keys.iter().map(|key| (key.clone(), body(3_000)))).await;
        waste.extend(keys.into_iter().zip(revisions));
    }
    for waste in waste.chunks(500) {
        let deletes = waste.iter().map(|(key, modified)| delete(key, *modified));
        store.commit(deletes.collect()).await.unwrap();
    }
    let mut models: [Model; WRITERS] = Default::default();
    for (writer, model) in models.iter_mut().enumerate() {
        overwrite(&store, writer, 0, model).await;
    }
    store.close().await.unwrap();

    let before_bytes = log_bytes();
    let store = Arc::new(home.open_restless().await);
    let writers = models.into_iter().enumerate().map(|(writer, mut model)| {
        let (store, current) = (Arc::clone(&store), home.path().join("CURRENT"));
        let has_switched = move || fs::read_to_string(&current).unwrap().as_str() >= "sled-000002";
        tokio::spawn(async move {
            // All through the compaction, and on for a while.
            let mut rounds_left = 10;
            for round in 1.. {
                assert!(Instant::now() < deadline, "the compaction does not end");
                overwrite(&store, writer, round, &mut model).await;
                rounds_left -= i32::from(has_switched());
                if rounds_left == 0 {
                    break;
                }
            }
            model
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut model = Model::new();
    for writer in writers {
        model.extend(writer.await.unwrap());
    }
    let (records, loaded) = content(&*store).await;
    assert_eq!(records, model);
    store.close().await.unwrap();
    assert!(log_bytes() < before_bytes / 2, "{} after {before_bytes}", log_bytes());
    assert_eq!(home.names(), ["CURRENT", "LOCK", "REACHED", &home.current()]);
    assert_eq!(content(&home.open().await).await, (records, loaded));
}

/// Puts, overwrites, renews and deletes the keys of one writer.
async fn overwrite(store: &SledStore, writer: usize, round: usize, model: &mut Model) {
    let keys: Vec<_> = (0..100).map(|n| key(&format!("{writer}/{n}"))).collect();
    let body = |n: usize| body(500 + (n * 97 + round * 31) % 7_000);
    let is_deleted = |n: usize| (n + round).is_multiple_of(10);
    let writes = keys.iter().enumerate().map(|(n, key)| match model.get(key) {
        None => put(key, Absent, body(n)),
        Some(held) if is_deleted(n) => delete(key, held.modified),
        Some(held) => put(key, Modified(held.modified), body(n)),
    });
    let outcomes = store.commit(writes.collect()).await.unwrap();
    for (n, (key, outcome)) in keys.into_iter().zip(outcomes).enumerate() {
        let Outcome::Done(modified) = outcome else { panic!("a right expectation holds") };
        let held = model.remove(&key);
        if held.is_none() || !is_deleted(n) {
            let created = held.map_or(modified, |held| held.created);
            let (body, beat) = (body(n), beat(0));
            model.insert(key.clone(), Stored { key, created, modified, body, beat });
        }
    }
    let n = round as u64;
    let renewals = model.values().map(|held| renewal(&held.key, held.created, n)).collect();
    store.renew(renewals, Some(mark(n))).await.unwrap();
    model.values_mut().for_each(|held| held.beat = beat(n));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_a_compaction_and_lets_go() {
    let home = Home::new();
    for round in 0..5 {
        let store = home.open_restless().await;
        let mut before = content(&store).await;
        let mut n = 0;
        let current = home.current();
        // The next database appears while the compaction is on its way, or has just ended.
        while home.names().iter().all(|name| *name <= current || !name.starts_with("sled-")) {
            let keys = (0..100).map(|i| (key(&format!("{round}/{n}/{i}")), body(3_000)));
            fill(&store, keys).await;
            n += 1;
            before = content(&store).await;
        }
        store.close().await.unwrap();
        let store = home.open().await;
        assert_eq!(content(&store).await, before);
        store.close().await.unwrap();
    }
}
