//! Where a watcher begins, what it is told when it lags, and how it ends.

use std::time::Duration;

use registry_core::{Error, Event, Guard, Query, Revision, Start, Watcher, limits};

use super::{Home, Known, NAMESPACE, everything, expect, next, register};

#[tokio::test]
async fn a_cursor_moves_on_also_past_what_is_not_shown() {
    let home = Home::open().await;
    let mut infra = home.watch(Query::role("infra"), Start::Now);
    for n in 0..20 {
        home.register(&format!("w{n}"), "worker").await;
    }
    home.register("i", "infra").await;
    expect(&mut infra, &["put i registered"]).await;
    assert_eq!(infra.cursor(), home.registry.revision());
    let cursor = infra.cursor();
    drop(infra);
    home.register("j", "infra").await;
    let mut resumed = home.watch(Query::role("infra"), Start::After(cursor));
    expect(&mut resumed, &["put j registered"]).await;
}

#[tokio::test]
async fn resuming_from_the_present_waits_and_from_the_start_tells_all() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    home.deregister("a").await;
    let mut from_start = home.watch(everything(), Start::After(Revision(0)));
    let mut from_now = home.watch(everything(), Start::After(home.registry.revision()));
    expect(&mut from_start, &["put a registered", "gone a deregistered"]).await;
    home.register("b", "worker").await;
    expect(&mut from_start, &["put b registered"]).await;
    expect(&mut from_now, &["put b registered"]).await;
}

#[tokio::test]
async fn a_revision_from_the_future_starts_over() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let future = Revision(home.registry.revision().0 + 1_000);
    let mut watcher = home.watch(everything(), Start::After(future));
    expect(&mut watcher, &["compacted", "present a", "synced"]).await;
    home.register("b", "worker").await;
    expect(&mut watcher, &["put b registered"]).await;
    assert_eq!(watcher.cursor(), home.registry.revision());
}

#[tokio::test]
async fn a_future_that_is_dropped_loses_nothing() {
    let home = Home::open().await;
    let mut watcher = home.watch(everything(), Start::Now);
    for n in 0..20 {
        let given_up = tokio::time::timeout(Duration::from_millis(1), watcher.next()).await;
        assert!(given_up.is_err());
        home.register(&format!("a{n}"), "worker").await;
        expect(&mut watcher, &[&format!("put a{n} registered")]).await;
    }
}

