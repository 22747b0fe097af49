//! Many callers at once: one winner, no lost change, no view that never was.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use support::process::Server;
use support::wait;

const VMS: &str = "/registry/vms";

fn register(id: &str, name: &str, role: &str) -> String {
    json!({"id": id, "name": name, "role": role, "address": "h", "registeredBy": "t"}).to_string()
}

#[test]
fn of_sixteen_registers_of_one_id_one_wins() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    for round in 0..10 {
        let id = format!("v{round}");
        let start = std::sync::Barrier::new(16);
        let answers: Vec<_> = thread::scope(|scope| {
            let register = |caller: usize| {
                let (server, start, id) = (&server, &start, &id);
                scope.spawn(move || {
                    let mut connection = server.connect();
                    start.wait();
                    let body = register(id, &format!("caller {caller}"), "worker");
                    connection.request("POST", VMS, &body).unwrap()
                })
            };
            let callers: Vec<_> = (0..16).map(register).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let won: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let lost = answers.iter().filter(|answer| answer.status == 409);
        assert_eq!(lost.count(), 15, "round {round}");
        let found = server.request("GET", &format!("{VMS}/{id}"), "");
        assert_eq!(found.body, won[0].body, "what is there is what the winner was told");
    }
}

#[test]
fn of_sixteen_deregisters_one_is_told_that_it_did_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    assert_eq!(server.request("POST", VMS, &register("v", "n", "worker")).status, 201);
    let statuses: Vec<_> = thread::scope(|scope| {
        let delete = || server.request("DELETE", "/registry/vms/v", "").status;
        let callers: Vec<_> = (0..16).map(|_| scope.spawn(delete)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 15, "{statuses:?}");
}

#[test]
fn forty_updates_of_different_fields_at_once_are_all_kept() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let ids: Vec<String> = (0..10).map(|n| format!("v{n}")).collect();
    for id in &ids {
        assert_eq!(server.request("POST", VMS, &register(id, "n", "worker")).status, 201);
    }
    let patches = [
        json!({"name": "patched"}),
        json!({"address": "patched"}),
        json!({"services": ["patched"]}),
        json!({"metadata": {"patched": true}}),
    ];
    thread::scope(|scope| {
        for id in &ids {
            for patch in &patches {
                let server = &server;
                scope.spawn(move || {
                    let path = format!("{VMS}/{id}");
                    let answer = server.request("PATCH", &path, &patch.to_string());
                    assert_eq!(answer.status, 200, "{}", answer.text());
                });
            }
        }
    });
    let expect_all = |server: &Server| {
        for id in &ids {
            let found = server.request("GET", &format!("{VMS}/{id}"), "").json();
            for (field, value) in patches.iter().flat_map(|patch| patch.as_object().unwrap()) {
                assert_eq!(found[field], *value, "{id}: {found}");
            }
        }
    };
    expect_all(&server);
    server.kill();
    expect_all(&Server::start(data.path()));
}

/// Ids come and go; how far each writer is. An id is used once: `w<writer>-<number>`.
struct Churn {
    /// Everything below was deregistered, and the caller told so.
    gone: [AtomicU64; 3],
    /// Everything below was registered, and the caller told so.
    there: [AtomicU64; 3],
    over: AtomicBool,
}

/// How many of its records a writer keeps.
const KEPT: u64 = 5;

fn churn(server: &Server, churn: &Churn, writer: usize) {
    let mut connection = server.connect();
    for number in 0.. {
        if churn.over.load(Ordering::Relaxed) {
            return;
        }
        let body = register(&format!("w{writer}-{number}"), "n", "worker");
        assert_eq!(connection.request("POST", VMS, &body).unwrap().status, 201);
        churn.there[writer].store(number + 1, Ordering::SeqCst);
        if let Some(old) = u64::checked_sub(number, KEPT) {
            let path = format!("{VMS}/w{writer}-{old}");
            assert_eq!(connection.request("DELETE", &path, "").unwrap().status, 200);
            churn.gone[writer].store(old + 1, Ordering::SeqCst);
        }
    }
}

/// Looks once; what must have been seen and what cannot have been.
fn look(server: &Server, churn: &Churn, path: &str) {
    let before = [0, 1, 2]
        .map(|w| (churn.gone[w].load(Ordering::SeqCst), churn.there[w].load(Ordering::SeqCst)));
    let ids = server.request("GET", path, "").ids();
    let gone_after = [0, 1, 2].map(|w| churn.gone[w].load(Ordering::SeqCst));
    let unique: HashSet<_> = ids.iter().collect();
    assert_eq!(unique.len(), ids.len(), "{path} shows a record twice: {ids:?}");
    for (writer, (gone, there)) in before.into_iter().enumerate() {
        let prefix = format!("w{writer}-");
        let numbers = ids.iter().filter_map(|id| id.strip_prefix(&prefix)?.parse::<u64>().ok());
        let mut shown: Vec<_> = numbers.collect();
        shown.sort_unstable();
        assert!(shown.iter().all(|n| *n >= gone), "{path} shows what was gone before: {shown:?}");
        // What was there before and is there still, but for the one that is just being removed.
        for number in gone_after[writer] + 1..there {
            assert!(shown.contains(&number), "{path} misses {prefix}{number}: {shown:?}");
        }
        let whole = shown.windows(2).all(|pair| pair[1] == pair[0] + 1);
        assert!(whole, "{path} shows a later record without an earlier one: {shown:?}");
    }
}

/// Looks for four seconds; how often.
fn look_on(server: &Server, churn: &Churn, path: &str) -> u64 {
    let start = Instant::now();
    let mut looks = 0;
    let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        while start.elapsed() < Duration::from_secs(4) {
            look(server, churn, path);
            looks += 1;
        }
    }));
    // The writers end with the looking, however it ended.
    churn.over.store(true, Ordering::Relaxed);
    looked.unwrap_or_else(|why| std::panic::resume_unwind(why));
    looks
}

