//! Damage is noticed, named, and gives way once that is asked for.

use std::fs;

use backends::OpenError;
use backends::fjall::{FjallConfig, FjallStore, IfUnreadable};
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Store, StoreError};
use registry_core::testkit::fixture::{
    body, content, done, fill, key, put, renewal, stored, try_content,
};

use crate::home::Home;

/// Breaks a closed store in some way; returns how opening or loading fails.
async fn broken(damage: impl FnOnce(&Home)) -> (Home, String) {
    let home = Home::new();
    let store = home.open().await;
    fill(&store, (0..200).map(|n| (key(&format!("{n:03}")), body(n * 50)))).await;
    for n in 0..3 {
        let life = stored(&store, &key("007")).await.unwrap();
        store.renew(vec![renewal(&life.key, life.created, n)], None).await.unwrap();
    }
    store.close().await.unwrap();
    damage(&home);
    let reason = match FjallStore::open(home.config()).await {
        Err(refusal) => {
            assert!(matches!(refusal, OpenError::Unreadable { .. }), "{refusal}");
            refusal.to_string()
        }
        Ok(store) => {
            let failure = try_content(&store).await.expect_err("it cannot be loaded");
            assert!(matches!(failure, StoreError::Broken(_)), "{failure}");
            let again = store.commit(vec![put(&key("new"), Absent, "")]).await;
            assert!(matches!(again, Err(StoreError::Broken(_))), "broken for good");
            store.close().await.unwrap();
            failure.to_string()
        }
    };
    let path = home.path().display().to_string();
    let way_out = format!("once with --store 'fjall:{path}?if-unreadable=move-aside'");
    for words in [&format!("the store at {path}"), "restore a snapshot", &way_out] {
        assert!(reason.contains(words), "it does not say {words:?}: {reason}");
    }
    assert!(home.moved_aside().is_empty(), "nothing is moved unless asked for");
    (home, reason)
}

/// Every kind of damage is kept beside an empty store, once that is asked for.
async fn gives_way(home: Home) {
    let config = FjallConfig { if_unreadable: IfUnreadable::MoveAside, ..home.config() };
    let store = FjallStore::open(config.clone()).await.unwrap();
    assert!(content(&store).await.0.is_empty());
    let aside = home.moved_aside();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].join("fjall").is_dir(), "what was there is kept");
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    // The empty one is sound, so it stays where it is.
    assert_eq!(content(&FjallStore::open(config).await.unwrap()).await, before);
    assert_eq!(home.moved_aside(), aside);
}

#[tokio::test]
async fn an_overwritten_journal_is_refused() {
    let (home, _) = broken(|home| {
        let mut journal = fs::read(home.file("0.jnl")).unwrap();
        journal[300_000..400_000].fill(0x5a);
        fs::write(home.file("0.jnl"), journal).unwrap();
    })
    .await;
    gives_way(home).await;
}

#[tokio::test]
async fn where_the_journal_or_all_of_it_is_gone_nothing_is_made_in_its_place() {
    for gone in ["0.jnl", ""] {
        let (home, _) = broken(|home| match gone {
            "" => fs::remove_dir_all(home.file("")).unwrap(),
            journal => fs::remove_file(home.file(journal)).unwrap(),
        })
        .await;
        assert!(!home.file(gone).exists(), "{gone:?}");
    }
}

#[tokio::test]
async fn a_journal_cut_short_or_gone_is_refused() {
    for length in [400_000, 0] {
        let (home, reason) = broken(|home| {
            let journal = fs::File::options().write(true).open(home.file("0.jnl")).unwrap();
            journal.set_len(length).unwrap();
        })
        .await;
        assert!(length == 0 || reason.contains("revision 200 was confirmed"), "{reason}");
        gives_way(home).await;
    }
    let (home, _) = broken(|home| fs::remove_file(home.file("0.jnl")).unwrap()).await;
    gives_way(home).await;
}

#[tokio::test]
async fn files_that_fjall_would_make_or_remove_without_a_word_are_missed() {
    for name in ["version", "keyspaces/0/current", "keyspaces/1/current"] {
        let (home, reason) = broken(|home| fs::remove_file(home.file(name)).unwrap()).await;
        assert!(reason.contains(&format!("its file fjall/{name} is missing")), "{reason}");
        assert!(home.file("keyspaces/1").is_dir(), "nothing more is lost");
        gives_way(home).await;
    }
}

#[tokio::test]
async fn a_directory_that_fjall_would_end_the_process_at_is_named() {
    let (_, reason) = broken(|home| fs::create_dir(home.file("keyspaces/x")).unwrap()).await;
    assert!(reason.contains("its file fjall/keyspaces/x is none of fjall's"), "{reason}");
}

#[tokio::test]
async fn a_record_that_is_gone_is_missed() {
    let row = [&b"rone\0"[..], b"007"].concat();
    let (home, reason) = broken(|home| home.tamper(|rows| rows.remove(row).unwrap())).await;
    assert!(reason.contains("says 200 records, but there are 199"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn a_change_that_is_gone_is_missed() {
    let row = [&b"rone\0"[..], b"007"].concat();
    let home = Home::new();
    let store = home.open().await;
    let created = done(&store, put(&key("007"), Absent, "one")).await;
    store.close().await.unwrap();
    let older = home.tamper(|rows| rows.get(&row).unwrap().unwrap());
    let store = home.open().await;
    done(&store, put(&key("007"), Modified(created), "two")).await;
    store.close().await.unwrap();
    home.tamper(|rows| rows.insert(row, older).unwrap());
    let failure = try_content(&home.open().await).await.unwrap_err().to_string();
    assert!(failure.contains("not all of them are the latest"), "{failure}");
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_is_named() {
    let row = [&b"rone\0"[..], b"150"].concat();
    let (home, reason) =
        broken(|home| home.tamper(|rows| rows.insert(row, "short").unwrap())).await;
    assert!(reason.contains("one/150"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn beats_that_are_gone_or_no_beats_are_noticed() {
    let (home, reason) = broken(|home| {
        let rows = home.rows("b");
        home.tamper(|all| all.remove(rows[1].clone()).unwrap());
    })
    .await;
    assert!(reason.contains("comes after one that is missing"), "{reason}");
    gives_way(home).await;

    let (home, reason) = broken(|home| {
        let rows = home.rows("b");
        home.tamper(|all| all.insert(rows[1].clone(), "short").unwrap());
    })
    .await;
    assert!(reason.contains("has the wrong length"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn a_newer_format_is_refused_and_never_moved_aside() {
    let home = Home::new();
    home.open().await.close().await.unwrap();
    home.tamper(|rows| rows.insert("mformat", 2_u32.to_be_bytes()).unwrap());
    for if_unreadable in [IfUnreadable::Refuse, IfUnreadable::MoveAside] {
        let config = FjallConfig { if_unreadable, ..home.config() };
        let refusal = FjallStore::open(config).await.err().unwrap();
        assert!(matches!(refusal, OpenError::Newer { found: 2, known: 1, .. }), "{refusal}");
        assert!(home.moved_aside().is_empty());
    }
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("has format 2; this build reads up to 1"), "{refusal}");
}
