//! The feed under many writers, slow and leaving readers, and restarts: every event once, in the
//! order of its id.

use std::thread;

use serde_json::{Value, json};
use support::events::Events;
use support::inside::Inside;
use support::process::{Server, Setup};
use support::wait;

const EVENTS: &str = "/feed/events";
const STREAM: &str = "/feed/stream";
/// 2026-01-31T23:59:59.123Z
const WALL: i64 = 1_769_903_999_123;

fn event(agent: &str, summary: &str) -> String {
    json!({"agent": agent, "type": "custom", "summary": summary}).to_string()
}

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap_or_else(|| panic!("no id: {event}")).to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter().map(id).collect()
}

/// Publishes from several connections at once; the ids in the order of the answers of each.
fn publish_at_once(server: &Server, writers: usize, each: usize) -> Vec<Vec<String>> {
    let publish = |writer: usize| {
        let mut connection = server.connect();
        let ids = (0..each).map(|number| {
            let body = event(&format!("a{writer}"), &number.to_string());
            let answer = connection.request("POST", EVENTS, &body).unwrap();
            assert_eq!(answer.status, 201, "{}", answer.text());
            id(&answer.json())
        });
        ids.collect()
    };
    thread::scope(|scope| {
        let writing: Vec<_> = (0..writers).map(|w| scope.spawn(move || publish(w))).collect();
        writing.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

#[test]
fn of_600_events_published_at_once_none_is_skipped_by_any_since() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let published = publish_at_once(&server, 30, 20);
    assert!(published.iter().all(|own| own.is_sorted()), "each writer sees its own ids grow");
    let mut expected = published.concat();
    expected.sort();
    let mut connection = server.connect();
    let mut list = |path: String| ids(&connection.request("GET", &path, "").unwrap().json());
    assert_eq!(list(format!("{EVENTS}?limit=0")), expected, "the order of the ids");
    for (place, since) in expected.iter().enumerate().step_by(7) {
        assert_eq!(list(format!("{EVENTS}?limit=0&since={since}")), expected[place + 1..]);
    }
    let mut stream = Events::open(server.connect(), "/feed/stream?since=0", &[]).unwrap();
    let streamed: Vec<_> = expected.iter().map(|_| id(&stream.data())).collect();
    assert_eq!(streamed, expected);
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_ids_go_on() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let post = |server: &Server, path: &str, body: &str| {
        let answer = server.request("POST", path, body);
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer
    };
    post(&server, EVENTS, &event("a", "one"));
    let published = post(&server, EVENTS, &event("a", "two"));
    let recorded = post(&server, "/commits", r#"{"commitId":"c","vmId":"v","tags":["t"]}"#);
    let created = post(&server, "/board/tasks", r#"{"title":"t","createdBy":"me"}"#);
    let task = format!("/board/tasks/{}", id(&created.json()));
    let note = r#"{"author":"a","content":"c","type":"update"}"#;
    let note = post(&server, &format!("{task}/notes"), note).json();
    server.kill();
    let server = Server::start(data.path());
    let found = server.request("GET", &format!("{EVENTS}/{}", id(&published.json())), "");
    assert_eq!(found.body, published.body);
    assert_eq!(server.request("GET", "/commits/c", "").body, recorded.body);
    assert_eq!(server.request("GET", &task, "").json()["notes"], json!([note]));
    assert_eq!(server.request("GET", "/feed/stats", "").json()["total"], 2);
    let next = post(&server, EVENTS, &event("a", "three")).json();
    assert!(id(&next) > id(&note) && id(&note) > id(&published.json()), "{next}");
}

#[test]
fn ids_go_on_when_the_wall_clock_goes_back_also_over_a_restart() {
    let server = Inside::start(WALL);
    let publish = |server: &Inside| {
        let answer = server.request("POST", EVENTS, &event("a", "s"));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    };
    let before = publish(&server);
    server.clock.jump_wall(-3_600_000);
    let after = publish(&server);
    let server = server.restarted();
    server.clock.jump_wall(-3_600_000);
    let restarted = publish(&server);
    let order = [id(&before), id(&after), id(&restarted)];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(ids(&server.request("GET", EVENTS, "").json()), order);
    let since = format!("{EVENTS}?since={}", order[0]);
    assert_eq!(ids(&server.request("GET", &since, "").json()), order[1..]);
    assert_eq!(before["timestamp"], "2026-01-31T23:59:59.123Z");
    assert_eq!(after["timestamp"], "2026-01-31T22:59:59.123Z", "the time is the clock's");
}

#[test]
fn a_since_in_time_does_not_count_itself() {
    let server = Inside::start(WALL);
    for summary in ["one", "two", "three"] {
        assert_eq!(server.request("POST", EVENTS, &event("a", summary)).status, 201);
        server.clock.advance(1);
    }
    let list = |since: &str| server.request("GET", &format!("{EVENTS}?since={since}"), "").json();
    assert_eq!(ids(&list("2026-01-31T23:59:59.123Z")).len(), 2);
    assert_eq!(ids(&list("2026-01-31T23:59:59.124Z")).len(), 1);
    assert_eq!(ids(&list("2026-01-31")).len(), 3);
    let record = |id: &str| {
        let body = json!({"commitId": id, "vmId": "v"}).to_string();
        assert_eq!(server.request("POST", "/commits", &body).status, 201);
    };
    record("c1");
    let commits = server.request("GET", "/commits?since=2026-01-31T23:59:59.126Z", "").json();
    assert_eq!(commits["count"], 1, "commits count themselves: {commits}");
    let commits = server.request("GET", "/commits?since=2026-01-31T23:59:59.127Z", "").json();
    assert_eq!(commits["count"], 0, "{commits}");
}

#[test]
fn a_stream_begins_at_once_and_shows_what_is_published() {
    let server = Inside::start(WALL);
    let mut all = Events::open(server.connect(), STREAM, &[]).unwrap();
    assert_eq!(all.head.status, 200);
    assert_eq!(all.head.header("content-type"), Some("text/event-stream"));
    assert_eq!(all.head.header("cache-control"), Some("no-cache"));
    assert_eq!(all.head.header("connection"), Some("keep-alive"));
    let mut one = Events::open(server.connect(), "/feed/stream?agent=a2", &[]).unwrap();
    for agent in ["a1", "a2"] {
        let published = server.request("POST", EVENTS, &event(agent, "s"));
        let frame = all.frame().unwrap().unwrap();
        assert_eq!(frame, format!("id: {}\ndata: {}", id(&published.json()), published.text()));
        if agent == "a2" {
            assert_eq!(one.frame().unwrap().unwrap(), frame);
        }
    }
}

#[test]
fn a_stream_replays_what_comes_after_since_as_text() {
    let server = Inside::start(WALL);
    let publish = |agent: &str| id(&server.request("POST", EVENTS, &event(agent, "s")).json());
    let old = [publish("a1"), publish("a2"), publish("a1")];
    let lower = format!("since={}", old[0].to_lowercase());
    let after = format!("since={}", old[0]);
    let mut streams = Vec::new();
    for (query, last, expected) in [
        ("", None, &[][..]),
        ("since=", None, &[]),
        ("since=0", None, &old[..]),
        (&after, None, &old[1..]),
        ("since=0&agent=a1", None, &[old[0].clone(), old[2].clone()]),
        ("since=2026-01-31T00:00:00.000Z", None, &[]),
        (&lower, None, &[]),
        ("since=0", Some(&old[1]), &old[2..]),
        ("", Some(&old[1]), &old[2..]),
    ] {
        let last = last.map(|last| ("last-event-id", last.as_str()));
        let path = format!("{STREAM}?{query}");
        let headers: Vec<_> = last.into_iter().collect();
        let stream = Events::open(server.connect(), &path, &headers).unwrap();
        streams.push((path, stream, expected.to_vec()));
    }
    let new = publish("a1");
    for (path, mut stream, expected) in streams {
        for wanted in expected.iter().chain([&new]) {
            assert_eq!(id(&stream.data()), *wanted, "{path}");
        }
    }
}

#[test]
fn a_reader_that_comes_and_goes_sees_each_event_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let (writers, each) = (4, 150);
    let seen = thread::scope(|scope| {
        let publishing = scope.spawn(|| publish_at_once(&server, writers, each));
        let mut seen: Vec<String> = Vec::new();
        // Its patience differs from time to time: it leaves in the replay and after it.
        for patience in (1..).map(|round: usize| round * 7 % 40 + 1) {
            let last = seen.last().cloned().unwrap_or_else(|| "0".to_owned());
            let headers = [("last-event-id", last.as_str())];
            let mut stream = Events::open(server.connect(), STREAM, &headers).unwrap();
            let missing = writers * each - seen.len();
            seen.extend((0..patience.min(missing)).map(|_| id(&stream.data())));
            if seen.len() == writers * each {
                break;
            }
        }
        let mut published = publishing.join().unwrap().concat();
        published.sort();
        assert_eq!(seen, published);
        seen
    });
    assert_eq!(seen.len(), writers * each);
}

#[test]
fn a_clear_ends_no_stream_and_is_no_event() {
    let server = Inside::start(WALL);
    let mut stream = Events::open(server.connect(), STREAM, &[]).unwrap();
    assert_eq!(server.request("POST", EVENTS, &event("a", "before")).status, 201);
    assert_eq!(stream.data()["summary"], "before");
    assert_eq!(server.request("DELETE", EVENTS, "").text(), r#"{"ok":true}"#);
    assert_eq!(server.request("POST", EVENTS, &event("a", "after")).status, 201);
    assert_eq!(stream.data()["summary"], "after");
}

#[test]
fn a_reader_that_leaves_or_only_looks_leaves_nothing_behind() {
    let server = Inside::start(WALL);
    let watchers = |wanted: usize| {
        let found = || (server.registry.watchers() == wanted).then_some(());
        wait::until(&format!("{wanted} watchers"), found);
    };
    let streams: Vec<_> =
        (0..5).map(|_| Events::open(server.connect(), STREAM, &[]).unwrap()).collect();
    watchers(5);
    drop(streams);
    watchers(0);
    let mut connection = server.connect();
    for _ in 0..20 {
        let answer = connection.request("HEAD", "/feed/stream?since=0", "").unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    }
    watchers(0);
}

#[test]
fn a_slow_reader_sees_everything_and_delays_nobody() {
    let server = Inside::start(WALL);
    let mut slow = Events::open(server.connect(), STREAM, &[]).unwrap();
    // More than the buffers of a connection hold.
    let long = "x".repeat(100_000);
    let mut connection = server.connect();
    let published: Vec<_> = (0..300)
        .map(|number| {
            let body = event("a", &format!("{number} {long}"));
            id(&connection.request("POST", EVENTS, &body).unwrap().json())
        })
        .collect();
    let seen: Vec<_> = published.iter().map(|_| id(&slow.data())).collect();
    assert_eq!(seen, published);
}

#[test]
fn a_stream_ends_when_the_server_does() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut stream = Events::open(server.connect(), STREAM, &[]).unwrap();
    assert_eq!(server.request("POST", EVENTS, &event("a", "last")).status, 201);
    assert_eq!(stream.data()["summary"], "last");
    server.signal("TERM");
    assert_eq!(stream.frame().unwrap(), None, "the body is complete");
    let (status, log) = server.wait();
    assert!(status.success() && log.contains("dropped=0"), "{log}");
}

#[test]
fn clearing_takes_a_token_that_may_write_everywhere() {
    let data = tempfile::tempdir().unwrap();
    let tokens = data.path().join("tokens");
    std::fs::write(&tokens, "one-of-the-agents-0 write@vms\none-of-the-people-0 write\n").unwrap();
    let setup = Setup::new(&data.path().join("records"));
    let server = setup.args(&["--token-file", tokens.to_str().unwrap()]).start();
    let ask = |token: &str, method: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        server.connect().request_with(method, EVENTS, &headers, body).unwrap()
    };
    assert_eq!(ask("one-of-the-agents-0", "POST", &event("a", "s")).status, 201);
    let refused = ask("one-of-the-agents-0", "DELETE", "");
    assert_eq!(refused.text(), r#"{"error":"Forbidden — the token is not for this"}"#);
    assert_eq!(refused.status, 403);
    assert_eq!(ids(&ask("one-of-the-agents-0", "GET", "").json()).len(), 1);
    assert_eq!(ask("one-of-the-people-0", "DELETE", "").status, 200);
    assert!(ids(&ask("one-of-the-agents-0", "GET", "").json()).is_empty());
}
