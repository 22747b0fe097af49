//! The shape of the OptiInfra orchestrator: its contract, replayed to the letter, and what no text
//! file can hold: time, crowds, crashes, raw bytes.

use std::collections::HashMap;

use registry_core::Query;
use serde_json::{Value, json};
use support::bytes::Response;
use support::inside::Inside;
use support::process::{Server, Setup};
use support::wait;

use super::conversations;

const REGISTER: &str = "/agents/register";
const NAMED: &str = "/api/v1/agents/register";
/// 2026-01-31T23:59:59.100Z
const WALL: i64 = 1_769_903_999_100;
const DAY_MS: u64 = 24 * 3_600 * 1_000;

conversations! {
    "optiinfra";
    register_makes_a_new_agent_each_time = "01-register",
    register_refuses_in_the_originals_words = "02-register-refused",
    heartbeat_sets_the_status_and_adds_metadata = "03-heartbeat",
    unregister_leaves_nothing = "04-unregister",
    lists_are_in_order_of_registration = "05-list",
    discover_filters_and_chooses = "06-discover",
    the_three_services_are_understood = "07-api-v1",
    paths_are_those_of_the_original = "08-paths",
    a_token_guards_every_path_below = "09-auth",
    the_door_can_be_opened = "10-open",
}

fn body(name: &str) -> String {
    json!({"name": name, "type": "cost", "host": "h", "port": 8001}).to_string()
}

