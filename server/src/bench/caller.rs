//! One caller: a connection, one request at a time, and how long each took.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Ask;
use super::target::Target;
use crate::limits::{BENCH_ANSWER_BYTES_MAX, BENCH_ANSWER_TIMEOUT, BENCH_REQUESTS_MAX};

/// Bytes of an unexpected answer that are shown.
const SHOWN_BYTES: usize = 200;

/// One connection.
pub(super) struct Caller {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

/// What callers have done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// In microseconds, of each request that was answered as it should be.
    pub(super) latencies: Vec<u32>,
    pub(super) errors: usize,
    /// The first of them.
    pub(super) error: Option<String>,
}

// === impl Caller ===

impl Caller {
    pub(super) async fn connect(target: &Target) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Display| {
            format!("cannot connect to {}: {error}", target.address)
        };
        let stream = in_time(TcpStream::connect(target.address)).await?;
        let stream = stream.map_err(|error| failed(&error))?;
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
        // It ends when the sender is dropped; what goes wrong, the request is told.
        tokio::spawn(connection);
        let (host, authorization) = (target.host.clone(), target.authorization.clone());
        Ok(Self { sender, host, authorization })
    }

    /// Sends one request and reads its answer to the end.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Result<(), String> {
        let what = || format!("{} {}", ask.method, ask.path);
        let answer = in_time(self.send(ask)).await.map_err(|late| format!("{}: {late}", what()))?;
        let (status, body) = answer.map_err(|error| format!("{}: {error}", what()))?;
        if ask.statuses.contains(&status) && body.starts_with(ask.begins.as_bytes()) {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]);
        Err(format!("{}: status {status}: {shown}", what()))
    }

    async fn send(&mut self, ask: &Ask) -> Result<(hyper::StatusCode, Bytes), Error> {
        self.sender.ready().await?;
        let mut request = Request::new(Full::new(Bytes::from(ask.body.clone())));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.path.parse()?;
        request.headers_mut().insert(HOST, self.host.clone());
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer: Response<_> = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BENCH_ANSWER_BYTES_MAX).collect().await?;
        Ok((status, body.to_bytes()))
    }
}

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn in_time<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let seconds = BENCH_ANSWER_TIMEOUT.as_secs();
    let late = |_| format!("no answer within {seconds} s");
    tokio::time::timeout(BENCH_ANSWER_TIMEOUT, work).await.map_err(late)
}

// === impl Done ===

impl Done {
    pub(super) fn failed(error: String) -> Self {
        Self { errors: 1, error: Some(error), ..Self::default() }
    }

    pub(super) fn took(&mut self, time: Duration) {
        self.latencies.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    pub(super) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.error = self.error.take().or(other.error);
    }

    /// Whether this caller, one of so many, may ask for more.
    pub(super) fn has_room(&self, callers: usize) -> bool {
        self.latencies.len() < BENCH_REQUESTS_MAX / callers
    }
}
