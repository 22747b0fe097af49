//! The shape of Houmao's shared registry: its contract over HTTP, replayed to the letter, and the
//! boundaries of leases, races and crashes, which no text file can hold.

use std::thread;

use rolecall::auth::Door;
use rolecall::dialect::{Dialect, Doors};
use serde_json::{Value, json};
use support::bytes::Response;
use support::inside::{Inside, Making};
use support::process::Setup;

use super::conversations;

/// 2026-01-31T23:00:00Z
const WALL: i64 = 1_769_900_400_000;
/// A minute later.
const EXPIRES: &str = "2026-01-31T23:01:00+00:00";
const MINUTE_MS: u64 = 60_000;

conversations! {
    "houmao";
    publish_keeps_what_it_should = "01-publish",
    publish_refuses_and_says_what_is_allowed = "02-publish-refused",
    generations_fence_what_is_active = "03-generations",
    lookups_never_choose = "04-lookups",
    agents_are_told_as_the_originals_server_does = "05-agents",
    cleanup_tells_why = "06-cleanup",
    reads_may_be_open = "07-open-reads",
    it_is_off_by_default = "08-off",
}

/// A server without records that answers in this dialect, too.
fn open() -> Inside {
    let doors = Doors::new(Dialect::ALL.map(|_| Door::Open), Door::Open);
    Inside::with(Making { wall_ms: WALL, doors, ..Making::default() })
}

fn active(id: &str, generation: &str, expires: &str) -> Value {
    json!({
        "schema_version": 3,
        "agent_name": "n",
        "agent_id": id,
        "generation_id": generation,
        "lifecycle": {
            "state": "active", "relaunchable": true,
            "state_updated_at": "2026-01-31T22:00:00+00:00",
        },
        "identity": {"backend": "local_interactive", "tool": "claude"},
        "runtime": {"manifest_path": "/m", "session_root": "/s"},
        "terminal": {"current_session_name": "t", "last_session_name": "t"},
        "liveness": {"published_at": "2026-01-31T22:00:00+00:00", "lease_expires_at": expires},
    })
}

fn stopped(id: &str, generation: &str) -> Value {
    let mut record = active(id, generation, EXPIRES);
    record["lifecycle"]["state"] = json!("stopped");
    record["lifecycle"]["stopped_at"] = json!("2026-01-31T22:30:00+00:00");
    record["terminal"]["current_session_name"] = Value::Null;
    record["liveness"] = Value::Null;
    record
}

fn path(record: &Value) -> String {
    format!("/houmao/records/{}", record["agent_id"].as_str().unwrap())
}

fn put(server: &Inside, record: &Value) -> Response {
    server.request("PUT", &path(record), &record.to_string())
}

fn agent_ids(server: &Inside, lookup: &str) -> Value {
    let answer = server.request("GET", &format!("/houmao/records?{lookup}"), "");
    answer.json()["agent_ids"].clone()
}

/// What a cleanup says of each record, in the order of their ids.
fn outcomes(answer: &Response) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let json = answer.json();
    let entries = json["entries"].as_array().unwrap();
    entries.iter().map(|entry| (text(&entry["outcome"]), text(&entry["reason"]))).collect()
}

#[test]
fn a_lease_holds_at_its_last_instant_and_not_after() {
    let server = open();
    assert_eq!(put(&server, &active("a", "g1", EXPIRES)).status, 201);
    server.clock.advance(MINUTE_MS);
    let later = "2026-01-31T23:30:00+00:00";
    assert_eq!(put(&server, &active("a", "g2", later)).status, 409, "equality is fresh");
    for lookup in ["name=n", "terminal=t", "state=active"] {
        assert_eq!(agent_ids(&server, lookup), json!(["a"]), "{lookup}");
    }
    assert_eq!(server.request("GET", "/houmao/agents/a", "").status, 200);

    server.clock.advance(1);
    for lookup in ["name=n", "terminal=t", "state=active"] {
        assert_eq!(agent_ids(&server, lookup), json!([]), "{lookup}");
    }
    assert_eq!(server.request("GET", "/houmao/agents/a", "").status, 404);
    let address = server.request("GET", "/houmao/agents/n/resolve", "").json();
    assert_eq!(address["status"], "offline");
    let found = server.request("GET", "/houmao/records/a", "");
    assert_eq!(found.json()["generation_id"], "g1", "nothing is deleted");
    let known = server.request("GET", "/houmao/records?known=n", "").json();
    assert_eq!(
        (&known["agent_ids"], &known["records"][0]["active"]),
        (&json!(["a"]), &json!(false))
    );

    assert_eq!(put(&server, &active("a", "g2", later)).status, 200);
    let refused = put(&server, &active("a", "g1", later));
    assert_eq!(refused.status, 409, "the first one has to stand down");
    assert_eq!(refused.json()["holder"]["generation_id"], "g2");
}

