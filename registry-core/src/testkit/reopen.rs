//! Restarts: nothing is lost, nothing invented. Public, not API-stable.

use super::Place;
use super::fixture::{
    Content, awkward_keys, body, commit, content, delete, done, fill, key, mark, put, renewal,
};
use crate::change::Revision;
use crate::store::Expect::{Absent, Modified};
use crate::store::{Outcome, Store};

/// Also twice in a row.
pub async fn a_fresh_store_reopens_empty(place: &Place) {
    let mut store = place.open().await;
    let fresh = content(&*store).await;
    for _ in 0..2 {
        store = place.reopen(store).await;
        assert_eq!(content(&*store).await, fresh);
    }
}

/// Records of all sizes, deletes, overwrites, beats.
pub async fn what_was_closed_opens_the_same(place: &Place) {
    let store = place.open().await;
    let before = lived_in(&*store).await;
    let store = place.reopen(store).await;
    assert_eq!(content(&*store).await, before);
}

/// Nobody closes a process that crashes.
pub async fn what_was_committed_outlives_a_handle_that_is_dropped(place: &Place) {
    let store = place.open().await;
    let before = lived_in(&*store).await;
    drop(store);
    assert_eq!(content(&*place.open().await).await, before);
}

/// What `renew` kept is at rest once the store is closed.
pub async fn beats_and_mark_outlive_a_close(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    store.renew(vec![renewal(&key("a"), created, 3)], Some(mark(3))).await.expect("renews");
    let before = content(&*store).await;
    let store = place.reopen(store).await;
    assert_eq!(content(&*store).await, before);
    assert_eq!(before.1.mark, Some(mark(3)));
}

/// The order of changes is one, across restarts.
pub async fn revisions_go_on_after_reopening(place: &Place) {
    let mut store = place.open().await;
    let mut latest = Revision(0);
    for n in 0..4 {
        let next = done(&*store, put(&key(&format!("{n}")), Absent, "")).await;
        assert!(next > latest, "{next:?} after {latest:?}");
        latest = next;
        store = place.reopen(store).await;
        assert_eq!(content(&*store).await.1.revision, latest);
    }
}

/// A delete leaves no record to read its revision from, and here it leaves none at all.
pub async fn revisions_go_on_when_the_last_write_was_a_delete(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    let deleted = done(&*store, delete(&key("a"), created)).await;
    let store = place.reopen(store).await;
    let (records, loaded) = content(&*store).await;
    assert!(records.is_empty());
    assert_eq!(loaded.revision, deleted);
    assert!(done(&*store, put(&key("a"), Absent, "")).await > deleted);
}

/// A revision read before a restart is still the right one after it.
pub async fn expectations_hold_across_reopening(place: &Place) {
    let store = place.open().await;
    let held = done(&*store, put(&key("a"), Absent, "")).await;
    let store = place.reopen(store).await;
    assert_eq!(commit(&*store, put(&key("a"), Absent, "")).await, Outcome::Conflict);
    let next = done(&*store, put(&key("a"), Modified(held), "")).await;
    assert_eq!(commit(&*store, delete(&key("a"), held)).await, Outcome::Conflict);
    done(&*store, delete(&key("a"), next)).await;
}

/// Closed for real: the next open finds nobody there, at once.
pub async fn many_reopenings_lose_nothing(place: &Place) {
    let mut store = place.open().await;
    let mut expected = content(&*store).await;
    for n in 0..20 {
        assert_eq!(content(&*store).await, expected);
        done(&*store, put(&key(&format!("{n}")), Absent, body(n * 500))).await;
        expected = content(&*store).await;
        store = place.reopen(store).await;
    }
    assert_eq!(content(&*store).await, expected);
}

/// Gives a store a history; returns what it holds then.
async fn lived_in(store: &dyn Store) -> Content {
    let keys = awkward_keys();
    let sized = keys.iter().enumerate().map(|(n, key)| (key.clone(), body(n * n * 7)));
    let revisions = fill(store, sized).await;
    for (key, created) in keys.iter().zip(&revisions).step_by(3) {
        done(store, put(key, Modified(*created), "short now")).await;
    }
    for (key, created) in keys.iter().zip(&revisions).skip(1).step_by(3) {
        done(store, delete(key, *created)).await;
    }
    let renewals = keys.iter().zip(&revisions).map(|(key, created)| renewal(key, *created, 4));
    store.renew(renewals.collect(), Some(mark(4))).await.expect("renews");
    // The last thing done is a commit: a crash may take back renewals after it.
    done(store, put(&key("the last"), Absent, body(4_000))).await;
    content(store).await
}
