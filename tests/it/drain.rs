//! A signal to stop under load: whoever was let in is answered, and the end is clean and in time.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::bytes::{Connection, Response};
use support::dice::Dice;
use support::process::{Server, Setup};
use support::wait;
use support::writer::{Writer, id_of};

const WRITERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// Clients of each way to ask.
const READERS: usize = 8;
/// How long a thoughtful client thinks between an answer and its next question.
const THOUGHT: Duration = Duration::from_millis(40);
/// An idle connection may be closed after a moment (`DRAIN_IDLE_LINGER`, 250 ms). A client that was
/// held up for so long before it sent has no claim on an answer.
const HELD_UP: Duration = Duration::from_millis(200);
/// A second signal that comes sooner is the first once more (`SECOND_SIGNAL_AFTER`).
const TOO_SOON: Duration = Duration::from_secs(1);
/// What `--drain-seconds` is unless something is said, and some.
const IN_TIME: Duration = Duration::from_secs(12);

/// What one client has lived through.
#[derive(Default)]
struct Life {
    answered: usize,
    asked_to_leave: usize,
    failures: Vec<String>,
}

/// How a client asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One question after the other, on one connection for as long as it lasts.
    Hurried,
    /// The same, but it thinks in between: its connection is idle for most of the time.
    Thoughtful,
    /// Each question on a connection of its own.
    Fresh,
}

/// Asks and asks, until nobody listens any more.
#[expect(clippy::print_stderr, reason = "what went before is wanted when something fails")]
fn live(
    address: SocketAddr,
    way: Way,
    mut ask: impl FnMut(&mut Connection) -> io::Result<Response>,
) -> Life {
    let mut life = Life::default();
    while let Ok(mut connection) = Connection::open(address) {
        let mut free_since = Instant::now();
        loop {
            match ask(&mut connection) {
                Ok(answer) => {
                    life.answered += 1;
                    let leave = answer.header("connection") == Some("close");
                    life.asked_to_leave += usize::from(leave);
                    if leave || way == Way::Fresh {
                        break;
                    }
                    free_since = Instant::now();
                    if way == Way::Thoughtful {
                        wait::elapsed(free_since, THOUGHT);
                    }
                }
                Err(error) => {
                    let idle = connection.sent_at().saturating_duration_since(free_since);
                    if idle < HELD_UP {
                        life.failures.push(format!("{error} ({idle:?} after it was let in)"));
                    }
                    eprintln!("not answered: {error} ({idle:?} after it was let in)");
                    break;
                }
            }
        }
    }
    life
}

/// Any question whose answer is a success.
fn question(connection: &mut Connection, dice: &mut Dice) -> io::Result<Response> {
    let name = *dice.one(&WRITERS);
    let id = id_of(name, dice);
    let answer = match dice.below(4) {
        0 => connection.request("GET", "/health", ""),
        1 => connection.request("GET", &format!("/registry/vms/{id}"), ""),
        2 => connection.request("POST", "/registry/vms/shared/heartbeat", "{}"),
        _ => connection.request("GET", "/registry/discover/infra", ""),
    }?;
    assert!([200, 404].contains(&answer.status), "{}: {}", answer.status, answer.text());
    Ok(answer)
}

/// A record that everybody may beat.
const SHARED: &str =
    r#"{"id":"shared","name":"n","role":"infra","address":"h","registeredBy":"test"}"#;

/// Everybody at work; after a moment the signal.
fn load_and_stop(server: Server, writers: &mut [Writer], signal: &str, seed: u64) -> Vec<Life> {
    let address = server.address();
    std::thread::scope(|scope| {
        let mut clients = Vec::new();
        for writer in writers {
            let live = move || live(address, Way::Hurried, |to| writer.step(to));
            clients.push(scope.spawn(live));
        }
        for reader in 0..READERS {
            for way in [Way::Hurried, Way::Thoughtful, Way::Fresh] {
                let mut dice = Dice::new(seed + reader as u64);
                clients.push(scope.spawn(move || live(address, way, |to| question(to, &mut dice))));
            }
        }
        wait::elapsed(Instant::now(), Duration::from_millis(400));
        let signalled = Instant::now();
        server.signal(signal);
        let (status, log) = server.wait();
        let took = signalled.elapsed();
        assert_eq!(status.code(), Some(0), "SIG{signal}: {status}: {log}");
        assert!(took < IN_TIME, "SIG{signal}: it took {took:?}");
        assert!(log.contains("dropped=0"), "SIG{signal}: {log}");
        clients.into_iter().map(|client| client.join().expect("no answer was wrong")).collect()
    })
}

