//! What is hardly HTTP, or HTTP that can be read in two ways: a refusal, and the server goes on.

use std::time::{Duration, Instant};

use support::dice::Dice;
use support::wait::elapsed;

use crate::limits::{VMS, exchange, in_memory, refused, register};

#[test]
fn a_request_without_one_good_host_is_refused() {
    let server = in_memory(&[]);
    for (head, status) in [
        ("GET /health HTTP/1.1\r\nhost: a", 200),
        ("GET /health HTTP/1.0", 200),
        ("GET /health HTTP/1.1", 400),
        ("GET /health HTTP/1.1\r\nhost:", 400),
        ("GET /health HTTP/1.1\r\nhost: a\r\nhost: a", 400),
        ("GET /health HTTP/1.1\r\nhost: a b", 400),
        ("GET /health HTTP/1.1\r\nhost: a/b", 400),
        ("GET /registry/vms HTTP/1.1", 400),
    ] {
        assert_eq!(refused(&server, head).status, status, "{head:?}");
    }
}

#[test]
fn a_raw_byte_beyond_ascii_in_the_path_is_refused() {
    let server = in_memory(&[]);
    for path in ["/registry/vms/é", "/日本", "/registry/vms/\u{80}"] {
        assert_eq!(refused(&server, &format!("GET {path} HTTP/1.1\r\nhost: a")).status, 400);
    }
    let raw = b"GET /registry/vms/\xFF HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(exchange(&server, raw).status, 400);
}

#[test]
fn framing_that_can_be_read_in_two_ways_is_refused() {
    let server = in_memory(&[]);
    let head = format!("POST {VMS} HTTP/1.1\r\nhost: a");
    for headers in [
        "content-length: 5\r\ncontent-length: 6",
        "content-length: -1",
        "content-length: +5",
        "content-length: 0x5",
        "content-length: 5, 6",
        "transfer-encoding: gzip",
        "transfer-encoding: chunked, gzip",
    ] {
        let mut connection = server.connect();
        connection.send(format!("{head}\r\n{headers}\r\n\r\nabcdef").as_bytes()).unwrap();
        let answer = connection.receive("POST").unwrap();
        assert_eq!(answer.status, 400, "{headers}");
        assert!(connection.rest().unwrap().is_empty(), "{headers}: no second answer");
    }
}

#[test]
fn a_body_that_nobody_wants_costs_neither_its_answer_nor_its_connection() {
    let server = in_memory(&[]);
    let vm = register("v1", "");
    let mut first = server.connect();
    let head = format!("POST {VMS} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", vm.len());
    first.send(format!("{head}{vm}").as_bytes()).unwrap();
    assert_eq!(first.receive("POST").unwrap().status, 201);
    for (method, target, status) in [
        ("POST", "/registry/vms/v1/heartbeat", 200),
        ("POST", "/registry/vms/nobody/heartbeat", 404),
        ("GET", "/registry/vms/v1", 200),
        ("DELETE", "/registry/vms/nobody", 404),
        ("POST", "/nowhere", 404),
        ("POST", "/v1/vms/instances/v1", 405),
        ("PUT", "/v1/vms/instances/v1?bogus=1", 400),
        ("POST", "/agents/nobody/unregister", 200),
    ] {
        let mut connection = server.connect();
        for (framing, body) in [
            ("content-length: 2", "{}".to_owned()),
            ("content-length: 300000", "x".repeat(300_000)),
            ("transfer-encoding: chunked", "2\r\n{}\r\n0\r\n\r\n".to_owned()),
        ] {
            let head = format!("{method} {target} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
            connection.send(head.as_bytes()).unwrap();
            // As clients do that write the head first: it must not have been answered by then.
            elapsed(Instant::now(), Duration::from_millis(20));
            connection.send(body.as_bytes()).unwrap();
            let answer = connection.receive(method).unwrap();
            assert_eq!(answer.status, status, "{method} {target}, {framing}");
            assert_eq!(answer.header("connection"), None, "{method} {target}, {framing}");
        }
    }
}

#[test]
fn a_body_without_an_end_closes_its_connection_after_the_answer() {
    let server = in_memory(&["--request-seconds", "2"]);
    for framing in ["content-length: 2", "content-length: 99999999", "expect: 100-continue"] {
        let mut connection = server.connect();
        let head = format!("POST /nowhere HTTP/1.1\r\nhost: a\r\n{framing}\r\n");
        let length = if framing.starts_with("expect") { "content-length: 2\r\n" } else { "" };
        connection.send(format!("{head}{length}\r\n").as_bytes()).unwrap();
        let answer = connection.receive("POST").unwrap();
        assert_eq!((answer.status, answer.header("connection")), (404, Some("close")), "{framing}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = in_memory(&[]);
    let mut connection = server.connect();
    let mut all = String::new();
    for n in 0..50 {
        let body = register(&format!("v{n}"), "");
        let length = body.len();
        let head = format!("POST {VMS} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        all.push_str(&format!("{head}{body}GET {VMS}/v{n} HTTP/1.1\r\nhost: a\r\n\r\n"));
    }
    connection.send(all.as_bytes()).unwrap();
    for n in 0..50 {
        let registered = connection.receive("POST").unwrap();
        assert_eq!(registered.status, 201, "{}", registered.text());
        assert_eq!(registered.json()["id"], format!("v{n}"));
        assert_eq!(connection.receive("GET").unwrap().body, registered.body);
    }
}

/// Something that is hardly a request, or one with a fault in it.
fn garbage(dice: &mut Dice) -> Vec<u8> {
    let body = register("g", r#","metadata":{"a":[1,2.5e3,"\u00e9",null,{"b":{}}]}"#);
    let length = body.len();
    let method = *dice.one(&["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "\0"]);
    let path = *dice.one(&[VMS, "/registry/vms/g", "/registry/vms/g/heartbeat", "/", "*", "//"]);
    let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    let mut bytes = [head.as_bytes(), body.as_bytes()].concat();
    match dice.below(5) {
        0 => return (0..1 + dice.below(300)).flat_map(|_| dice.bytes(1)).collect(),
        1 => bytes.truncate(dice.below(bytes.len())),
        2 => {
            let at = dice.below(bytes.len());
            bytes.splice(at..at, std::iter::repeat_n(b'[', dice.number() as usize % 2_000));
        }
        _ => {}
    }
    for _ in 0..1 + dice.below(8) {
        let at = dice.below(bytes.len());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = dice.bytes(1)[0];
        }
    }
    bytes
}

#[test]
fn three_hundred_requests_of_garbage_never_meet_a_server_error() {
    let server = in_memory(&["--idle-seconds", "2", "--request-seconds", "5"]);
    let mut dice = Dice::new(11);
    let mut answered = 0;
    for number in 0..300 {
        let bytes = garbage(&mut dice);
        let mut connection = server.connect();
        connection.patience(Duration::from_secs(10)).unwrap();
        // The server may hang up in the middle; that is an answer, too.
        let sent = connection.send(&bytes).and_then(|()| connection.finish());
        let answer = sent.and_then(|()| connection.rest()).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        let shown = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("HTTP/1.1 5"), "garbage {number}: {shown:?}: {text}");
        answered += usize::from(text.starts_with("HTTP/1.1 "));
    }
    assert!(answered > 100, "only {answered} were answered at all");
    assert_eq!(server.request("GET", "/health", "").status, 200);
    assert_eq!(server.request("POST", VMS, &register("after", "")).status, 201);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
