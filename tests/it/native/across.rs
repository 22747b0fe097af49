//! What comes in by another dialect is found, watched and explained here, and the other way round.

use serde_json::{Value, json};
use support::inside::Inside;
use support::process::Server;
use support::wait;

use super::{ids, register, watch};
use crate::limits::in_memory;

/// What one dialect registers, and what it is here.
struct Foreign {
    path: &'static str,
    body: &'static str,
    namespace: &'static str,
    id: &'static str,
    /// Members that the instance must have.
    instance: fn() -> Value,
    /// How it is removed.
    remove: &'static str,
}

/// One row for each dialect that registers.
const FOREIGN: [Foreign; 3] = [
    Foreign {
        path: "/registry/vms",
        body: r#"{"id":"v-1","name":"one","role":"worker","address":"h","registeredBy":"t",
        "services":[{"name":"rpc","port":3001}],"metadata":{"zone":"a"}}"#,
        namespace: "vms",
        id: "v-1",
        instance: || {
            json!({
                "namespace": "vms", "id": "v-1", "name": "one", "role": "worker", "address": "h",
                "registered_by": "t", "services": [{"name": "rpc", "port": 3001}],
                "ttl_ms": 300_000, "state": "running", "standing": "live",
            })
        },
        remove: "/registry/vms/v-1",
    },
    Foreign {
        path: "/instances",
        body: r#"{"instance_id":"i1","name":"web","version":"1","host":"h1"}"#,
        namespace: "tools",
        id: "i1",
        instance: || json!({"name": "web", "state": "running", "standing": "live"}),
        remove: "/instances/i1",
    },
    Foreign {
        path: "/api/v1/agents/register",
        body: r#"{"agent_id":"p-1","agent_type":"performance","capabilities":["latency"],
        "endpoint":"http://localhost:8002","health_check_endpoint":"/health","version":"1.0.0"}"#,
        namespace: "agents",
        id: "p-1",
        instance: || json!({"capabilities": ["latency"], "state": "running", "standing": "live"}),
        remove: "/api/v1/agents/p-1",
    },
];

/// The lists of the dialects, each of its own namespace.
const LISTS: [(&str, &[&str]); 3] = [
    ("vms", &["/registry/vms", "/registry/discover/worker"]),
    ("tools", &["/instances", "/tools", "/hosts", "/export/mobaxterm", "/export/superputty"]),
    ("agents", &["/agents", "/agents/type/worker", "/agents/discover"]),
];

