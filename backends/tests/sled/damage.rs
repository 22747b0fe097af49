//! Damage is noticed, named, never made worse, and gives way once that is asked for.

use std::fs;
use std::path::Path;

use backends::OpenError;
use backends::sled::{IfUnreadable, SledConfig, SledStore};
use registry_core::store::Expect::Absent;
use registry_core::store::{Store, StoreError};
use registry_core::testkit::fixture::{body, content, done, fill, key, put, try_content};

use crate::home::Home;

/// Breaks a closed store with one long record in some way; returns how opening or loading fails.
async fn broken(damage: impl FnOnce(&Home)) -> (Home, String) {
    let home = Home::new();
    let store = home.open().await;
    fill(&store, (0..200).map(|n| (key(&format!("{n:03}")), body(n * 50)))).await;
    store.close().await.unwrap();
    damage(&home);
    let reason = match SledStore::open(home.config()).await {
        Err(refusal) => {
            assert!(matches!(refusal, OpenError::Unreadable { .. }), "{refusal}");
            let text = refusal.to_string();
            says_how_to_go_on(&home, &text);
            text
        }
        Ok(store) => {
            let failure = try_content(&store).await.expect_err("it cannot be loaded");
            assert!(matches!(failure, StoreError::Broken(_)), "{failure}");
            let again = store.commit(vec![put(&key("new"), Absent, "")]).await;
            assert!(matches!(again, Err(StoreError::Broken(_))), "broken for good");
            store.close().await.unwrap();
            says_how_to_go_on(&home, &failure.to_string());
            failure.to_string()
        }
    };
    assert!(home.moved_aside().is_empty(), "nothing is moved unless asked for");
    (home, reason)
}

/// That of a record of a store that is [`broken`]: the first was created at revision 1.
fn row(id: &str) -> Vec<u8> {
    let created = id.parse::<u64>().unwrap() + 1;
    [b"r", &created.to_be_bytes()[..], b"one\0", id.as_bytes()].concat()
}

fn says_how_to_go_on(home: &Home, text: &str) {
    let path = home.path().display().to_string();
    let way_out = format!("once with --store 'sled:{path}?if-unreadable=move-aside'");
    for words in [&format!("the store at {path}"), "restore a snapshot", &way_out] {
        assert!(text.contains(words), "it does not say {words:?}: {text}");
    }
    for jargon in ["row m", "backtrace", "Revision(", "Head {"] {
        assert!(!text.contains(jargon), "an operator does not know {jargon:?}: {text}");
    }
}

/// Every kind of damage is kept beside an empty store, once that is asked for.
async fn gives_way(home: Home) {
    let config = SledConfig { if_unreadable: IfUnreadable::MoveAside, ..home.config() };
    let store = SledStore::open(config.clone()).await.unwrap();
    assert!(content(&store).await.0.is_empty());
    let aside = home.moved_aside();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].join("sled-000001/db").is_file(), "what was there is kept");
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    // The empty one is sound, so it stays where it is.
    assert_eq!(content(&SledStore::open(config).await.unwrap()).await, before);
    assert_eq!(home.moved_aside(), aside);
}

#[tokio::test]
async fn an_overwritten_log_is_refused() {
    let (home, _) = broken(|home| scribble(&home.log())).await;
    gives_way(home).await;
}

#[tokio::test]
async fn a_log_cut_short_is_refused() {
    let (home, _) = broken(|home| {
        let log = fs::File::options().write(true).open(home.log()).unwrap();
        log.set_len(log.metadata().unwrap().len() / 2).unwrap();
    })
    .await;
    gives_way(home).await;
}

#[tokio::test]
async fn a_log_that_is_gone_is_refused() {
    let (home, _) = broken(|home| {
        for item in fs::read_dir(home.path().join("sled-000001")).unwrap() {
            let path = item.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            }
        }
        fs::File::create(home.log()).unwrap();
    })
    .await;
    gives_way(home).await;
}

#[tokio::test]
async fn a_record_that_is_gone_is_missed() {
    let row = row("007");
    let (home, reason) = broken(|home| {
        home.tamper(|database| drop(database.remove(row).unwrap().unwrap()));
    })
    .await;
    let says = "its summary, which counts what is there, says 200 records";
    assert!(reason.contains(says) && reason.contains("but there are 199"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_is_named() {
    let damages: [(&str, &[u8]); 3] = [("007", b"short"), ("150", &[0; 21]), ("199", &[0xff; 30])];
    for (id, value) in damages {
        let row = row(id);
        let (home, reason) = broken(|home| {
            home.tamper(|database| drop(database.insert(row, value).unwrap()));
        })
        .await;
        assert!(reason.contains(&format!("one/{id}")), "{reason}");
        gives_way(home).await;
    }
}

#[tokio::test]
async fn a_lost_part_of_a_record_is_missed() {
    let (home, reason) = broken(|home| {
        home.tamper(|database| {
            let row = database.scan_prefix(b"c").keys().last().unwrap().unwrap();
            database.remove(row).unwrap();
        });
    })
    .await;
    assert!(reason.contains("one/199"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_named() {
    let (home, reason) = broken(|home| {
        home.tamper(|database| {
            let value = database.remove(row("007")).unwrap().unwrap();
            let mut second = row("006");
            second[8] = 9; // of another life
            database.insert(second, value).unwrap();
        });
    })
    .await;
    assert!(reason.contains("the record one/006 is there twice"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn a_newer_format_is_refused_and_never_moved_aside() {
    let home = Home::new();
    let store = home.open().await;
    store.close().await.unwrap();
    home.tamper(|database| drop(database.insert("mformat", &3_u32.to_be_bytes()).unwrap()));
    for if_unreadable in [IfUnreadable::Refuse, IfUnreadable::MoveAside] {
        let config = SledConfig { if_unreadable, ..home.config() };
        let refusal = SledStore::open(config).await.err().unwrap();
        assert!(matches!(refusal, OpenError::Newer { found: 3, known: 2, .. }), "{refusal}");
        assert!(home.moved_aside().is_empty());
    }
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("has format 3; this build reads up to 2"), "{refusal}");
}

/// Overwrites the middle half of a file.
fn scribble(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() * 3 / 4);
    bytes[from..to].fill(0x5a);
    fs::write(path, bytes).unwrap();
}