#[test]
fn a_stop_under_load_fails_no_request_that_was_let_in_and_loses_no_write() {
    let data = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(7);
    let mut writers: Vec<Writer> =
        WRITERS.iter().map(|name| Writer::new(name, dice.number())).collect();
    for (round, signal) in ["TERM", "INT", "TERM", "TERM", "INT", "TERM"].into_iter().enumerate() {
        let server = Server::start(data.path());
        let shared = server.request("POST", "/registry/vms", SHARED).status;
        assert_eq!(shared, if round == 0 { 201 } else { 409 });
        let lives = load_and_stop(server, &mut writers, signal, dice.number());
        let sum = |of: fn(&Life) -> usize| lives.iter().map(of).sum::<usize>();
        let failures: Vec<_> = lives.iter().flat_map(|life| &life.failures).collect();
        assert!(failures.is_empty(), "round {round}, SIG{signal}: {failures:?}");
        assert!(sum(|life| life.answered) > 100, "round {round}: hardly any load");
        assert!(sum(|life| life.asked_to_leave) > 0, "round {round}: nobody met the end");
        let server = Server::start(data.path());
        let list = server.request("GET", "/registry/vms", "").json();
        for writer in &mut writers {
            writer.check(&list).unwrap_or_else(|why| panic!("round {round}: {why}"));
        }
        server.stop();
    }
    assert!(writers.iter().map(Writer::acknowledged).sum::<usize>() > 100);
}

/// A request that goes on until the caller says otherwise: all of it but the end of its body.
fn open_request(server: &Server) -> (Connection, &'static str) {
    let body = r#"{"id":"v1","name":"n","role":"worker","address":"h","registeredBy":"t"}"#;
    let (first, rest) = body.split_at(30);
    let mut connection = server.connect();
    // One whole request first, so that the server is known to have the connection.
    assert_eq!(connection.request("GET", "/health", "").unwrap().status, 200);
    let length = body.len();
    let head = format!("POST /registry/vms HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n");
    connection.send(format!("{head}\r\n{first}").as_bytes()).unwrap();
    (connection, rest)
}

fn stopping(server: &Server, signal: &str) {
    server.signal(signal);
    wait::until("the server to say that it stops", || {
        server.log().contains("ends at once").then_some(())
    });
}

#[test]
fn a_request_under_way_at_the_signal_is_answered_and_kept() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let (mut connection, rest) = open_request(&server);
    stopping(&server, "TERM");
    wait::elapsed(Instant::now(), Duration::from_millis(700));
    connection.send(rest.as_bytes()).unwrap();
    let answer = connection.receive("POST").unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("connection"), Some("close"));
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    let server = Server::start(data.path());
    assert_eq!(server.request("GET", "/registry/vms/v1", "").body, answer.body);
}

#[test]
fn a_request_that_never_ends_holds_the_end_up_until_the_deadline_and_no_longer() {
    let data = tempfile::tempdir().unwrap();
    let server = Setup::new(data.path()).args(&["--drain-seconds", "1"]).start();
    let (_connection, _) = open_request(&server);
    let signalled = Instant::now();
    server.signal("TERM");
    let (status, log) = server.wait();
    let took = signalled.elapsed();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("dropped=1"), "{log}");
    assert!((1..8).contains(&took.as_secs()), "it took {took:?}");
}

#[test]
fn an_idle_connection_does_not_hold_the_end_up() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let mut connections: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for connection in &mut connections[..10] {
        assert_eq!(connection.request("GET", "/health", "").unwrap().status, 200);
    }
    let signalled = Instant::now();
    server.signal("TERM");
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    for mut connection in connections {
        assert_eq!(connection.rest().unwrap(), b"", "an idle connection ends without a word");
    }
}

#[test]
fn a_second_signal_ends_at_once_with_the_code_of_a_process_that_died_of_it() {
    let case = |first: &str, second: &str, code: i32| {
        let server = Setup::stored("memory:").start();
        let (_connection, _) = open_request(&server);
        let started = Instant::now();
        stopping(&server, first);
        wait::elapsed(started, TOO_SOON);
        wait::elapsed(Instant::now(), Duration::from_millis(200));
        let signalled = Instant::now();
        server.signal(second);
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(code), "SIG{first}, SIG{second}: {log}");
        assert!(log.contains(&format!("signal=\"SIG{second}\"")), "{log}");
        assert!(log.contains("a second signal"), "{log}");
        assert!(signalled.elapsed() < Duration::from_secs(3), "{:?}", signalled.elapsed());
    };
    std::thread::scope(|scope| {
        for (first, second, code) in
            [("TERM", "TERM", 143), ("INT", "INT", 130), ("TERM", "INT", 130), ("INT", "TERM", 143)]
        {
            scope.spawn(move || case(first, second, code));
        }
    });
}

#[test]
fn a_signal_that_comes_with_the_first_is_the_same_wish() {
    let server = Setup::stored("memory:").start();
    let (mut connection, rest) = open_request(&server);
    stopping(&server, "TERM");
    for again in ["TERM", "INT"] {
        server.signal(again);
    }
    connection.send(rest.as_bytes()).unwrap();
    assert_eq!(connection.receive("POST").unwrap().status, 201);
    let (status, log) = server.wait();
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn once_it_has_stopped_the_address_is_free_for_the_next() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path());
    let address = server.address().to_string();
    let mut busy = server.connect();
    assert_eq!(busy.request("GET", "/health", "").unwrap().status, 200);
    server.stop();
    let store = format!("sled:{}", data.path().display());
    let next = Setup::bare().args(&["--listen", &address, "--store", &store]).start();
    assert_eq!(next.address().to_string(), address);
    next.stop();
}
