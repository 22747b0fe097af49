//! A store whose directory is taken from under it stops, and nobody else can look into one.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use registry_core::store::Expect::Absent;
use registry_core::store::{Store, StoreError};
use registry_core::testkit::fixture::{body, content, done, fill, key, mark, put};

use crate::home::Home;

/// Every way to take a directory away.
const TAKEN: [fn(&Home); 4] = [
    |home| fs::remove_dir_all(home.path()).unwrap(),
    |home| fs::remove_file(home.path().join("LOCK")).unwrap(),
    |home| fs::rename(home.path(), home.path().with_extension("moved")).unwrap(),
    |home| {
        fs::rename(home.path(), home.path().with_extension("moved")).unwrap();
        fs::create_dir(home.path()).unwrap();
        fs::write(home.path().join("LOCK"), "1").unwrap();
    },
];

/// Every way, with every engine.
fn each_taken() -> impl Iterator<Item = (fn(&Home), Home)> {
    TAKEN.into_iter().flat_map(|take| Home::each().map(|home| (take, home)))
}

async fn taken(home: Home, take: fn(&Home)) -> (Home, Arc<dyn Store>) {
    let store = home.open().await;
    done(&*store, put(&key("a"), Absent, "")).await;
    take(&home);
    (home, store)
}

/// The store says what happened, and does nothing more.
async fn gone(home: &Home, store: &dyn Store, refused: Result<(), StoreError>) {
    let Err(StoreError::Broken(reason)) = refused else { panic!("{refused:?}") };
    let reason = reason.to_string();
    let path = home.path().display().to_string();
    for words in [&*path, "deleted, moved or replaced", "put it back", "start again"] {
        assert!(reason.contains(words), "it does not say {words:?}: {reason}");
    }
    let again = store.renew(Vec::new(), None).await;
    assert!(matches!(again, Err(StoreError::Broken(_))), "{again:?}");
}

#[tokio::test]
async fn a_commit_into_nowhere_is_not_confirmed() {
    for (take, home) in each_taken() {
        let (home, store) = taken(home, take).await;
        let refused = store.commit(vec![put(&key("b"), Absent, "")]).await.map(drop);
        gone(&home, &*store, refused).await;
    }
}

#[tokio::test]
async fn a_mark_notices_where_nobody_commits() {
    for (take, home) in each_taken() {
        let (home, store) = taken(home, take).await;
        let refused = store.renew(Vec::new(), Some(mark(1))).await;
        gone(&home, &*store, refused).await;
    }
}

#[tokio::test]
async fn a_clean_end_is_none_where_nothing_is_left() {
    for (take, home) in each_taken() {
        let (home, store) = taken(home, take).await;
        let refused = store.close().await;
        gone(&home, &*store, refused).await;
    }
}

#[tokio::test]
async fn what_was_moved_has_everything_that_was_confirmed() {
    for home in Home::each() {
        let store = home.open().await;
        fill(&*store, (0..100).map(|n| (key(&format!("{n}")), body(500)))).await;
        let before = content(&*store).await;
        let moved = home.path().with_extension("moved");
        fs::rename(home.path(), &moved).unwrap();
        store.close().await.expect_err("it is gone");
        fs::rename(&moved, home.path()).unwrap();
        assert_eq!(content(&*home.open().await).await, before);
    }
}

#[tokio::test]
async fn nobody_else_can_look_into_what_is_made() {
    for home in Home::each() {
        let store = home.open().await;
        done(&*store, put(&key("a"), Absent, "")).await;
        let mode = |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("") & 0o777, 0o700);
        for name in home.names() {
            assert_eq!(mode(&name) & 0o077, 0, "{name}");
        }
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_was_there_keeps_its_mode_and_what_is_inside_is_private() {
    for home in Home::each() {
        fs::create_dir(home.path()).unwrap();
        fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
        let _store = home.open().await;
        let mode = |name: &str| fs::metadata(home.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode("") & 0o777, 0o755);
        for name in home.names() {
            assert_eq!(mode(&name) & 0o077, 0, "{name}");
        }
    }
}
