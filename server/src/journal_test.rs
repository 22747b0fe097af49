//! Tests of the journal: what is too much goes, from its oldest end, and a reader that was too slow
//! for the history still sees every entry once.

use super::*;
use crate::app::registry_for_tests;

const NAMESPACE: &str = ".log";

async fn journal(newest_max: Option<usize>) -> Journal {
    let registry = registry_for_tests().await;
    Journal::new(registry, Arc::new(Sequence::after(Ulid::nil())), NAMESPACE, newest_max)
}

async fn append(journal: &Journal, document: &str) -> String {
    let make = |id: Ulid, _| Entry {
        key: id.to_string(),
        declared: Declared { document: Some(document.into()), ..Declared::default() },
    };
    journal.append(make).await.unwrap().record().key.id().to_owned()
}

fn keys(journal: &Journal) -> Vec<String> {
    let found = journal.list(Query::any());
    found.iter().map(|slot| slot.record().key.id().to_owned()).collect()
}

async fn trimmed(journal: &Journal) {
    while journal.is_trimming.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_newest_are_kept_and_the_others_go_behind_the_back_of_who_adds() {
    let journal = journal(Some(10)).await;
    let mut added = Vec::new();
    for _ in 0..25 {
        added.push(append(&journal, "{}").await);
        trimmed(&journal).await;
        assert_eq!(keys(&journal), added[added.len().saturating_sub(10)..]);
    }
    let burst = join_all((0..700).map(|_| append(&journal, "{}"))).await;
    while journal.len() > 10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(keys(&journal), burst[690..]);
}

#[tokio::test]
async fn an_entry_is_added_once() {
    let journal = journal(None).await;
    let make = |_, _| Entry { key: "one".to_owned(), declared: Declared::default() };
    journal.append(make).await.unwrap();
    let again = journal.append(make).await;
    assert!(matches!(again, Err(Error::Conflict { .. })), "{again:?}");
    journal.remove("one").await.unwrap();
    assert!(matches!(journal.remove("one").await, Err(Error::NotFound)));
    journal.append(make).await.unwrap();
}

#[tokio::test]
async fn what_was_appended_first_has_the_smaller_id_and_is_seen_first() {
    let journal = journal(None).await;
    let added = join_all((0..500).map(|_| append(&journal, "{}"))).await;
    assert!(added.is_sorted());
    assert_eq!(keys(&journal), added);
    journal.clear().await.unwrap();
    assert_eq!(journal.len(), 0);
}

#[tokio::test]
async fn a_reader_too_slow_for_the_history_sees_each_entry_once() {
    let journal = journal(None).await;
    let old = append(&journal, "{}").await;
    let mut live = journal.follow(Query::any(), None).unwrap();
    let mut replaying = journal.follow(Query::any(), Some(old)).unwrap();
    let first = append(&journal, "{}").await;
    assert_eq!(live.next().await.unwrap().record().key.id(), first);
    // More than the history holds in bytes.
    let long = format!("\"{}\"", "x".repeat(500_000));
    let mut added = vec![first];
    for _ in 0..140 {
        added.push(append(&journal, &long).await);
    }
    for (place, wanted) in added.iter().enumerate() {
        assert_eq!(replaying.next().await.unwrap().record().key.id(), wanted, "{place}");
        if place > 0 {
            assert_eq!(live.next().await.unwrap().record().key.id(), wanted, "{place}");
        }
    }
    let last = append(&journal, "{}").await;
    assert_eq!(live.next().await.unwrap().record().key.id(), last);
    assert_eq!(replaying.next().await.unwrap().record().key.id(), last);
}
