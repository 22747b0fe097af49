//! Two handles on one location, and writers that race. Public, not API-stable.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Place;
use super::fixture::{commit, content, done, fill, key, put, renewal};
use crate::change::Revision;
use crate::store::Expect::{Absent, Modified};
use crate::store::{Outcome, Store};

/// Either is right; what is wrong is two handles that each believe themselves alone.
pub async fn two_handles_see_each_other_or_the_second_is_refused(place: &Place) {
    let first = place.open().await;
    let created = done(&*first, put(&key("a"), Absent, "one")).await;
    if let Ok(second) = place.try_open().await {
        assert_eq!(content(&*second).await, content(&*first).await);
        assert_eq!(commit(&*second, put(&key("a"), Absent, "")).await, Outcome::Conflict);
        let modified = done(&*second, put(&key("a"), Modified(created), "two")).await;
        assert_eq!(commit(&*first, put(&key("a"), Modified(created), "")).await, Outcome::Conflict);
        first.renew(vec![renewal(&key("a"), created, 5)], None).await.expect("renews");
        assert_eq!(content(&*second).await, content(&*first).await);
        assert!(done(&*first, put(&key("b"), Absent, "")).await > modified);
    }
    // A handle that was refused has not harmed the first.
    let before = content(&*first).await.1.revision;
    assert!(done(&*first, put(&key("c"), Absent, "")).await > before);
}

/// Being refused is not for ever.
pub async fn a_refused_handle_opens_once_the_first_is_closed(place: &Place) {
    let first = place.open().await;
    done(&*first, put(&key("a"), Absent, "one")).await;
    let before = content(&*first).await;
    let second = place.try_open().await;
    first.close().await.expect("closes");
    let second = match second {
        Ok(second) => second,
        Err(_refused) => place.open().await,
    };
    assert_eq!(content(&*second).await, before);
}

/// Many want the same free keys; each goes to one.
pub async fn racing_creations_win_each_key_once(place: &Place) {
    const KEYS: usize = 50;
    let keys: Arc<Vec<_>> = Arc::new((0..KEYS).map(|n| key(&format!("{n}"))).collect());
    let handles = handles(place).await;
    let racing = handles.iter().enumerate().map(|(racer, store)| {
        let (store, keys) = (Arc::clone(store), Arc::clone(&keys));
        tokio::spawn(async move {
            let mut won = Vec::new();
            for key in &*keys {
                let write = put(key, Absent, format!("{racer}"));
                if let Outcome::Done(revision) = commit(&*store, write).await {
                    won.push((key.clone(), revision, racer));
                }
            }
            won
        })
    });
    let racing: Vec<_> = racing.collect();
    let mut won = Vec::new();
    for racer in racing {
        won.extend(racer.await.expect("no racer fails"));
    }
    assert_eq!(won.len(), KEYS, "each key is won once");
    let (records, _) = content(&*handles[0]).await;
    for (key, revision, racer) in won {
        let held = &records[&key];
        assert_eq!((held.created, &held.body[..]), (revision, format!("{racer}").as_bytes()));
    }
}

/// Many count up the same record; no count is lost.
pub async fn racing_updates_win_each_revision_once(place: &Place) {
    const ROUNDS: u64 = 25;
    let handles = handles(place).await;
    done(&*handles[0], put(&key("a"), Absent, 0_u64.to_be_bytes())).await;
    let racing = handles.iter().map(|store| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut counted = 0;
            while counted < ROUNDS {
                let held = super::fixture::stored(&*store, &key("a")).await.expect("it was put");
                let count = held.body.try_into().map(u64::from_be_bytes).expect("it is a count");
                let next = (count + 1).to_be_bytes();
                let outcome = commit(&*store, put(&key("a"), Modified(held.modified), next)).await;
                counted += u64::from(outcome != Outcome::Conflict);
            }
        })
    });
    let racing: Vec<_> = racing.collect();
    for racer in racing {
        racer.await.expect("no racer fails");
    }
    let held = super::fixture::stored(&*handles[0], &key("a")).await.expect("it was put");
    let racers = u64::try_from(handles.len()).expect("there are four");
    assert_eq!(held.body, (racers * ROUNDS).to_be_bytes());
}

/// Batches of different keys at the same time are in one order all the same.
pub async fn racing_batches_share_no_revision(place: &Place) {
    const BATCHES: usize = 10;
    const WRITES: usize = 20;
    let handles = handles(place).await;
    let racing = handles.iter().enumerate().map(|(racer, store)| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut given: Vec<Revision> = Vec::new();
            for batch in 0..BATCHES {
                let keys = (0..WRITES).map(|n| key(&format!("{racer}/{batch}/{n}")));
                given.extend(fill(&*store, keys.map(|key| (key, Vec::new()))).await);
            }
            assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
            given
        })
    });
    let racing: Vec<_> = racing.collect();
    let mut given = BTreeSet::new();
    for racer in racing {
        given.extend(racer.await.expect("no racer fails"));
    }
    assert_eq!(given.len(), handles.len() * BATCHES * WRITES, "each revision is given once");
    let (records, loaded) = content(&*handles[0]).await;
    assert_eq!(records.len(), given.len());
    assert_eq!(Some(&loaded.revision), given.last());
}

/// Four handles, as different as the store allows.
async fn handles(place: &Place) -> [Arc<dyn Store>; 4] {
    let first = place.open().await;
    let second = place.try_open().await.unwrap_or_else(|_refused| Arc::clone(&first));
    [Arc::clone(&first), Arc::clone(&second), first, second]
}
