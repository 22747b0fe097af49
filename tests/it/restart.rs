//! Stop and start again: the same answers, to the byte. And what a store says that cannot be
//! opened.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use registry_core::store::{Action, Expect, Store, Write};
use registry_core::{Beat, Key, Registry};
use support::dice::Dice;
use support::process::{Server, Setup};
use support::wait;

const VMS: &str = "/registry/vms";
const QUESTIONS: [&str; 8] = [
    "/registry/vms",
    "/registry/vms?status=running",
    "/registry/vms?status=stopped",
    "/registry/vms?role=worker",
    "/registry/discover/worker",
    "/registry/discover/infra",
    "/registry/vms/v0",
    "/registry/vms/v%2F7",
];

/// Everything that can be asked, and its answer.
fn answers(server: &Server) -> Vec<(&'static str, u16, String)> {
    let mut connection = server.connect();
    let ask = |path: &'static str| {
        let answer = connection.request("GET", path, "").unwrap();
        (path, answer.status, answer.text())
    };
    QUESTIONS.into_iter().map(ask).collect()
}

/// Lives through a bit of everything.
fn populate(server: &Server, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut connection = server.connect();
    for n in 0..60 {
        let id = if n % 7 == 0 { format!("v/{n}") } else { format!("v{n}") };
        let role = *dice.one(&["worker", "infra", "golden"]);
        let text = "é\\n\u{1F680}".repeat(dice.below(2_000));
        let body = format!(
            r#"{{"id":"{id}","name":"n {n}","role":"{role}","address":"h","registeredBy":"t",
                 "metadata":{{"b":1.0,"1":"{text}"}},"services":[{{"name":"s","port":{n}}}]}}"#
        );
        assert_eq!(connection.request("POST", VMS, &body).unwrap().status, 201);
    }
    for _ in 0..60 {
        let path = format!("/registry/vms/v{}", dice.below(60));
        let answer = match dice.below(4) {
            0 => connection.request("DELETE", &path, ""),
            1 => connection.request("PATCH", &path, r#"{"status":"stopped"}"#),
            2 => connection.request("PATCH", &path, r#"{"services":null,"metadata":[1.50]}"#),
            _ => connection.request("POST", &format!("{path}/heartbeat"), ""),
        };
        assert!([200, 404].contains(&answer.unwrap().status));
    }
}

#[test]
fn a_clean_restart_changes_no_byte_of_any_answer() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    populate(&server, 1);
    let before = answers(&server);
    assert!(before[0].2.len() > 10_000, "there is something to lose");
    server.stop();
    for _ in 0..3 {
        let server = Server::start(data.path());
        assert_eq!(answers(&server), before);
        server.stop();
    }
}

#[test]
fn a_clean_stop_keeps_the_heartbeat_of_a_moment_ago() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    populate(&server, 2);
    wait::next_millisecond();
    let beat = server.request("POST", "/registry/vms/v%2F7/heartbeat", "").json();
    server.stop();
    let server = Server::start(data.path());
    let found = server.request("GET", "/registry/vms/v%2F7", "").json();
    assert_eq!(found["lastSeen"], beat["lastSeen"]);
}

#[test]
fn a_kill_changes_no_byte_either_once_the_last_second_is_over() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    populate(&server, 3);
    let start = Instant::now();
    let before = answers(&server);
    wait::elapsed(start, Duration::from_millis(3_000));
    server.kill();
    let server = Server::start(data.path());
    assert_eq!(answers(&server), before);
    server.kill();
    let server = Server::start(data.path());
    assert_eq!(answers(&server), before);
}

#[test]
fn a_kill_at_once_loses_nothing_but_beats_and_never_invents_one() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let body = r#"{"id":"v1","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    let registered = server.request("POST", VMS, body).json();
    let mut heard = vec![registered["lastSeen"].clone()];
    for _ in 0..5 {
        wait::next_millisecond();
        let beat = server.request("POST", "/registry/vms/v1/heartbeat", "");
        heard.push(beat.json()["lastSeen"].clone());
    }
    server.kill();
    let server = Server::start(data.path());
    let mut found = server.request("GET", "/registry/vms/v1", "").json();
    assert!(heard.contains(&found["lastSeen"]), "{found} was never heard: {heard:?}");
    found["lastSeen"] = registered["lastSeen"].clone();
    assert_eq!(found, registered);
}

