//! The name under which one request appears in the log and in its answer.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

use crate::limits::REQUEST_ID_BYTES_MAX;

/// The header that carries it, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Takes over the client's id if it is sane, and makes one otherwise.
///
/// Sane is: 1 to 128 visible ASCII characters. Anything else could break a log line.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    match headers.get(X_REQUEST_ID) {
        Some(given) if is_sane(given.as_bytes()) => given.clone(),
        _ => fresh(),
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn fresh() -> HeaderValue {
    let mut text = Uuid::encode_buffer();
    let text = Uuid::now_v7().hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).expect("a UUID is hexadecimal digits and hyphens")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(given: &[u8]) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        request_id(&headers)
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
            assert_eq!(answer_to(given).as_bytes() == given, kept, "{given:?}");
        }
    }

    #[test]
    fn made_ids_differ_and_are_version_7() {
        let (one, two) = (fresh(), fresh());
        assert_ne!(one, two);
        assert_eq!(Uuid::try_parse(one.to_str().unwrap()).unwrap().get_version_num(), 7);
    }
}
