//! The board and the commits under many writers and at their bounds.

use std::thread;

use registry_core::{Claim, Declared, Key, Term};
use serde_json::{Value, json};
use support::inside::Inside;
use support::process::Server;

/// 2026-01-31T23:59:59.123Z
const WALL: i64 = 1_769_903_999_123;
const TASKS: &str = "/board/tasks";

fn id(json: &Value) -> String {
    json["id"].as_str().unwrap_or_else(|| panic!("no id: {json}")).to_owned()
}

fn note(author: &str) -> String {
    json!({"author": author, "content": "c", "type": "update"}).to_string()
}

#[test]
fn of_many_changes_of_one_task_at_once_all_are_kept() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let created = server.request("POST", TASKS, r#"{"title":"t","createdBy":"me"}"#).json();
    let task = format!("{TASKS}/{}", id(&created));
    let answered: Vec<Vec<Value>> = thread::scope(|scope| {
        let change = |writer: usize| {
            let (server, task) = (&server, &task);
            scope.spawn(move || {
                let mut connection = server.connect();
                let mut add = |_| {
                    let bumped = connection.request("POST", &format!("{task}/bump"), "").unwrap();
                    assert_eq!(bumped.status, 200, "{}", bumped.text());
                    let (path, body) = (format!("{task}/notes"), note(&writer.to_string()));
                    connection.request("POST", &path, &body).unwrap().json()
                };
                (0..10).map(&mut add).collect()
            })
        };
        let changing: Vec<_> = (0..8).map(change).collect();
        changing.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let found = server.request("GET", &task, "").json();
    assert_eq!(found["score"], 80);
    let notes = found["notes"].as_array().unwrap();
    assert!(notes.iter().map(id).is_sorted(), "notes stand in the order of their ids");
    let mut answered = answered.concat();
    answered.sort_by_key(id);
    assert_eq!(*notes, answered, "each writer was told of its own");
}

#[test]
fn of_sixteen_records_of_one_commit_one_wins() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let statuses: Vec<_> = thread::scope(|scope| {
        let record = |caller: usize| {
            let body = json!({"commitId": "c", "vmId": caller.to_string()}).to_string();
            let server = &server;
            scope.spawn(move || server.request("POST", "/commits", &body).status)
        };
        let callers: Vec<_> = (0..16).map(record).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 15, "{statuses:?}");
}

#[test]
fn tasks_of_one_millisecond_are_listed_in_order_of_creation_and_paged_so() {
    let server = Inside::start(WALL);
    let create = |title: &str| {
        let body = json!({"title": title, "createdBy": "me"}).to_string();
        id(&server.request("POST", TASKS, &body).json())
    };
    let [a, b, c] = ["a", "b", "c"].map(create);
    server.clock.advance(1);
    let d = create("d");
    let list = |query: &str| -> Vec<String> {
        let found = server.request("GET", &format!("{TASKS}?{query}"), "").json();
        found["tasks"].as_array().unwrap().iter().map(id).collect()
    };
    assert_eq!(list(""), [&d, &a, &b, &c].map(Clone::clone));
    assert_eq!(list("limit=2"), [&d, &a].map(Clone::clone));
    assert_eq!(list(&format!("limit=2&before={a}")), [&b, &c].map(Clone::clone));
    // The place of a task in the list is known also when it is gone.
    assert_eq!(server.request("DELETE", &format!("{TASKS}/{a}"), "").status, 200);
    assert_eq!(list(&format!("before={a}")), [&b, &c].map(Clone::clone));
    assert_eq!(list(&format!("after={a}")), [d]);
}

#[test]
fn a_task_keeps_a_thousand_notes_and_says_what_to_do_then() {
    let server = Inside::start(WALL);
    let created = server.request("POST", TASKS, r#"{"title":"t","createdBy":"me"}"#).json();
    let task = format!("{TASKS}/{}", id(&created));
    let mut connection = server.connect();
    let mut post = |path: &str, body: &str| {
        connection.request("POST", &format!("{task}/{path}"), body).unwrap()
    };
    for _ in 0..1_000 {
        assert_eq!(post("notes", &note("a")).status, 201);
    }
    let expected =
        r#"{"error":"the task would have 1001 notes; at most 1000 are kept: go on in a new task"}"#;
    let full = post("notes", &note("a"));
    assert_eq!((full.status, full.text().as_str()), (409, expected));
    let review = post("review", r#"{"summary":"s"}"#);
    assert_eq!((review.status, review.text().as_str()), (409, expected));
    let artifact = json!({"type": "url", "url": "u", "label": "l"});
    let artifacts = |count: usize| json!({"artifacts": vec![&artifact; count]}).to_string();
    assert_eq!(post("artifacts", &artifacts(999)).status, 201);
    assert_eq!(post("artifacts", &artifacts(2)).status, 409);
    assert_eq!(post("artifacts", &artifacts(1)).status, 201);
    let found = server.request("GET", &task, "").json();
    assert_eq!(found["notes"].as_array().unwrap().len(), 1_000);
    assert_eq!(found["artifacts"].as_array().unwrap().len(), 1_000);
    assert_eq!(found["status"], "open", "a review that is refused changes nothing");
}

#[test]
fn tags_as_deep_as_json_may_be_are_kept_and_break_nothing() {
    let server = Inside::start(WALL);
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    let body = format!(r#"{{"title":"t","createdBy":"me","tags":{deep}}}"#);
    let created = server.request("POST", TASKS, &body);
    assert_eq!(created.status, 201, "{}", created.text());
    let task = format!("{TASKS}/{}", created.text().split('"').nth(3).unwrap());
    for body in [format!(r#"{{"tags":{deep}}}"#), format!(r#"{{"tags":["a",{deep}]}}"#)] {
        let patched = server.request("PATCH", &task, &body);
        let is_kept = patched.text().contains(&deep);
        assert!(is_kept || patched.status == 400, "{}", patched.text());
    }
    assert_eq!(server.request("GET", &format!("{TASKS}?tag=a"), "").status, 200);
    assert_eq!(server.request("POST", &format!("{task}/bump"), "").status, 200);
}

#[test]
fn a_task_that_grows_too_large_stays_as_it_was() {
    let server = Inside::start(WALL);
    let created = server.request("POST", TASKS, r#"{"title":"t","createdBy":"me"}"#).json();
    let task = format!("{TASKS}/{}", id(&created));
    let long = json!({"author": "a", "content": "x".repeat(300_000), "type": "update"});
    let add = || server.request("POST", &format!("{task}/notes"), &long.to_string());
    assert_eq!(add().status, 201);
    let refused = add();
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("at most 524288 are kept"), "{}", refused.text());
    assert_eq!(server.request("GET", &format!("{task}/notes"), "").json()["count"], 1);
}

/// Fills a room of the server's own, from within.
fn fill(server: &Inside, namespace: &str, count: usize) {
    server.block_on(async {
        for part in (0..count).collect::<Vec<_>>().chunks(10_000) {
            let records: Vec<_> = part
                .iter()
                .map(|number| {
                    let key = Key::new(namespace, &number.to_string()).unwrap();
                    let declared = Declared { term: Term::Endless, ..Declared::default() };
                    server.registry.register(key, declared, Claim::default())
                })
                .collect();
            for record in records {
                record.await.unwrap();
            }
        }
    });
}

#[test]
fn a_full_board_and_a_full_ledger_say_what_to_do() {
    let server = Inside::start(WALL);
    for (namespace, count, path, body, way_out) in [
        (".board", 10_000, TASKS, r#"{"title":"t","createdBy":"me"}"#, "DELETE /board/tasks/:id"),
        (".commits", 100_000, "/commits", r#"{"commitId":"c","vmId":"v"}"#, "DELETE /commits/"),
    ] {
        fill(&server, namespace, count - 1);
        assert_eq!(server.request("POST", path, body).status, 201);
        let full = server.request("POST", path, &body.replace("\"c\"", "\"d\""));
        assert_eq!(full.status, 409);
        assert!(full.text().contains(&count.to_string()), "{}", full.text());
        assert!(full.text().contains(way_out), "{}", full.text());
        let delete = format!("{path}/0");
        assert_eq!(server.request("DELETE", &delete, "").status, 200);
        assert_eq!(server.request("POST", path, &body.replace("\"c\"", "\"d\"")).status, 201);
    }
}
