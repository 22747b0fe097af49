//! The rows and files of a store: nothing beside the log, nothing left behind.

use std::fs;

use registry_core::limits;
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::Store;
use registry_core::testkit::fixture::{
    awkward_lengths, body, content, delete, done, fill, key, mark, put, renewal,
};

use crate::home::Home;

#[tokio::test]
async fn no_record_of_any_size_gets_a_file_of_its_own() {
    let home = Home::new();
    let store = home.open().await;
    // Neighbours with the longest keys and the largest rows: the largest pages sled can get.
    let long = "x".repeat(limits::ID_BYTES_MAX - 4);
    fill(&store, (0..400).map(|n| (key(&format!("{long}{n:04}")), body(3_584)))).await;
    let sizes = awkward_lengths().into_iter().chain([200_000, limits::RECORD_BYTES_MAX]);
    for (n, size) in sizes.enumerate() {
        let key = key(&format!("{n}"));
        let created = done(&store, put(&key, Absent, body(size))).await;
        done(&store, put(&key, Modified(created), body(size / 2))).await;
    }
    store.close().await.unwrap();
    let blobs = fs::read_dir(home.path().join("sled-000001/blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[tokio::test]
async fn nothing_is_left_of_records_that_are_gone() {
    let home = Home::new();
    let store = home.open().await;
    for size in awkward_lengths() {
        let created = done(&store, put(&key("a"), Absent, body(size))).await;
        let large = done(&store, put(&key("a"), Modified(created), body(100_000))).await;
        let small = done(&store, put(&key("a"), Modified(large), body(10))).await;
        done(&store, delete(&key("a"), small)).await;
        let late = vec![renewal(&key("a"), created, 1)];
        store.renew(late, Some(mark(1))).await.unwrap();
    }
    store.close().await.unwrap();
    home.tamper(|database| {
        // But for beats, which leave their log when it is written anew.
        let rows = database.iter().keys().map(Result::unwrap).filter(|row| row[0] != b'b');
        assert_eq!(rows.collect::<Vec<_>>(), ["mformat", "mhead", "mmark"]);
    });
}

#[tokio::test]
async fn rows_that_belong_to_no_record_are_ignored() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, body(10_000))).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    home.tamper(|database| {
        let row = [b"b", &[15][..], &0_u64.to_be_bytes()].concat();
        database.insert(row, [&99_u64.to_be_bytes()[..], &[0; 24]].concat()).unwrap();
        database.insert([b"c", &99_u64.to_be_bytes()[..], &[0; 4]].concat(), "lost").unwrap();
    });
    assert_eq!(content(&home.open().await).await, before);
}

#[tokio::test]
async fn a_snapshot_that_sled_did_not_finish_is_no_obstacle() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    let torn = home.path().join("sled-000001/snap.00000000FFFFFFFF.generating");
    fs::write(torn, "torn").unwrap();
    assert_eq!(content(&home.open().await).await, before);
}
