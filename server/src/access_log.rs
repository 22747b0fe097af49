//! One line in the log for each request, under the target `access`.

use std::net::SocketAddr;

use hyper::Response;
use hyper::body::Body as _;
use hyper::http::request::Parts;
use tracing::Level;

use crate::body::Body;
use crate::clock::Stopwatch;
use crate::request_id::RequestId;

/// A line that was begun when its request came in: all that must be known before its end.
#[derive(Debug)]
pub(crate) struct AccessLine {
    started: Stopwatch,
}

// === impl AccessLine ===

impl AccessLine {
    /// Begins a line, and the time it reports, if the log wants any.
    pub(crate) fn begin() -> Option<Self> {
        // A log that wants warnings only wants this line if the server fails, so it is begun.
        let is_wanted = tracing::enabled!(target: "access", Level::WARN);
        is_wanted.then(|| Self { started: Stopwatch::start() })
    }

    /// Writes the line: a warning when the server failed, otherwise for information.
    pub(crate) fn end(
        self,
        id: &RequestId,
        peer: SocketAddr,
        head: &Parts,
        answer: &Response<Body>,
    ) {
        let (method, path) = (&head.method, head.uri.path()); // a query may hold secrets
        let status = answer.status().as_u16();
        let bytes = answer.body().size_hint().exact(); // unknown for a stream
        let micros = || self.started.elapsed().as_micros();
        if answer.status().is_server_error() {
            tracing::warn!(
                target: "access",
                %id, %method, %path, status, bytes, micros = micros(), %peer, "request"
            );
        } else {
            tracing::info!(
                target: "access",
                %id, %method, %path, status, bytes, micros = micros(), %peer, "request"
            );
        }
    }
}
