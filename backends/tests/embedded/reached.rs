//! A store knows how far it came, and is not opened any less far without somebody's word.

use std::fs;

use registry_core::store::Expect::Absent;
use registry_core::testkit::fixture::{content, delete, done, key, mark, put};

use crate::home::Home;

/// A closed store at revision 3 with one record.
async fn closed(home: Home) -> Home {
    let store = home.open().await;
    done(&*store, put(&key("a"), Absent, "")).await;
    let b = done(&*store, put(&key("b"), Absent, "")).await;
    done(&*store, delete(&key("b"), b)).await;
    store.close().await.unwrap();
    home
}

fn note(home: &Home) -> String {
    fs::read_to_string(home.path().join("REACHED")).unwrap()
}

fn write_note(home: &Home, revision: u64, end: &str) {
    let text = format!("{revision:020} {revision:020} {end}\n");
    fs::write(home.path().join("REACHED"), text).unwrap();
}

#[tokio::test]
async fn each_commit_is_noted_before_it_is_confirmed() {
    for home in Home::each() {
        let store = home.open().await;
        for n in 1..=3 {
            let revision = done(&*store, put(&key(&format!("{n}")), Absent, "")).await;
            assert_eq!(revision.0, n);
            assert_eq!(note(&home), format!("{n:020} {n:020} open\n"));
        }
        // What confirms nothing new leaves it as it is.
        store.commit(vec![put(&key("1"), Absent, "")]).await.unwrap();
        store.renew(Vec::new(), Some(mark(1))).await.unwrap();
        assert_eq!(note(&home), format!("{0:020} {0:020} open\n", 3));
        store.close().await.unwrap();
        assert_eq!(note(&home), format!("{0:020} {0:020} shut\n", 3));
    }
}

#[tokio::test]
async fn a_store_that_was_further_is_refused_until_somebody_gives_up_the_rest() {
    for home in Home::each() {
        let home = closed(home).await;
        write_note(&home, 5, "open");
        for _ in 0..2 {
            let refusal = home.refusal().await.to_string();
            assert!(refusal.contains("revision 5 was confirmed"), "{refusal}");
            assert!(refusal.contains("ends at 3"), "{refusal}");
            assert!(refusal.contains("remove that file"), "{refusal}");
            assert_eq!(note(&home), format!("{0:020} {0:020} open\n", 5), "it stays refused");
        }
        fs::remove_file(home.path().join("REACHED")).unwrap();
        let store = home.open().await;
        assert!(content(&*store).await.0.contains_key(&key("a")));
        assert_eq!(note(&home), format!("{0:020} {0:020} open\n", 3));
    }
}

#[tokio::test]
async fn an_older_note_or_none_is_no_obstacle() {
    // A loss of power, a directory of an earlier build, and a power loss before the first sync.
    for older in [format!("{0:020} {0:020} open\n", 1), String::new()] {
        for home in Home::each() {
            let home = closed(home).await;
            fs::write(home.path().join("REACHED"), &older).unwrap();
            let store = home.open().await;
            assert_eq!(content(&*store).await.1.revision.0, 3);
            assert_eq!(note(&home), format!("{0:020} {0:020} open\n", 3), "what is seen is kept");
        }
    }
}

#[tokio::test]
async fn a_damaged_note_is_not_believed() {
    for home in Home::each() {
        let home = closed(home).await;
        let good = note(&home).into_bytes();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(home.path().join("REACHED"), bad).unwrap();
            let refusal = home.refusal().await.to_string();
            assert!(refusal.contains("REACHED is damaged"), "{at}: {refusal}");
            assert!(refusal.contains("remove that file"), "{refusal}");
        }
        fs::write(home.path().join("REACHED"), &good[..good.len() - 1]).unwrap();
        assert!(home.refusal().await.to_string().contains("REACHED is damaged"));
    }
}
