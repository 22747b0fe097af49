//! The kit itself: a store that fails on purpose fails as told, and a manual clock waits.

#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use backends::MemoryStore;
use registry_core::store::Expect::Absent;
use registry_core::store::{Outcome, Store, StoreError};
use registry_core::testkit::fixture::{
    beat, content, done, fill, key, mark, put, renewal, stored, try_content,
};
use registry_core::testkit::{Call, Fault, FaultyStore, ManualClock};
use registry_core::{Clock, Timestamp};

fn faulty() -> (Arc<MemoryStore>, FaultyStore) {
    let inner = Arc::new(MemoryStore::default());
    (Arc::clone(&inner), FaultyStore::new(inner))
}

fn puts(ids: &[&str]) -> Vec<registry_core::store::Write> {
    ids.iter().map(|id| put(&key(id), Absent, "")).collect()
}

#[tokio::test]
async fn a_refused_call_does_nothing() {
    let (inner, store) = faulty();
    store.next(Call::Commit, Fault::Refuse);
    let refused = store.commit(puts(&["a"])).await;
    assert!(matches!(refused, Err(StoreError::NotDone(_))));
    assert!(content(&*inner).await.0.is_empty());
    done(&store, put(&key("a"), Absent, "")).await;
}

#[tokio::test]
async fn a_lost_answer_is_one_to_something_done() {
    let (inner, store) = faulty();
    store.next(Call::Commit, Fault::LoseAnswer);
    let unknown = store.commit(puts(&["a"])).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))));
    assert!(stored(&*inner, &key("a")).await.is_some());
}

#[tokio::test]
async fn a_cut_call_does_the_first_part_only() {
    let (inner, store) = faulty();
    store.next(Call::Commit, Fault::Cut(2));
    let unknown = store.commit(puts(&["a", "b", "c"])).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))));
    let (records, _) = content(&*inner).await;
    assert_eq!(records.len(), 2);

    let renewals = records.values().map(|held| renewal(&held.key, held.created, 5)).collect();
    store.next(Call::Renew, Fault::Cut(1));
    let unknown = store.renew(renewals, Some(mark(5))).await;
    assert!(matches!(unknown, Err(StoreError::Unknown(_))));
    let (records, loaded) = content(&*inner).await;
    let beats: Vec<_> = records.values().map(|held| held.beat).collect();
    assert_eq!((beats, loaded.mark), (vec![beat(5), beat(0)], None));

    let mut handed_out = 0;
    store.next(Call::Load, Fault::Cut(1));
    let cut = store.load(&mut |_| handed_out += 1).await;
    assert!(matches!(cut, Err(StoreError::NotDone(_))));
    assert_eq!(handed_out, 1);
}

#[tokio::test]
async fn a_broken_store_stays_broken() {
    let (inner, store) = faulty();
    store.next(Call::Renew, Fault::Break);
    done(&store, put(&key("a"), Absent, "")).await;
    assert!(matches!(store.renew(Vec::new(), None).await, Err(StoreError::Broken(_))));
    assert!(matches!(store.commit(puts(&["b"])).await, Err(StoreError::Broken(_))));
    assert!(matches!(try_content(&store).await, Err(StoreError::Broken(_))));
    assert_eq!(content(&*inner).await.0.len(), 1);
}

#[tokio::test]
async fn a_held_call_waits_for_its_release() {
    let (inner, store) = faulty();
    store.next(Call::Commit, Fault::Hold);
    let mut held = store.commit(puts(&["a"]));
    assert!(poll(held.as_mut()).is_pending());
    assert!(content(&*inner).await.0.is_empty());
    store.release();
    assert!(matches!(held.await.unwrap()[..], [Outcome::Done(_)]));
}

#[tokio::test]
async fn a_script_is_for_the_calls_it_names_in_order() {
    let (_, store) = faulty();
    store.next(Call::Commit, Fault::Refuse);
    store.next(Call::Load, Fault::Refuse);
    store.next(Call::Commit, Fault::LoseAnswer);
    assert!(store.renew(Vec::new(), None).await.is_ok());
    assert!(matches!(try_content(&store).await, Err(StoreError::NotDone(_))));
    assert!(matches!(store.commit(Vec::new()).await, Err(StoreError::NotDone(_))));
    assert!(matches!(store.commit(Vec::new()).await, Err(StoreError::Unknown(_))));
    assert!(store.commit(Vec::new()).await.is_ok());
}

#[tokio::test]
async fn a_seed_gives_the_same_faults_again_and_is_named() {
    async fn run(seed: u64) -> String {
        let store = FaultyStore::seeded(Arc::new(MemoryStore::default()), seed, 50);
        let mut told = String::new();
        for n in 0..100 {
            match store.commit(puts(&[&format!("{n}")])).await {
                Ok(_) => told.push('.'),
                Err(error) => {
                    assert!(error.to_string().contains(&format!("seed {seed}")), "{error}");
                    told.push(if matches!(error, StoreError::NotDone(_)) { 'n' } else { 'u' });
                }
            }
        }
        told
    }
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    for kind in ['.', 'n', 'u'] {
        assert!(first.contains(kind), "{first}");
    }
}

#[tokio::test]
async fn a_clock_moves_only_when_told() {
    let clock = ManualClock::new(Timestamp(1_000));
    let (mut at_5, mut at_0) = (clock.alarm(5), clock.alarm(0));
    assert!(poll(at_0.as_mut()).is_ready());
    clock.advance(4);
    clock.jump_wall(-500);
    assert_eq!((clock.elapsed_ms(), clock.wall()), (4, Timestamp(504)));
    assert!(poll(at_5.as_mut()).is_pending());
    clock.advance(1);
    at_5.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_wakes_the_task_that_sleeps_on_it() {
    let clock = ManualClock::new(Timestamp(0));
    let sleeping = tokio::spawn({
        let clock = clock.clone();
        async move { clock.alarm(10).await }
    });
    clock.advance(10);
    sleeping.await.unwrap();
}

#[tokio::test]
async fn a_fixture_fills_and_finds() {
    let store = MemoryStore::default();
    let revisions = fill(&store, [(key("a"), b"one".to_vec()), (key("b"), Vec::new())]).await;
    assert_eq!(stored(&store, &key("a")).await.unwrap().created, revisions[0]);
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