/// Expects to be told that something was missed, then a snapshot that equals the state, then what
/// happens next.
async fn assert_starts_over(home: &Home, watcher: &mut Watcher, missed: Revision) {
    let Event::Compacted { oldest } = next(watcher).await else { panic!("it was compacted") };
    assert!(oldest > missed, "{oldest:?} can be resumed from, so {missed:?} was not missed");
    let mut resumed = home.watch(everything(), Start::After(oldest));
    let (Event::Put(change) | Event::Gone(change)) = next(&mut resumed).await else {
        panic!("the oldest that can be resumed from can be resumed from")
    };
    assert_eq!(change.revision.0, oldest.0 + 1);
    let (known, revision) = Known::snapshot(watcher).await;
    assert_eq!(known, home.state());
    assert_eq!(revision, home.registry.revision());
    assert_eq!(watcher.cursor(), revision);
    home.register("after", "worker").await;
    expect(watcher, &["put after registered"]).await;
    home.deregister("after").await;
    expect(watcher, &["gone after deregistered"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_behind_the_number_of_changes_kept_is_told_and_gets_the_state() {
    let home = Home::open().await;
    let first = register(&home.registry, "gone", "worker").await.unwrap();
    home.deregister("gone").await;
    for n in 0..10 {
        home.register(&format!("a{n}"), "worker").await;
    }
    let mut slow = home.watch(everything(), Start::After(first));
    let writers = (0..10).map(|writer| {
        let registry = home.registry.clone();
        tokio::spawn(async move {
            let id = format!("a{writer}");
            for _ in 0..=limits::HISTORY_CHANGES_MAX / 10 {
                let nothing = |_: &mut _| Ok(());
                registry.update(NAMESPACE, &id, Guard::default(), nothing).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_starts_over(&home, &mut slow, first).await;
    let mut late = home.watch(everything(), Start::After(first));
    assert!(matches!(next(&mut late).await, Event::Compacted { .. }));
}

#[tokio::test]
async fn a_watcher_behind_the_bytes_kept_is_told_and_gets_the_state() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    home.register("large", "worker").await;
    let first = home.registry.revision();
    let mut slow = home.watch(everything(), Start::Now);
    let document = "x".repeat(limits::DOCUMENT_BYTES_MAX);
    for _ in 0..=limits::HISTORY_BYTES_MAX / limits::DOCUMENT_BYTES_MAX {
        let document = document.clone();
        home.update("large", |declared| declared.document = Some(document.into())).await;
    }
    assert_starts_over(&home, &mut slow, first).await;
}

#[tokio::test]
async fn a_watcher_in_the_middle_of_what_was_fetched_misses_nothing() {
    let home = Home::open().await;
    let mut watcher = home.watch(everything(), Start::Now);
    let count = 3 * limits::WATCH_FETCH_MAX + 7;
    for n in 0..count {
        home.register(&format!("a{n}"), "worker").await;
    }
    for n in 0..count {
        let cursor = watcher.cursor();
        expect(&mut watcher, &[&format!("put a{n} registered")]).await;
        assert_eq!(watcher.cursor().0, cursor.0 + 1, "no further than was told");
    }
}

#[tokio::test]
async fn a_registry_that_stops_ends_its_watchers_when_all_was_told() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut snapshot = home.watch(everything(), Start::Snapshot);
    let mut late = home.watch(everything(), Start::Now);
    let mut waiting = home.watch(Query::role("nobody"), Start::Now);
    let waiting = tokio::spawn(async move { waiting.next().await.map(|_| ()) });
    for n in 0..limits::WATCH_FETCH_MAX + 10 {
        home.register(&format!("b{n}"), "worker").await;
    }
    let registry = home.registry.clone();
    home.stop().await;
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
    expect(&mut snapshot, &["present a", "synced"]).await;
    for watcher in [&mut snapshot, &mut late] {
        for n in 0..limits::WATCH_FETCH_MAX + 10 {
            expect(watcher, &[&format!("put b{n} registered")]).await;
        }
        for _ in 0..2 {
            assert!(matches!(watcher.next().await, Err(Error::Closed)));
        }
    }
    let refused = registry.watch(everything(), Start::Now);
    let ended = match refused {
        Ok(mut watcher) => watcher.next().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
}

#[tokio::test]
async fn a_driver_that_is_gone_without_a_word_ends_everything_that_waits() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut watcher = home.watch(everything(), Start::Now);
    let waiting = tokio::spawn(async move { watcher.next().await.map(|_| ()) });
    tokio::task::yield_now().await;
    home.driver.abort();
    assert!(matches!(waiting.await.unwrap(), Err(Error::Closed)));
    home.registry.closed().await;
    let refused = register(&home.registry, "b", "worker").await;
    assert!(matches!(refused, Err(Error::Closed)), "{refused:?}");
    let beat = home.registry.heartbeat(NAMESPACE, "a", &Guard::default()).await;
    assert!(matches!(beat, Err(Error::Closed)), "{beat:?}");
    assert_eq!(home.registry.discover(&everything()).len(), 1, "reads go on");
}

#[tokio::test]
async fn a_watcher_that_is_dropped_frees_its_place() {
    let home = Home::open().await;
    let mut watchers = Vec::new();
    for _ in 0..limits::WATCHERS_MAX {
        watchers.push(home.watch(Query::role("worker"), Start::Now));
    }
    assert_eq!(home.registry.watchers(), limits::WATCHERS_MAX);
    let one_more = || home.registry.watch(everything(), Start::Snapshot).map(drop);
    assert!(matches!(one_more(), Err(Error::Busy)));
    assert!(matches!(one_more(), Err(Error::Busy)), "a refusal takes no place");
    watchers.truncate(limits::WATCHERS_MAX - 1);
    assert!(one_more().is_ok());
    assert!(one_more().is_ok(), "it was dropped");
    drop(watchers);
    assert_eq!(home.registry.watchers(), 0);
}
