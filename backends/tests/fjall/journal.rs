//! What a loss of power leaves at the end of the journal goes; damage stays as it is.

use std::fs;

use backends::OpenError;
use registry_core::store::Expect::Absent;
use registry_core::store::Store;
use registry_core::testkit::fixture::{body, content, done, key, put};

use crate::home::Home;

const LARGE: usize = 40_000;

/// A store as a loss of power leaves it: with `a` and `b`, neither of them at rest in tables.
async fn left() -> Home {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, body(1_000))).await;
    done(&store, put(&key("b"), Absent, body(LARGE))).await;
    store.close().await.unwrap();
    home
}

fn journal(home: &Home) -> Vec<u8> {
    fs::read(home.file("0.jnl")).unwrap()
}

/// Bytes of the journal up to the last that is not zero.
fn written(journal: &[u8]) -> usize {
    journal.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// Damages a page of the last batch, with everything around it whole.
fn lose_a_page(home: &Home) -> Vec<u8> {
    let mut journal = journal(home);
    let end = written(&journal);
    journal[end - LARGE / 2..][..4_096].fill(0);
    fs::write(home.file("0.jnl"), &journal).unwrap();
    journal
}

fn confirmed(home: &Home, revision: u64) {
    let text = format!("{revision:020} {revision:020} open\n");
    fs::write(home.path().join("REACHED"), text).unwrap();
}

#[tokio::test]
async fn a_batch_that_nobody_was_told_of_goes_wherever_it_was_torn() {
    let whole = left().await;
    let end = written(&journal(&whole));
    for lost in [1, 12, 13, 14, 100, LARGE / 2, LARGE, LARGE + 60] {
        let home = left().await;
        let mut journal = journal(&home);
        journal[end - lost..].fill(0);
        fs::write(home.file("0.jnl"), journal).unwrap();
        confirmed(&home, 1);
        let (records, loaded) = content(&home.open().await).await;
        assert_eq!((records.len(), loaded.revision.0), (1, 1), "without the last {lost} bytes");
    }
    let home = left().await;
    lose_a_page(&home);
    confirmed(&home, 1);
    let store = home.open().await;
    assert_eq!(content(&store).await.1.revision.0, 1);
    done(&store, put(&key("b"), Absent, "again")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    assert_eq!(content(&home.open().await).await, before);
}

#[tokio::test]
async fn a_batch_that_somebody_was_told_of_stays_as_it_is() {
    let home = left().await;
    let damaged = lose_a_page(&home);
    for _ in 0..2 {
        let refusal = home.refusal().await;
        assert!(matches!(refusal, OpenError::Unreadable { .. }), "{refusal}");
        assert!(refusal.to_string().contains("revision 2 was confirmed"), "{refusal}");
        assert!(journal(&home) == damaged, "nothing was changed");
    }
}

#[tokio::test]
async fn damage_before_a_whole_batch_is_refused_and_left_as_it_is() {
    let end = written(&journal(&left().await));
    // In each of the entries of the first batches, and in what is between them.
    for at in [0, 1, 13, 14, 15, 20, 40, 60, 200, end - LARGE - 300] {
        let home = left().await;
        let mut damaged = journal(&home);
        damaged[at] ^= 0x20;
        fs::write(home.file("0.jnl"), &damaged).unwrap();
        // Not even without the note.
        fs::remove_file(home.path().join("REACHED")).unwrap();
        let refusal = home.refusal().await.to_string();
        assert!(refusal.contains("0.jnl is damaged at byte"), "{at}: {refusal}");
        assert!(journal(&home) == damaged, "{at}: nothing was changed");
    }
}
