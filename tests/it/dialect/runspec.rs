//! The shape of runspec-registry: its contract, replayed to the letter, and what no text file can
//! hold.

use serde_json::Value;
use support::bytes::{Connection, Response};
use support::inside::Inside;
use support::process::{Server, Setup};

use super::conversations;

const INSTANCES: &str = "/instances";
/// 2026-01-31T23:59:59.123Z
const WALL: i64 = 1_769_903_999_123;
const LEASE_MS: u64 = 90_000;
const KEPT_MS: u64 = 7 * 24 * 3_600_000;

conversations! {
    "runspec";
    registering_creates_or_replaces = "01-register",
    every_field_that_is_wrong_is_told = "02-register-refused",
    heartbeats_ask_for_tools_where_there_are_none = "03-heartbeat",
    tools_come_back_as_they_were_sent = "04-tools",
    what_is_no_list_of_tools_changes_nothing = "05-tools-refused",
    deregistering_hides_and_keeps = "06-deregister",
    lists_show_the_active_or_all = "07-active",
    tools_are_grouped_by_name = "08-tools-by-name",
    exports_stay_whole_whatever_hosts_are_called = "09-hosts-and-exports",
    paths_and_methods_are_refused_as_the_original_does = "10-paths-and-methods",
    bodies_of_every_shape_are_answered = "11-bodies",
    a_key_guards_what_changes_something = "12-key",
    with_the_door_closed_reading_takes_a_key = "13-closed",
}

