//! Tests of the accept loop over real sockets: bounds, malformed requests, and a clean end.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::auth::{Auth, Secret, TokenSources};
use crate::dialect::Doors;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::stack;

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server on a port of its own.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<Drained>,
}

// === impl Server ===

impl Server {
    async fn start(limits: Limits, tokens: &[&str]) -> Self {
        Self::behind(crate::bind("127.0.0.1:0".parse().unwrap()).unwrap(), limits, tokens).await
    }

    async fn behind(gate: Gate, limits: Limits, tokens: &[&str]) -> Self {
        let address = gate.listener.local_addr().unwrap();
        let environment = tokens.iter().map(|token| ("TOKEN", Secret::new(token).unwrap()));
        let sources = TokenSources { environment: environment.collect(), files: vec![] };
        let app = Arc::new(App::new(
            crate::app::registry_for_tests().await,
            Auth::open(&sources).unwrap(),
            Doors::default(),
            limits,
            Metrics::new(Arc::default()),
        ));
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { stopped.await.unwrap_or(()) };
        let shared = Arc::clone(&app);
        let new_service = move |peer| stack(Arc::clone(&shared), peer);
        let ended = tokio::spawn(listen(gate, app, new_service, shutdown));
        Self { address, stop: Some(stop), ended }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything the server says to these bytes until it closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn end(mut self) -> Drained {
        if self.stop.is_some() {
            self.stop();
        }
        self.ended.await.unwrap()
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await;
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads one answer with a short body, and leaves the connection open.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut text = vec![0; 4096];
    let count = timeout(Duration::from_secs(10), stream.read(&mut text)).await.unwrap().unwrap();
    String::from_utf8_lossy(&text[..count]).into_owned()
}

fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn open_routes_and_unknown_ones() {
    let server = Server::start(Limits::default(), &["t0ken"]).await;
    for (line, status, body) in [
        ("GET /health", "200 OK", "\"status\":\"ok\""),
        ("GET /%68ealth?x=1", "200 OK", "\"status\":\"ok\""),
        ("GET /readyz", "200 OK", "{\"status\":\"ready\"}"),
        ("POST /health", "404 Not Found", "404 Not Found"),
        ("GET /health/", "404 Not Found", "404 Not Found"),
        ("GET /", "404 Not Found", "404 Not Found"),
        ("OPTIONS *", "404 Not Found", "404 Not Found"),
        ("GET /Registry/vms", "404 Not Found", "404 Not Found"),
        ("GET //registry/vms", "404 Not Found", "404 Not Found"),
        ("GET /registry%2Fvms", "404 Not Found", "404 Not Found"),
        ("GET /registry", "401 Unauthorized", "missing Authorization header"),
        ("GET /%72egistry/vms", "401 Unauthorized", "missing Authorization header"),
        ("GET /health/../registry/vms", "401 Unauthorized", "missing Authorization header"),
        ("BREW /feed/nothing/at/all/", "401 Unauthorized", "missing Authorization header"),
    ] {
        let answer = server.exchange(&request(line, "")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}: {answer}");
        assert!(answer.contains(body), "{line}: {answer}");
    }
    server.end().await;
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let server = Server::start(Limits::default(), &[]).await;
    for path in ["/readyz", "/nothing"] {
        let get = server.exchange(&request(&format!("GET {path}"), "x-request-id: 1\r\n")).await;
        let head = server.exchange(&request(&format!("HEAD {path}"), "x-request-id: 1\r\n")).await;
        let headers = |text: &str| -> Vec<String> {
            let (head, _) = text.split_once("\r\n\r\n").unwrap();
            head.lines().filter(|line| !line.starts_with("date")).map(str::to_string).collect()
        };
        assert_eq!(headers(&get), headers(&head));
        assert!(headers(&head).iter().any(|line| line.starts_with("content-length: ")), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
    server.end().await;
}

#[tokio::test]
async fn what_http_forbids_is_refused() {
    let server = Server::start(Limits::default(), &[]).await;
    let host = "Host: a\r\n";
    let long_target = format!("GET /{} HTTP/1.1\r\n{host}\r\n", "x".repeat(9_000));
    let long_header = format!("GET / HTTP/1.1\r\n{host}x: {}\r\n\r\n", "x".repeat(17_000));
    let many = format!("GET / HTTP/1.1\r\n{host}{}\r\n", "x: y\r\n".repeat(64));
    for (bytes, status) in [
        ("GET /health HTTP/1.1\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost:\r\n\r\n", "400"),
        ("GET /registry/vms/é HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
        (&long_target, "414"),
        (&long_header, "431"),
        (&many, "431"),
        ("GET /health HTTP/1.0\r\n\r\n", "200"),
    ] {
        let answer = server.exchange(bytes.as_bytes()).await;
        let start = answer.split(' ').nth(1);
        assert_eq!(start, Some(status), "{}: {answer}", &bytes[..bytes.len().min(60)]);
    }
    server.end().await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = Server::start(Limits::default(), &[]).await;
    let mut stream = server.connect().await;
    stream.write_all(format!("{HEALTH}GET /hea").as_bytes()).await.unwrap();
    assert!(one_answer(&mut stream).await.contains("200 OK"));
    stream.write_all(b"lth HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(one_answer(&mut stream).await.contains("200 OK"));
    server.end().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_quick_one_kept() {
    let limits = Limits { idle: Duration::from_millis(150), ..Limits::default() };
    let server = Server::start(limits, &[]).await;
    let mut silent = server.connect().await;
    let mut busy = server.connect().await;
    for _ in 0..2 {
        busy.write_all(HEALTH.as_bytes()).await.unwrap();
        assert!(one_answer(&mut busy).await.contains("200 OK"));
    }
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut busy).await, "", "idle for too long as well");
    assert_eq!(server.end().await, Drained { accepted: 2, dropped: 0 });
}

#[tokio::test]
async fn beyond_the_cap_connections_wait_their_turn() {
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let server = Server::start(limits, &[]).await;
    let mut first = server.connect().await;
    first.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(one_answer(&mut first).await.contains("200 OK"));
    let mut second = server.connect().await;
    second.write_all(&request("GET /health", "")).await.unwrap();
    let early = timeout(Duration::from_millis(100), second.read_u8()).await;
    assert!(early.is_err(), "answered beyond the cap");
    drop(first);
    assert!(rest(&mut second).await.contains("200 OK"));
    server.end().await;
}

#[tokio::test]
async fn a_request_that_arrives_with_the_end_is_answered_and_closes() {
    let mut server = Server::start(Limits::default(), &[]).await;
    let mut open = server.connect().await;
    open.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(!one_answer(&mut open).await.contains("connection: close"));
    // Connected in the kernel only: the server, on this same thread, has not run since.
    let std_stream = std::net::TcpStream::connect(server.address).unwrap();
    std_stream.set_nonblocking(true).unwrap();
    let mut queued = TcpStream::from_std(std_stream).unwrap();
    server.stop();
    queued.write_all(HEALTH.as_bytes()).await.unwrap();
    open.write_all(HEALTH.as_bytes()).await.unwrap();
    for mut stream in [open, queued] {
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert!(TcpStream::connect(server.address).await.is_err(), "the address is given up");
    assert_eq!(server.end().await, Drained { accepted: 2, dropped: 0 });
}

#[tokio::test]
async fn at_the_deadline_what_is_left_is_dropped() {
    let limits = Limits { drain: Duration::from_millis(400), ..Limits::default() };
    let server = Server::start(limits, &[]).await;
    let mut idle = server.connect().await;
    idle.write_all(HEALTH.as_bytes()).await.unwrap();
    one_answer(&mut idle).await;
    // A request whose headers have arrived and whose body never does. No route reads it, so the
    // answer comes at once; what hangs is a client that neither sends nor closes.
    let mut stuck = server.connect().await;
    stuck
        .write_all(b"POST /registry/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        .await
        .unwrap();
    let drained = server.end().await;
    assert_eq!(drained.accepted, 2);
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn nobody_new_is_greeted_once_the_end_has_begun() {
    let mut server = Server::start(Limits::default(), &[]).await;
    let mut open = server.connect().await;
    server.stop();
    open.write_all(HEALTH.as_bytes()).await.unwrap();
    assert!(rest(&mut open).await.contains("connection: close"), "the end has begun");
    let greeted = timeout(Duration::from_millis(100), server.connect()).await;
    assert!(greeted.is_err(), "a client that the closing listener would have to reset");
    server.end().await;
}

/// The promise behind `stop`: of many clients at work, none sees a request fail that was accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_under_load_fails_no_request() {
    for round in 1..=4 {
        let server = Server::start(Limits::default(), &[]).await;
        let answered = Arc::new(AtomicU64::new(0));
        let client = |n| client(server.address, n % 2 == 0, Arc::clone(&answered));
        let clients: Vec<_> = (0..96).map(|n| tokio::spawn(client(n))).collect();
        while answered.load(Ordering::Relaxed) < round * 500 {
            tokio::task::yield_now().await;
        }
        assert_eq!(server.end().await.dropped, 0);
        for client in clients {
            client.await.unwrap();
        }
    }
}

/// One server after the other accepts from a socket that somebody else holds: who connects in
/// between waits in its queue, and is answered by the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_one_server_takes_over_from_the_other_and_nobody_is_refused() {
    let held = crate::bind::open("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = held.local_addr().unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    let client = |n| client(address, n % 2 == 0, Arc::clone(&answered));
    let clients: Vec<_> = (0..96).map(|n| tokio::spawn(client(n))).collect();
    for _ in 0..4 {
        let gate = Gate::lent(held.try_clone().unwrap()).unwrap();
        let server = Server::behind(gate, Limits::default(), &[]).await;
        let wanted = answered.load(Ordering::Relaxed) + 500;
        let takes_over = async {
            while answered.load(Ordering::Relaxed) < wanted {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), takes_over).await.expect("the next one is greeted");
        assert_eq!(server.end().await.dropped, 0);
    }
    // The last one has the socket to itself, so that it ends with it, and the clients, too.
    let last = Gate { tenure: Tenure::Own, ..Gate::lent(held).unwrap() };
    assert_eq!(Server::behind(last, Limits::default(), &[]).await.end().await.dropped, 0);
    for client in clients {
        client.await.unwrap();
    }
}

/// Asks again and again until a connection is refused.
async fn client(address: SocketAddr, keeps_alive: bool, answered: Arc<AtomicU64>) {
    while let Ok(mut stream) = TcpStream::connect(address).await {
        loop {
            stream.write_all(HEALTH.as_bytes()).await.unwrap();
            let answer = one_answer(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
            answered.fetch_add(1, Ordering::Relaxed);
            if !keeps_alive || answer.contains("connection: close") {
                break;
            }
        }
    }
}
