//! Taking one: consistent while everybody writes, for operators only, never taken for whole.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use support::process::{Server, Setup};
use support::wait;

use super::{TAKE, restore, take, verify};

/// Acknowledged writes: the revision, and what the key is then; nothing if it was removed.
type Acknowledged = BTreeMap<u64, (String, Option<Value>)>;

const WRITERS: usize = 4;
const KEYS: usize = 40;

/// One writer of keys of its own: registers, changes, removes. Ends when told to.
fn write(server: &Server, writer: usize, log: &Mutex<Acknowledged>, stop: &AtomicBool) {
    let mut connection = server.connect();
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let id = format!("{writer}-{}", turn * 7 % KEYS);
        let path = format!("/v1/load/instances/{id}");
        let body = json!({"role": "worker", "generation": "g", "metadata": {"turn": turn}});
        let put = connection.request("PUT", &path, &body.to_string()).unwrap();
        assert!(put.status < 300, "{}", put.text());
        let put = put.json();
        log.lock().unwrap().insert(put["revision"].as_u64().unwrap(), (id, Some(put)));
        if turn % 3 == 0 {
            assert_eq!(connection.request("DELETE", &path, "").unwrap().status, 204);
        }
    }
}

/// What says the same of a record at any time: everything but its lease.
fn lasting(instance: &Value) -> Value {
    let mut lasting = instance.as_object().unwrap().clone();
    for passing in ["last_seen", "expires_at", "standing", "lapses_at"] {
        lasting.remove(passing);
    }
    lasting.into()
}

/// Everything of the namespace, by id.
fn content(server: &Server) -> BTreeMap<String, Value> {
    let list = server.request("GET", "/v1/load/instances?limit=10000", "").json();
    let instances = list["instances"].as_array().unwrap();
    instances.iter().map(|it| (it["id"].as_str().unwrap().to_owned(), lasting(it))).collect()
}

/// Everything that happened, as the watch tells it, removals too.
fn told(server: &Server) -> Acknowledged {
    let mut told = Acknowledged::new();
    let mut after = 0;
    loop {
        let path = format!("/v1/watch?after={after}&wait=1ms&standing=any&namespace=load");
        let page = server.request("GET", &path, "").json();
        let events = page["events"].as_array().unwrap();
        for event in events {
            let (id, instance) = match event["type"].as_str() {
                Some("put") => (event["instance"]["id"].clone(), Some(event["instance"].clone())),
                _ => (event["id"].clone(), None),
            };
            let id = id.as_str().unwrap().to_owned();
            told.insert(event["revision"].as_u64().unwrap(), (id, instance));
        }
        if events.is_empty() {
            return told;
        }
        after = page["revision"].as_u64().unwrap();
    }
}

/// What the changes up to a revision lead to.
fn as_of(changes: &Acknowledged, revision: u64) -> BTreeMap<String, Value> {
    let mut content = BTreeMap::new();
    for (id, instance) in changes.range(..=revision).map(|(_, change)| change) {
        match instance {
            Some(instance) => content.insert(id.clone(), lasting(instance)),
            None => content.remove(id),
        };
    }
    content
}

#[test]
fn one_taken_under_load_is_what_was_acknowledged_at_its_revision() {
    let home = tempfile::tempdir().unwrap();
    let server = Setup::new(&home.path().join("busy")).start();
    let (log, stop) = (Mutex::new(Acknowledged::new()), AtomicBool::new(false));
    let snapshots = thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (server, log, stop) = (&server, &log, &stop);
            scope.spawn(move || write(server, writer, log, stop));
        }
        let mut snapshots = Vec::new();
        for number in 1..=5 {
            wait::until("writers to write", || {
                (log.lock().unwrap().len() > number * 150).then_some(())
            });
            let path = home.path().join(format!("{number}.snapshot"));
            std::fs::write(&path, take(&server).body).unwrap();
            snapshots.push(path);
        }
        stop.store(true, Ordering::Relaxed);
        snapshots
    });
    let (log, told) = (log.into_inner().unwrap(), told(&server));
    for (revision, (id, instance)) in &log {
        let seen = &told[revision];
        assert_eq!((&seen.0, seen.1.as_ref().map(lasting)), (id, instance.as_ref().map(lasting)));
    }
    drop(server);
    for path in snapshots {
        assert_eq!(verify(&path).0, 0);
        let data = path.with_extension("data");
        let (code, said) = restore(&path, &data);
        assert_eq!(code, 0, "{said}");
        let restored = Setup::new(&data).start();
        let revision = restored.request("GET", "/v1/load/instances", "").json()["revision"].clone();
        let revision = revision.as_u64().unwrap();
        let expected = as_of(&told, revision);
        assert!(expected.len() > KEYS, "there is too little to compare");
        assert_eq!(content(&restored), expected, "as of {revision}");
        // Its history goes on behind the snapshot's.
        let next = restored.request("PUT", "/v1/load/instances/next", "{}").json();
        assert!(next["revision"].as_u64().unwrap() > revision);
        restored.stop();
    }
}

