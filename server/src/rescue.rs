//! Turns what went wrong below into an answer: the one place where such failures get their words.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use hyper::{Response, StatusCode};

use crate::body::{self, Body};
use crate::request_id::RequestId;
use crate::timeout::Late;

/// Answers for what fails or panics, so that it takes neither its connection nor the server with
/// it.
pub(crate) async fn rescued(
    answer: impl Future<Output = Result<Response<Body>, Late>>,
    id: &RequestId,
) -> Response<Body> {
    let mut answer = pin!(answer);
    poll_fn(|context| {
        // The state behind a panic is the request's own. What requests share is behind locks of
        // its own crates, which decide themselves what a panic means for them.
        let polled = catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(context)));
        Poll::Ready(match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(answer))) => answer,
            Ok(Poll::Ready(Err(Late))) => body::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "no answer in time; the outcome is unknown: look before you try again",
            ),
            Err(_) => {
                // The panic hook has written where and why.
                tracing::error!(%id, "a request panicked");
                body::error(StatusCode::INTERNAL_SERVER_ERROR, "internal server error")
            }
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;
    use crate::request_id::Namer;

    async fn rescue(answer: impl Future<Output = Result<Response<Body>, Late>>) -> StatusCode {
        let id = Namer::new().names().of(&HeaderMap::new());
        rescued(answer, &id).await.status()
    }

    #[tokio::test]
    async fn a_panic_becomes_an_answer() {
        let status = rescue(async { panic!("told you") }).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn a_late_answer_says_that_its_outcome_is_unknown() {
        assert_eq!(rescue(async { Err(Late) }).await, StatusCode::SERVICE_UNAVAILABLE);
    }
}
