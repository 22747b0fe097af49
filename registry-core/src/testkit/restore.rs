//! What one store held, put into another. Public, not API-stable.

use std::sync::Arc;

use super::Place;
use super::fixture::{
    awkward_keys, beat, body, commit, content, delete, done, key, mark, put, try_content,
};
use crate::change::Revision;
use crate::store::Expect::{Absent, Modified};
use crate::store::{Loaded, Outcome, Reason, Records, Store, StoreError, Stored};

/// Records of all sizes, beats, gaps between the revisions, the mark.
pub async fn what_another_store_held_is_held_the_same(place: &Place) {
    let store = place.open().await;
    restore(&*store, held()).await.expect("an empty store takes it");
    assert_holds(&*store).await;
    assert_holds(&*place.reopen(store).await).await;
}

/// Nobody closes a process that crashes.
pub async fn what_was_restored_outlives_a_handle_that_is_dropped(place: &Place) {
    let store = place.open().await;
    restore(&*store, held()).await.expect("an empty store takes it");
    drop(store);
    assert_holds(&*place.open().await).await;
}

/// Also those that a removed record once had.
pub async fn revisions_go_on_after_the_restored_ones(place: &Place) {
    let store = place.open().await;
    restore(&*store, held()).await.expect("an empty store takes it");
    let Stored { key: restored, modified, .. } = held().remove(1);
    assert_eq!(commit(&*store, put(&restored, Absent, "")).await, Outcome::Conflict);
    let next = done(&*store, put(&restored, Modified(modified), "new")).await;
    assert!(next > LOADED.revision);
    assert_eq!(content(&*store).await.0[&restored].created, held()[1].created);
    done(&*store, delete(&restored, next)).await;
}

/// Whatever was written may be wanted; also where all of it was deleted again.
pub async fn a_store_that_was_written_to_refuses_a_restore(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("mine"), Absent, "one")).await;
    for _ in 0..2 {
        let before = content(&*store).await;
        let refused = restore(&*store, held()).await;
        assert!(matches!(refused, Err(StoreError::NotDone(_))), "{refused:?}");
        assert_eq!(content(&*store).await, before);
        if before.0.is_empty() {
            break;
        }
        done(&*store, delete(&key("mine"), created)).await;
    }
    done(&*store, put(&key("mine"), Absent, "it goes on")).await;
}

/// Not now, and not after a restart.
pub async fn a_restore_that_breaks_off_is_never_taken_for_whole(place: &Place) {
    let store = place.open().await;
    let some = held().into_iter().take(20).map(Ok);
    let broken = [Err(Reason::from("the tape is torn"))];
    let ended = store.restore(Box::new(some.chain(broken)), LOADED).await;
    assert!(ended.is_err());
    assert_left_unused(place, store).await;
}

/// Two records cannot stand under one key.
pub async fn a_key_that_comes_twice_is_not_restored(place: &Place) {
    assert_not_restored(place, |record| record.key = key("a")).await;
}

/// A revision is given once, and the latest is known.
pub async fn a_record_from_after_the_latest_revision_is_not_restored(place: &Place) {
    assert_not_restored(place, |record| record.modified.0 = LOADED.revision.0 + 1).await;
}

/// It was not modified before it was created.
pub async fn a_record_that_is_older_than_itself_is_not_restored(place: &Place) {
    assert_not_restored(place, |record| record.modified.0 = record.created.0 - 1).await;
}

async fn assert_not_restored(place: &Place, spoil: impl Fn(&mut Stored)) {
    let store = place.open().await;
    let mut records = held();
    spoil(&mut records[7]);
    assert!(restore(&*store, records).await.is_err());
    assert_left_unused(place, store).await;
}

async fn assert_left_unused(place: &Place, store: Arc<dyn Store>) {
    assert_empty_or_refused(&*store).await;
    drop(store);
    if let Ok(store) = place.try_open().await {
        assert_empty_or_refused(&*store).await;
    }
}

/// What `held` comes with: revisions beyond those of its records, and an instant.
const LOADED: Loaded = Loaded { revision: Revision(10_000), mark: None };

fn loaded() -> Loaded {
    Loaded { mark: Some(mark(5_000)), ..LOADED }
}

/// One record for each awkward key, and many small ones: more than a store fills in one go.
fn held() -> Vec<Stored> {
    let plain = (0..2_500).map(|n| key(&format!("plain-{n}")));
    let keys = awkward_keys().into_iter().chain(plain);
    let record = |(n, key): (u64, _)| Stored {
        key,
        created: Revision(3 * n + 1),
        modified: Revision(3 * n + 1 + n % 3),
        body: body(if n < 60 { n.pow(2) as usize * 40 } else { 10 }),
        beat: beat(n),
    };
    (0..).zip(keys).map(record).collect()
}

async fn restore(store: &dyn Store, records: Vec<Stored>) -> Result<(), StoreError> {
    let records: Records = Box::new(records.into_iter().map(Ok));
    store.restore(records, loaded()).await
}

async fn assert_holds(store: &dyn Store) {
    let (records, told) = content(store).await;
    assert_eq!(told, loaded());
    assert_eq!(records.len(), held().len());
    for expected in held() {
        let found = &records[&expected.key];
        assert!(*found == expected, "{:?} came back changed", expected.key);
    }
}

async fn assert_empty_or_refused(store: &dyn Store) {
    if let Ok((records, told)) = try_content(store).await {
        assert!(records.is_empty(), "a part of it is shown");
        assert_eq!(told, Loaded::default());
    }
}
