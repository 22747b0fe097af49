//! Whoever comes back a thousand times has seen every change once and in order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use registry_core::{Cause, Claim, Declared, Event, Guard, Key, Query, Start};
use support::bytes::Connection;
use support::dice::Dice;
use support::inside::Inside;
use support::stream::Stream;
use support::wait;

use super::{register, watch};

const RETURNS: usize = 1_000;
/// How far the churn may be ahead of who follows it: far less than is kept.
const AHEAD: u64 = 2_000;
/// Ids of the churn: few, so that each changes often.
const IDS: usize = 20;

/// What a watcher was told: revision, `put` or `gone`, and of what.
type Told = (u64, String, String);

/// Somebody who comes again and again. Starts after a revision, tells what it saw, and says to the
/// churn how far it has come.
type Follow = fn(&Inside, u64, &AtomicU64) -> Vec<Told>;

/// One thing after the other happens to the few, until it is enough.
async fn churn(server: &Inside, seen: &AtomicU64, enough: &AtomicBool) {
    let (registry, mut dice) = (&server.registry, Dice::new(11));
    while !enough.load(Ordering::Acquire) {
        if registry.revision().0 > seen.load(Ordering::Acquire) + AHEAD {
            tokio::task::yield_now().await;
            continue;
        }
        let id = format!("w-{}", dice.below(IDS));
        let role = (*dice.one(&["worker", "worker", "other"])).to_owned();
        if dice.below(4) == 0 {
            let _not_there = registry.deregister("default", &id, Guard::default()).await;
        } else {
            let declared = Declared { role: role.into(), ..Declared::default() };
            let key = Key::new("default", &id).unwrap();
            registry.register(key, declared, Claim::default()).await.unwrap();
        }
    }
}

/// What a watcher inside the server is told after a revision, up to another.
async fn truth(server: &Inside, after: u64, until: u64) -> Vec<Told> {
    let start = Start::After(registry_core::Revision(after));
    let mut watcher = server.registry.watch(Query::role("worker"), start).unwrap();
    let mut told = Vec::new();
    while watcher.cursor().0 < until {
        let (word, change) = match watcher.next().await.unwrap() {
            Event::Put(change) => ("put", change),
            Event::Gone(change) => ("gone", change),
            other => panic!("{other:?}"),
        };
        assert_ne!(change.cause, Cause::Recovered);
        told.push((change.revision.0, word.to_owned(), change.key().id().to_owned()));
    }
    told.retain(|(revision, _, _)| *revision <= until);
    told
}

