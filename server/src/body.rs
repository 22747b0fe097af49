//! Bodies: reading at most so many bytes, and the few kinds of answer.

use std::error::Error;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::sync::mpsc;

use crate::json;
use crate::limits::{BODY_DISCARD_BYTES_MAX, Limits};
use crate::parts::Parts;
use crate::timeout::Alarms;

/// The body of an answer: bytes at hand, which are not boxed, or a stream.
pub type Body = Either<Full<Parts>, UnsyncBoxBody<Parts, io::Error>>;

/// Why a request's body was not read; each dialect words its own answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// It is longer than the limit.
    #[error("the body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    Timeout,
    /// The connection broke, or the body's framing is invalid.
    #[error("the body broke off")]
    Broken,
}

// === impl Refusal ===

impl Refusal {
    /// The status that says so in HTTP.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Timeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a whole body, unless it is too large or too slow.
///
/// A body that arrived in one piece, as small ones do, is not copied.
pub(crate) async fn read<B>(body: B, limits: &Limits) -> Result<Bytes, Refusal>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let whole = pin!(read_within(body, limits.body_bytes_max));
    Alarms::default().within(limits.body_read, whole).await.unwrap_or(Err(Refusal::Timeout))
}

async fn read_within<B>(body: B, bytes_max: usize) -> Result<Bytes, Refusal>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let announced = body.size_hint().lower(); // Content-Length, when there is one
    if announced > bytes_max as u64 {
        discard(body, announced).await;
        return Err(Refusal::TooLarge { bytes_max });
    }
    match Limited::new(body.as_mut(), bytes_max).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body, bytes_max as u64).await;
            Err(Refusal::TooLarge { bytes_max })
        }
        Err(_) => Err(Refusal::Broken),
    }
}

/// Reads and drops what was not read of a body before its answer is sent. `false` if it has no end
/// within reason, or is only sent by a client that is asked to.
pub(crate) async fn finish(body: &mut Incoming, headers: &HeaderMap, limits: &Limits) -> bool {
    if headers.contains_key(EXPECT) {
        return false;
    }
    let announced = body.size_hint().lower();
    let rest = discard(Pin::new(body), announced);
    tokio::time::timeout(limits.body_read, rest).await.unwrap_or(false)
}

/// Reads and drops the rest of a body, within reason: see [`BODY_DISCARD_BYTES_MAX`]. Whether that
/// was all of it.
async fn discard<B: hyper::body::Body<Data = Bytes>>(mut body: Pin<&mut B>, at_least: u64) -> bool {
    if at_least > BODY_DISCARD_BYTES_MAX as u64 {
        return false;
    }
    let mut discarded = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > BODY_DISCARD_BYTES_MAX {
            return false;
        }
    }
    true
}

/// An answer of JSON text at hand.
pub(crate) fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    full(status, "application/json", text.into().into())
}

/// An answer that is its status.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = status;
    answer
}

/// An answer `{"error":"<message>"}`.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Body> {
    let mut text = String::with_capacity(message.len() + 16);
    text.push_str("{\"error\":");
    json::push_string(&mut text, message);
    text.push('}');
    json(status, text)
}

/// An answer of text of some kind.
pub(crate) fn text(
    status: StatusCode,
    kind: &'static str,
    text: impl Into<Bytes>,
) -> Response<Body> {
    full(status, kind, text.into().into())
}

/// An answer that goes on until nothing more is put into its place, or an error is.
pub(crate) fn stream(
    kind: &'static str,
    waiting: mpsc::Receiver<io::Result<Bytes>>,
) -> Response<Body> {
    let mut answer = Response::new(Either::Right(Pieces { waiting }.boxed_unsync()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// A body of whatever has been put in its place.
struct Pieces {
    waiting: mpsc::Receiver<io::Result<Bytes>>,
}

/// The answer to a path or method that nobody routes.
pub(crate) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "text/plain; charset=UTF-8", "404 Not Found")
}

/// An answer of parts at hand.
pub(crate) fn full(status: StatusCode, kind: &'static str, parts: Parts) -> Response<Body> {
    let mut answer = Response::new(Either::Left(Full::new(parts)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

// === impl Pieces ===

impl hyper::body::Body for Pieces {
    type Data = Parts;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Parts>>>> {
        let piece = self.waiting.poll_recv(context);
        piece.map(|piece| piece.map(|piece| piece.map(|bytes| Frame::data(bytes.into()))))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;

    /// A body in pieces without an announced length; at its end it stays silent or breaks.
    struct Pieces(Vec<Option<&'static [u8]>>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            if self.0.last() == Some(&Some(b"silent")) {
                return Poll::Pending;
            }
            match self.0.pop() {
                Some(Some(piece)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                Some(None) => Poll::Ready(Some(Err("reset"))),
                None => Poll::Ready(None),
            }
        }
    }

    fn four_bytes_at_most() -> Limits {
        Limits { body_bytes_max: 4, body_read: Duration::from_millis(10), ..Limits::default() }
    }

    async fn read_pieces(pieces: &[Option<&'static [u8]>]) -> Result<Bytes, Refusal> {
        let reversed = pieces.iter().rev().copied().collect();
        read(Pieces(reversed), &four_bytes_at_most()).await
    }

    #[tokio::test]
    async fn each_way_to_fail_has_its_refusal() {
        let too_large = Refusal::TooLarge { bytes_max: 4 };
        assert_eq!(read_pieces(&[]).await, Ok(Bytes::new()));
        assert_eq!(read_pieces(&[Some(b"ab"), Some(b"cd")]).await, Ok(Bytes::from("abcd")));
        assert_eq!(read_pieces(&[Some(b"ab"), Some(b"cde")]).await, Err(too_large));
        assert_eq!(read_pieces(&[Some(b"ab"), None]).await, Err(Refusal::Broken));
        assert_eq!(read_pieces(&[Some(b"ab"), Some(b"silent")]).await, Err(Refusal::Timeout));
    }

    #[tokio::test]
    async fn an_announced_length_is_enough_to_refuse() {
        let body = Full::<Bytes>::from("abcde").map_err(|never: Infallible| match never {});
        let refused = read(body, &four_bytes_at_most()).await;
        assert_eq!(refused, Err(Refusal::TooLarge { bytes_max: 4 }));
    }

    #[tokio::test]
    async fn a_message_is_escaped_in_an_error() {
        let answer = error(StatusCode::BAD_REQUEST, "say \"hi\" — now");
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(bytes, "{\"error\":\"say \\\"hi\\\" — now\"}");
    }
}
