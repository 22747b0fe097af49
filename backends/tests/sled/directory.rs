//! The directory of a sled store: what counts in it, what is removed from it.

use std::fs;

use backends::OpenError;
use backends::sled::{IfUnreadable, SledConfig, SledStore};
use registry_core::store::Expect::Absent;
use registry_core::store::Store;
use registry_core::testkit::fixture::{content, done, key, put};

use crate::home::Home;

#[tokio::test]
async fn what_a_crash_in_a_compaction_leaves_is_removed() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    // One crash before the switch, with a half-written copy; one after it, with the old database.
    fs::create_dir_all(home.path().join("sled-000002/blobs")).unwrap();
    fs::write(home.path().join("sled-000002/db"), "half a copy").unwrap();
    fs::create_dir(home.path().join("sled-000000")).unwrap();
    fs::write(home.path().join("CURRENT.next"), "sled-0000").unwrap();
    fs::write(home.path().join("notes.txt"), "not ours").unwrap();
    assert_eq!(content(&home.open().await).await, before);
    assert_eq!(home.names(), ["CURRENT", "LOCK", "REACHED", "notes.txt", "sled-000001"]);
}

#[tokio::test]
async fn a_store_that_was_not_begun_to_the_end_goes_on() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    fs::remove_file(home.path().join("CURRENT")).unwrap();
    assert_eq!(content(&home.open().await).await, before);
    assert_eq!(home.current(), "sled-000001");
}

#[tokio::test]
async fn without_current_nobody_guesses_between_two_databases() {
    let home = Home::new();
    home.open().await.close().await.unwrap();
    fs::remove_file(home.path().join("CURRENT")).unwrap();
    fs::create_dir(home.path().join("sled-000002")).unwrap();
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("which one counts: sled-000001, sled-000002"), "{refusal}");
    assert_eq!(home.names(), ["LOCK", "REACHED", "sled-000001", "sled-000002"]);
}

#[tokio::test]
async fn a_current_that_names_nothing_is_refused() {
    let home = Home::new();
    home.open().await.close().await.unwrap();
    fs::write(home.path().join("CURRENT"), "sled-000009\n").unwrap();
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("names \"sled-000009\", which is not there"), "{refusal}");
    assert_eq!(home.names(), ["CURRENT", "LOCK", "REACHED", "sled-000001"]);
}

#[tokio::test]
async fn what_the_machine_refuses_is_not_taken_for_damage() {
    let home = Home::new();
    home.open().await.close().await.unwrap();
    fs::remove_file(home.log()).unwrap();
    fs::create_dir(home.log()).unwrap();
    let config = SledConfig { if_unreadable: IfUnreadable::MoveAside, ..home.config() };
    let refusal = SledStore::open(config).await.err().unwrap();
    assert!(matches!(refusal, OpenError::Io { .. }), "{refusal}");
    assert!(home.moved_aside().is_empty());
}

#[tokio::test]
async fn a_directory_of_an_earlier_build_opens() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    store.close().await.unwrap();
    fs::remove_file(home.path().join("REACHED")).unwrap();
    fs::write(home.path().join("CURRENT"), "sled-000001\nrevision 1\n").unwrap();
    assert_eq!(content(&home.open().await).await.1.revision.0, 1);
}