#[test]
fn nothing_that_is_registered_here_fails_a_list_of_another_dialect() {
    let server = Inside::start(0);
    for (namespace, lists) in LISTS {
        for (id, body) in [
            ("bare", "{}"),
            ("text", r#"{"role":"worker","metadata":"text"}"#),
            ("list", r#"{"role":"worker","metadata":[1,{"a":null}],"address":"\u0000<&"}"#),
            ("number", r#"{"role":"worker","metadata":1e300,"state":"paused"}"#),
            ("object", r#"{"role":"worker","metadata":{"tools":7,"version":[],"status":null}}"#),
        ] {
            register(&server, &format!("{namespace}/instances/{id}"), body);
            for list in lists {
                let answer = server.request("GET", list, "");
                assert_eq!(answer.status, 200, "{id}: {list}: {}", answer.text());
            }
        }
    }
}

#[test]
fn what_a_dialect_registers_is_found_watched_and_explained_here() {
    for foreign in FOREIGN {
        let server = Inside::start(0);
        let mut stream = watch(&server, "", &[]);
        assert_eq!(stream.expect().event, "synced");
        let answer = server.request("POST", foreign.path, foreign.body);
        assert!(answer.status < 300, "{}", answer.text());
        let wanted = (foreign.instance)();
        let path = format!("/v1/{}/instances/{}", foreign.namespace, foreign.id);
        let found = server.request("GET", &path, "").json();
        for (name, value) in wanted.as_object().unwrap() {
            assert_eq!(found[name], *value, "{}: {name}", foreign.path);
        }
        let role = found["role"].as_str().unwrap();
        let discovered = server.request("GET", &format!("/v1/discover/{role}"), "").json();
        assert_eq!(discovered["instances"], json!([found]));
        let put = stream.expect();
        assert_eq!((put.event.as_str(), &put.data["instance"]["id"]), ("put", &json!(foreign.id)));
        let explained = server.request("GET", &format!("{path}/explain"), "").json();
        assert_eq!(explained["changes"][0]["cause"], "registered");
        // A heartbeat here is one there.
        let beat = server.request("POST", &format!("{path}/heartbeat"), "");
        assert_eq!(beat.status, 200, "{}", beat.text());
        assert!(server.request("DELETE", foreign.remove, "").status < 300);
        assert_eq!(stream.expect().told(), format!("gone {}", foreign.id));
        let discovered = server.request("GET", &format!("/v1/discover/{role}"), "").json();
        assert_eq!(discovered["count"], 0, "{}", foreign.path);
    }
}

#[test]
fn what_is_registered_here_breaks_no_list_of_a_dialect() {
    let server = Inside::start(0);
    register(&server, "vms/instances/bare", "{}");
    register(&server, "vms/instances/text", r#"{"role":"worker","metadata":"text"}"#);
    register(&server, "vms/instances/list", r#"{"role":"worker","metadata":[1,{"a":null}]}"#);
    let full = r#"{"role":"worker","name":"n","address":"h","registered_by":"t",
        "services":[{"name":"rpc"}],"labels":{"a":"b"},"metadata":{"x":1}}"#;
    register(&server, "vms/instances/full", full);
    register(&server, "vms/instances/stopped", r#"{"state":"retired","ttl_ms":0}"#);
    let list = server.request("GET", "/registry/vms", "");
    assert_eq!(list.status, 200);
    assert_eq!(list.json()["count"], 5, "{}", list.text());
    let discovered = server.request("GET", "/registry/discover/worker", "").ids();
    assert_eq!(discovered, ["text", "list", "full"]);
    for entry in list.json()["vms"].as_array().unwrap() {
        for name in ["id", "name", "role", "status", "address", "registeredBy"] {
            assert!(entry[name].is_string(), "{name}: {entry}");
        }
        let path = format!("/registry/vms/{}", entry["id"].as_str().unwrap());
        assert_eq!(server.request("GET", &path, "").json(), *entry);
        assert_eq!(server.request("POST", &format!("{path}/heartbeat"), "").status, 200);
        let patched = server.request("PATCH", &path, r#"{"name":"patched"}"#);
        assert_eq!(patched.status, 200, "{}", patched.text());
    }
    let here = server.request("GET", "/v1/vms/instances?name=patched", "");
    assert_eq!(ids(&here).len(), 5, "{}", here.text());
}

#[test]
fn the_first_to_register_an_id_keeps_it_whichever_way_the_second_comes() {
    let server = Inside::start(0);
    let body = r#"{"id":"v-1","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    assert_eq!(server.request("POST", "/registry/vms", body).status, 201);
    let second = server.request("PUT", "/v1/vms/instances/v-1", "{}");
    assert_eq!((second.status, &second.json()["code"]), (409, &json!("conflict")));
    register(&server, "vms/instances/v-2", "{}");
    let second = server.request("POST", "/registry/vms", &body.replace("v-1", "v-2"));
    assert_eq!(second.status, 409);
}

/// What one dialect changes must leave what another has written.
#[test]
fn what_is_registered_here_keeps_its_metadata_when_another_dialect_changes_it() {
    let server = in_memory(&[]);
    let body = r#"{"role":"worker","name":"n","address":"h:1","metadata":{"k":1}}"#;
    for (path, method, elsewhere, change) in [
        ("/v1/vms/instances/v", "PATCH", "/registry/vms/v", r#"{"name":"z","metadata":{"m":2}}"#),
        ("/v1/agents/instances/a", "POST", "/agents/a/heartbeat", r#"{"status":"busy"}"#),
    ] {
        assert_eq!(server.request("PUT", path, body).status, 201);
        assert_eq!(server.request(method, elsewhere, change).status, 200, "{elsewhere}");
        let kept = server.request("GET", path, "").json();
        assert_eq!(kept["metadata"]["k"], 1, "{kept}");
    }
}

/// A document that is a list has no members that could be taken for fields by their place.
#[test]
fn a_list_for_metadata_is_nobody_elses_fields() {
    let server = in_memory(&[]);
    let body = r#"{"role":"worker","address":"h:1","metadata":[1,2]}"#;
    assert_eq!(server.request("PUT", "/v1/vms/instances/v", body).status, 201);
    let entry = server.request("GET", "/registry/vms/v", "").json();
    assert!(entry.get("services").is_none() && entry.get("metadata").is_none(), "{entry}");
    for (path, list) in [("/v1/query", "[]"), ("/v1/heartbeats", r#"[["v"]]"#)] {
        assert_eq!(server.request("POST", path, list).status, 422, "{path}");
    }
}

#[test]
fn many_namespaces_leave_the_rooms_of_the_server_alone() {
    let server = in_memory(&[]);
    let mut connection = server.connect();
    let full = (0..1_001).find_map(|n| {
        let path = format!("/v1/m{n}/instances/x");
        let answer = connection.request("PUT", &path, "{}").unwrap();
        (answer.status != 201).then_some(answer)
    });
    let full = full.expect("there is a limit");
    assert_eq!(full.status, 422, "{}", full.text());
    assert!(full.text().contains("forgotten at a restart"), "{}", full.text());
    let event = r#"{"agent":"a","type":"custom","summary":"s"}"#;
    assert_eq!(server.request("POST", "/feed/events", event).status, 201);
}

/// The clients of three of these never register again: their heartbeats must do.
#[test]
fn whoever_registered_before_a_kill_and_only_beats_afterwards_is_found_in_every_dialect() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let vm = r#"{"id":"v","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    let tool = r#"{"instance_id":"t","name":"n","version":"1","host":"h"}"#;
    let agent = r#"{"agent_id":"a","agent_type":"x","capabilities":[],"endpoint":"http://h:1"}"#;
    let rows = [
        ("PUT", "/v1/default/instances/d", "{}", "/v1/default/instances/d/heartbeat", ""),
        ("POST", "/registry/vms", vm, "/registry/vms/v/heartbeat", ""),
        ("POST", "/instances", tool, "/instances/t/heartbeat", ""),
        ("POST", "/api/v1/agents/register", agent, "/agents/a/heartbeat", r#"{"status":"x"}"#),
    ];
    for (method, path, body, _, _) in rows {
        let status = server.request(method, path, body).status;
        assert!((200..300).contains(&status), "{path}: {status}");
    }
    server.kill();

    let server = Server::start(data.path());
    let live = || server.request("GET", "/v1/instances?standing=live", "").json();
    let seen = |list: &Value| -> Vec<(String, String)> {
        let text = |one: &Value, field: &str| one[field].as_str().unwrap().to_owned();
        let all = list["instances"].as_array().unwrap().iter();
        all.map(|one| (text(one, "id"), text(one, "last_seen"))).collect()
    };
    let before = seen(&live());
    wait::next_millisecond();
    for (_, _, _, path, body) in rows {
        assert_eq!(server.request("POST", path, body).status, 200, "{path}");
    }
    let after = seen(&live());
    assert_eq!(after.len(), rows.len(), "{after:?}");
    for ((id, was), (same, is)) in before.iter().zip(&after) {
        assert!(id == same && was < is, "{id} {was}, {same} {is}");
    }
}
