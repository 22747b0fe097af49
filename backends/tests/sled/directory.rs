//! The directory of a store: who has it, what counts in it, what is removed from it.

use std::fs;

use backends::OpenError;
use backends::sled::{IfUnreadable, SledConfig, SledStore};
use registry_core::Revision;
use registry_core::store::Expect::Absent;
use registry_core::store::{Store, StoreError};
use registry_core::testkit::fixture::{content, done, key, put};

use crate::home::Home;

#[tokio::test]
async fn a_store_in_use_is_refused_and_names_its_process() {
    let home = Home::new();
    let _first = home.open().await;
    let refusal = home.refusal().await;
    assert!(matches!(refusal, OpenError::Locked { .. }));
    let (path, pid) = (home.path(), std::process::id());
    let expected = format!(
        "the store at {} is in use by process {pid}; stop it or choose another --store",
        path.display()
    );
    assert_eq!(refusal.to_string(), expected);
}

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
async fn a_file_where_the_directory_should_be_is_named() {
    let home = Home::new();
    fs::write(home.path(), "a file").unwrap();
    for path in [home.path(), home.path().join("below/it")] {
        let config = SledConfig { if_unreadable: IfUnreadable::MoveAside, ..home.config() };
        let refusal = SledStore::open(SledConfig { path, ..config }).await.err().unwrap();
        assert!(refusal.is_mistake());
        let named = format!("but {} is a file; choose another --store", home.path().display());
        assert!(refusal.to_string().contains(&named), "{refusal}");
    }
    assert_eq!(fs::read(home.path()).unwrap(), b"a file");
}

#[tokio::test]
async fn a_closed_store_does_nothing_more() {
    let home = Home::new();
    let store = home.open().await;
    store.close().await.unwrap();
    store.close().await.expect("closing twice is closing once");
    let refused = store.commit(vec![put(&key("a"), Absent, "")]).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))));
    assert_eq!(content(&home.open().await).await.1.revision, Revision(0));
}
