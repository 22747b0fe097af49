//! The page: what every request passes on its way in, and its answer on the way out, in order.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Version};

use crate::access_log::AccessLine;
use crate::admin;
use crate::app::App;
use crate::body::{self, Body};
use crate::call::Call;
use crate::dialect::Dialect;
use crate::lifecycle::Phase;
use crate::limits::TARGET_BYTES_MAX;
use crate::path::Path;
use crate::query::Query;
use crate::request_id::{X_REQUEST_ID, request_id};

/// Answers one request. There is no error: whatever goes wrong inside becomes an answer here.
///
/// Plain calls rather than a tower of layers: the order is the same, it reads from top to bottom,
/// and it costs a microsecond less.
pub(crate) async fn answer(
    app: &App,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    // The id comes first, so that whatever is logged or answered below can carry it.
    let id = request_id(request.headers());
    // The access line is begun outside of all that can fail or take long, to report just that.
    let line = AccessLine::begin(&request);
    // Panic outside timeout: a panic may be in anything that is awaited below.
    let mut answer = rescued(&id, within_time(app, respond(app, request))).await;
    // Once the server drains, every answer asks its client to come back on a new connection.
    if app.lifecycle.phase() >= Phase::Draining {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    line.end(&id, peer, &answer);
    answer.headers_mut().insert(X_REQUEST_ID, id);
    answer
}

/// Routes one request: first what HTTP itself forbids, then the open routes, then the dialects,
/// each behind its own rule of authorization.
async fn respond(app: &App, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if let Some(refusal) = malformed(head.version, &head.headers, head.uri.path_and_query()) {
        return refusal;
    }
    let Ok(path) = Path::parse(head.uri.path()) else {
        return refused(StatusCode::BAD_REQUEST, "percent-encode what is not ASCII in the path");
    };
    let segments = path.segments();
    // hyper sends the headers of an answer to HEAD and leaves out its body.
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    match (method, &*segments) {
        (&Method::GET, ["health"]) => return admin::health(app),
        (&Method::GET, ["readyz"]) => return admin::ready(app),
        _ => {}
    }
    let Some(dialect) = Dialect::of(&segments) else {
        return body::not_found();
    };
    // Before the route is known to exist: a caller without a token learns nothing about paths.
    if let Err(denied) = app.auth.check_bearer(&head.headers) {
        return body::error(StatusCode::UNAUTHORIZED, denied.message());
    }
    if path.has_empty_segment() {
        return body::not_found(); // a doubled or trailing slash
    }
    let query = Query::new(head.uri.query());
    let call = Call { method, segments: &segments, query, body };
    dialect.answer(app, call).await
}

/// What a request must have before anything in it is believed.
fn malformed(
    version: Version,
    headers: &HeaderMap,
    target: Option<&hyper::http::uri::PathAndQuery>,
) -> Option<Response<Body>> {
    if target.is_some_and(|target| target.as_str().len() > TARGET_BYTES_MAX) {
        return Some(refused(StatusCode::URI_TOO_LONG, "the path and query are too long"));
    }
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => None,
        (None, _) if version < Version::HTTP_11 => None,
        (None, _) => Some(refused(StatusCode::BAD_REQUEST, "the Host header is missing")),
        _ => Some(refused(StatusCode::BAD_REQUEST, "the Host header is not a host")),
    }
}

/// Whether a header names a host and perhaps a port. Characters are checked, names not resolved.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+,;=".contains(byte))
}

/// A refusal after which nothing on the connection can be trusted.
fn refused(status: StatusCode, message: &str) -> Response<Body> {
    let mut answer = body::error(status, message);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Gives up on an answer that takes too long to begin. A slow *body* has its own, shorter limit
/// and its own answer, 408; what is late here may have been done, and the answer says so.
async fn within_time(app: &App, answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    tokio::time::timeout(app.limits.request, answer).await.unwrap_or_else(|_| {
        body::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "no answer in time; the outcome is unknown: look before you try again",
        )
    })
}

/// Turns a panic into an answer, so that it takes neither its connection nor the server with it.
async fn rescued(id: &HeaderValue, answer: impl Future<Output = Response<Body>>) -> Response<Body> {
    let mut answer = pin!(answer);
    // The state behind a panic is the request's own. What requests share is behind locks of its
    // own crates, which decide themselves what a panic means for them.
    let caught = poll_fn(|context| {
        match catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Some(answer)),
            Err(_) => Poll::Ready(None), // the panic hook has written where and why
        }
    });
    match caught.await {
        Some(answer) => answer,
        None => {
            tracing::error!(id = %id.to_str().unwrap_or_default(), "a request panicked");
            body::error(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::Auth;
    use crate::limits::Limits;

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let id = HeaderValue::from_static("r1");
        let answer = rescued(&id, async { panic!("told you") }).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn a_late_answer_says_that_its_outcome_is_unknown() {
        let limits = Limits { request: Duration::from_millis(1), ..Limits::default() };
        let app = App::new(crate::app::registry_for_tests().await, Auth::anyone(), limits);
        let answer = within_time(&app, std::future::pending()).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn a_host_is_one_nonempty_name_or_address() {
        for (host, fine) in [
            ("a", true),
            ("localhost:3000", true),
            ("[::1]:3000", true),
            ("", false),
            ("a b", false),
            ("a/b", false),
            ("user@host", false),
            ("a<b", false),
        ] {
            assert_eq!(is_host(host.as_bytes()), fine, "{host}");
        }
    }
}
