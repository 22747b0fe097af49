//! Turns what went wrong below into an answer: the one place where such failures get their words.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower::Service;

use crate::body::{self, Body};
use crate::request_id::{Named, RequestId};
use crate::timeout::Late;

/// Answers for what fails or panics, so that it takes neither its connection nor the server with
/// it.
///
/// Not tower-http's `CatchPanic`, which puts the body of every answer in a box.
#[derive(Debug, Clone)]
pub(crate) struct Rescue<S> {
    inner: S,
}

pin_project! {
    /// The answer to come, whatever happens, and whose it is.
    pub(crate) struct Rescuing<F> {
        #[pin]
        answer: F,
        id: RequestId,
    }
}

// === impl Rescue ===

impl<S> Rescue<S> {
    /// Answers where `inner` cannot.
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B> Service<Named<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<Body>, Error = Late>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Rescuing<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // What fails to be ready fails again when it is called, and is then answered for.
        self.inner.poll_ready(context).map(|_| Ok(()))
    }

    fn call(&mut self, Named { id, request }: Named<B>) -> Self::Future {
        Rescuing { answer: self.inner.call(request), id }
    }
}

// === impl Rescuing ===

impl<F: Future<Output = Result<Response<Body>, Late>>> Future for Rescuing<F> {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The state behind a panic is the request's own. What requests share is behind locks of
        // its own crates, which decide themselves what a panic means for them.
        let polled = catch_unwind(AssertUnwindSafe(|| this.answer.poll(context)));
        Poll::Ready(Ok(match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(answer))) => answer,
            Ok(Poll::Ready(Err(Late))) => body::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "no answer in time; the outcome is unknown: look before you try again",
            ),
            Err(_) => {
                // The panic hook has written where and why.
                tracing::error!(id = %this.id, "a request panicked");
                body::error(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;
    use tower::{ServiceExt, service_fn};

    use super::*;

    async fn rescued<F>(answer: F) -> Response<Body>
    where
        F: Future<Output = Result<Response<Body>, Late>>,
    {
        let mut answer = Some(answer);
        let service = Rescue::new(service_fn(move |_| answer.take().unwrap()));
        let named = Named { id: RequestId::of(&HeaderMap::new()), request: Request::new(()) };
        let Ok(answer) = service.oneshot(named).await;
        answer
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let answer = rescued(async { panic!("told you") }).await;
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn a_late_answer_says_that_its_outcome_is_unknown() {
        let answer = rescued(async { Err(Late) }).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
