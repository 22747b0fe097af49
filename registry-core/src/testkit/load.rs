//! Everything comes back, exactly, whatever it looks like. Public, not API-stable.

use std::sync::Arc;

use super::Place;
use super::fixture::{awkward_keys, awkward_lengths, beat, body, content, done, fill, key, put};
use crate::change::Revision;
use crate::clock::{Tick, Timestamp};
use crate::lease::Beat;
use crate::limits;
use crate::store::Expect::{Absent, Modified};
use crate::store::{Action, Loaded, Write};

/// No record, no revision, no mark.
pub async fn a_fresh_store_is_empty(place: &Place) {
    let store = place.open().await;
    let (records, loaded) = content(&*store).await;
    assert!(records.is_empty());
    assert_eq!(loaded, Loaded { revision: Revision(0), mark: None });
}

/// Bodies of every length at which something could change, and bytes that are no text.
pub async fn every_body_comes_back_exactly(place: &Place) {
    let store = place.open().await;
    let mut bodies: Vec<_> = awkward_lengths().into_iter().map(body).collect();
    bodies.extend([vec![0], vec![0; 5_000], vec![0xff; 5_000], "náme 🦀".into()]);
    let bodies = bodies.into_iter().enumerate().map(|(n, body)| (key(&format!("{n}")), body));
    let bodies: Vec<_> = bodies.collect();
    fill(&*store, bodies.clone()).await;
    let (records, _) = content(&*store).await;
    assert_eq!(records.len(), bodies.len());
    for (key, body) in &bodies {
        assert!(records[key].body == *body, "a body of {} bytes comes back changed", body.len());
    }
}

/// Keys that look alike, begin alike or contain each other's marks do not touch one another.
pub async fn every_key_is_its_own(place: &Place) {
    let store = place.open().await;
    let keys = awkward_keys();
    // Long bodies, so that whatever belongs to a key besides its record is there too.
    let body_of = |n: usize| [format!("{n}:").into_bytes(), body(5_000)].concat();
    let bodies = keys.iter().enumerate().map(|(n, key)| (key.clone(), body_of(n)));
    let revisions = fill(&*store, bodies).await;
    let (records, _) = content(&*store).await;
    assert_eq!(records.len(), keys.len());
    for (n, key) in keys.iter().enumerate() {
        assert!(records[key].body == body_of(n), "of {key:?}");
    }
    // Deleting every second one leaves the others whole.
    for (key, revision) in keys.iter().zip(&revisions).step_by(2) {
        done(&*store, super::fixture::delete(key, *revision)).await;
    }
    let (records, _) = content(&*store).await;
    assert_eq!(records.len(), keys.len() / 2);
    for (n, key) in keys.iter().enumerate().skip(1).step_by(2) {
        assert!(records[key].body == body_of(n), "of {key:?}");
    }
}

/// Instants before 1970 and at the ends of their range.
pub async fn every_beat_comes_back_exactly(place: &Place) {
    let store = place.open().await;
    let walls = [0, 1, -1, i64::MIN, i64::MAX, 1_700_000_000_000];
    let ticks = [0, 1, u64::MAX, 1 << 32, 1 << 63, 1_234_567];
    for (n, (wall, tick)) in walls.into_iter().zip(ticks).enumerate() {
        let beat = Beat { last_seen: Timestamp(wall), renewed: Tick(tick) };
        let action = Action::Put { body: Vec::new(), beat };
        let key = key(&format!("{n}"));
        done(&*store, Write { key: key.clone(), expect: Absent, action }).await;
        assert_eq!(content(&*store).await.0[&key].beat, beat);
    }
}

/// As large as the registry ever lets one be.
pub async fn the_largest_record_comes_back(place: &Place) {
    let store = place.open().await;
    let largest = body(limits::RECORD_BYTES_MAX);
    done(&*store, put(&key("a"), Absent, largest.clone())).await;
    assert!(content(&*store).await.0[&key("a")].body == largest);
}

/// What belonged to the longer body does not show in the shorter one, nor in the next longer one.
pub async fn a_body_that_grows_and_shrinks_leaves_nothing_behind(place: &Place) {
    let store = place.open().await;
    let mut modified = done(&*store, put(&key("a"), Absent, body(limits::RECORD_BYTES_MAX))).await;
    for length in [10, 100_000, 0, 3_585, 3_584, 50_000, 7_169, 1, limits::RECORD_BYTES_MAX, 5] {
        let body = vec![u8::try_from(length % 251).expect("it is below 251"); length];
        let write = put(&key("a"), Modified(modified), body.clone());
        modified = done(&*store, write).await;
        assert!(content(&*store).await.0[&key("a")].body == body, "at {length} bytes");
    }
    done(&*store, super::fixture::delete(&key("a"), modified)).await;
    assert!(content(&*store).await.0.is_empty());
}

/// More than any page a store could load by.
pub async fn all_of_five_thousand_records_are_seen(place: &Place) {
    let store = place.open().await;
    let keys: Vec<_> = (0..5_000).map(|n| key(&format!("{n}"))).collect();
    for keys in keys.chunks(limits::BATCH_OPERATIONS_MAX) {
        fill(&*store, keys.iter().map(|key| (key.clone(), key.id().into()))).await;
    }
    let (records, loaded) = content(&*store).await;
    assert_eq!(records.len(), keys.len());
    for key in &keys {
        let held = &records[key];
        assert_eq!((&held.body[..], held.beat), (key.id().as_bytes(), beat(0)));
        assert!(held.modified <= loaded.revision);
    }
}

/// While somebody writes, a load shows every write up to its revision and none after.
pub async fn what_is_loaded_is_as_of_one_revision(place: &Place) {
    const WRITES: usize = 200;
    let store = place.open().await;
    // In an order unlike that of the keys: a load that walks along them cannot be right by luck.
    let keys = (0..WRITES).map(|n| key(&format!("{:03}", n * 67 % WRITES)));
    let keys: Vec<_> = keys.collect();
    let writing = tokio::spawn({
        let (store, keys) = (Arc::clone(&store), keys.clone());
        async move {
            for key in keys {
                done(&*store, put(&key, Absent, "")).await;
            }
        }
    });
    loop {
        let (records, loaded) = content(&*store).await;
        let seen = keys.iter().take_while(|key| records.contains_key(key)).count();
        assert_eq!(seen, records.len(), "a later write is seen and an earlier one is not");
        let latest = records.values().map(|held| held.modified).max().unwrap_or_default();
        assert_eq!(loaded.revision, latest);
        if seen == WRITES {
            break;
        }
    }
    writing.await.expect("no write fails");
}
