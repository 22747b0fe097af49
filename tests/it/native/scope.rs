//! Who may see and do what: scopes by namespace, in every way there is to look.

use registry_core::{Claim, Declared, Key};
use rolecall::auth::Door;
use serde_json::json;
use support::bytes::Response;
use support::inside::{Inside, Making};
use support::process::Setup;
use support::stream::Stream;

use super::{ask, ids, tokens};

const READER: &str = "reader-0123456789";
const WRITER: &str = "writer-0123456789";
const ROOT: &str = "root-0123456789ab";

/// Two namespaces, one of which is not for everybody.
fn start() -> Inside {
    let auth = tokens(&[
        "reader-0123456789 name=ann read@open",
        "writer-0123456789 name=bob write@open",
        "root-0123456789ab",
    ]);
    let server = Inside::with(Making { auth, ..Making::default() });
    for namespace in ["open", "secret", ".hidden"] {
        let key = Key::new(namespace, &format!("in-{namespace}")).unwrap();
        let declared = Declared { role: "worker".into(), ..Declared::default() };
        server.block_on(server.registry.register(key, declared, Claim::default())).unwrap();
    }
    server
}

fn get(server: &Inside, token: &str, path: &str) -> Response {
    ask(server, token, "GET", path, "")
}

#[test]
fn lists_show_what_the_caller_may_read() {
    let server = start();
    for path in ["/v1/instances", "/v1/discover/worker", "/v1/instances?id=in-open&id=in-secret"] {
        assert_eq!(ids(&get(&server, READER, path)), ["in-open"], "{path}");
        assert_eq!(ids(&get(&server, ROOT, path)), ["in-open", "in-secret"], "{path}");
    }
    let found = ask(&server, WRITER, "POST", "/v1/query", "{}");
    assert_eq!(ids(&found), ["in-open"], "who may write may read");
    let names = get(&server, READER, "/v1/namespaces").json();
    let names: Vec<_> = names["namespaces"].as_array().unwrap().iter().collect();
    assert_eq!((names.len(), &names[0]["name"]), (1, &json!("open")));
    // A cursor of somebody else leads to nothing more.
    let page = get(&server, READER, "/v1/instances?cursor=1.open");
    assert_eq!(ids(&page), Vec::<String>::new());
    for path in ["/v1/secret/instances", "/v1/secret/instances/in-secret", "/v1/secret/instances/x"]
    {
        let refused = get(&server, READER, path);
        assert_eq!((refused.status, &refused.json()["code"]), (403, &json!("forbidden")), "{path}");
    }
    let explain = "/v1/secret/instances/in-secret/explain";
    assert_eq!(get(&server, READER, explain).status, 403);
    assert_eq!(get(&server, ROOT, explain).status, 200);
}