#[test]
fn a_refresh_extends_the_lease_and_may_come_late() {
    let server = open();
    let first = put(&server, &active("a", "g1", EXPIRES));
    server.clock.advance(MINUTE_MS / 2);
    assert_eq!(put(&server, &active("a", "g1", EXPIRES)).body, first.body, "the same again");
    server.clock.advance(MINUTE_MS / 2);
    assert_eq!(agent_ids(&server, "name=n"), json!(["a"]));
    assert_eq!(put(&server, &active("a", "g1", "2026-01-31T23:02:00Z")).status, 200);
    server.clock.advance(MINUTE_MS);
    assert_eq!(agent_ids(&server, "name=n"), json!(["a"]));
    server.clock.advance(1);
    assert_eq!(agent_ids(&server, "name=n"), json!([]));
    assert_eq!(put(&server, &active("a", "g1", "2026-01-31T23:03:00Z")).status, 200);
    assert_eq!(agent_ids(&server, "name=n"), json!(["a"]));
    // Its own clock says nothing about what may be published.
    let past = put(&server, &active("a", "g1", "2026-01-31T23:02:00.001Z"));
    assert_eq!(past.status, 400, "{}", past.text());
}

#[test]
fn a_lease_runs_on_registry_time() {
    let server = open();
    put(&server, &active("a", "g1", EXPIRES));
    server.clock.jump_wall(24 * 3_600_000);
    assert_eq!(agent_ids(&server, "name=n"), json!(["a"]), "a jump of the wall clock ends nothing");
    server.clock.advance(MINUTE_MS + 1);
    server.clock.jump_wall(-48 * 3_600_000);
    assert_eq!(agent_ids(&server, "name=n"), json!([]), "and revives nothing");
}

