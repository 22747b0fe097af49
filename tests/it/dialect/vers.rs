//! The shape of vers-agent-services: its contract, replayed to the letter, and what no text file
//! can hold.

use support::bytes::{Connection, Response};
use support::inside::Inside;
use support::process::Server;
use support::wait;

use super::conversations;

const VMS: &str = "/registry/vms";
/// 2026-01-31T23:59:59.123Z
const WALL: i64 = 1_769_903_999_123;

conversations! {
    "vers";
    register_keeps_what_it_should = "01-register",
    register_refuses_in_the_originals_order = "02-register-refused",
    list_filters_and_orders = "03-list",
    get_and_delete = "04-get-and-delete",
    patch_changes_what_it_may = "05-patch",
    patch_refuses_and_then_changes_nothing = "06-patch-refused",
    heartbeat_only_renews = "07-heartbeat",
    discover_shows_the_running_in_order_of_registration = "08-discover",
    ids_are_any_text = "09-ids",
    bodies_of_every_shape_are_answered = "10-json",
    numbers_and_keys_are_javascripts = "11-numbers-and-keys",
    a_token_guards_every_path_below = "12-auth",
    unrouted_paths_are_plain_404s = "13-paths",
    an_event_is_checked_and_kept = "14-feed-publish",
    the_feed_is_listed_by_filters_and_since = "15-feed-list",
    statistics_take_any_name = "16-feed-stats",
    commits_are_recorded_and_found = "17-commits",
    commits_are_refused_in_the_originals_order = "18-commits-refused",
    tasks_are_created_listed_changed_and_deleted = "19-board",
    tasks_are_refused_and_then_nothing_is_changed = "20-board-refused",
    tasks_have_notes_and_artifacts = "21-board-notes",
    tasks_are_reviewed = "22-board-review",
    the_extension_finds_all_it_needs = "23-extension",
}