#[test]
fn what_is_hidden_is_hidden_from_everybody() {
    let server = start();
    let path = "/v1/.hidden/instances/in-.hidden";
    for (method, path, body) in [
        ("GET", path, ""),
        ("PUT", path, "{}"),
        ("PATCH", path, "{}"),
        ("DELETE", path, ""),
        ("POST", &format!("{path}/heartbeat"), ""),
        ("GET", &format!("{path}/explain"), ""),
        ("POST", "/v1/.hidden/registrations", r#"{"instances":[]}"#),
    ] {
        assert_eq!(ask(&server, ROOT, method, path, body).status, 404, "{method} {path}");
    }
    assert_eq!(ids(&get(&server, ROOT, "/v1/.hidden/instances")), Vec::<String>::new());
    let beat = r#"{"heartbeats":[{"namespace":".hidden","id":"in-.hidden"}]}"#;
    let verdicts = ask(&server, ROOT, "POST", "/v1/heartbeats", beat).text();
    assert_eq!(verdicts, r#"{"renewed":0,"verdicts":["forbidden"]}"#);
    let events = get(&server, ROOT, "/v1/watch?after=0").text();
    assert!(!events.contains("hidden"), "{events}");
    let names = get(&server, ROOT, "/v1/namespaces").text();
    assert!(!names.contains("hidden"), "{names}");
}

#[test]
fn a_watcher_is_told_of_what_it_may_read_also_of_namespaces_that_come_later() {
    let server = start();
    let events = get(&server, READER, "/v1/watch?after=0&standing=any").json();
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
    assert_eq!(events["revision"], 3, "the cursor moves past what is not told");
    assert_eq!(get(&server, READER, "/v1/watch?namespace=open,secret").status, 403);
    let bearer = [("authorization", "Bearer reader-0123456789")];
    let mut ann = Stream::open(server.connect(), "/v1/watch", &bearer).unwrap();
    assert_eq!(ann.expect().told(), "present in-open");
    assert_eq!(ann.expect().event, "synced");
    let mut root = Stream::open(
        server.connect(),
        "/v1/watch?after=3",
        &[("authorization", &format!("Bearer {ROOT}"))],
    )
    .unwrap();
    for (path, _) in [("secret/instances/x", 0), ("later/instances/y", 0), ("open/instances/z", 0)]
    {
        let answer = ask(&server, ROOT, "PUT", &format!("/v1/{path}"), "{}");
        assert_eq!(answer.status, 201);
    }
    assert_eq!(ann.expect().told(), "put z");
    for told in ["put x", "put y", "put z"] {
        assert_eq!(root.expect().told(), told);
    }
    // Without credentials there is no stream, but a problem.
    let refused = Stream::open(server.connect(), "/v1/watch", &[]).err().unwrap();
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
}

#[test]
fn writing_needs_the_scope_in_the_namespace() {
    let server = start();
    let everywhere = |token: &str, namespace: &str| {
        let path = format!("/v1/{namespace}/instances/in-{namespace}");
        let calls = [
            ("PUT", path.clone(), "{}"),
            ("PATCH", path.clone(), "{}"),
            ("POST", format!("{path}/heartbeat"), ""),
            ("POST", format!("/v1/{namespace}/instances"), "{}"),
            ("POST", format!("/v1/{namespace}/registrations"), r#"{"instances":[]}"#),
            ("DELETE", path, ""),
        ];
        calls.map(|(method, path, body)| ask(&server, token, method, &path, body).status)
    };
    assert_eq!(everywhere(READER, "open"), [403; 6]);
    assert_eq!(everywhere(WRITER, "secret"), [403; 6]);
    assert_eq!(everywhere(WRITER, "open"), [200, 200, 200, 201, 200, 204]);
    assert_eq!(everywhere(ROOT, "secret"), [200, 200, 200, 201, 200, 204]);
    let beats = r#"{"heartbeats":[{"namespace":"secret","id":"x"},{"namespace":"open","id":"x"}]}"#;
    let verdicts = ask(&server, WRITER, "POST", "/v1/heartbeats", beats).text();
    assert_eq!(verdicts, r#"{"renewed":0,"verdicts":["forbidden","not-registered"]}"#);
    // Who did it is told to those who ask later.
    let explained = get(&server, ROOT, "/v1/open/instances/in-open/explain").json();
    let changes = explained["changes"].as_array().unwrap();
    assert_eq!(changes.last().unwrap()["by"], "bob from 127.0.0.1");
}

#[test]
fn the_door_says_what_nobodys_callers_may_do() {
    let path = "/v1/default/instances/a";
    for (door, read, write) in [
        (Door::Token, 401, 401),
        (Door::OpenReads, 404, 401),
        (Door::Open, 404, 201),
        (Door::Off, 404, 404),
    ] {
        let setup = Setup::stored("memory:").env("ROLECALL_TOKEN", ROOT);
        let server = setup.args(&["--dialect-native", door.as_str()]).start();
        let status =
            |method: &str, path: &str, body: &str| server.request(method, path, body).status;
        assert_eq!(status("GET", path, ""), read, "{door}");
        assert_eq!(status("PUT", path, "{}"), write, "{door}");
        let wrong = [("authorization", "Bearer nobody-0123456789")];
        let wrong = server.connect().request_with("GET", path, &wrong, "").unwrap().status;
        assert_eq!(wrong, if door == Door::Open { 200 } else { read }, "{door}");
        let document = status("GET", "/openapi.json", "");
        assert_eq!(
            document,
            match door {
                Door::Token => 401,
                Door::Off => 404,
                Door::OpenReads | Door::Open => 200,
            }
        );
        assert_eq!(status("GET", "/health", ""), 200);
    }
}
