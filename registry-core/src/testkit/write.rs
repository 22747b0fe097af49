//! What commits do: expectations, outcomes, revisions. Public, not API-stable.

use super::Place;
use super::fixture::{
    awkward_lengths, beat, body, commit, content, delete, done, fill, key, put, renewal, stored,
};
use crate::change::Revision;
use crate::limits;
use crate::store::Expect::{Absent, Modified};
use crate::store::{Action, Outcome, Write};

/// The plainest case.
pub async fn a_put_on_a_free_key_is_done(place: &Place) {
    let store = place.open().await;
    let revision = done(&*store, put(&key("a"), Absent, "one")).await;
    let stored = stored(&*store, &key("a")).await.expect("it was put");
    assert_eq!((stored.created, stored.modified), (revision, revision));
    assert_eq!((stored.key, stored.body, stored.beat), (key("a"), b"one".to_vec(), beat(0)));
}

/// `Absent` is refused where there is a record.
pub async fn a_put_on_a_held_key_conflicts_where_it_expects_none(place: &Place) {
    let store = place.open().await;
    done(&*store, put(&key("a"), Absent, "one")).await;
    assert_eq!(commit(&*store, put(&key("a"), Absent, "two")).await, Outcome::Conflict);
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").body, b"one");
}

/// `Modified` holds at the latest revision.
pub async fn a_put_at_the_right_revision_is_done(place: &Place) {
    let store = place.open().await;
    let first = done(&*store, put(&key("a"), Absent, "one")).await;
    let second = done(&*store, put(&key("a"), Modified(first), "two")).await;
    done(&*store, put(&key("a"), Modified(second), "three")).await;
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").body, b"three");
}

/// `Modified` fails at the revision that created the record and at one never given.
pub async fn a_put_at_a_past_revision_conflicts(place: &Place) {
    let store = place.open().await;
    let first = done(&*store, put(&key("a"), Absent, "one")).await;
    let second = done(&*store, put(&key("a"), Modified(first), "two")).await;
    for wrong in [first, Revision(0), Revision(second.0 + 1), Revision(u64::MAX)] {
        let outcome = commit(&*store, put(&key("a"), Modified(wrong), "three")).await;
        assert_eq!(outcome, Outcome::Conflict, "at {wrong:?}");
    }
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").body, b"two");
}

/// `Modified` fails where there is nothing, also where there once was something.
pub async fn a_put_at_a_revision_conflicts_on_a_free_key(place: &Place) {
    let store = place.open().await;
    assert_eq!(commit(&*store, put(&key("a"), Modified(Revision(0)), "")).await, Outcome::Conflict);
    let first = done(&*store, put(&key("a"), Absent, "one")).await;
    let gone = done(&*store, delete(&key("a"), first)).await;
    for wrong in [first, gone] {
        let outcome = commit(&*store, put(&key("a"), Modified(wrong), "two")).await;
        assert_eq!(outcome, Outcome::Conflict, "at {wrong:?}");
    }
    assert_eq!(stored(&*store, &key("a")).await, None);
}

/// A delete needs its expectation like a put.
pub async fn a_delete_at_the_right_revision_is_done(place: &Place) {
    let store = place.open().await;
    let first = done(&*store, put(&key("a"), Absent, "one")).await;
    let second = done(&*store, put(&key("a"), Modified(first), "two")).await;
    done(&*store, delete(&key("a"), second)).await;
    assert_eq!(stored(&*store, &key("a")).await, None);
}

/// A delete of what has moved on, or is gone, is refused.
pub async fn a_delete_at_a_past_revision_conflicts(place: &Place) {
    let store = place.open().await;
    let first = done(&*store, put(&key("a"), Absent, "one")).await;
    let second = done(&*store, put(&key("a"), Modified(first), "two")).await;
    assert_eq!(commit(&*store, delete(&key("a"), first)).await, Outcome::Conflict);
    assert!(stored(&*store, &key("a")).await.is_some());
    done(&*store, delete(&key("a"), second)).await;
    assert_eq!(commit(&*store, delete(&key("a"), second)).await, Outcome::Conflict);
}

/// A write that is refused leaves everything as it was, long bodies included.
pub async fn a_conflict_changes_nothing(place: &Place) {
    let store = place.open().await;
    let held = done(&*store, put(&key("a"), Absent, body(10_000))).await;
    store.renew(vec![renewal(&key("a"), held, 7)], None).await.expect("a healthy store renews");
    let before = content(&*store).await.0;
    let wrong = Revision(held.0 + 1);
    let refused = vec![put(&key("a"), Absent, body(20_000)), put(&key("b"), Modified(wrong), "")];
    assert_eq!(store.commit(refused).await.expect("commits"), [Outcome::Conflict; 2]);
    assert_eq!(commit(&*store, delete(&key("a"), wrong)).await, Outcome::Conflict);
    assert_eq!(content(&*store).await.0, before);
}

