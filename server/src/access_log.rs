//! One line in the log for each request, under the target `access`.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Body as _;
use hyper::{Method, Response, Uri};
use pin_project_lite::pin_project;
use tower::Service;
use tracing::Level;

use crate::body::Body;
use crate::clock::Stopwatch;
use crate::request_id::{Named, RequestId};

/// Reports each request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct AccessLog<S> {
    inner: S,
    peer: SocketAddr,
}

pin_project! {
    /// The answer to come, and the line that will report it, if the log wants any.
    pub(crate) struct Reporting<F> {
        #[pin]
        answer: F,
        line: Option<AccessLine>,
    }
}

/// What is known when a request comes in; the rest follows with its answer.
#[derive(Debug)]
struct AccessLine {
    started: Stopwatch,
    id: RequestId,
    peer: SocketAddr,
    method: Method,
    uri: Uri, // shared with the request, not copied
}

// === impl AccessLog ===

impl<S> AccessLog<S> {
    /// Reports what `inner` answers to `peer`.
    pub(crate) fn new(inner: S, peer: SocketAddr) -> Self {
        Self { inner, peer }
    }
}

impl<S, B> Service<Named<B>> for AccessLog<S>
where
    S: Service<Named<B>, Response = Response<Body>, Error = Infallible>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Reporting<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, named: Named<B>) -> Self::Future {
        // A log that wants warnings only wants this line if the server fails, so it is begun.
        let is_wanted = tracing::enabled!(target: "access", Level::WARN);
        let line = is_wanted.then(|| AccessLine::begin(&named, self.peer));
        Reporting { answer: self.inner.call(named), line }
    }
}

// === impl Reporting ===

impl<F: Future<Output = Result<Response<Body>, Infallible>>> Future for Reporting<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(answer) = ready!(this.answer.poll(context));
        if let Some(line) = this.line {
            line.end(&answer);
        }
        Poll::Ready(Ok(answer))
    }
}

// === impl AccessLine ===

impl AccessLine {
    /// Begins a line, and the time it reports.
    fn begin<B>(Named { id, request }: &Named<B>, peer: SocketAddr) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        Self { started: Stopwatch::start(), id: id.clone(), peer, method, uri }
    }

    /// Writes the line: a warning when the server failed, otherwise for information.
    fn end(&self, answer: &Response<Body>) {
        let Self { started, id, peer, method, uri } = self;
        let path = uri.path(); // not the query: what stands there may be secret
        let status = answer.status().as_u16();
        let bytes = answer.body().size_hint().exact(); // unknown for a stream
        let micros = || started.elapsed().as_micros();
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
