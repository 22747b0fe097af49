//! Finds who answers: first what HTTP itself forbids, then the open routes, then the dialects, each
//! behind its own door.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, Response, StatusCode, Version};

use crate::admin;
use crate::app::App;
use crate::auth::Door;
use crate::body::{self, Body};
use crate::call::{Call, Peer};
use crate::dialect::Dialect;
use crate::limits::TARGET_BYTES_MAX;
use crate::path::Path;
use crate::query::Query;

/// Answers one request of `peer`.
pub(crate) async fn answer(
    app: &Arc<App>,
    peer: &Peer,
    head: &Parts,
    body: &mut Incoming,
) -> Response<Body> {
    if let Some(refusal) = malformed(head.version, &head.headers, head.uri.path_and_query()) {
        return refusal;
    }
    let Ok(path) = Path::parse(head.uri.path()) else {
        return refused(StatusCode::BAD_REQUEST, "percent-encode what is not ASCII in the path");
    };
    let segments = path.segments();
    let begun = app.metrics.begin();
    let answer = routed(app, peer, head, &path, &segments, body).await;
    begun.end(&segments, answer.status());
    answer
}

async fn routed(
    app: &Arc<App>,
    peer: &Peer,
    head: &Parts,
    path: &Path<'_>,
    segments: &[&str],
    body: &mut Incoming,
) -> Response<Body> {
    // hyper sends the headers of an answer to HEAD and leaves out its body.
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    match (method, segments) {
        (&Method::GET, ["health"]) => return admin::health(app),
        (&Method::GET, ["readyz"]) => return admin::ready(app),
        (&Method::GET, ["metrics"]) => return admin::metrics(app, &head.headers).await,
        _ => {}
    }
    let dialect = Dialect::of(segments).map(|dialect| (dialect, app.doors.of(dialect)));
    let Some((dialect, door)) = dialect.filter(|(_, door)| *door != Door::Off) else {
        return body::not_found();
    };
    let call = Call {
        method,
        segments,
        has_empty_segment: path.has_empty_segment(),
        query: Query::new(head.uri.query()),
        head,
        caller: app.auth.caller(door, dialect.credential(), &head.headers),
        peer,
        body,
    };
    dialect.answer(app, call).await
}

/// What a request must have before anything in it is believed.
fn malformed(
    version: Version,
    headers: &HeaderMap,
    target: Option<&PathAndQuery>,
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
    !host.is_empty() && host.iter().copied().all(is_of_host)
}

fn is_of_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'[' | b']' | b'%')
        || matches!(byte, b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}

/// A refusal after which nothing on the connection can be trusted.
fn refused(status: StatusCode, message: &str) -> Response<Body> {
    let mut answer = body::error(status, message);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

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
