//! Why something is as it is, as time passes.

use serde_json::Value;
use support::inside::Inside;
use support::wait;

use super::register;

fn explained(server: &Inside, id: &str) -> Value {
    let answer = server.request("GET", &format!("/v1/default/instances/{id}/explain"), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn causes(explained: &Value) -> Vec<&str> {
    let changes = explained["changes"].as_array().unwrap();
    changes.iter().map(|change| change["cause"].as_str().unwrap()).collect()
}

/// Waits until the registry has noticed what time has done.
fn happened(server: &Inside, id: &str, wanted: &[&str]) -> Value {
    wait::until("what time does", || {
        server.block_on(server.registry.checkpoint()).unwrap();
        let explained = explained(server, id);
        (causes(&explained) == wanted).then_some(explained)
    })
}

#[test]
fn a_life_is_explained_from_its_first_heartbeat_to_its_removal() {
    let server = Inside::start(0);
    register(&server, "default/instances/a", r#"{"ttl_ms":10000}"#);
    server.clock.advance(4_000);
    let live = explained(&server, "a");
    assert_eq!(live["discoverable"], true);
    let why = "its lease of 10000 ms was renewed 4000 ms ago: 6000 ms are left";
    assert_eq!(live["why"], why);
    assert_eq!(live["purge_in_ms"], 6_000 + 24 * 3_600_000);
    server.clock.advance(6_000);
    assert_eq!(explained(&server, "a")["discoverable"], true, "to the millisecond");
    server.clock.advance(1);
    let stale = explained(&server, "a");
    assert_eq!(stale["discoverable"], false);
    assert!(stale["why"].as_str().unwrap().contains("1 ms longer than its lease"), "{stale}");
    happened(&server, "a", &["registered", "lapsed"]);
    server.clock.advance(24 * 3_600_000);
    let purged = happened(&server, "a", &["registered", "lapsed", "purged"]);
    assert_eq!((&purged["registered"], &purged["instance"]), (&Value::Bool(false), &Value::Null));
    assert_eq!(purged["changes"][2]["by"], Value::Null, "the registry did it itself");
    assert_eq!(purged["changes"][0]["by"], "anybody from 127.0.0.1");
}

#[test]
fn who_renews_or_registers_takes_over_what_has_gone_stale_and_nothing_else() {
    let server = Inside::start(0);
    register(&server, "default/instances/a", r#"{"generation":"g1","ttl_ms":10000}"#);
    let path = "/v1/default/instances/a/heartbeat";
    let second = r#"{"generation":"g2","register":{"role":"worker","ttl_ms":10000}}"#;
    let refused = server.request("POST", path, second);
    assert_eq!((refused.status, &refused.json()["holder_generation"]), (409, &"g1".into()));
    server.clock.advance(10_001);
    let taken = server.request("POST", path, second);
    assert_eq!((taken.status, &taken.json()["generation"]), (200, &"g2".into()));
    assert_eq!(causes(&explained(&server, "a")).last(), Some(&"taken-over"));
    let late = server.request("POST", path, r#"{"generation":"g1"}"#);
    assert_eq!((late.status, &late.json()["code"]), (409, &"fenced".into()));
}

#[test]
fn only_the_latest_changes_are_told() {
    let server = Inside::start(0);
    for place in 0..30 {
        register(&server, "default/instances/a", &format!(r#"{{"role":"r{place}"}}"#));
    }
    let explained = explained(&server, "a");
    assert_eq!(causes(&explained).len(), 20);
    assert_eq!(explained["changes"][19]["revision"], 30);
}