fn body(id: &str) -> String {
    format!(r#"{{"instance_id":"{id}","name":"n","version":"1","host":"h-{id}"}}"#)
}

const TOOLS: &str = r#"{"tools":[{"name":"t"}]}"#;

fn register(server: &Inside, id: &str) {
    assert_eq!(server.request("POST", INSTANCES, &body(id)).status, 201);
}

fn set_tools(server: &Inside, id: &str) {
    let path = format!("{INSTANCES}/{id}/tools");
    assert_eq!(server.request("POST", &path, TOOLS).text(), r#"{"status":"ok"}"#);
}

fn beat(server: &Inside, id: &str) -> String {
    let answer = server.request("POST", &format!("{INSTANCES}/{id}/heartbeat"), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["status"].as_str().unwrap().to_owned()
}

fn ids(answer: &Response) -> Vec<String> {
    let list = answer.json();
    let list = list.as_array().unwrap().iter();
    list.map(|instance| instance["instance_id"].as_str().unwrap().to_owned()).collect()
}

fn active(server: &Inside) -> Vec<String> {
    ids(&server.request("GET", "/instances?active=true", ""))
}

fn instance(server: &Inside, id: &str) -> Value {
    server.request("GET", &format!("{INSTANCES}/{id}"), "").json()
}

#[test]
fn an_instance_is_hidden_when_more_than_its_lease_has_passed() {
    let server = Inside::start(WALL);
    register(&server, "i");
    set_tools(&server, "i");
    server.clock.advance(LEASE_MS);
    assert_eq!(active(&server), ["i"]);
    assert_eq!(server.request("GET", "/tools/t", "").status, 200);
    server.clock.advance(1);
    assert!(active(&server).is_empty());
    assert_eq!(server.request("GET", "/tools", "").text(), "[]");
    assert_eq!(server.request("GET", "/tools/t", "").status, 404);
    assert_eq!(server.request("GET", "/hosts", "").text(), "[]");
    assert!(!server.request("GET", "/export/mobaxterm", "").text().contains("h-i"));
    assert_eq!(instance(&server, "i")["active"], false);
    assert_eq!(ids(&server.request("GET", INSTANCES, "")), ["i"]);
    assert_eq!(beat(&server, "i"), "ack");
    assert_eq!(active(&server), ["i"]);
}

#[test]
fn a_told_interval_makes_a_lease_of_three() {
    let server = Inside::start(WALL);
    let told = body("i").replace('}', r#","heartbeat_interval":300}"#);
    assert_eq!(server.request("POST", INSTANCES, &told).status, 201);
    server.clock.advance(900_000);
    assert_eq!(active(&server), ["i"]);
    server.clock.advance(1);
    assert!(active(&server).is_empty());
}

#[test]
fn only_heartbeats_and_registrations_are_signs_of_life() {
    let server = Inside::start(WALL);
    register(&server, "i");
    let raw = server.request("GET", "/instances/i", "").text();
    assert!(raw.contains(r#""active":true,"last_seen":1769903999.123,"tools":[]"#), "{raw}");
    server.clock.advance(LEASE_MS);
    set_tools(&server, "i");
    assert_eq!(instance(&server, "i")["last_seen"], 1_769_903_999.123);
    server.clock.advance(1);
    assert!(active(&server).is_empty(), "the list of tools has not renewed the lease");
    set_tools(&server, "i");
    assert!(active(&server).is_empty(), "nor has it revived the instance");
    assert_eq!(beat(&server, "i"), "ack");
    let renewed = instance(&server, "i")["last_seen"].clone();
    assert_eq!(renewed, 1_769_904_089.124);
    server.clock.advance(1_000);
    assert_eq!(server.request("DELETE", "/instances/i", "").status, 200);
    set_tools(&server, "i");
    let gone = instance(&server, "i");
    assert_eq!((&gone["active"], &gone["last_seen"]), (&Value::Bool(false), &renewed));
    assert_eq!(beat(&server, "i"), "ack");
    assert_eq!(active(&server), ["i"]);
    assert_eq!(instance(&server, "i")["last_seen"], 1_769_904_090.124);
}

#[test]
fn what_nothing_is_heard_of_is_forgotten_after_a_week() {
    let server = Inside::start(WALL);
    for id in ["stale", "gone", "alive"] {
        register(&server, id);
    }
    assert_eq!(server.request("DELETE", "/instances/gone", "").status, 200);
    for passed in [LEASE_MS, KEPT_MS - LEASE_MS, LEASE_MS] {
        server.clock.advance(passed);
        beat(&server, "alive");
        server.block_on(server.registry.checkpoint()).unwrap();
        let all = ids(&server.request("GET", INSTANCES, ""));
        assert_eq!(all, ["stale", "gone", "alive"]);
    }
    server.clock.advance(1);
    server.block_on(server.registry.checkpoint()).unwrap();
    server.block_on(server.registry.checkpoint()).unwrap();
    assert_eq!(ids(&server.request("GET", INSTANCES, "")), ["alive"]);
    assert_eq!(beat(&server, "gone"), "refresh");
    let late = server.request("POST", "/instances/gone/tools", TOOLS);
    assert_eq!((late.status, late.text()), (404, r#"{"detail":"Instance not found"}"#.to_owned()));
}

#[test]
fn no_kill_takes_an_instance_away_or_brings_one_back() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    for id in ["live", "gone"] {
        assert_eq!(server.request("POST", INSTANCES, &body(id)).status, 201);
        let path = format!("/instances/{id}/tools");
        assert_eq!(server.request("POST", &path, TOOLS).status, 200);
    }
    assert_eq!(server.request("DELETE", "/instances/gone", "").status, 200);
    let before = ["/instances", "/tools", "/hosts"].map(|path| server.request("GET", path, ""));
    server.kill();
    let server = Server::start(data.path());
    let after = ["/instances", "/tools", "/hosts"].map(|path| server.request("GET", path, ""));
    assert_eq!(after.map(|answer| answer.text()), before.map(|answer| answer.text()));
    // Its clients never register again: their next heartbeat must be enough.
    for id in ["live", "gone"] {
        let answer = server.request("POST", &format!("/instances/{id}/heartbeat"), "");
        assert_eq!(answer.text(), r#"{"status":"ack"}"#);
    }
    assert_eq!(ids(&server.request("GET", "/instances?active=1", "")), ["live", "gone"]);
}

#[test]
fn rates_are_limited_where_the_operator_wants_it() {
    let data = tempfile::tempdir().unwrap();
    let setup = Setup::new(data.path()).env("ROLECALL_TOKEN", "sesame-sesame-sesame");
    let server = setup.args(&["--runspec-rate-limits", "on"]).start();
    let mut connection = server.connect();
    let mut ask = |method, path, key, from, body: &str| {
        let headers = [("x-api-key", key), ("x-forwarded-for", from)];
        connection.request_with(method, path, &headers, body).unwrap()
    };
    let key = "sesame-sesame-sesame";
    let (beat, tools) = ("/instances/i/heartbeat", "/instances/i/tools");
    for (method, path, sent, max) in [
        ("POST", INSTANCES, body("i"), 60),
        ("POST", beat, "{}".to_owned(), 120),
        ("POST", tools, TOOLS.to_owned(), 60),
        ("DELETE", "/instances/i", String::new(), 60),
    ] {
        for _ in 0..70 {
            assert_eq!(ask(method, path, "wrong", "192.0.2.1", &sent).status, 403, "{path}");
        }
        for _ in 0..max {
            let answer = ask(method, path, key, "192.0.2.1", &sent);
            assert!(answer.status < 300, "{path} {}", answer.text());
        }
        let limited = ask(method, path, key, "192.0.2.1", &sent);
        let error = format!(r#"{{"error":"Rate limit exceeded: {max} per 1 minute"}}"#);
        assert_eq!((limited.status, limited.text()), (429, error), "{path}");
        let seconds: u64 = limited.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        let another = ask(method, path, key, "192.0.2.2", &sent);
        assert!(another.status < 300, "another address: {}", another.text());
    }
    assert_eq!(ask("POST", INSTANCES, key, "192.0.2.1", "{}").status, 422, "wrong before often");
    assert_eq!(ask("POST", "/instances/j/heartbeat", key, "192.0.2.1", "").status, 200);
    for _ in 0..200 {
        assert_eq!(ask("GET", INSTANCES, "", "192.0.2.1", "").status, 200);
    }
}

#[test]
fn more_tools_than_the_registry_indexes_are_served_all_the_same() {
    let server = Inside::start(WALL);
    register(&server, "i");
    let long = "x".repeat(2_000);
    let mut names: Vec<String> = (0..400).map(|number| format!("t{number}")).collect();
    names.push(long.clone());
    let tools = names.iter().map(|name| serde_json::json!({ "name": name }));
    let sent = serde_json::json!({ "tools": tools.collect::<Vec<_>>() }).to_string();
    assert_eq!(server.request("POST", "/instances/i/tools", &sent).status, 200);
    assert_eq!(server.request("GET", "/tools", "").json().as_array().unwrap().len(), 401);
    for name in ["t0", "t255", "t256", "t399", &long] {
        assert_eq!(server.request("GET", &format!("/tools/{name}"), "").json()["name"], *name);
    }
    let found = server.registry.discover(&registry_core::Query::any().capability("t255"));
    assert_eq!(found.len(), 1, "found by what it can do, also from elsewhere");
}

#[test]
fn what_is_too_large_is_refused_in_the_dialects_words_and_changes_nothing() {
    let server = Inside::start(WALL);
    register(&server, "i");
    set_tools(&server, "i");
    let many = |bytes: usize| format!(r#"{{"tools":[{{"name":"{}"}}]}}"#, "x".repeat(bytes));
    let answer = server.request("POST", "/instances/i/tools", &many(600_000));
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["detail"][0]["loc"], serde_json::json!(["body", "tools"]));
    let answer = server.request("POST", "/instances/i/tools", &many(1_100_000));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["detail"].is_string(), "{}", answer.text());
    let answer = server.request("POST", "/instances/i/tools", r#"{"tools":[1,"#);
    assert_eq!(answer.status, 422);
    let wrong = format!(r#"{{"tools":[{}1]}}"#, "1,".repeat(100_000));
    let answer = server.request("POST", "/instances/i/tools", &wrong);
    assert_eq!(answer.json()["detail"].as_array().unwrap().len(), 100);
    assert_eq!(instance(&server, "i")["tools"], serde_json::json!([{ "name": "t" }]));
}

#[test]
fn a_record_written_elsewhere_breaks_no_list() {
    let server = Inside::start(WALL);
    register(&server, "i");
    set_tools(&server, "i");
    for (id, metadata, listed) in [
        ("none", "null", "[]"),
        ("text", r#""hello""#, "[]"),
        ("mixed", r#"[{"name":"a"},1]"#, "[]"),
        ("named", r#"[{"name":["a"]}]"#, "[]"),
        ("fine", r#"[{"name":"native"}]"#, r#"[{"name":"native"}]"#),
    ] {
        let sent = format!(r#"{{"name":"n","address":"h","metadata":{metadata}}}"#);
        let answer = server.request("PUT", &format!("/v1/tools/instances/{id}"), &sent);
        assert_eq!(answer.status, 201, "{}", answer.text());
        assert_eq!(instance(&server, id)["tools"].to_string(), listed, "{id}");
    }
    let tools = server.request("GET", "/tools", "").text();
    assert_eq!(
        tools,
        r#"[{"name":"t","hosts":[{"host":"h-i"}]},{"name":"native","hosts":[{"host":"h"}]}]"#
    );
}

#[test]
fn what_is_paused_elsewhere_stays_paused() {
    let server = Inside::start(WALL);
    register(&server, "i");
    for (state, expected) in [("paused", false), ("retired", false), ("running", true)] {
        let patch = format!(r#"{{"state":"{state}"}}"#);
        let patched = server.request("PATCH", "/v1/tools/instances/i", &patch);
        assert_eq!(patched.status, 200, "{}", patched.text());
        assert_eq!(beat(&server, "i"), "refresh");
        set_tools(&server, "i");
        assert_eq!(beat(&server, "i"), "ack");
        assert_eq!(instance(&server, "i")["active"], expected, "{state}");
        assert_eq!(server.request("POST", "/instances/i/tools", r#"{"tools":[]}"#).status, 200);
        if !expected {
            assert_eq!(server.request("DELETE", "/instances/i", "").text(), r#"{"status":"ok"}"#);
        }
    }
}

fn post(connection: &mut Connection, head: &str, bytes: &[u8]) -> Response {
    let length = bytes.len();
    let head = format!(
        "POST {INSTANCES} HTTP/1.1\r\nhost: test\r\n{head}content-length: {length}\r\n\r\n"
    );
    connection.send(&[head.as_bytes(), bytes].concat()).unwrap();
    connection.receive("POST").unwrap()
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let server = Inside::start(WALL);
    let mut connection = server.connect();
    let json = "content-type: application/json\r\n";
    for bytes in [b"\xFF".as_slice(), b"{\"instance_id\":\"\xFF\"}"] {
        let answer = post(&mut connection, json, bytes);
        let detail = r#"{"detail":"There was an error parsing the body"}"#;
        assert_eq!((answer.status, answer.text()), (400, detail.to_owned()));
    }
    let untyped = post(&mut connection, "", body("i").as_bytes());
    assert_eq!(untyped.json()["detail"][0]["type"], "model_attributes_type");
}

#[test]
fn the_first_of_several_keys_counts() {
    let data = tempfile::tempdir().unwrap();
    let server = Setup::new(data.path()).env("ROLECALL_TOKEN", "sesame-sesame-sesame").start();
    let right = ("x-api-key", "sesame-sesame-sesame");
    for (keys, status) in [
        ([right, ("x-api-key", "wrong")], 201),
        ([("x-api-key", "wrong"), right], 403),
        ([("authorization", "Bearer sesame-sesame-sesame"), ("x-api-key", "")], 403),
    ] {
        let mut connection = server.connect();
        let answer = connection.request_with("POST", INSTANCES, &keys, &body("i")).unwrap();
        assert_eq!(answer.status, status, "{keys:?}");
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[test]
fn many_at_once_lose_nothing() {
    const AGENTS: usize = 8;
    const ROUNDS: usize = 25;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    std::thread::scope(|scope| {
        for agent in 0..AGENTS {
            let mut connection = server.connect();
            scope.spawn(move || {
                let id = format!("a{agent}");
                let mut ask = |method, path: &str, body: &str| {
                    let answer = connection.request(method, path, body).unwrap();
                    assert!(answer.status < 300, "{path} {}", answer.text());
                    answer
                };
                for round in 0..ROUNDS {
                    ask("POST", INSTANCES, &body(&id));
                    let tools = format!(r#"{{"tools":[{{"name":"t{round}"}}]}}"#);
                    ask("POST", &format!("/instances/{id}/tools"), &tools);
                    let beaten = ask("POST", &format!("/instances/{id}/heartbeat"), "");
                    assert_eq!(beaten.text(), r#"{"status":"ack"}"#);
                    ask("DELETE", &format!("/instances/{id}"), "");
                    ask("POST", &format!("/instances/{id}/heartbeat"), "{}");
                    let found = ask("GET", &format!("/tools/t{round}"), "").text();
                    assert!(found.contains(&format!(r#"{{"host":"h-{id}"}}"#)), "{found}");
                }
            });
        }
    });
    let all = server.request("GET", INSTANCES, "").json();
    assert_eq!(all.as_array().unwrap().len(), AGENTS);
    for instance in all.as_array().unwrap() {
        assert_eq!(instance["active"], true);
        assert_eq!(instance["tools"][0]["name"], format!("t{}", ROUNDS - 1));
    }
}