#[test]
fn a_view_under_churn_shows_nothing_twice_nothing_gone_and_all_that_is_there() {
    let data = tempfile::tempdir().unwrap();
    let server = &Server::start(data.path());
    let counters = || std::array::from_fn(|_| AtomicU64::new(0));
    let state = Churn { gone: counters(), there: counters(), over: AtomicBool::new(false) };
    let state = &state;
    let looks: u64 = thread::scope(|scope| {
        for writer in 0..3 {
            scope.spawn(move || churn(server, state, writer));
        }
        let paths = ["/registry/discover/worker", "/registry/vms?status=running", VMS];
        let lookers = paths.map(|path| scope.spawn(move || look_on(server, state, path)));
        lookers.into_iter().map(|looker| looker.join().unwrap()).sum()
    });
    assert!(looks > 50, "only {looks} looks");
    let written = state.there.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
    assert!(written > 30, "only {written} records came");
}

#[test]
fn heartbeats_and_updates_of_one_record_at_once_never_move_last_seen_back() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    assert_eq!(server.request("POST", VMS, &register("v", "n", "worker")).status, 201);
    thread::scope(|scope| {
        for caller in 0..6 {
            let server = &server;
            scope.spawn(move || {
                let mut connection = server.connect();
                let mut seen = String::new();
                for _ in 0..60 {
                    let answer = match caller {
                        0 => connection.request("PATCH", "/registry/vms/v", r#"{"metadata":1}"#),
                        1..4 => connection.request("POST", "/registry/vms/v/heartbeat", ""),
                        _ => connection.request("GET", "/registry/vms/v", ""),
                    };
                    let now = answer.unwrap().json()["lastSeen"].as_str().unwrap().to_owned();
                    assert!(now >= seen, "from {seen} back to {now}");
                    seen = now;
                }
            });
        }
    });
}

#[test]
fn a_hundred_callers_connected_at_once_are_all_answered() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut connections: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for (n, connection) in connections.iter_mut().enumerate() {
        let body = register(&format!("v{n}"), "n", "golden");
        let length = body.len();
        let head = format!("POST {VMS} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        connection.send(format!("{head}{body}").as_bytes()).unwrap();
    }
    for connection in &mut connections {
        assert_eq!(connection.receive("POST").unwrap().status, 201);
    }
    wait::until("all to be discovered", || {
        (server.request("GET", "/registry/discover/golden", "").ids().len() == 100).then_some(())
    });
}
