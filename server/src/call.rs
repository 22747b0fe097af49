//! One request as a dialect sees it: checked, normalised, its body not yet read.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::Method;
use hyper::body::Incoming;
use hyper::http::request::Parts;

use crate::auth::Caller;
use crate::query::Query;

/// One request, taken apart.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The method; HEAD arrives as GET, since hyper leaves the body of its answer out.
    pub(crate) method: &'a Method,
    /// The decoded segments of the path.
    pub(crate) segments: &'a [&'a str],
    /// A slash is doubled or trails, so that one of the segments is empty or more would follow.
    pub(crate) has_empty_segment: bool,
    /// The query string.
    pub(crate) query: Query<'a>,
    /// The request as it came.
    pub(crate) head: &'a Parts,
    /// Who is calling.
    pub(crate) caller: Caller,
    /// From where.
    pub(crate) peer: SocketAddr,
    /// The body. What is not read of it is dropped when there is an answer.
    pub(crate) body: &'a mut Incoming,
}

// === impl Call ===

impl Call<'_> {
    /// Who is calling, for those who ask later who did something.
    pub(crate) fn by(&self) -> Option<Arc<str>> {
        Some(format!("{} from {}", self.caller.name(), self.peer.ip()).into())
    }
}
