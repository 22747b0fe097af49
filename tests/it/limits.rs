//! Too much of anything is a clear refusal, and the server goes on.

use std::time::{Duration, Instant};

use support::bytes::{Connection, Response};
use support::process::{Server, Setup};

pub(crate) const VMS: &str = "/registry/vms";

/// A server without a disk.
pub(crate) fn in_memory(args: &[&str]) -> Server {
    let setup = Setup::bare().args(&["--listen", "127.0.0.1:0", "--store", "memory:"]);
    setup.args(args).start()
}

/// One request in these bytes, and its answer.
pub(crate) fn exchange(server: &Server, bytes: &[u8]) -> Response {
    let mut connection = server.connect();
    connection.send(bytes).unwrap();
    connection.receive("GET").unwrap()
}

/// A request line and headers, and after them a healthy request: whatever came, the server goes on.
pub(crate) fn refused(server: &Server, head: &str) -> Response {
    let answer = exchange(server, format!("{head}\r\n\r\n").as_bytes());
    assert_eq!(server.request("GET", "/health", "").status, 200);
    answer
}

pub(crate) fn register(id: &str, fields: &str) -> String {
    let id = format!(r#""id":"{id}","name":"n","role":"worker","address":"h""#);
    format!(r#"{{{id},"registeredBy":"t"{fields}}}"#)
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_comes() {
    let server = in_memory(&["--body-bytes-max", "2048"]);
    let mut connection = server.connect();
    let fits = register("fits", "");
    let padded = format!("{fits}{}", " ".repeat(2048 - fits.len()));
    assert_eq!(connection.request("POST", VMS, &padded).unwrap().status, 201);
    // The same connection goes on after a refusal, since the body was read to its end.
    for path in [VMS, "/registry/vms/fits"] {
        let method = if path == VMS { "POST" } else { "PATCH" };
        let answer = connection.request(method, path, &format!("{padded} ")).unwrap();
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert_eq!(answer.text(), r#"{"error":"the body is larger than 2048 bytes"}"#);
    }
    assert_eq!(connection.request("GET", "/health", "").unwrap().status, 200);
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let chunked = format!("POST {VMS} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let answer = exchange(&server, format!("{chunked}{}0\r\n\r\n", chunk.repeat(3)).as_bytes());
    assert_eq!(answer.status, 413, "{}", answer.text());
    let announced = format!("POST {VMS} HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999");
    assert_eq!(refused(&server, &announced).status, 413);
    assert_eq!(server.request("GET", VMS, "").ids(), ["fits"]);
}

#[test]
fn a_body_of_ten_megabytes_gets_its_answer() {
    let server = in_memory(&[]);
    let mut connection = server.connect();
    let answer = connection.request("POST", VMS, &"x".repeat(10 << 20));
    // One that does not read before it has written all may find the connection closed.
    if let Ok(answer) = answer {
        assert_eq!(answer.status, 413);
    }
    let answer = server.request("POST", VMS, &"x".repeat(7 << 20));
    assert_eq!(answer.status, 413, "{}", answer.text());
}

#[test]
fn too_many_or_too_long_headers_are_refused() {
    let server = in_memory(&[]);
    let head = "GET /health HTTP/1.1\r\nhost: a";
    let many = |count| (0..count).map(|n| format!("\r\nx-{n}: y")).collect::<String>();
    assert_eq!(refused(&server, &format!("{head}{}", many(60))).status, 200);
    assert_eq!(refused(&server, &format!("{head}{}", many(100))).status, 431);
    for bytes in [20_000, 60_000] {
        let long = format!("{head}\r\nx: {}", "y".repeat(bytes));
        assert_eq!(refused(&server, &long).status, 431, "{bytes}");
    }
    let path = format!("GET /{} HTTP/1.1\r\nhost: a", "x".repeat(9_000));
    assert_eq!(refused(&server, &path).status, 414);
}

#[test]
fn a_client_that_never_finishes_its_headers_is_let_go_in_time() {
    let server = in_memory(&["--idle-seconds", "1"]);
    let start = Instant::now();
    let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
    clients[1].send(b"GET /health HT").unwrap();
    clients[2].send(b"GET /health HTTP/1.1\r\nhost: a\r\nx-slow: ").unwrap();
    for (place, mut client) in clients.into_iter().enumerate() {
        client.patience(Duration::from_secs(10)).unwrap();
        client.rest().unwrap_or_else(|e| panic!("client {place} was not let go: {e}"));
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(8), "{took:?}");
    // One between two requests, too.
    let mut idle = server.connect();
    assert_eq!(idle.request("GET", "/health", "").unwrap().status, 200);
    assert!(idle.rest().unwrap().is_empty());
}

#[test]
fn a_body_that_never_arrives_is_given_up_with_a_408() {
    let server = in_memory(&["--request-seconds", "6"]);
    let start = Instant::now();
    let mut connection = server.connect();
    let head = format!("POST {VMS} HTTP/1.1\r\nhost: a\r\ncontent-length: 50\r\n\r\n{{\"id\":");
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(connection.receive("POST").unwrap().status, 408);
    assert!(start.elapsed() < Duration::from_secs(6), "an answer begins within that");
    assert!(connection.rest().unwrap().is_empty(), "and the connection ends with it");
    assert!(server.request("GET", VMS, "").ids().is_empty());
}

#[test]
fn more_connections_than_allowed_wait_for_their_turn() {
    let server = in_memory(&["--connections-max", "2"]);
    let mut open: Vec<Connection> = (0..2).map(|_| server.connect()).collect();
    for connection in &mut open {
        assert_eq!(connection.request("GET", "/health", "").unwrap().status, 200);
    }
    let mut third = server.connect();
    third.send(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    third.patience(Duration::from_millis(300)).unwrap();
    let early = third.receive("GET");
    assert!(early.is_err(), "a third connection was served beside two: {early:?}");
    drop(open.pop());
    third.patience(Duration::from_secs(20)).unwrap();
    assert_eq!(third.receive("GET").unwrap().status, 200);
}

#[test]
fn deep_nesting_is_refused_and_the_server_lives() {
    let server = in_memory(&[]);
    let nested = |depth: usize| {
        let metadata = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        register("deep", &format!(r#","metadata":{metadata}"#))
    };
    for depth in [200, 5_000, 400_000] {
        let answer = server.request("POST", VMS, &nested(depth));
        assert_eq!(answer.status, 400, "{depth}: {}", answer.text());
        assert!(answer.text().contains("nested too deeply"), "{}", answer.text());
    }
    let unfinished = r#"{"a":"#.repeat(150_000);
    assert_eq!(server.request("POST", VMS, &unfinished).status, 400);
    assert_eq!(server.request("POST", VMS, &nested(100)).status, 201);
    let listed = server.request("GET", VMS, "").text();
    assert!(listed.contains(&"[".repeat(100)), "{listed}");
}

#[test]
fn each_text_has_a_length_and_one_byte_more_is_refused() {
    let server = in_memory(&[]);
    let long = |bytes: usize| format!("é{}", "x".repeat(bytes - 2));
    assert_eq!(server.request("POST", VMS, &register(&long(512), "")).status, 201);
    let answer = server.request("POST", VMS, &register(&long(513), ""));
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), r#"{"error":"id has 513 bytes; at most 512 are allowed"}"#);
    let path = format!("/registry/vms/{}", "x".repeat(513));
    assert_eq!(server.request("GET", &path, "").status, 404);
    assert_eq!(server.request("POST", &format!("{path}/heartbeat"), "").status, 404);
    for (place, field) in ["name", "address", "registeredBy"].into_iter().enumerate() {
        let with = |bytes| {
            let id = format!("{field}-{place}");
            let text = long(bytes);
            // Of a repeated field the last counts.
            register(&id, &format!(r#","{field}":"{text}""#))
        };
        assert_eq!(server.request("POST", VMS, &with(1_025)).status, 400, "{field}");
        assert_eq!(server.request("POST", VMS, &with(1_024)).status, 201, "{field}");
    }
    let patch = format!(r#"{{"name":"{}"}}"#, long(1_025));
    assert_eq!(server.request("PATCH", "/registry/vms/name-0", &patch).status, 400);
}

#[test]
fn large_metadata_comes_back_and_larger_is_refused_whole() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let with = |bytes| register("v1", &format!(r#","metadata":"{}""#, "m".repeat(bytes)));
    let refused = server.request("POST", VMS, &with(600 * 1024));
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert_eq!(server.request("GET", "/registry/vms/v1", "").status, 404);
    let large = server.request("POST", VMS, &with(500 * 1024));
    assert_eq!(large.status, 201);
    let patch = format!(r#"{{"name":"changed","services":"{}"}}"#, "s".repeat(50 * 1024));
    assert_eq!(server.request("PATCH", "/registry/vms/v1", &patch).status, 413);
    assert_eq!(server.request("GET", "/registry/vms/v1", "").body, large.body);
    server.kill();
    let server = Server::start(data.path());
    assert_eq!(server.request("GET", "/registry/vms/v1", "").body, large.body);
}

#[test]
fn any_number_of_services_is_kept_though_only_some_are_searched() {
    let server = in_memory(&[]);
    let services = vec![r#"{"name":"s","port":1}"#; 1_000].join(",");
    let body = register("v1", &format!(r#","services":[{services}]"#));
    let answer = server.request("POST", VMS, &body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.json()["services"].as_array().unwrap().len(), 1_000);
}

#[test]
fn an_entry_that_is_too_large_is_named_in_its_senders_words() {
    let server = in_memory(&[]);
    let metadata = format!(r#","metadata":"{}""#, "x".repeat(600 * 1024));
    let answer = server.request("POST", VMS, &register("large", &metadata));
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("services and metadata together"), "{}", answer.text());
    assert_eq!(server.request("GET", VMS, "").ids(), [""; 0]);
}

/// A page ends by its size, too, and the next one goes on from there.
#[test]
fn a_page_of_large_instances_is_short() {
    let server = in_memory(&[]);
    let body = format!(r#"{{"role":"r","metadata":"{}"}}"#, "x".repeat(500 * 1024));
    for n in 0..20 {
        let answer = server.request("PUT", &format!("/v1/default/instances/{n}"), &body);
        assert_eq!(answer.status, 201);
    }
    let mut cursor = String::new();
    let (mut pages, mut found) = (0, 0);
    loop {
        let path = format!("/v1/discover/r?fields=id{cursor}");
        let page = server.request("GET", &path, "").json();
        pages += 1;
        found += page["count"].as_u64().unwrap();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((pages, found), (3, 20));
}
