//! Streams and those who read them: signs of life, slow readers, and how they end.

use std::time::{Duration, Instant};

use rolecall::limits::Limits;
use serde_json::json;
use support::inside::{Inside, Making};
use support::process::{Server, Setup};
use support::stream::Stream;
use support::wait;

use super::{register, watch};

#[test]
fn after_a_silence_a_bookmark_says_where_to_resume() {
    let limits = Limits { stream_silence: Duration::from_millis(30), ..Limits::default() };
    let server = Inside::with(Making { limits, ..Making::default() });
    register(&server, "default/instances/a", r#"{"role":"worker"}"#);
    let mut stream = watch(&server, "?role=nobody", &[]);
    assert_eq!(stream.expect().event, "synced");
    let bookmark = stream.expect();
    assert_eq!((bookmark.event.as_str(), bookmark.id), ("bookmark", Some(1)));
    assert_eq!(bookmark.data, json!({"revision": 1}));
    // What the watcher is not shown moves the bookmark, too.
    register(&server, "default/instances/b", r#"{"role":"worker"}"#);
    let moved = wait::until("a bookmark of the second change", || {
        let frame = stream.expect();
        assert_eq!(frame.event, "bookmark");
        (frame.id == Some(2)).then_some(frame)
    });
    assert_eq!(moved.data, json!({"revision": 2}));
}

#[test]
fn who_hangs_up_is_not_waited_for() {
    let server = Inside::start(0);
    let watchers = |wanted: usize| {
        wait::until("the watchers", || (server.registry.watchers() == wanted).then_some(()));
    };
    let silent: Vec<_> = (0..5).map(|_| watch(&server, "?role=nobody", &[])).collect();
    let mut poll = server.connect();
    poll.ask("GET", "/v1/watch?after=0&wait=20s", &[], "").unwrap();
    watchers(6);
    drop(silent);
    watchers(1);
    drop(poll);
    watchers(0);
    // One that stopped reading in the middle of a snapshot.
    let metadata = "x".repeat(400 * 1024);
    for place in 0..40 {
        let body = json!({ "metadata": metadata }).to_string();
        register(&server, &format!("default/instances/w-{place}"), &body);
    }
    let stuck = watch(&server, "", &[]);
    watchers(1);
    drop(stuck);
    watchers(0);
}

/// The resident memory of a process at its highest, in mebibytes.
fn memory_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn readers_that_are_stuck_cost_little_and_slow_nobody_down() {
    let server = Setup::stored("memory:").start();
    let open = || Stream::open(server.connect(), "/v1/watch?standing=any", &[]).unwrap();
    let stuck: Vec<_> = (0..40).map(|_| open()).collect();
    let mut reader = open();
    assert_eq!(reader.expect().event, "synced");
    let (mut writer, metadata) = (server.connect(), "x".repeat(400 * 1024));
    let before = memory_mib(&server);
    // Sixty times 400 KiB: a gigabyte, if each of the stuck were kept what it does not read.
    for place in 0..60 {
        let body = json!({"role": format!("r{place}"), "metadata": metadata}).to_string();
        let answer = writer.request("PUT", "/v1/default/instances/large", &body).unwrap();
        assert!(answer.status < 300, "{}", answer.text());
        let frame = reader.expect();
        assert_eq!(frame.data["instance"]["role"], format!("r{place}"));
    }
    let cost = memory_mib(&server) - before;
    assert!(cost < 300, "{cost} MiB");
    drop(stuck);
}

#[test]
fn a_stop_ends_streams_and_answers_polls_at_once() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut stream = Stream::open(server.connect(), "/v1/watch", &[]).unwrap();
    assert_eq!(stream.expect().event, "synced");
    let mut poll = server.connect();
    poll.ask("GET", "/v1/watch?after=0&wait=20s", &[], "").unwrap();
    wait::until("both to watch", || {
        let metrics = server.request("GET", "/metrics", "").text();
        metrics.contains("rolecall_watchers 2").then_some(())
    });
    let signalled = Instant::now();
    server.signal("TERM");
    assert_eq!(stream.frame().unwrap(), None, "the end of a stream is clean");
    let answer = poll.receive("GET").unwrap();
    assert_eq!(answer.text(), r#"{"events":[],"revision":0}"#);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("dropped=0"), "{log}");
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
}
