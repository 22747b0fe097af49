//! One line in the log for each request, under the target `access`.

use std::net::SocketAddr;

use hyper::body::Body as _;
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, Uri};
use tracing::Level;

use crate::body::Body;
use crate::clock::Stopwatch;

/// What is known when a request comes in; the rest follows with its answer.
#[derive(Debug)]
pub(crate) struct AccessLine {
    started: Stopwatch,
    // Absent when the log wants no line at all. A `Uri` is shared, not copied.
    request: Option<(Method, Uri)>,
}

// === impl AccessLine ===

impl AccessLine {
    /// Begins a line, and the time it reports.
    pub(crate) fn begin<B>(request: &Request<B>) -> Self {
        let is_wanted = tracing::enabled!(target: "access", Level::WARN);
        let words = || (request.method().clone(), request.uri().clone());
        Self { started: Stopwatch::start(), request: is_wanted.then(words) }
    }

    /// Writes the line: a warning when the server failed, otherwise for information.
    pub(crate) fn end(self, id: &HeaderValue, peer: SocketAddr, answer: &Response<Body>) {
        let Some((method, uri)) = self.request else {
            return;
        };
        let path = uri.path(); // not the query: what stands there may be secret
        let id = id.to_str().unwrap_or_default();
        let status = answer.status().as_u16();
        let micros = self.started.elapsed().as_micros();
        let bytes = answer.body().size_hint().exact(); // unknown for a stream
        if answer.status().is_server_error() {
            tracing::warn!(
                target: "access", %id, %method, %path, status, bytes, micros, %peer, "request"
            );
        } else {
            tracing::info!(
                target: "access", %id, %method, %path, status, bytes, micros, %peer, "request"
            );
        }
    }
}
