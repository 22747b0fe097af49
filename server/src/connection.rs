//! One connection, from its first byte to its last: TLS if it is on, then HTTP/1.1 or HTTP/2.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_LENGTH, HOST, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tower::{ServiceExt, service_fn};

use crate::app::App;
use crate::body::Body;
use crate::idle::IdleTimer;
use crate::lifecycle::{Phase, reached};
use crate::limits::{
    CONNECTION_BUFFER_BYTES_MAX, DRAIN_HANDSHAKE_LINGER, DRAIN_IDLE_LINGER,
    H2_CONNECTION_WINDOW_BYTES, H2_PING_INTERVAL, H2_PING_TIMEOUT, H2_REFUSED_STREAMS_MAX,
    H2_RESET_STREAMS_MAX, H2_SEND_BUFFER_BYTES_MAX, H2_STREAM_WINDOW_BYTES, H2_STREAMS_MAX,
    HEADER_BYTES_MAX, HEADER_COUNT_MAX, Limits,
};
use crate::listen::Answering;
use crate::tls::{H2, Tls};

/// How HTTP is spoken on all connections of one server.
pub(crate) struct Protocols {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// One connection: until its end `phase` counts it.
///
/// In cleartext only HTTP/1: what a client speaks would have to be guessed from its first bytes,
/// and hyper-util's guess has no timeout, so that a silent connection would stay for ever. In TLS
/// the handshake says it.
pub(crate) async fn converse(
    protocols: &Protocols,
    stream: TcpStream,
    service: impl Answering,
    app: &App,
    mut phase: watch::Receiver<Phase>,
) {
    let Some(tls) = &app.tls else {
        return protocols.http1(stream, service, phase).await;
    };
    // In a box, so that a connection without TLS has not the size of one with it.
    let encrypted = async {
        let Some(stream) = shake_hands(tls, stream, app, &mut phase).await else { return };
        if stream.get_ref().1.alpn_protocol() == Some(H2) {
            protocols.http2(stream, service, app, phase).await;
        } else {
            protocols.http1(stream, service, phase).await;
        }
    };
    Box::pin(encrypted).await;
}

/// The encrypted stream, unless the client takes too long over it or the server ends meanwhile.
async fn shake_hands(
    tls: &Tls,
    stream: TcpStream,
    app: &App,
    phase: &mut watch::Receiver<Phase>,
) -> Option<TlsStream<TcpStream>> {
    let end = async {
        reached(Phase::Draining, phase).await;
        sleep(DRAIN_HANDSHAKE_LINGER).await;
    };
    tokio::select! {
        biased;
        shaken = timeout(app.limits.handshake, tls.accept(stream)) => shaken.ok().flatten(),
        () = end => None,
    }
}

// === impl Protocols ===

impl Protocols {
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .header_read_timeout(limits.idle) // each connection brings the timer for it
            .max_headers(HEADER_COUNT_MAX)
            .max_header_size(HEADER_BYTES_MAX)
            .max_buf_size(CONNECTION_BUFFER_BYTES_MAX)
            .keep_alive(true)
            // Not for more speed with pipelining: with it hyper 1.12 withholds an answer while any
            // byte of a next request is there, and loses every 400 and 431 of its own. A test
            // shows it.
            .pipeline_flush(false);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new()) // without it there are no pings
            .max_header_list_size(HEADER_BYTES_MAX as u32)
            .max_concurrent_streams(H2_STREAMS_MAX)
            .initial_stream_window_size(H2_STREAM_WINDOW_BYTES)
            .initial_connection_window_size(H2_CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(H2_SEND_BUFFER_BYTES_MAX)
            .max_pending_accept_reset_streams(H2_RESET_STREAMS_MAX)
            .max_local_error_reset_streams(H2_REFUSED_STREAMS_MAX)
            .keep_alive_interval(H2_PING_INTERVAL)
            .keep_alive_timeout(H2_PING_TIMEOUT);
        Self { http1, http2 }
    }

    async fn http1(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        service: impl Answering,
        phase: watch::Receiver<Phase>,
    ) {
        let connection = self
            .http1
            .clone()
            .timer(IdleTimer::default())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        live(connection, pending(), phase).await;
    }

    async fn http2(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        service: impl Answering,
        app: &App,
        phase: watch::Receiver<Phase>,
    ) {
        let begun = Arc::new(AtomicU64::new(0));
        let service = TowerToHyperService::new(translated(service, Arc::clone(&begun)));
        let connection = self.http2.serve_connection(TokioIo::new(stream), service);
        live(connection, unused(&begun, app.limits.idle), phase).await;
    }
}

/// Lets a connection live until it ends by itself, the server ends, or it is `unused`, which tells
/// how many requests there were.
async fn live(
    connection: impl GracefulConnection,
    unused: impl Future<Output = u64>,
    mut phase: watch::Receiver<Phase>,
) {
    let mut connection = pin!(connection);
    // In each stage the connection is polled first: what has arrived is served before it ends.
    // How it ended is no news: clients hang up, time out and talk nonsense all day long.
    // A set of one, because a set is asked only when it has been woken: to ask the phase takes a
    // lock that connections share, and we are here for each request.
    let mut draining = FuturesUnordered::from_iter([reached(Phase::Draining, &mut phase)]);
    let linger = tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        _ = draining.next() => DRAIN_IDLE_LINGER,
        // Who never asked has perhaps not even said hello, and would not hear a goodbye.
        requests = unused => if requests == 0 { return } else { Duration::ZERO },
    };
    drop(draining);
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = sleep(linger) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        _ = connection.as_mut() => {}
        () = reached(Phase::Over, &mut phase) => {}
    }
}

/// Waits until no request has begun for as long as `idle`, or up to twice that; tells how many
/// there were. HTTP/1 does this by itself, HTTP/2 in hyper does not.
async fn unused(begun: &AtomicU64, idle: Duration) -> u64 {
    let mut before = 0;
    loop {
        sleep(idle).await;
        let now = begun.load(Ordering::Relaxed);
        if now == before {
            return now;
        }
        before = now;
    }
}

/// The same service for HTTP/2: to the rooms below its requests look like those of HTTP/1.1, and
/// what they answer becomes an answer of HTTP/2. hyper itself takes away the `connection` header.
fn translated(service: impl Answering, begun: Arc<AtomicU64>) -> impl Answering {
    service_fn(move |request: Request<Incoming>| {
        begun.fetch_add(1, Ordering::Relaxed);
        let is_head = request.method() == Method::HEAD;
        let answer = service.clone().oneshot(with_host(request));
        async move {
            let Ok(answer) = answer.await;
            Ok(if is_head { without_body(answer) } else { answer })
        }
    })
}

/// HTTP/2 names the host beside the path. A Host header that says something else stays, and two
/// hosts are refused like two headers.
fn with_host(mut request: Request<Incoming>) -> Request<Incoming> {
    let authority = request.uri().authority().map(|host| HeaderValue::from_str(host.as_str()));
    if let Some(Ok(host)) = authority
        && request.headers().get(HOST) != Some(&host)
    {
        request.headers_mut().append(HOST, host);
    }
    request
}

/// What hyper does by itself for HTTP/1, where a HEAD is answered.
fn without_body(mut answer: Response<Body>) -> Response<Body> {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    answer.map(|_| Body::Left(Full::default()))
}
