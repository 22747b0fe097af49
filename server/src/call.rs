//! One request as a dialect sees it: checked, normalised, its body not yet read.

use hyper::Method;
use hyper::body::Incoming;

use crate::query::Query;

/// One request, taken apart.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The method; HEAD arrives as GET, since hyper leaves the body of its answer out.
    pub(crate) method: &'a Method,
    /// The decoded segments of the path. None is empty.
    pub(crate) segments: &'a [&'a str],
    /// The query string.
    pub(crate) query: Query<'a>,
    /// The body.
    pub(crate) body: Incoming,
}
