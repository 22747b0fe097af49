//! The rows and files of a store: what is there, what a crash left, what is left of what is gone.

use std::fs;

use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::Store;
use registry_core::testkit::fixture::{
    awkward_lengths, body, content, delete, done, key, mark, put, renewal,
};

use crate::home::Home;

#[tokio::test]
async fn a_record_is_one_row_whatever_its_size() {
    let home = Home::new();
    let store = home.open().await;
    for (n, size) in awkward_lengths().into_iter().enumerate() {
        done(&store, put(&key(&format!("{n}")), Absent, body(size))).await;
    }
    store.close().await.unwrap();
    assert_eq!(home.rows("r").len(), awkward_lengths().len());
    assert_eq!(home.rows("").len(), 2 + home.rows("r").len());
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
    }
    store.renew(Vec::new(), Some(mark(1))).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(home.rows(""), [&b"mformat"[..], b"mhead", b"mmark"]);
}

#[tokio::test]
async fn a_store_that_was_not_begun_to_the_end_is_begun_again() {
    let home = Home::new();
    fs::create_dir_all(home.path().join("fjall.next/keyspaces")).unwrap();
    fs::write(home.path().join("fjall.next/0.jnl"), "half a journal").unwrap();
    fs::write(home.path().join("notes.txt"), "not ours").unwrap();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    store.close().await.unwrap();
    assert_eq!(home.names(), ["LOCK", "REACHED", "fjall", "notes.txt"]);
}

#[tokio::test]
async fn a_closed_store_can_be_copied_and_goes_on_elsewhere() {
    let (home, other) = (Home::new(), Home::new());
    let store = home.open().await;
    let created = done(&store, put(&key("a"), Absent, body(1_000))).await;
    store.renew(vec![renewal(&key("a"), created, 7)], Some(mark(7))).await.unwrap();
    let before = content(&store).await;
    store.close().await.unwrap();
    fs::rename(home.path(), other.path()).unwrap();
    assert_eq!(content(&other.open().await).await, before);
}
