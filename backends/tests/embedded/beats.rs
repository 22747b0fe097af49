//! The log of beats: the last word on a life counts, and the log does not grow for ever.

use std::collections::BTreeMap;

use backends::MemoryStore;
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Action, Store, Write};
use registry_core::testkit::fixture::{beat, content, delete, done, fill, key, mark, put, renewal};
use registry_core::{Key, Revision};

use crate::home::Home;

const BUCKETS: usize = 16;
/// Entries with which a bucket of few lives is sure to be written anew.
const MANY: u64 = 300 * BUCKETS as u64;

async fn put_with(store: &dyn Store, key: &Key, held: Option<Revision>, n: u64) -> Revision {
    let expect = held.map_or(Absent, Modified);
    let action = Action::Put { body: Vec::new(), beat: beat(n) };
    done(store, Write { key: key.clone(), expect, action }).await
}

#[tokio::test]
async fn a_write_puts_an_end_to_the_beats_before_it_and_not_to_those_after_it() {
    for home in Home::each() {
        let store = home.open().await;
        let created = put_with(&*store, &key("a"), None, 1).await;
        store.renew(vec![renewal(&key("a"), created, 9)], None).await.unwrap();
        // Less than what was kept: it is what the write says that counts.
        let modified = put_with(&*store, &key("a"), Some(created), 5).await;
        assert_eq!(content(&*store).await.0[&key("a")].beat, beat(5));
        store.renew(vec![renewal(&key("a"), created, 6)], None).await.unwrap();
        assert_eq!(content(&*store).await.0[&key("a")].beat, beat(6));
        put_with(&*store, &key("a"), Some(modified), 2).await;
        store.close().await.unwrap();
        assert_eq!(content(&*home.open().await).await.0[&key("a")].beat, beat(2));
    }
}

#[tokio::test]
async fn the_log_is_written_anew_before_it_is_many_times_what_lives() {
    for home in Home::each() {
        let store = home.open().await;
        let mut lives = Vec::new();
        for n in 0..40 {
            let key = key(&format!("{n}"));
            lives.push((key.clone(), done(&*store, put(&key, Absent, "")).await));
        }
        let calls = 3 * MANY / 40;
        for n in 0..calls {
            let renewals = lives.iter().map(|(key, created)| renewal(key, *created, n)).collect();
            store.renew(renewals, Some(mark(n))).await.unwrap();
        }
        let before = content(&*store).await;
        assert!(before.0.values().all(|stored| stored.beat == beat(calls - 1)));
        store.close().await.unwrap();
        let rows = home.rows("b").len();
        assert!(rows > BUCKETS && rows < 300 * BUCKETS, "{rows} rows");
        assert_eq!(content(&*home.open().await).await, before);
    }
}

#[tokio::test]
async fn lives_that_have_ended_leave_the_log() {
    for home in Home::each() {
        let store = home.open().await;
        let stays = done(&*store, put(&key("stays"), Absent, "")).await;
        for n in 0..200 {
            let created = done(&*store, put(&key("goes"), Absent, "")).await;
            store.renew(vec![renewal(&key("goes"), created, n)], None).await.unwrap();
            done(&*store, delete(&key("goes"), created)).await;
        }
        // What has ended is found out again by a load.
        store.close().await.unwrap();
        let store = home.open().await;
        content(&*store).await;
        for n in 0..2 * MANY / 100 {
            // Of all buckets, by lives that are not there.
            let others = (0..100).map(|other| renewal(&key("x"), Revision(10_000 + other), n));
            store.renew(others.collect(), None).await.unwrap();
            store.renew(vec![renewal(&key("stays"), stays, n)], None).await.unwrap();
        }
        store.close().await.unwrap();
        let values = home.rows("b").into_iter().map(|(_, value)| value);
        let lives = values.flat_map(|value| {
            value.chunks(32).map(|entry| entry[..8].try_into().unwrap()).collect::<Vec<_>>()
        });
        let ended = |life: &u64| (2..10_000).contains(life);
        assert_eq!(lives.map(u64::from_be_bytes).filter(ended).count(), 0);
    }
}

/// Many records, and when each was created.
async fn filled(store: &dyn Store) -> (Vec<Key>, Vec<Revision>) {
    let keys: Vec<_> = (0..20_000).map(|n| key(&format!("{n}"))).collect();
    let mut lives = Vec::new();
    for keys in keys.chunks(1_000) {
        lives.extend(fill(store, keys.iter().map(|key| (key.clone(), Vec::new()))).await);
    }
    (keys, lives)
}

#[tokio::test]
async fn few_beats_at_a_time_do_not_leave_a_row_each_for_long() {
    for home in Home::each() {
        let store = home.open().await;
        // So many that the log has room for far more beats than come.
        let (keys, lives) = filled(&*store).await;
        for n in 0..600 {
            store.renew(vec![renewal(&keys[0], lives[0], n)], None).await.unwrap();
        }
        store.close().await.unwrap();
        let rows = home.rows("b").len();
        assert!((1..300).contains(&rows), "{rows} rows");
        assert_eq!(content(&*home.open().await).await.0[&keys[0]].beat, beat(599));
    }
}

#[tokio::test]
async fn many_beats_at_once_are_cut_up_and_all_kept() {
    for home in Home::each() {
        let store = home.open().await;
        let (keys, lives) = filled(&*store).await;
        let renewals = keys.iter().zip(&lives).map(|(key, created)| renewal(key, *created, 7));
        store.renew(renewals.collect(), Some(mark(7))).await.unwrap();
        store.close().await.unwrap();
        if home.engine == "sled" {
            let longest = home.rows("b").into_iter().map(|(_, value)| value.len()).max();
            assert!(longest <= Some(3_584), "sled would give it a file of its own: {longest:?}");
        }
        let (records, _) = content(&*home.open().await).await;
        assert!(records.len() == keys.len() && records.values().all(|it| it.beat == beat(7)));
    }
}

#[tokio::test]
async fn it_tells_what_the_shortest_store_tells() {
    for home in Home::each() {
        tells_what_the_shortest_store_tells(home).await;
    }
}

async fn tells_what_the_shortest_store_tells(home: Home) {
    let model = MemoryStore::new();
    let mut store = home.open().await;
    let mut held = BTreeMap::<u64, (Revision, Revision)>::new();
    let mut dice = 1_u64;
    for n in 0..600 {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (id, what) = (dice >> 33 & 15, dice >> 40 & 15);
        let name = key(&format!("{id}"));
        match (what, held.get(&id).copied()) {
            (0, _) => {
                store.close().await.unwrap();
                store = home.open().await;
            }
            (1..4, Some((_, modified))) => {
                for store in [&*store, &model as &dyn Store] {
                    done(store, delete(&name, modified)).await;
                }
                held.remove(&id);
            }
            (1..6, before) => {
                let modified = before.map(|(_, modified)| modified);
                let revision = put_with(&*store, &name, modified, n).await;
                assert_eq!(put_with(&model, &name, modified, n).await, revision);
                held.insert(id, (before.map_or(revision, |(created, _)| created), revision));
            }
            _ => {
                let renewals = held
                    .iter()
                    .cycle()
                    .take(100)
                    .map(|(id, (created, _))| renewal(&key(&format!("{id}")), *created, n));
                let renewals: Vec<_> = renewals.collect();
                for store in [&*store, &model as &dyn Store] {
                    store.renew(renewals.clone(), Some(mark(n))).await.unwrap();
                }
            }
        }
        if n % 10 == 0 {
            let found = content(&*store).await;
            assert_eq!(found, content(&model).await, "{} after step {n}", home.engine);
        }
    }
}