#[test]
fn a_cleanup_removes_what_its_lease_left_longer_ago_than_the_grace() {
    let server = open();
    put(&server, &active("a", "g1", EXPIRES));
    put(&server, &active("b", "g1", "2026-01-31T23:30:00Z"));
    put(&server, &stopped("c", "g1"));
    let clean = |body: &str| server.request("POST", "/houmao/cleanup", body);
    let said = |answer: &Response| -> Vec<String> {
        outcomes(answer).into_iter().map(|(outcome, _)| outcome).collect()
    };
    server.clock.advance(MINUTE_MS + 300_000);
    let kept = clean("");
    assert_eq!(said(&kept), ["preserved", "preserved", "preserved"], "exactly the grace");
    assert!(outcomes(&kept)[0].1.ends_with("expired within the cleanup grace period"));

    server.clock.advance(1);
    let planned = clean(r#"{"dry_run":true}"#);
    assert_eq!(said(&planned), ["planned", "preserved", "preserved"]);
    assert_eq!(server.request("GET", "/houmao/records/a", "").status, 200, "only planned");
    let cleaned = clean("");
    let expected = [
        ("removed", "registry lease expired beyond the cleanup grace period"),
        ("preserved", "lease remains fresh and local tmux checking was disabled"),
        ("preserved", "lifecycle state `stopped` is durable"),
    ];
    assert_eq!(outcomes(&cleaned), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(agent_ids(&server, "state=all"), json!(["b", "c"]));

    server.clock.advance(10 * 366 * 24 * 3_600_000);
    assert_eq!(said(&clean(r#"{"grace_seconds":0}"#)), ["removed", "preserved"], "stopped stays");
}

#[test]
fn what_is_no_session_hides_none() {
    let server = open();
    put(&server, &active("a", "g1", EXPIRES));
    for (id, body) in [
        ("b", json!({"name": "n", "role": "r"})),
        ("c", json!({"name": "n", "role": "r", "metadata": {"schema_version": 3}})),
        ("d", json!({"name": "n", "role": "r", "metadata": active("a", "g1", EXPIRES)})),
    ] {
        let path = format!("/v1/sessions/instances/{id}");
        let answer = server.request("PUT", &path, &body.to_string());
        assert_eq!(answer.status, 201, "{}", answer.text());
        let found = server.request("GET", &format!("/houmao/records/{id}"), "");
        assert_eq!(found.status, 404, "{}", found.text());
    }
    assert_eq!(agent_ids(&server, "name=n"), json!(["a"]));
    assert_eq!(agent_ids(&server, "state=all"), json!(["a"]));
    assert_eq!(server.request("GET", "/houmao/agents/n", "").status, 200);
    assert_eq!(outcomes(&server.request("POST", "/houmao/cleanup", "")).len(), 4);
}

#[test]
fn other_shapes_see_a_session_for_what_it_is() {
    let server = open();
    put(&server, &active("a", "g1", EXPIRES));
    put(&server, &stopped("b", "g2"));
    let found = server.request("GET", "/v1/discover/claude?namespace=sessions", "").json();
    let instance = &found["instances"][0];
    assert_eq!(found["instances"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(instance["id"], "a");
    assert_eq!(instance["generation"], "g1");
    assert_eq!(instance["address"], "t");
    assert_eq!(instance["labels"]["terminal"], "t");
    assert_eq!(instance["metadata"]["schema_version"], 3);
    let other = server.request("GET", "/v1/sessions/instances/b", "").json();
    assert_eq!((&other["state"], &other["standing"]), (&json!("stopped"), &json!("leaseless")));
}

#[test]
fn of_sixteen_publishers_of_different_generations_one_wins() {
    // What stands there before: nothing, what gives way, and what has expired.
    for before in [None, Some(stopped("a", "g")), Some(active("a", "g", EXPIRES))] {
        let server = open();
        if let Some(before) = &before {
            assert_eq!(put(&server, before).status, 201);
        }
        server.clock.advance(MINUTE_MS + 1);
        let start = std::sync::Barrier::new(16);
        let answers: Vec<_> = thread::scope(|scope| {
            let publish = |caller: usize| {
                let (server, start) = (&server, &start);
                scope.spawn(move || {
                    let mut connection = server.connect();
                    let record = active("a", &format!("g{caller}"), "2026-02-28T00:00:00Z");
                    start.wait();
                    connection.request("PUT", &path(&record), &record.to_string()).unwrap()
                })
            };
            let callers: Vec<_> = (0..16).map(publish).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|answer| answer.status < 300);
        assert_eq!((won.len(), lost.len()), (1, 15), "{before:?}");
        let winner = won[0].json()["generation_id"].clone();
        for refused in lost {
            assert_eq!(refused.status, 409, "{}", refused.text());
            assert_eq!(refused.json()["holder"]["generation_id"], winner);
        }
        assert_eq!(server.request("GET", "/houmao/records/a", "").body, won[0].body);
    }
}

#[test]
fn a_crash_takes_nothing_back_and_the_owner_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let start = || Setup::new(data.path()).args(&["--dialect-houmao", "open"]).start();
    let forever = "2126-01-01T00:00:00Z";
    let (running, ended) = (active("a", "g1", forever), stopped("b", "g2"));
    let server = start();
    for record in [&running, &ended] {
        assert_eq!(server.request("PUT", &path(record), &record.to_string()).status, 201);
    }
    let before = ["a", "b"].map(|id| server.request("GET", &format!("/houmao/records/{id}"), ""));
    server.kill();

    let server = start();
    for (id, before) in ["a", "b"].iter().zip(&before) {
        let after = server.request("GET", &format!("/houmao/records/{id}"), "");
        assert_eq!(after.body, before.body);
    }
    let foreign = active("a", "g9", forever).to_string();
    assert_eq!(server.request("PUT", "/houmao/records/a", &foreign).status, 409);
    assert_eq!(server.request("PUT", "/houmao/records/a", &running.to_string()).status, 200);
    let found = server.request("GET", "/houmao/agents/n", "").json();
    assert_eq!((&found["agent_id"], &found["generation_id"]), (&json!("a"), &json!("g1")));
}
