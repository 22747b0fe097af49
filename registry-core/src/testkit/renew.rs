//! Beats and the mark. Public, not API-stable.

use std::sync::Arc;

use super::Place;
use super::fixture::{beat, content, delete, done, fill, key, mark, put, renewal, stored};
use crate::change::Revision;
use crate::limits;
use crate::store::Expect::Absent;

/// The plainest case, and a second one over it.
pub async fn a_renewal_is_kept(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    for n in [1, 2] {
        store.renew(vec![renewal(&key("a"), created, n)], None).await.expect("renews");
        assert_eq!(stored(&*store, &key("a")).await.expect("it was put").beat, beat(n));
    }
}

/// Heartbeats are not changes: no revision is given for them.
pub async fn a_renewal_changes_nothing_but_the_beat(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "body")).await;
    let mut before = content(&*store).await;
    store.renew(vec![renewal(&key("a"), created, 1)], None).await.expect("renews");
    before.0.get_mut(&key("a")).expect("it was put").beat = beat(1);
    assert_eq!(content(&*store).await, before);
}

/// A beat brings no record into being, and does not stop the beats beside it.
pub async fn a_renewal_of_an_unknown_key_is_ignored(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    let unknown = renewal(&key("b"), Revision(created.0 + 1), 1);
    let renewals = vec![unknown, renewal(&key("a"), created, 2)];
    store.renew(renewals, None).await.expect("renews");
    assert_eq!(stored(&*store, &key("b")).await, None);
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").beat, beat(2));
}

/// A beat that comes after the delete is lost, and stays lost when a record comes in that place.
pub async fn a_renewal_of_a_deleted_record_is_ignored(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    done(&*store, delete(&key("a"), created)).await;
    store.renew(vec![renewal(&key("a"), created, 9)], None).await.expect("renews");
    assert!(content(&*store).await.0.is_empty());
    done(&*store, put(&key("a"), Absent, "")).await;
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").beat, beat(0));
}

/// A beat meant for an earlier life does not keep the next one alive.
pub async fn a_renewal_of_an_earlier_life_is_ignored(place: &Place) {
    let store = place.open().await;
    let first = done(&*store, put(&key("a"), Absent, "")).await;
    done(&*store, delete(&key("a"), first)).await;
    done(&*store, put(&key("a"), Absent, "")).await;
    store.renew(vec![renewal(&key("a"), first, 9)], None).await.expect("renews");
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").beat, beat(0));
}

/// There is none at first, and then always the latest.
pub async fn the_mark_is_kept_until_the_next_one(place: &Place) {
    let store = place.open().await;
    assert_eq!(content(&*store).await.1.mark, None);
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    store.renew(Vec::new(), Some(mark(1))).await.expect("renews");
    assert_eq!(content(&*store).await.1.mark, Some(mark(1)));
    store.renew(vec![renewal(&key("a"), created, 2)], None).await.expect("renews");
    assert_eq!(content(&*store).await.1.mark, Some(mark(1)));
    store.renew(vec![renewal(&key("a"), created, 3)], Some(mark(3))).await.expect("renews");
    assert_eq!(content(&*store).await.1.mark, Some(mark(3)));
    done(&*store, delete(&key("a"), created)).await;
    assert_eq!(content(&*store).await.1.mark, Some(mark(3)));
}

/// Whoever sees the mark sees every beat up to it.
pub async fn the_mark_is_never_kept_before_its_beats(place: &Place) {
    const ROUNDS: u64 = 30;
    let store = place.open().await;
    let keys: Vec<_> = (0..100).map(|n| key(&format!("{n}"))).collect();
    let lives = fill(&*store, keys.iter().map(|key| (key.clone(), Vec::new()))).await;
    let lives: Vec<_> = keys.into_iter().zip(lives).collect();
    let renewing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            for n in 1..=ROUNDS {
                let renewals = lives.iter().map(|(key, created)| renewal(key, *created, n));
                store.renew(renewals.collect(), Some(mark(n))).await.expect("renews");
            }
        }
    });
    loop {
        let (records, loaded) = content(&*store).await;
        let marked = loaded.mark.unwrap_or_default();
        for held in records.values() {
            assert!(held.beat.renewed >= marked.tick, "{marked:?} before {held:?}");
        }
        if marked == mark(ROUNDS) {
            break;
        }
    }
    renewing.await.expect("no renewal fails");
}

/// As many renewals as the registry ever sends at once.
pub async fn ten_thousand_renewals_at_once_are_kept(place: &Place) {
    let store = place.open().await;
    let keys: Vec<_> = (0..limits::RENEWALS_MAX).map(|n| key(&format!("{n}"))).collect();
    let mut renewals = Vec::new();
    for keys in keys.chunks(limits::BATCH_OPERATIONS_MAX) {
        let lives = fill(&*store, keys.iter().map(|key| (key.clone(), b"body".to_vec()))).await;
        renewals.extend(keys.iter().zip(lives).map(|(key, life)| renewal(key, life, life.0)));
    }
    store.renew(renewals.clone(), Some(mark(7))).await.expect("renews");
    let (records, loaded) = content(&*store).await;
    assert_eq!(loaded.mark, Some(mark(7)));
    assert_eq!(records.len(), renewals.len());
    for renewal in renewals {
        assert_eq!(records[&renewal.key].beat, renewal.beat, "of {}", renewal.key);
    }
}

/// Nothing to do is done.
pub async fn no_renewals_and_no_mark_do_nothing(place: &Place) {
    let store = place.open().await;
    done(&*store, put(&key("a"), Absent, "")).await;
    let before = content(&*store).await;
    store.renew(Vec::new(), None).await.expect("renews");
    assert_eq!(content(&*store).await, before);
}
