//! What one watcher sees of single changes.

use registry_core::{Event, Query, Start, State};

use super::{Home, everything, expect, next};

#[tokio::test]
async fn a_snapshot_comes_first_and_then_the_changes() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    home.register("b", "infra").await;
    let mut all = home.watch(everything(), Start::Snapshot);
    let mut workers = home.watch(Query::role("worker"), Start::Snapshot);
    let mut later = home.watch(everything(), Start::Now);
    home.register("c", "worker").await;
    home.deregister("a").await;
    expect(&mut all, &["present a", "present b", "synced"]).await;
    expect(&mut all, &["put c registered", "gone a deregistered"]).await;
    expect(&mut workers, &["present a", "synced"]).await;
    expect(&mut workers, &["put c registered", "gone a deregistered"]).await;
    expect(&mut later, &["put c registered", "gone a deregistered"]).await;
}

#[tokio::test]
async fn an_empty_registry_has_an_empty_snapshot() {
    let home = Home::open().await;
    let mut watcher = home.watch(everything(), Start::Snapshot);
    expect(&mut watcher, &["synced"]).await;
    home.register("a", "worker").await;
    expect(&mut watcher, &["put a registered"]).await;
}

#[tokio::test]
async fn a_change_of_role_is_gone_for_one_watcher_and_there_for_the_other() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut workers = home.watch(Query::role("worker"), Start::Now);
    let mut infra = home.watch(Query::role("infra"), Start::Now);
    home.update("a", |declared| declared.role = "infra".into()).await;
    home.update("a", |declared| declared.name = "x".into()).await;
    home.update("a", |declared| declared.role = "worker".into()).await;
    expect(&mut workers, &["gone a updated", "put a updated"]).await;
    expect(&mut infra, &["put a updated", "put a updated", "gone a updated"]).await;
}

#[tokio::test]
async fn a_lapse_is_gone_and_a_revival_is_there_again() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut live = home.watch(Query::role("worker"), Start::Now);
    let mut all = home.watch(everything(), Start::Now);
    home.pass(super::TTL_MS).await;
    assert_eq!(home.registry.discover(&Query::any()).len(), 1);
    home.pass(1).await;
    assert!(home.registry.discover(&Query::any()).is_empty());
    home.heartbeat("a").await;
    home.pass(0).await;
    home.deregister("a").await;
    expect(&mut live, &["gone a lapsed", "put a revived", "gone a deregistered"]).await;
    expect(&mut all, &["put a lapsed", "put a revived", "gone a deregistered"]).await;
}

#[tokio::test]
async fn an_update_revives_what_has_lapsed() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut live = home.watch(Query::role("worker"), Start::Now);
    home.pass(super::TTL_MS + 1).await;
    home.update("a", |_| ()).await;
    expect(&mut live, &["gone a lapsed", "put a updated"]).await;
}

#[tokio::test]
async fn the_removal_of_what_was_not_shown_is_not_told() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut live = home.watch(Query::role("worker"), Start::Now);
    home.pass(super::TTL_MS + 1).await;
    home.deregister("a").await;
    home.register("b", "worker").await;
    expect(&mut live, &["gone a lapsed", "put b registered"]).await;
}

#[tokio::test]
async fn what_is_paused_is_gone_for_those_who_watch_the_live_only() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut live = home.watch(Query::role("worker"), Start::Now);
    let mut all = home.watch(everything(), Start::Now);
    for state in [State::Paused, State::Stopped, State::Running] {
        home.update("a", move |declared| declared.state = state).await;
    }
    expect(&mut live, &["gone a updated", "put a updated"]).await;
    expect(&mut all, &["put a updated", "put a updated", "put a updated"]).await;
}

#[tokio::test]
async fn heartbeats_of_the_living_wake_nobody() {
    let home = Home::open().await;
    home.register("a", "worker").await;
    let mut all = home.watch(everything(), Start::Now);
    let before = home.registry.revision();
    for _ in 0..100 {
        home.heartbeat("a").await;
        home.pass(10).await;
    }
    assert_eq!(home.registry.revision(), before);
    home.register("b", "worker").await;
    expect(&mut all, &["put b registered"]).await;
}

#[tokio::test]
async fn what_is_told_can_be_read_and_what_is_gone_cannot() {
    let home = Home::open().await;
    let mut watcher = home.watch(everything(), Start::Now);
    home.register("a", "worker").await;
    let Event::Put(change) = next(&mut watcher).await else { panic!("a put") };
    let read = home.registry.get(super::NAMESPACE, "a").expect("it is there");
    assert_eq!(read.record().modified, change.revision);
    assert!(home.registry.revision() >= change.revision);
    home.deregister("a").await;
    let Event::Gone(change) = next(&mut watcher).await else { panic!("it is gone") };
    assert!(change.after.is_none() && change.before.is_some());
    assert!(home.registry.get(super::NAMESPACE, "a").is_none());
}

#[tokio::test]
async fn a_new_life_of_a_key_is_another_generation() {
    let home = Home::open().await;
    let mut watcher = home.watch(everything(), Start::Now);
    home.register("a", "worker").await;
    home.deregister("a").await;
    home.register("a", "worker").await;
    let mut generations = Vec::new();
    for _ in 0..3 {
        let (Event::Put(change) | Event::Gone(change)) = next(&mut watcher).await else {
            panic!("a change")
        };
        generations.push(change.slot().record().generation.clone());
    }
    assert_eq!(generations[0], generations[1]);
    assert_ne!(generations[1], generations[2]);
}