fn assert_follows(follow: Follow) {
    let server = Inside::start(0);
    let (seen, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let told = std::thread::scope(|scope| {
        scope.spawn(|| server.block_on(churn(&server, &seen, &enough)));
        let told = follow(&server, 0, &seen);
        enough.store(true, Ordering::Release);
        told
    });
    assert!(told.len() >= RETURNS, "only {} changes", told.len());
    let until = told.last().unwrap().0;
    let expected = server.block_on(truth(&server, 0, until));
    for (place, (told, expected)) in told.iter().zip(&expected).enumerate() {
        assert_eq!(told, expected, "change {place}");
    }
    assert_eq!(told.len(), expected.len());
}

/// One event of a stream or a poll, if it is a change.
fn change(event: &serde_json::Value) -> Option<Told> {
    let word = event["type"].as_str().filter(|word| ["put", "gone"].contains(word))?;
    let id = event["instance"]["id"].as_str().or(event["id"].as_str())?;
    Some((event["revision"].as_u64()?, word.to_owned(), id.to_owned()))
}

#[test]
fn a_stream_that_breaks_a_thousand_times_misses_and_repeats_nothing() {
    assert_follows(|server, mut after, seen| {
        let (mut told, mut dice) = (Vec::new(), Dice::new(5));
        for _ in 0..RETURNS {
            let last = after.to_string();
            let mut stream = watch(server, "?role=worker", &[("last-event-id", &last)]);
            for _ in 0..=dice.below(12) {
                let frame = stream.expect();
                assert_eq!(frame.id, frame.data["revision"].as_u64());
                after = frame.id.unwrap();
                told.push(change(&frame.data).unwrap_or_else(|| panic!("{frame:?}")));
            }
            seen.store(after, Ordering::Release);
        }
        told
    });
}

#[test]
fn a_poll_that_comes_a_thousand_times_misses_and_repeats_nothing() {
    assert_follows(|server, mut after, seen| {
        let (mut told, mut connection) = (Vec::new(), server.connect());
        for _ in 0..RETURNS {
            let path = format!("/v1/watch?role=worker&after={after}");
            let answer = connection.request("GET", &path, "").unwrap().json();
            let events = answer["events"].as_array().unwrap();
            told.extend(events.iter().map(|event| change(event).unwrap()));
            after = answer["revision"].as_u64().unwrap();
            seen.store(after, Ordering::Release);
        }
        // What nobody is told of moves the cursor, too: the last change told is what counts.
        told
    });
}

/// So many changes of so many bytes that the first is not kept any more.
fn forget(server: &Inside) {
    let document: Box<str> = format!("\"{}\"", "x".repeat(500 * 1024)).into();
    for place in 0..80 {
        let document = Some(document.clone());
        let declared =
            Declared { role: format!("r{place}").into(), document, ..Declared::default() };
        let key = Key::new("default", "large").unwrap();
        server.block_on(server.registry.register(key, declared, Claim::default())).unwrap();
    }
    assert!(server.registry.oldest_revision().0 > 1, "the history is bounded");
}

#[test]
fn who_comes_back_too_late_is_told_and_shown_the_way_on() {
    let server = Inside::start(0);
    register(&server, "default/instances/small", r#"{"role":"worker"}"#);
    forget(&server);
    let gone = server.request("GET", "/v1/watch?after=1&role=worker", "");
    assert_eq!(gone.status, 410, "{}", gone.text());
    assert_eq!(gone.json()["code"], "compacted");
    assert_eq!(gone.header("content-type"), Some("application/problem+json"));
    let oldest = gone.json()["oldest_revision"].as_u64().unwrap();
    assert_eq!(oldest, server.registry.oldest_revision().0);
    // The way on: list, then watch from the list's revision.
    let list = server.request("GET", "/v1/discover/worker", "").json();
    let path = format!("/v1/watch?after={}&role=worker&wait=1ms", list["revision"]);
    assert_eq!(server.request("GET", &path, "").status, 200);
    // A stream finds it by itself, and a change afterwards is told.
    let mut stream = watch(&server, "?role=worker", &[("last-event-id", "1")]);
    let compacted = stream.expect();
    assert_eq!((compacted.event.as_str(), compacted.id), ("compacted", None));
    assert_eq!(compacted.data["oldest_revision"], oldest);
    assert_eq!(stream.expect().told(), "present small");
    let synced = stream.expect();
    assert_eq!(synced.event, "synced");
    assert_eq!(synced.id, Some(server.registry.revision().0));
    register(&server, "default/instances/next", r#"{"role":"worker"}"#);
    assert_eq!(stream.expect().told(), "put next");
}

#[test]
fn a_poll_wakes_up_for_a_change_and_ends_without_one() {
    let server = Inside::start(0);
    let mut waiting: Connection = server.connect();
    waiting.ask("GET", "/v1/watch?after=0&role=worker&wait=20s", &[], "").unwrap();
    wait::until("the poll to wait", || (server.registry.watchers() == 1).then_some(()));
    register(&server, "default/instances/a", r#"{"role":"other"}"#);
    register(&server, "default/instances/b", r#"{"role":"worker"}"#);
    let answer = waiting.receive("GET").unwrap().json();
    assert_eq!(answer["events"][0]["instance"]["id"], "b");
    assert_eq!(answer["revision"], 2);
    let answer = server.request("GET", "/v1/watch?after=2&wait=5ms", "").json();
    assert_eq!(answer.to_string(), r#"{"events":[],"revision":2}"#);
    assert_eq!(server.registry.watchers(), 0);
}

#[test]
fn a_stream_begins_with_everything_and_a_lapse_is_told() {
    let server = Inside::start(0);
    register(&server, "default/instances/a", r#"{"ttl_ms":10000,"role":"worker"}"#);
    register(&server, "other/instances/b", r#"{"ttl_ms":0,"role":"worker"}"#);
    let mut live: Stream = watch(&server, "", &[]);
    let mut all = watch(&server, "?standing=any", &[]);
    for stream in [&mut live, &mut all] {
        let mut told = [stream.expect().told(), stream.expect().told()];
        told.sort();
        assert_eq!(told, ["present a", "present b"]);
        assert_eq!(stream.expect().event, "synced");
    }
    server.clock.advance(10_001);
    server.block_on(server.registry.checkpoint()).unwrap();
    let gone = live.expect();
    assert_eq!((gone.told().as_str(), gone.data["cause"].as_str()), ("gone a", Some("lapsed")));
    let put = all.expect();
    assert_eq!((put.told().as_str(), put.data["cause"].as_str()), ("put a", Some("lapsed")));
    assert_eq!(put.data["instance"]["standing"], "stale");
    assert_eq!(put.data["by"], serde_json::Value::Null);
    let beat = server.request("POST", "/v1/default/instances/a/heartbeat", "");
    assert_eq!(beat.status, 200);
    assert_eq!(live.expect().data["cause"], "revived");
}