fn body(id: &str) -> String {
    format!(r#"{{"id":"{id}","name":"n","role":"worker","address":"h","registeredBy":"t"}}"#)
}

fn post(connection: &mut Connection, bytes: &[u8]) -> Response {
    let length = bytes.len();
    let head = format!("POST {VMS} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n");
    connection.send(&[head.as_bytes(), bytes].concat()).unwrap();
    connection.receive("POST").unwrap()
}

#[test]
fn a_byte_order_mark_is_skipped_and_broken_utf8_is_replaced() {
    let server = Inside::start(WALL);
    let mut connection = server.connect();
    let marked = post(&mut connection, format!("\u{FEFF}{}", body("marked")).as_bytes());
    assert_eq!(marked.status, 201, "{}", marked.text());
    let mut broken = body("broken").into_bytes();
    let place = broken.iter().position(|byte| *byte == b'n').unwrap();
    let name = broken.windows(3).position(|bytes| bytes == b"\"n\"").unwrap() + 1;
    assert!(place < name);
    broken[name] = 0xFF;
    let replaced = post(&mut connection, &broken);
    assert_eq!(replaced.json()["name"], "\u{FFFD}", "{}", replaced.text());
    let nothing = post(&mut connection, b"\xFF");
    assert_eq!(nothing.status, 400, "{}", nothing.text());
    assert!(nothing.text().starts_with(r#"{"error":"Invalid JSON body"#), "{}", nothing.text());
}

#[test]
fn ids_are_trimmed_as_javascript_trims() {
    let server = Inside::start(WALL);
    for (sent, kept) in [
        ("\u{FEFF}a\u{A0}", "a"),
        ("\u{2028}b\u{3000}", "b"),
        ("\u{85}c\u{85}", "\u{85}c\u{85}"),
        ("\u{200B}d", "\u{200B}d"),
        ("\u{85}", "\u{85}"),
    ] {
        let answer = server.request("POST", VMS, &body(sent));
        assert_eq!(answer.status, 201, "{sent:?}: {}", answer.text());
        assert_eq!(answer.json()["id"], kept);
    }
    for blank in ["\u{FEFF}", "\u{A0}\u{2003}"] {
        let answer = server.request("POST", VMS, &body(blank));
        assert_eq!(answer.text(), r#"{"error":"id is required"}"#, "{blank:?}");
    }
}

#[test]
fn a_chunked_body_and_one_that_waits_for_100_continue_are_read() {
    let server = Inside::start(WALL);
    let mut connection = server.connect();
    let (text, head) = (body("chunked"), format!("POST {VMS} HTTP/1.1\r\nhost: test\r\n"));
    let (first, second) = text.split_at(20);
    let chunked = format!(
        "{head}transfer-encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x};x=y\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    connection.send(chunked.as_bytes()).unwrap();
    assert_eq!(connection.receive("POST").unwrap().status, 201);
    let text = body("patient");
    let expecting = format!("{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n", text.len());
    connection.send(expecting.as_bytes()).unwrap();
    assert_eq!(connection.receive("HEAD").unwrap().status, 100);
    connection.send(text.as_bytes()).unwrap();
    assert_eq!(connection.receive("POST").unwrap().status, 201);
}

#[test]
fn ties_in_time_are_listed_in_order_of_registration() {
    let server = Inside::start(WALL);
    for (id, pass) in [("a", 1), ("b", 0), ("c", 0), ("d", 5), ("e", 0)] {
        server.clock.advance(pass);
        assert_eq!(server.request("POST", VMS, &body(id)).status, 201);
    }
    assert_eq!(server.request("GET", VMS, "").ids(), ["d", "e", "a", "b", "c"]);
    let discovered = server.request("GET", "/registry/discover/worker", "").ids();
    assert_eq!(discovered, ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_list_follows_time_also_when_the_wall_clock_jumps_back() {
    let server = Inside::start(WALL);
    assert_eq!(server.request("POST", VMS, &body("before")).status, 201);
    server.clock.jump_wall(-3_600_000);
    assert_eq!(server.request("POST", VMS, &body("after")).status, 201);
    assert_eq!(server.request("GET", VMS, "").ids(), ["before", "after"]);
    let discovered = server.request("GET", "/registry/discover/worker", "").ids();
    assert_eq!(discovered, ["before", "after"]);
}

#[test]
fn times_are_written_to_the_millisecond_and_mean_what_they_say() {
    let server = Inside::start(WALL);
    let entry = server.request("POST", VMS, &body("v1")).json();
    assert_eq!(entry["registeredAt"], "2026-01-31T23:59:59.123Z");
    assert_eq!(entry["lastSeen"], "2026-01-31T23:59:59.123Z");
    server.clock.advance(877);
    let beat = server.request("POST", "/registry/vms/v1/heartbeat", "{broken");
    assert_eq!(beat.text(), r#"{"id":"v1","lastSeen":"2026-02-01T00:00:00.000Z"}"#);
    server.clock.advance(5);
    let patched = server.request("PATCH", "/registry/vms/v1", "{}").json();
    assert_eq!(patched["registeredAt"], "2026-01-31T23:59:59.123Z");
    assert_eq!(patched["lastSeen"], "2026-02-01T00:00:00.005Z");
    server.clock.advance(1);
    let refused = server.request("PATCH", "/registry/vms/v1", r#"{"name":""}"#);
    assert_eq!(refused.status, 400);
    let entry = server.request("GET", "/registry/vms/v1", "").json();
    assert_eq!(entry["lastSeen"], "2026-02-01T00:00:00.005Z", "no sign of life");
    // The wall clock goes back: what was seen stays seen.
    server.clock.jump_wall(-60_000);
    let beat = server.request("POST", "/registry/vms/v1/heartbeat", "").json();
    assert_eq!(beat["lastSeen"], "2026-02-01T00:00:00.005Z");
}

#[test]
fn the_answer_to_a_write_is_what_is_read_afterwards() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let registered = server.request("POST", VMS, &body("v1"));
    assert_eq!(registered.body, server.request("GET", "/registry/vms/v1", "").body);
    wait::next_millisecond();
    let patched = server.request("PATCH", "/registry/vms/v1", r#"{"metadata":{"b":1,"a":2}}"#);
    assert_eq!(patched.body, server.request("GET", "/registry/vms/v1", "").body);
    let listed = format!(r#"{{"vms":[{}],"count":1}}"#, patched.text());
    assert_eq!(server.request("GET", VMS, "").text(), listed);
    assert_eq!(server.request("GET", "/registry/discover/worker", "").text(), listed);
    assert_ne!(registered.json()["lastSeen"], patched.json()["lastSeen"]);
}
