//! The page that Prometheus reads: what it counts, and who may see it.

use std::collections::BTreeMap;

use support::process::{Server, Setup};

/// The numbers of a page by name and labels. Panics at a line that Prometheus would not read.
fn numbers(page: &str) -> BTreeMap<String, f64> {
    let mut families: Vec<&str> = Vec::new();
    let mut numbers = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            families.push(rest.split(' ').next().unwrap());
        } else if !line.starts_with("# HELP ") {
            let (name, number) = line.rsplit_once(' ').unwrap();
            let family = name.split('{').next().unwrap();
            assert!(families.iter().any(|known| family.starts_with(known)), "untyped: {line}");
            let was = numbers.insert(name.to_owned(), number.parse().unwrap());
            assert!(was.is_none(), "twice: {line}");
        }
    }
    numbers
}

fn page(server: &Server) -> BTreeMap<String, f64> {
    let answer = server.connect().request("GET", "/metrics", "").unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    numbers(&answer.text())
}

#[test]
fn what_happened_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let server = Setup::new(data.path()).start();
    let mut connection = server.connect();
    for (method, path, body, status) in [
        ("PUT", "/v1/default/instances/a", r#"{"role":"worker"}"#, 201),
        ("PUT", "/v1/default/instances/b", r#"{"role":"worker","state":"stopped"}"#, 201),
        ("PUT", "/v1/default/instances/c", r#"{"role":"worker","ttl_ms":1}"#, 201),
        ("POST", "/v1/default/heartbeats", r#"{"ids":["a","a","b","x"]}"#, 200),
        ("DELETE", "/v1/default/instances/b", "", 204),
        ("GET", "/v1/discover/worker", "", 200),
        ("GET", "/v1/discover/nobody", "", 200),
        ("GET", "/registry/vms/nothing", "", 404),
        ("GET", "/made/up/by/the/client", "", 404),
    ] {
        let answer = connection.request(method, path, body).unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let found = support::wait::until("the lease of c runs out and is announced", || {
        let found = page(&server);
        (found["rolecall_changes_total{cause=\"lapsed\"}"] > 0.0).then_some(found)
    });
    for (name, expected) in [
        ("rolecall_revision", 5.0),
        ("rolecall_heartbeats_total", 3.0),
        ("rolecall_changes_total{cause=\"registered\"}", 3.0),
        ("rolecall_changes_total{cause=\"deregistered\"}", 1.0),
        ("rolecall_instances{namespace=\"default\",role=\"worker\",standing=\"live\"}", 1.0),
        ("rolecall_instances{namespace=\"default\",role=\"worker\",standing=\"stale\"}", 1.0),
        ("rolecall_instances{namespace=\"default\",role=\"worker\",standing=\"resting\"}", 0.0),
        ("rolecall_requests_total{route=\"/v1/discover/{role}\",status=\"200\"}", 2.0),
        ("rolecall_requests_total{route=\"/registry/vms/{id}\",status=\"404\"}", 1.0),
        ("rolecall_requests_total{route=\"other\",status=\"404\"}", 1.0),
        ("rolecall_requests_abandoned_total", 0.0),
        ("rolecall_store_failures_total", 0.0),
        ("rolecall_watchers", 0.0),
    ] {
        assert_eq!(found.get(name), Some(&expected), "{name}");
    }
    let commits = found["rolecall_store_commit_seconds_count"];
    assert!((1.0..=5.0).contains(&commits), "{commits} commits");
    assert_eq!(found["rolecall_store_commit_seconds_bucket{le=\"+Inf\"}"], commits);
    assert_eq!(found["rolecall_store_writes_total"], 5.0);
}

#[test]
fn a_door_decides_who_sees_them() {
    let data = tempfile::tempdir().unwrap();
    let tokens = data.path().join("tokens");
    std::fs::write(&tokens, "read-everywhere-token read\nonly-some-namespaces read@vms\n").unwrap();
    let flags = ["--token-file", tokens.to_str().unwrap()];
    let status = |more: &[&str], token: Option<&str>| {
        let data = tempfile::tempdir().unwrap();
        let server = Setup::new(data.path()).args(&flags).args(more).start();
        let value = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = value.iter().map(|value| ("authorization", &**value)).collect();
        server.connect().request_with("GET", "/metrics", &headers, "").unwrap().status
    };
    assert_eq!(status(&[], None), 401);
    assert_eq!(status(&[], Some("read-everywhere-token")), 200);
    assert_eq!(status(&[], Some("only-some-namespaces")), 403);
    assert_eq!(status(&["--metrics", "open"], None), 200);
    assert_eq!(status(&["--metrics", "off"], Some("read-everywhere-token")), 404);
}
