//! Stale when more than five minutes have passed, to the millisecond: on the wire, over a clock
//! that the test moves.

use support::inside::Inside;

const FIVE_MINUTES: u64 = 300_000;
const ALL: &str = "/registry/vms";
const RUNNING: &str = "/registry/vms?status=running";
const DISCOVER: &str = "/registry/discover/worker";

fn server_with(ids: &[&str]) -> Inside {
    let server = Inside::start(1_700_000_000_000);
    ids.iter().for_each(|id| register(&server, id));
    server
}

fn register(server: &Inside, id: &str) {
    let body =
        format!(r#"{{"id":"{id}","name":"n","role":"worker","address":"h","registeredBy":"t"}}"#);
    let answer = server.request("POST", ALL, &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
}

fn beat(server: &Inside, id: &str) {
    let answer = server.request("POST", &format!("/registry/vms/{id}/heartbeat"), "");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// What discover and the running list show. They must agree, but for their order.
fn live(server: &Inside) -> Vec<String> {
    let discovered = server.request("GET", DISCOVER, "").ids();
    let mut running = server.request("GET", RUNNING, "").ids();
    let mut sorted = discovered.clone();
    running.sort();
    sorted.sort();
    assert_eq!(running, sorted);
    discovered
}

#[test]
fn at_exactly_five_minutes_a_record_is_live_and_a_millisecond_later_it_is_stale() {
    let server = server_with(&["v1"]);
    server.clock.advance(FIVE_MINUTES);
    assert_eq!(live(&server), ["v1"]);
    server.clock.advance(1);
    assert!(live(&server).is_empty());
}

#[test]
fn a_stale_record_is_still_listed_as_running() {
    let server = server_with(&["v1"]);
    let before = server.request("GET", ALL, "").text();
    server.clock.advance(FIVE_MINUTES + 1);
    assert_eq!(server.request("GET", ALL, "").text(), before);
    assert!(before.contains(r#""status":"running""#), "{before}");
    assert_eq!(server.request("GET", "/registry/vms?role=worker", "").text(), before);
    assert_eq!(server.request("GET", "/registry/vms?status=", "").text(), before);
    assert_eq!(server.request("GET", "/registry/vms/v1", "").status, 200);
}

#[test]
fn a_heartbeat_brings_a_stale_record_back_to_its_place() {
    let server = server_with(&["a", "b", "c"]);
    server.clock.advance(1);
    beat(&server, "b");
    beat(&server, "c");
    server.clock.advance(FIVE_MINUTES);
    assert_eq!(live(&server), ["b", "c"]);
    beat(&server, "a");
    assert_eq!(live(&server), ["a", "b", "c"]);
    server.clock.advance(FIVE_MINUTES);
    assert_eq!(live(&server), ["a"]);
}

#[test]
fn an_update_brings_a_stale_record_back_even_one_that_changes_nothing() {
    let server = server_with(&["a", "b"]);
    server.clock.advance(FIVE_MINUTES + 1);
    assert_eq!(server.request("PATCH", "/registry/vms/b", "{}").status, 200);
    assert_eq!(live(&server), ["b"]);
    let answer = server.request("PATCH", "/registry/vms/a", r#"{"metadata":1}"#);
    assert_eq!(answer.status, 200);
    assert_eq!(live(&server), ["a", "b"]);
}

#[test]
fn a_refused_update_brings_nothing_back() {
    let server = server_with(&["v1"]);
    server.clock.advance(FIVE_MINUTES + 1);
    for refused in [r#"{"name":""}"#, r#"{"status":"bad"}"#, "null", "{"] {
        assert_eq!(server.request("PATCH", "/registry/vms/v1", refused).status, 400);
    }
    assert!(live(&server).is_empty());
}

#[test]
fn a_stale_record_holds_its_id() {
    let server = server_with(&["v1"]);
    server.clock.advance(10 * FIVE_MINUTES);
    let body = r#"{"id":"v1","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    let answer = server.request("POST", ALL, body);
    assert_eq!((answer.status, &*answer.text()), (409, r#"{"error":"VM already registered"}"#));
    assert!(live(&server).is_empty(), "a refused register is no sign of life");
}

#[test]
fn a_stale_record_can_be_deregistered_and_is_then_gone_for_good() {
    let server = server_with(&["v1"]);
    server.clock.advance(FIVE_MINUTES + 1);
    assert_eq!(server.request("DELETE", "/registry/vms/v1", "").status, 200);
    assert_eq!(server.request("POST", "/registry/vms/v1/heartbeat", "").status, 404);
    assert!(server.request("GET", ALL, "").ids().is_empty());
}

#[test]
fn what_is_paused_or_stopped_never_goes_stale_and_starts_afresh_when_it_runs() {
    let server = server_with(&["v1"]);
    let set = |status: &str| {
        let body = format!(r#"{{"status":"{status}"}}"#);
        assert_eq!(server.request("PATCH", "/registry/vms/v1", &body).status, 200);
    };
    for status in ["paused", "stopped"] {
        set(status);
        server.clock.advance(100 * FIVE_MINUTES);
        let path = format!("/registry/vms?status={status}");
        assert_eq!(server.request("GET", &path, "").ids(), ["v1"]);
        assert!(live(&server).is_empty());
        set("running");
        assert_eq!(live(&server), ["v1"]);
    }
    server.clock.advance(FIVE_MINUTES + 1);
    assert!(live(&server).is_empty());
}

#[test]
fn each_record_has_its_own_five_minutes() {
    let server = server_with(&[]);
    for n in 0..10 {
        register(&server, &format!("v{n}"));
        server.clock.advance(1_000);
    }
    // v0 was registered ten seconds ago, v9 one second ago.
    server.clock.advance(FIVE_MINUTES - 10_000);
    for gone in 0..10 {
        assert_eq!(live(&server).len(), 10 - gone, "{:?}", live(&server));
        server.clock.advance(1);
        assert_eq!(live(&server).len(), 9 - gone, "{:?}", live(&server));
        server.clock.advance(999);
    }
}

#[test]
fn no_jump_of_the_wall_clock_makes_anything_stale_or_live() {
    let server = server_with(&["v1"]);
    for jump in [10_000_000, -50_000_000, 40_000_000] {
        server.clock.jump_wall(jump);
        assert_eq!(live(&server), ["v1"], "{jump}");
    }
    server.clock.advance(FIVE_MINUTES + 1);
    for jump in [-400_000, 10_000_000] {
        server.clock.jump_wall(jump);
        assert!(live(&server).is_empty(), "{jump}");
    }
}

#[test]
fn a_crash_revives_nothing_and_lets_nothing_go() {
    let server = server_with(&["old", "new"]);
    server.clock.advance(FIVE_MINUTES);
    beat(&server, "new");
    server.clock.advance(1);
    server.block_on(server.registry.checkpoint()).unwrap();
    let before = (server.request("GET", ALL, "").text(), live(&server));
    let server = server.restarted();
    assert_eq!((server.request("GET", ALL, "").text(), live(&server)), before);
    assert_eq!(before.1, ["new"]);
    server.clock.advance(FIVE_MINUTES - 1);
    assert_eq!(live(&server), ["new"]);
    server.clock.advance(1);
    assert!(live(&server).is_empty());
}