#[test]
fn a_new_life_after_a_restart_stands_behind_all_that_were_there() {
    let data = tempfile::tempdir().unwrap();
    let register = |server: &Server, id: &str| {
        let id = format!(r#"{{"id":"{id}","name":"n","role":"worker","#);
        let body = format!(r#"{id}"address":"h","registeredBy":"t"}}"#);
        assert_eq!(server.request("POST", VMS, &body).status, 201);
        wait::next_millisecond();
    };
    let server = Server::start(data.path());
    ["c", "a", "b"].iter().for_each(|id| register(&server, id));
    assert_eq!(server.request("DELETE", "/registry/vms/c", "").status, 200);
    server.stop();
    let server = Server::start(data.path());
    assert_eq!(server.request("GET", "/registry/vms/c", "").status, 404);
    ["0", "c"].iter().for_each(|id| register(&server, id));
    let discovered = server.request("GET", "/registry/discover/worker", "").ids();
    assert_eq!(discovered, ["a", "b", "0", "c"]);
    assert_eq!(server.request("GET", VMS, "").ids(), ["c", "0", "b", "a"]);
}

#[test]
fn a_directory_in_use_is_refused_with_the_process_that_has_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let (code, said) = Setup::new(data.path()).run();
    assert_eq!(code, 69, "{said}");
    let holder = format!("in use by process {}", server.pid());
    assert!(said.contains(&holder) && said.contains("--store"), "{said}");
    assert!(said.contains(&data.path().display().to_string()), "{said}");
    // The first one did not notice, and the directory is free once it has gone.
    assert_eq!(server.request("GET", VMS, "").status, 200);
    server.kill();
    Server::start(data.path()).stop();
}

/// Changes the rows of a closed store behind its back.
fn tamper(data: &Path, change: impl FnOnce(&sled::Db)) {
    let current = std::fs::read_to_string(data.join("CURRENT")).unwrap();
    let path = data.join(current.lines().next().unwrap());
    let database = sled::open(&path).unwrap();
    change(&database);
    database.flush().unwrap();
    drop(database);
    let log = std::fs::File::open(path.join("db")).unwrap();
    wait::until("sled to let go of its files", || log.try_lock().ok());
}

fn stopped_store() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    populate(&server, 4);
    server.stop();
    data
}

#[test]
fn a_store_of_a_newer_build_is_refused_and_left_alone() {
    let data = stopped_store();
    let mut before = None;
    tamper(data.path(), |database| {
        before = database.insert(b"mformat", &99_u32.to_be_bytes()).unwrap();
    });
    let (code, said) = Setup::new(data.path()).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("format 99") && said.contains("newer build"), "{said}");
    tamper(data.path(), |database| {
        database.insert(b"mformat", before.unwrap()).unwrap();
    });
    assert_eq!(Server::start(data.path()).request("GET", VMS, "").status, 200);
}

