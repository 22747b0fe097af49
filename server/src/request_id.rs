//! The name under which one request appears in the log and in its answer.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use tower::Service;
use uuid::{NoContext, Timestamp, Uuid};

use crate::limits::REQUEST_ID_BYTES_MAX;

/// The header that carries it, both ways.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request's name: the client's own if it is sane, else one that is made up here.
///
/// Sane is: 1 to 128 visible ASCII characters. Anything else could break a log line.
#[derive(Debug, Clone)]
pub(crate) enum RequestId {
    /// The client's.
    Given(HeaderValue),
    /// Ours. It becomes text only where it is written.
    Made(Uuid),
}

/// A request that has a name: what the layers below [`NameRequest`] get.
#[derive(Debug)]
pub(crate) struct Named<B> {
    pub(crate) id: RequestId,
    pub(crate) request: Request<B>,
}

/// Gives each request its name, and tells the client with the answer.
///
/// Not tower-http's layers of that purpose: they take over any id that a client gives.
#[derive(Debug, Clone)]
pub(crate) struct NameRequest<S> {
    inner: S,
}

pin_project! {
    /// The answer to come, and the name it will bear.
    pub(crate) struct Naming<F> {
        #[pin]
        answer: F,
        id: RequestId,
    }
}

// === impl RequestId ===

impl RequestId {
    /// The name of the request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(given) if is_sane(given.as_bytes()) => Self::Given(given.clone()),
            // Version 7 sorts by time, to the millisecond. To sort within one as well would take
            // a lock that all requests share.
            _ => Self::Made(Uuid::new_v7(Timestamp::now(NoContext))),
        }
    }

    fn to_header(&self) -> HeaderValue {
        match self {
            Self::Given(given) => given.clone(),
            Self::Made(uuid) => {
                let mut text = Uuid::encode_buffer();
                HeaderValue::from_str(uuid.hyphenated().encode_lower(&mut text))
                    .expect("a UUID is hexadecimal digits and hyphens")
            }
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(given) => f.write_str(given.to_str().unwrap_or_default()),
            Self::Made(uuid) => uuid.hyphenated().fmt(f),
        }
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=REQUEST_ID_BYTES_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

// === impl NameRequest ===

impl<S> NameRequest<S> {
    /// Names the requests that reach `inner`.
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, A> Service<Request<B>> for NameRequest<S>
where
    S: Service<Named<B>, Response = Response<A>, Error = Infallible>,
{
    type Response = Response<A>;
    type Error = Infallible;
    type Future = Naming<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let id = RequestId::of(request.headers());
        Naming { answer: self.inner.call(Named { id: id.clone(), request }), id }
    }
}

// === impl Naming ===

impl<F, A> Future for Naming<F>
where
    F: Future<Output = Result<Response<A>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Ok(mut answer) = ready!(this.answer.poll(context));
        answer.headers_mut().insert(X_REQUEST_ID, this.id.to_header());
        Poll::Ready(Ok(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(given: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        RequestId::of(&headers)
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
            assert_eq!(id.to_header().as_bytes() == given, kept, "{given:?}");
            assert_eq!(id.to_header().as_bytes(), id.to_string().as_bytes(), "answer and log");
        }
    }

    #[test]
    fn made_ids_differ_and_are_version_7() {
        let made = || RequestId::of(&HeaderMap::new()).to_header();
        let (one, two) = (made(), made());
        assert_ne!(one, two);
        assert_eq!(Uuid::try_parse(one.to_str().unwrap()).unwrap().get_version_num(), 7);
    }
}