#[test]
fn one_that_is_restored_and_taken_again_is_the_same() {
    let home = tempfile::tempdir().unwrap();
    let server = Setup::new(&home.path().join("first")).start();
    for (method, path, body) in [
        (
            "POST",
            "/registry/vms",
            r#"{"id":"vm-1","name":"n","role":"worker","address":"a","registeredBy":"t"}"#,
        ),
        ("POST", "/feed/events", r#"{"agent":"a","type":"custom","summary":"s"}"#),
        ("POST", "/board/tasks", r#"{"title":"t","createdBy":"me"}"#),
        ("PUT", "/v1/default/instances/%F0%9F%A6%80%20%22x%22", r#"{"metadata":{"a":"\n"}}"#),
        ("PUT", "/v1/default/instances/rests", r#"{"state":"stopped","role":"r","ttl_ms":5}"#),
    ] {
        let answer = server.request(method, path, body);
        assert!(answer.status < 300, "{path}: {}", answer.text());
    }
    let first = take(&server);
    let name = first.header("content-disposition").unwrap();
    assert!(
        name.starts_with("attachment; filename=\"rolecall-") && name.ends_with("-r5.snapshot\"")
    );
    let file = home.path().join("first.snapshot");
    std::fs::write(&file, &first.body).unwrap();
    server.stop();
    assert_eq!(restore(&file, &home.path().join("second")).0, 0);
    let server = Setup::new(&home.path().join("second")).start();
    let lines = |text: String| -> Vec<Value> {
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let mut lines: Vec<Value> = lines.collect();
        for passing in ["tick_ms", "wall_ms", "last_seen_ms", "renewed_ms"] {
            for line in &mut lines {
                line.as_object_mut().unwrap().remove(passing);
            }
        }
        lines.pop();
        lines
    };
    let (before, after) = (lines(first.text()), lines(take(&server).text()));
    assert_eq!(before.len(), 6);
    assert_eq!(before, after);
}

#[test]
fn only_an_operator_may_take_one() {
    let home = tempfile::tempdir().unwrap();
    let tokens = home.path().join("tokens");
    let lines = "may-do-everything-1\nadmin-0123456789abc admin\nwrite-0123456789abc write\n\
                 admin-of-one-012345 admin@load\n";
    std::fs::write(&tokens, lines).unwrap();
    let flags = ["--token-file", tokens.to_str().unwrap(), "--dialect-native", "open"];
    let server = Setup::new(&home.path().join("data")).args(&flags).start();
    let status = |token: &str| {
        let value = format!("Bearer {token}");
        let headers = [("authorization", &*value)];
        let answer = server.connect().request_with("POST", TAKE, &headers, "").unwrap();
        answer.status
    };
    assert_eq!(status("may-do-everything-1"), 200);
    assert_eq!(status("admin-0123456789abc"), 200);
    assert_eq!(status("write-0123456789abc"), 403);
    assert_eq!(status("admin-of-one-012345"), 403);
    assert_eq!(status("wrong"), 401);
    assert_eq!(server.request("POST", TAKE, "").status, 401, "an open door is not that open");
    assert_eq!(server.request("GET", TAKE, "").status, 405);
}

#[test]
fn slow_readers_hold_up_nobody_and_are_few() {
    let home = tempfile::tempdir().unwrap();
    let server = Setup::new(&home.path().join("data")).start();
    // More than any socket holds.
    let metadata = "x".repeat(500_000);
    for number in 0..40 {
        let body = json!({"metadata": {"is": metadata}}).to_string();
        let path = format!("/v1/load/instances/{number}");
        assert_eq!(server.request("PUT", &path, &body).status, 201);
    }
    let mut readers: Vec<_> = (0..2).map(|_| server.connect()).collect();
    let head = format!("POST {TAKE} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    for reader in &mut readers {
        reader.send(head.as_bytes()).unwrap();
    }
    // Both have begun once there is no place for a third one. Its body would be long: only the
    // head is read.
    wait::until("both are being sent", || {
        let mut third = server.connect();
        third.send(head.as_bytes()).unwrap();
        (third.receive("HEAD").unwrap().status == 503).then_some(())
    });
    // Of those who asked in vain one may still have had a place for a moment.
    let refused = wait::until("nobody else has a place", || {
        let refused = server.request("POST", TAKE, "");
        (refused.status == 503).then_some(refused)
    });
    assert_eq!(refused.json()["code"], "busy");
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert_eq!(server.request("PUT", "/v1/load/instances/later", "{}").status, 201);
    // Who has waited gets all of it, as of when it was asked for.
    let whole = readers[0].receive("POST").unwrap().text();
    let tail: Value = serde_json::from_str(whole.lines().last().unwrap()).unwrap();
    assert_eq!(tail["end"]["records"], 40);
    // Who hangs up makes room.
    drop(readers);
    wait::until("there is room again", || {
        let mut next = server.connect();
        next.send(head.as_bytes()).unwrap();
        (next.receive("HEAD").unwrap().status == 200).then_some(())
    });
}
