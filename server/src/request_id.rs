//! The name under which one request appears in the log and in its answer.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Response};
use uuid::Uuid;

use crate::limits::REQUEST_ID_BYTES_MAX;

/// The header that carries it, both ways.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request's name: the client's own if it is sane, else one that is made up here.
///
/// Sane is: 1 to 128 visible ASCII characters. Anything else could break a log line.
#[derive(Debug)]
pub(crate) struct RequestId(HeaderValue);

/// Makes up names that no other process does, nor another start of this one.
#[derive(Debug)]
pub(crate) struct Namer {
    process: u64,
    connections: AtomicU64,
}

/// The names of one connection's requests: which process, which of its connections, which request.
#[derive(Debug)]
pub(crate) struct Names {
    process: u64,
    connection: u64,
    requests: AtomicU64,
}

/// Hexadecimal numbers with hyphens between them.
struct Hex {
    text: [u8; 3 * 16 + 2],
    length: usize,
}

// === impl RequestId ===

impl RequestId {
    /// Puts it into the answer.
    pub(crate) fn tell<B>(self, answer: &mut Response<B>) {
        answer.headers_mut().insert(X_REQUEST_ID, self.0);
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

// === impl Namer ===

impl Namer {
    /// Of this process.
    pub(crate) fn new() -> Self {
        Self { process: Uuid::new_v4().as_u64_pair().0, connections: AtomicU64::new(1) }
    }

    /// The names for one more connection.
    pub(crate) fn names(&self) -> Names {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        Names { process: self.process, connection, requests: AtomicU64::new(1) }
    }
}

// === impl Names ===

impl Names {
    /// The name of the request with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        match headers.get(X_REQUEST_ID) {
            Some(given) if is_sane(given.as_bytes()) => RequestId(given.clone()),
            // Not a UUID: to make and to write one takes longer than to find a record.
            _ => RequestId(self.next()),
        }
    }

    fn next(&self) -> HeaderValue {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut hex = Hex { text: [b'-'; _], length: 0 };
        for number in [self.process, self.connection, request] {
            hex.push(number);
        }
        HeaderValue::from_bytes(hex.as_bytes()).expect("these are digits and hyphens")
    }
}

// === impl Hex ===

impl Hex {
    /// Appends a number without leading zeros, behind a hyphen if another stands before it.
    fn push(&mut self, number: u64) {
        let start = self.length + usize::from(self.length > 0);
        let digits = (u64::BITS - (number | 1).leading_zeros()).div_ceil(4) as usize;
        let mut rest = number;
        for place in self.text[start..start + digits].iter_mut().rev() {
            *place = b"0123456789abcdef"[(rest & 15) as usize];
            rest >>= 4;
        }
        self.length = start + digits;
    }

    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn answer_to(given: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        Namer::new().names().of(&headers)
    }

    #[test]
    fn only_a_sane_id_is_taken_over() {
        let longest = [b'x'; REQUEST_ID_BYTES_MAX];
        let too_long = [b'x'; REQUEST_ID_BYTES_MAX + 1];
        for (given, kept) in [
            (&b"abc-1:2/3"[..], true),
            (&longest[..], true),
            (&too_long[..], false),
            (b"", false),
            (b"two words", false),
            ("é".as_bytes(), false),
        ] {
            let id = answer_to(given);
            assert_eq!(id.0.as_bytes() == given, kept, "{given:?}");
            assert_eq!(id.0.as_bytes(), id.to_string().as_bytes(), "answer and log");
        }
    }

    #[test]
    fn no_two_requests_of_any_connection_or_process_are_given_one_name() {
        let none = HeaderMap::new();
        let namers = [Namer::new(), Namer::new()];
        let connections = namers.iter().flat_map(|namer| [namer.names(), namer.names()]);
        let all: Vec<String> =
            connections.flat_map(|names| [(); 40].map(|()| names.of(&none).to_string())).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        let parts: Vec<_> = all[39].split('-').skip(1).collect();
        assert_eq!(parts, ["1", "28"], "the first connection's request 40");
    }

    #[test]
    fn numbers_are_written_as_the_standard_library_does() {
        for number in [0, 1, 15, 16, 255, 256, u64::MAX >> 4, u64::MAX] {
            let mut hex = Hex { text: [b'-'; _], length: 0 };
            (0..3).for_each(|_| hex.push(number));
            let expected = format!("{number:x}-{number:x}-{number:x}");
            assert_eq!(hex.as_bytes(), expected.as_bytes());
        }
    }
}