/// Expects a refusal that tells what to do, does it, and gives back what was said.
fn refused_with_a_way_out(data: &Path) -> String {
    let (code, said) = Setup::new(data).run();
    assert_eq!(code, 69, "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let url = format!("sled:{}?if-unreadable=move-aside", data.display());
    for word in ["restore a snapshot", &url] {
        assert!(said.contains(word), "it does not say `{word}`: {said}");
    }
    let server = Setup::bare().args(&["--listen", "127.0.0.1:0", "--store", &url]).start();
    assert!(server.request("GET", VMS, "").ids().is_empty());
    assert!(server.log().contains("moved aside"), "{}", server.log());
    let aside = format!("{}.unreadable-", data.display());
    let found = std::fs::read_dir(data.parent().unwrap()).unwrap();
    let mut found = found.map(|item| item.unwrap().path());
    let found = found.find(|path| path.display().to_string().starts_with(&aside));
    std::fs::remove_dir_all(found.expect("what was there is kept beside it")).unwrap();
    said
}

#[test]
fn a_damaged_store_is_refused_with_the_way_out_and_the_way_out_works() {
    let data = stopped_store();
    tamper(data.path(), |database| {
        database.insert(b"mhead", b"garbage").unwrap();
    });
    refused_with_a_way_out(data.path());
}

#[test]
fn a_store_with_a_damaged_row_is_refused_with_the_way_out_and_the_way_out_works() {
    let data = stopped_store();
    tamper(data.path(), |database| {
        let (row, _) = database.scan_prefix(b"r").next().unwrap().unwrap();
        database.insert(row, b"garbage").unwrap();
    });
    let said = refused_with_a_way_out(data.path());
    assert!(said.contains("vms/v"), "it does not name the record: {said}");
}

#[test]
fn a_record_that_cannot_be_understood_is_refused_with_the_way_out_and_the_way_out_works() {
    let data = stopped_store();
    tamper(data.path(), |database| {
        let (row, value) = database.scan_prefix(b"r").next().unwrap().unwrap();
        let mut bytes = value.to_vec();
        // Its header stays: revision, beat and length. What is said of the record does not.
        bytes[28..].fill(b'?');
        database.insert(row, bytes).unwrap();
    });
    let said = refused_with_a_way_out(data.path());
    assert!(said.contains("vms/v"), "it does not name the record: {said}");
}

#[test]
fn a_directory_taken_from_under_the_server_ends_it_and_nothing_is_lost() {
    let home = tempfile::tempdir().unwrap();
    let (data, taken) = (home.path().join("data"), home.path().join("taken"));
    let server = Server::start(&data);
    populate(&server, 4);
    // Not when each was last heard of: heartbeats are kept behind the answer.
    let before = server.request("GET", VMS, "").ids();
    std::fs::rename(&data, &taken).unwrap();
    let body = r#"{"id":"late","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    let status = server.request("POST", VMS, body).status;
    assert_eq!(status, 503, "it acknowledges into nowhere");
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(70), "{said}");
    for words in [&data.display().to_string(), "deleted, moved or replaced", "put it back"] {
        assert!(said.contains(words), "it does not say `{words}`: {said}");
    }
    assert!(!data.exists(), "nothing is made in its place");
    std::fs::rename(&taken, &data).unwrap();
    let server = Server::start(&data);
    // The last request was refused with an outcome that nobody knows.
    let mut found = server.request("GET", VMS, "").ids();
    found.retain(|id| id != "late");
    assert_eq!(found, before);
}

#[test]
fn the_log_says_how_the_store_was_found() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    assert!(server.log().contains("began a new store"), "{}", server.log());
    let body = r#"{"id":"a","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    assert_eq!(server.request("POST", VMS, body).status, 201);
    server.stop();
    let server = Server::start(data.path());
    let (log, found) = (server.log(), "revision=1 records=1");
    assert!(log.contains("opened the store") && log.contains(found), "{log}");
    assert!(!log.contains("not stopped cleanly"), "{log}");
    server.kill();
    let log = Server::start(data.path()).log();
    assert!(log.contains("not stopped cleanly") && log.contains(found), "{log}");
}

#[test]
fn a_record_that_makes_no_sense_is_named_among_very_many() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    runtime.block_on(async {
        let store = backends::MemoryStore::new();
        for (id, body) in (0..3_000).map(|n| (n, if n == 1_700 { r#"{"v":9}"# } else { SOUND })) {
            let key = Key::new("vms", &format!("vm-{id}")).expect("a plain key");
            let action = Action::Put { body: body.into(), beat: Beat::default() };
            let write = Write { key, expect: Expect::Absent, action };
            store.commit(vec![write]).await.expect("memory takes it");
        }
        let opened = Registry::builder(Arc::new(store)).open().await;
        let refusal = opened.err().expect("it cannot be opened").to_string();
        assert!(refusal.starts_with("record vms/vm-1700 has format 9"), "{refusal}");
    });
}

/// The least that a record is at rest.
const SOUND: &str = r#"{"v":1,"generation":"g","registered_at":0,"state":"running"}"#;