/// Registers an agent and gives its id.
fn register(server: &Inside, body: &str) -> String {
    let answer = server.request("POST", REGISTER, body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["agent_id"].as_str().unwrap().to_owned()
}

fn beat(server: &Inside, id: &str, body: &str) -> Response {
    server.request("POST", &format!("/agents/{id}/heartbeat"), body)
}

/// The status it is shown with, or `gone`: the same wherever one looks.
fn shown(server: &Inside, id: &str) -> String {
    let one = server.request("GET", &format!("/agents/{id}"), "");
    let status = if one.status == 404 { "gone".into() } else { one.json()["status"].clone() };
    let any = format!("/agents/discover?status={}", status.as_str().unwrap());
    for list in ["/agents", "/agents/type/cost", &any] {
        let list = server.request("GET", list, "").json();
        let agents = list["agents"].as_array().unwrap();
        let listed = agents.iter().find(|agent| agent["id"] == *id);
        let listed = listed.map_or("gone".into(), |agent| agent["status"].clone());
        assert_eq!(listed, status, "{list}");
    }
    status.as_str().unwrap().to_owned()
}

#[test]
fn the_silent_are_unreachable_after_45_s_and_gone_after_60_to_the_millisecond() {
    let server = Inside::start(WALL);
    let first = register(&server, &body("first"));
    assert_eq!(shown(&server, &first), "healthy");
    server.clock.advance(45_000);
    assert_eq!(shown(&server, &first), "healthy");
    server.clock.advance(1);
    assert_eq!(shown(&server, &first), "unreachable");
    let well = server.request("GET", "/agents/discover", "").text();
    assert_eq!(well, r#"{"agents":[],"count":0,"agent":null}"#);
    server.clock.advance(14_999);
    assert_eq!(shown(&server, &first), "unreachable");
    server.clock.advance(1);
    assert_eq!(shown(&server, &first), "gone");
}

#[test]
fn the_word_of_an_agent_comes_back_with_it_and_each_beat_starts_anew() {
    let server = Inside::start(WALL);
    let id = register(&server, &body("a"));
    assert_eq!(beat(&server, &id, r#"{"status":"degraded"}"#).status, 200);
    for silence in [30_000, 45_000] {
        server.clock.advance(silence);
        assert_eq!(shown(&server, &id), "degraded");
        assert_eq!(beat(&server, &id, r#"{"status":"degraded"}"#).status, 200);
    }
    for silence in [45_001, 60_001, 3_600_000] {
        server.clock.advance(silence);
        assert_ne!(shown(&server, &id), "degraded");
        let answer = beat(&server, &id, r#"{"status":"degraded","metadata":{}}"#);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(shown(&server, &id), "degraded");
    }
    // What has something new to say is back as well.
    server.clock.advance(60_001);
    assert_eq!(beat(&server, &id, r#"{"status":"healthy"}"#).status, 200);
    assert_eq!(shown(&server, &id), "healthy");
}

#[test]
fn after_a_day_of_silence_an_agent_is_forgotten() {
    let server = Inside::start(WALL);
    let (early, late) = (register(&server, &body("early")), register(&server, &body("late")));
    // All that is due by then is done by then, and yet both are there.
    for pass in [60_001, 1_000, DAY_MS - 2_000] {
        server.clock.advance(pass);
        for _ in 0..2 {
            server.block_on(server.registry.checkpoint()).unwrap();
        }
    }
    assert_eq!(beat(&server, &late, r#"{"status":"healthy"}"#).status, 200);
    wait::until("the purge", || {
        server.clock.advance(30_000);
        server.registry.get("agents", &early).is_none().then_some(())
    });
    assert_eq!(beat(&server, &late, r#"{"status":"healthy"}"#).status, 200);
    let answer = beat(&server, &early, r#"{"status":"healthy"}"#);
    assert_eq!(answer.status, 404);
    assert_eq!(answer.text(), r#"{"error":"agent not found: agent not found"}"#);
}

#[test]
fn what_is_unregistered_while_it_is_hidden_does_not_come_back() {
    let server = Inside::start(WALL);
    let id = register(&server, &body("a"));
    server.clock.advance(60_001);
    let left = server.request("POST", &format!("/agents/{id}/unregister"), "");
    assert_eq!(left.text(), r#"{"message":"Agent unregistered successfully"}"#);
    assert_eq!(beat(&server, &id, r#"{"status":"healthy"}"#).status, 404);
}

#[test]
fn times_have_no_more_digits_than_they_need() {
    let server = Inside::start(WALL);
    let id = register(&server, &body("a"));
    for (pass, time) in [
        (0, "2026-01-31T23:59:59.1Z"),
        (23, "2026-01-31T23:59:59.123Z"),
        (877, "2026-02-01T00:00:00Z"),
        (20, "2026-02-01T00:00:00.02Z"),
        (599_980, "2026-02-01T00:10:00Z"),
    ] {
        server.clock.advance(pass);
        let answer = beat(&server, &id, r#"{"status":"healthy"}"#);
        assert_eq!(answer.json()["timestamp"], time);
        let agent = server.request("GET", &format!("/agents/{id}"), "").json();
        assert_eq!(agent["last_seen"], time);
        assert_eq!(agent["registered_at"], "2026-01-31T23:59:59.1Z");
    }
}

#[test]
fn a_heartbeat_that_says_nothing_new_writes_nothing() {
    let server = Inside::start(WALL);
    let metadata = r#"{"b":[1.0],"a":{"y":1,"x":2}}"#;
    let body = format!(r#"{{"name":"n","type":"t","host":"h","port":1,"metadata":{metadata}}}"#);
    let id = register(&server, &body);
    let named = json!({"agent_id": "r", "agent_type": "resource", "endpoint": "http://h:1",
        "status": "active"});
    assert_eq!(server.request("POST", NAMED, &named.to_string()).status, 200);
    let before = server.registry.revision();
    for body in [
        r#"{"status":"healthy"}"#,
        r#"{"status":"healthy","metadata":{}}"#,
        r#"{"status":"healthy","metadata":{"a":{"x":2e0,"y":1},"b":[1]}}"#,
    ] {
        server.clock.advance(1);
        assert_eq!(beat(&server, &id, body).status, 200);
    }
    for load in 0..3 {
        let metrics = json!({"requests_processed": load, "avg_response_time_ms": 0.5});
        let body = json!({"agent_id": "r", "status": "active", "timestamp": load,
            "metrics": metrics});
        let answer = server.request("POST", "/api/v1/agents/heartbeat", &body.to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(server.registry.revision(), before);
    for (changes, body) in [
        (1, r#"{"status":"degraded","metadata":{"a":{"x":2,"y":1}}}"#),
        (2, r#"{"status":"degraded","metadata":{"a":{"x":2}}}"#),
        (3, r#"{}"#),
    ] {
        assert_eq!(beat(&server, &id, body).status, 200);
        assert_eq!(server.registry.revision().0, before.0 + changes, "{body}");
    }
}

#[test]
fn forty_heartbeats_at_once_lose_nothing_of_each_other() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let id = server.request("POST", REGISTER, &body("a")).json()["agent_id"].clone();
    let path = format!("/agents/{}/heartbeat", id.as_str().unwrap());
    std::thread::scope(|scope| {
        for number in 0..40 {
            let (server, path) = (&server, &path);
            scope.spawn(move || {
                let mut fact = serde_json::Map::new();
                fact.insert(format!("k{number}"), number.into());
                let body = json!({"status": "healthy", "metadata": fact}).to_string();
                assert_eq!(server.request("POST", path, &body).status, 200);
            });
        }
    });
    let agents = server.request("GET", "/agents", "").json();
    let expected: Value = (0..40).map(|number| (format!("k{number}"), json!(number))).collect();
    assert_eq!(agents["agents"][0]["metadata"], expected);
}

#[test]
fn after_a_kill_heartbeats_are_all_it_takes() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let id = server.request("POST", REGISTER, &body("a")).json()["agent_id"].clone();
    let path = format!("/agents/{}", id.as_str().unwrap());
    let heartbeat = format!("{path}/heartbeat");
    let news = r#"{"status":"degraded","metadata":{"a":1}}"#;
    assert_eq!(server.request("POST", &heartbeat, news).status, 200);
    let mut before = server.request("GET", &path, "").json();
    server.kill();
    let server = Server::start(data.path());
    assert_eq!(server.request("POST", &heartbeat, news).status, 200);
    let mut after = server.request("GET", &path, "").json();
    assert!(after["last_seen"].as_str() > before["last_seen"].as_str());
    after["last_seen"] = Value::Null;
    before["last_seen"] = Value::Null;
    assert_eq!(after, before);
    assert_eq!(server.request("GET", "/agents/discover?status=degraded", "").json()["count"], 1);
}

#[test]
fn agents_of_both_shapes_are_found_natively() {
    let server = Inside::start(WALL);
    let one = r#"{"name":"n","type":"cost","host":"h","port":8001,"capabilities":["spot"]}"#;
    let id = register(&server, one);
    let named = json!({"agent_id": "r", "agent_type": "cost", "endpoint": "https://r/x",
        "capabilities": ["spot"]});
    assert_eq!(server.request("POST", NAMED, &named.to_string()).status, 200);
    let found = server.registry.discover(&Query::role("cost").capability("spot"));
    let found: Vec<_> = found.iter().map(|slot| slot.record().clone()).collect();
    let seen = found.iter().map(|record| {
        let declared = &record.declared;
        (record.key.namespace(), record.key.id(), &*declared.name, &*declared.address)
    });
    let expected = [("agents", &*id, "n", "h:8001"), ("agents", "r", "r", "r:443")];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn the_choice_is_fair_from_the_first_one_on() {
    let server = Inside::start(WALL);
    for name in ["a", "b", "c"] {
        register(&server, &body(name));
    }
    let mut connection = server.connect();
    let mut chosen: HashMap<String, usize> = HashMap::new();
    for _ in 0..600 {
        let answer = connection.request("GET", "/agents/discover?type=cost", "").unwrap().json();
        *chosen.entry(answer["agent"]["name"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    // 200 each; less than 120 happens by chance once in a trillion runs.
    assert_eq!(chosen.len(), 3, "{chosen:?}");
    assert!(chosen.values().all(|times| *times > 120), "{chosen:?}");
}

#[test]
fn a_token_does_what_it_is_for_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let tokens = data.path().join("tokens");
    std::fs::write(&tokens, "reader read@agents\nwriter write@agents\nother write@vms\n").unwrap();
    let setup = Setup::stored("memory:").args(&["--token-file", tokens.to_str().unwrap()]);
    let server = setup.start();
    for (token, read, write) in [("reader", 200, 403), ("writer", 200, 201), ("other", 403, 403)] {
        let header = [("authorization", &*format!("Bearer {token}"))];
        let mut connection = server.connect();
        let list = connection.request_with("GET", "/agents", &header, "").unwrap();
        assert_eq!(list.status, read, "{token}");
        let made = connection.request_with("POST", REGISTER, &header, &body("a")).unwrap();
        assert_eq!(made.status, write, "{token}");
        if write == 403 {
            assert_eq!(made.text(), r#"{"error":"the token does not allow this"}"#);
        }
    }
}

fn post(server: &Inside, head: &str, bytes: &[u8]) -> Response {
    let mut connection = server.connect();
    let head = format!("POST {REGISTER} HTTP/1.1\r\nhost: test\r\n{head}\r\n\r\n");
    connection.send(&[head.as_bytes(), bytes].concat()).unwrap();
    connection.receive("POST").unwrap()
}

#[test]
fn bodies_are_bytes_first() {
    let server = Inside::start(WALL);
    let sized = |bytes: &[u8]| post(&server, &format!("content-length: {}", bytes.len()), bytes);
    let (before, after) = (br#"{"name":"a"#, br#"","type":"cost","host":"h","port":1}"#);
    let answer = sized(&[&before[..], b"\xFF\xE2\x82", after].concat());
    assert_eq!(answer.status, 201, "{}", answer.text());
    let agents = server.request("GET", "/agents", "").json();
    assert_eq!(agents["agents"][0]["name"], "a\u{FFFD}\u{FFFD}\u{FFFD}");
    let chunked = format!("{:x}\r\n{}\r\n0\r\n\r\n", body("chunked").len(), body("chunked"));
    assert_eq!(post(&server, "transfer-encoding: chunked", chunked.as_bytes()).status, 201);
    assert_eq!(sized(b"").text(), r#"{"error":"EOF"}"#);
    let large = sized(body(&"x".repeat(2 * 1024 * 1024)).as_bytes());
    assert_eq!(large.status, 413);
    assert_eq!(large.text(), r#"{"error":"the body is larger than 1048576 bytes"}"#);
    let long = sized(body(&"x".repeat(2_000)).as_bytes());
    assert_eq!(long.status, 400);
    assert_eq!(long.text(), r#"{"error":"name has 2000 bytes; at most 1024 are allowed"}"#);
    let facts = json!({"status": "healthy", "metadata": {"a": "x".repeat(600_000)}}).to_string();
    let path = format!("/agents/{}/heartbeat", answer.json()["agent_id"].as_str().unwrap());
    let many = server.request("POST", &path, &facts);
    assert_eq!(many.status, 413);
    assert!(many.text().starts_with(r#"{"error":"metadata has 6000"#), "{}", many.text());
}

#[test]
fn metadata_is_as_deep_as_others_can_read() {
    let server = Inside::start(WALL);
    let nested = |levels: usize| {
        let (open, close) = ("{\"a\":".repeat(levels), "}".repeat(levels));
        format!(r#"{{"name":"n","type":"t","host":"h","port":1,"metadata":{open}1{close}}}"#)
    };
    for levels in [200, 499] {
        register(&server, &nested(levels));
    }
    let list = server.request("GET", "/agents", "").text();
    assert!(list.contains(&format!("{}1{}", "{\"a\":".repeat(499), "}".repeat(499))));
    for levels in [500, 10_001, 100_000] {
        let answer = server.request("POST", REGISTER, &nested(levels));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.text(), r#"{"error":"exceeded max depth of 500"}"#);
    }
}
