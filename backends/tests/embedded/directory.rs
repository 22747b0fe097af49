//! The directory of a store: who has it, and whose it is.

use std::fs;

use backends::{OpenError, open};
use registry_core::Revision;
use registry_core::store::Expect::Absent;
use registry_core::store::StoreError;
use registry_core::testkit::fixture::{content, done, key, put};

use crate::home::Home;

#[tokio::test]
async fn a_store_in_use_is_refused_and_names_its_process() {
    for home in Home::each() {
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
}

#[tokio::test]
async fn a_store_of_another_engine_is_refused_and_left_as_it_is() {
    for (home, other) in Home::each().into_iter().zip(["sled", "fjall"]) {
        let store = home.open().await;
        done(&*store, put(&key("a"), Absent, "")).await;
        let before = content(&*store).await;
        store.close().await.unwrap();
        let url = format!("{other}:{}?if-unreadable=move-aside", home.path().display());
        let refusal = open(&url).await.err().unwrap();
        assert!(refusal.is_mistake());
        let way_out = format!("open it as --store '{}'", home.url());
        for words in [way_out.as_str(), "take a snapshot"] {
            assert!(refusal.to_string().contains(words), "no {words:?} in: {refusal}");
        }
        assert!(home.moved_aside().is_empty());
        assert_eq!(content(&*home.open().await).await, before);
    }
}

#[tokio::test]
async fn the_inside_of_a_store_is_no_store_and_is_left_as_it_is() {
    for (home, inside) in Home::each().into_iter().zip(["fjall", "sled-000001"]) {
        let store = home.open().await;
        done(&*store, put(&key("a"), Absent, "")).await;
        store.close().await.unwrap();
        let names = |path: &std::path::Path| {
            let items = fs::read_dir(path).unwrap().map(|item| item.unwrap().file_name());
            items.collect::<std::collections::BTreeSet<_>>()
        };
        let inside = home.path().join(inside);
        let before = names(&inside);
        // Also deeper, what is not there yet, and by way of somewhere else.
        let within =
            [&inside, &inside.join("keyspaces"), &inside.join("a/b"), &home.path().join("a")]
                .map(|path| path.to_owned());
        let around = inside.join("..").join(inside.file_name().unwrap());
        for path in within.iter().chain([&around]) {
            for engine in ["sled", "fjall"] {
                let url = format!("{engine}:{}?if-unreadable=move-aside", path.display());
                let refusal = open(&url).await.err().unwrap();
                assert!(refusal.is_mistake());
                let named = format!("{} is the inside of a store", path.display());
                assert!(refusal.to_string().contains(&named), "{refusal}");
            }
        }
        assert_eq!(names(&inside), before);
        // Beside it there may be others, and it may be named by a way that leads through it.
        open(&format!("{}/../beside", home.url())).await.unwrap().close().await.unwrap();
        home.open().await.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_where_the_directory_should_be_is_named() {
    for home in Home::each() {
        fs::write(home.path(), "a file").unwrap();
        for below in ["", "/below/it"] {
            let url = format!("{}{below}?if-unreadable=move-aside", home.url());
            let refusal = open(&url).await.err().unwrap();
            assert!(refusal.is_mistake());
            let named = format!("but {} is a file; choose another --store", home.path().display());
            assert!(refusal.to_string().contains(&named), "{refusal}");
        }
        assert_eq!(fs::read(home.path()).unwrap(), b"a file");
    }
}

#[tokio::test]
async fn a_closed_store_does_nothing_more() {
    for home in Home::each() {
        let store = home.open().await;
        store.close().await.unwrap();
        store.close().await.expect("closing twice is closing once");
        let refused = store.commit(vec![put(&key("a"), Absent, "")]).await;
        assert!(matches!(refused, Err(StoreError::Broken(_))));
        assert_eq!(content(&*home.open().await).await.1.revision, Revision(0));
    }
}