/// One refused write does not stop the others, and each outcome stands at its write's place.
pub async fn a_batch_with_conflicts_does_the_others_and_answers_in_order(place: &Place) {
    let store = place.open().await;
    let held = done(&*store, put(&key("held"), Absent, "old")).await;
    let gone = done(&*store, put(&key("gone"), Absent, "old")).await;
    let outcomes = store.commit(vec![
        put(&key("held"), Absent, "new"),
        put(&key("new"), Absent, "new"),
        delete(&key("missing"), held),
        delete(&key("gone"), gone),
        put(&key("other"), Modified(held), "new"),
        put(&key("last"), Absent, "new"),
    ]);
    let outcomes = outcomes.await.expect("commits");
    let is_done: Vec<bool> = outcomes.iter().map(|outcome| *outcome != Outcome::Conflict).collect();
    assert_eq!(is_done, [false, true, false, true, false, true]);
    let (records, _) = content(&*store).await;
    let found: Vec<_> = records.values().map(|held| (held.key.id(), &held.body[..])).collect();
    assert_eq!(found, [("held", &b"old"[..]), ("last", b"new"), ("new", b"new")]);
    for (id, outcome) in [("new", outcomes[1]), ("last", outcomes[5])] {
        assert_eq!(outcome, Outcome::Done(records[&key(id)].modified), "of {id}");
    }
}

/// A life begins once, and changes often.
pub async fn an_overwrite_keeps_created_and_moves_modified(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    let mut modified = created;
    for length in awkward_lengths() {
        let next = done(&*store, put(&key("a"), Modified(modified), body(length))).await;
        assert!(next > modified, "{next:?} after {modified:?}");
        modified = next;
    }
    let stored = stored(&*store, &key("a")).await.expect("it was put");
    assert_eq!((stored.created, stored.modified), (created, modified));
}

/// The beat given with a put takes the place of the one before, later or earlier.
pub async fn an_overwrite_keeps_its_own_beat(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, "")).await;
    store.renew(vec![renewal(&key("a"), created, 9)], None).await.expect("renews");
    let action = Action::Put { body: Vec::new(), beat: beat(5) };
    done(&*store, Write { key: key("a"), expect: Modified(created), action }).await;
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").beat, beat(5));
}

/// Nothing of an earlier life shows in the next.
pub async fn a_delete_removes_the_record_and_its_beat(place: &Place) {
    let store = place.open().await;
    let created = done(&*store, put(&key("a"), Absent, body(9_000))).await;
    store.renew(vec![renewal(&key("a"), created, 9)], None).await.expect("renews");
    done(&*store, delete(&key("a"), created)).await;
    assert!(content(&*store).await.0.is_empty());
    done(&*store, put(&key("a"), Absent, "new")).await;
    let stored = stored(&*store, &key("a")).await.expect("it was put");
    assert_eq!((stored.body, stored.beat), (b"new".to_vec(), beat(0)));
}

/// `created` names a life, so the next life has another.
pub async fn a_key_put_again_after_a_delete_is_created_anew(place: &Place) {
    let store = place.open().await;
    let first = done(&*store, put(&key("a"), Absent, "")).await;
    let deleted = done(&*store, delete(&key("a"), first)).await;
    let second = done(&*store, put(&key("a"), Absent, "")).await;
    assert!(first < deleted && deleted < second);
    assert_eq!(stored(&*store, &key("a")).await.expect("it was put").created, second);
}

/// One order: puts, overwrites and deletes of all keys, within a batch too.
pub async fn revisions_increase_within_and_across_batches(place: &Place) {
    let store = place.open().await;
    let keys: Vec<_> = (0..10).map(|n| key(&format!("{n}"))).collect();
    let mut given = fill(&*store, keys.iter().map(|key| (key.clone(), Vec::new()))).await;
    for round in 0..6 {
        let held = content(&*store).await.0;
        let writes = keys.iter().enumerate().map(|(n, key)| match held.get(key) {
            None => put(key, Absent, "new"),
            Some(held) if (n + round) % 3 == 0 => delete(key, held.modified),
            Some(held) => put(key, Modified(held.modified), "more"),
        });
        for outcome in store.commit(writes.collect()).await.expect("commits") {
            let Outcome::Done(revision) = outcome else { panic!("a right expectation holds") };
            given.push(revision);
        }
    }
    assert!(given[0] > Revision(0), "0 is the revision of nothing");
    assert!(given.is_sorted_by(|a, b| a < b), "{given:?}");
    assert_eq!(Some(&content(&*store).await.1.revision), given.last());
}

/// Nothing to do is done.
pub async fn an_empty_batch_does_nothing(place: &Place) {
    let store = place.open().await;
    done(&*store, put(&key("a"), Absent, "")).await;
    let before = content(&*store).await;
    assert_eq!(store.commit(Vec::new()).await.expect("commits"), []);
    assert_eq!(content(&*store).await, before);
}

/// As many writes as the registry ever sends at once.
pub async fn a_batch_of_a_thousand_writes_is_done(place: &Place) {
    let store = place.open().await;
    let bodies = (0..limits::BATCH_OPERATIONS_MAX).map(|n| (key(&format!("{n}")), body(n)));
    let bodies: Vec<_> = bodies.collect();
    fill(&*store, bodies.clone()).await;
    let (records, _) = content(&*store).await;
    assert_eq!(records.len(), bodies.len());
    for (key, body) in &bodies {
        assert_eq!(&records[key].body, body, "of {key}");
    }
}
