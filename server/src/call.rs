//! One request as a dialect sees it: checked, normalised, its body not yet read.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

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
    pub(crate) peer: &'a Peer,
    /// The body. What is not read of it is dropped when there is an answer.
    pub(crate) body: &'a mut Incoming,
}

/// The other end of one connection.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// Who called last, and what that signs with: mostly one caller does all the calls.
    signature: Mutex<Option<(String, Arc<str>)>>,
}

// === impl Call ===

impl Call<'_> {
    /// Who is calling, for those who ask later who did something.
    pub(crate) fn by(&self) -> Option<Arc<str>> {
        Some(self.peer.signature(self.caller.name()))
    }
}

// === impl Peer ===

impl Peer {
    /// The one at this address.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address, signature: Mutex::default() }
    }

    /// What a caller of this name signs with here.
    fn signature(&self, name: &str) -> Arc<str> {
        let mut latest = self.signature.lock().unwrap_or_else(PoisonError::into_inner);
        match &*latest {
            Some((known, signature)) if known == name => Arc::clone(signature),
            _ => {
                let signature: Arc<str> = format!("{name} from {}", self.address.ip()).into();
                *latest = Some((name.to_owned(), Arc::clone(&signature)));
                signature
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_of_a_connection_signs_with_its_own_name() {
        let peer = Peer::at(([127, 0, 0, 1], 9).into());
        for name in ["anybody", "ci", "ci", "anybody"] {
            assert_eq!(&*peer.signature(name), format!("{name} from 127.0.0.1"));
        }
    }
}
