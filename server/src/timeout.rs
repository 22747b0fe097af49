//! Gives up on an answer that takes too long to begin.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower::Service;

/// No answer in time. What was asked for may have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

/// Waits for an answer for so long and no longer.
///
/// A slow *body* has its own, shorter limit and its own answer, 408. Not tower's layer of this
/// name, which readies a timer for each request: most are answered when first asked, and then
/// this one has touched neither the clock nor what all timers share.
#[derive(Debug, Clone)]
pub(crate) struct Timeout<S> {
    inner: S,
    time_max: Duration,
}

pin_project! {
    /// The answer to come, and how long it may take.
    pub(crate) struct Waiting<F> {
        #[pin]
        answer: F,
        time_max: Duration,
        // None until the answer has once been found not ready.
        #[pin]
        alarm: Option<Sleep>,
    }
}

// === impl Timeout ===

impl<S> Timeout<S> {
    /// Waits for `inner` for `time_max`.
    pub(crate) fn new(inner: S, time_max: Duration) -> Self {
        Self { inner, time_max }
    }
}

impl<S, R> Service<R> for Timeout<S>
where
    S: Service<R, Error = Infallible>,
{
    type Response = S::Response;
    type Error = Late;
    type Future = Waiting<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Late>> {
        self.inner.poll_ready(context).map_err(|never| match never {})
    }

    fn call(&mut self, request: R) -> Self::Future {
        Waiting { answer: self.inner.call(request), time_max: self.time_max, alarm: None }
    }
}

// === impl Waiting ===

impl<F: Future<Output = Result<A, Infallible>>, A> Future for Waiting<F> {
    type Output = Result<A, Late>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(Ok(answer)) = this.answer.poll(context) {
            return Poll::Ready(Ok(answer));
        }
        if this.alarm.is_none() {
            this.alarm.set(Some(sleep(*this.time_max)));
        }
        if let Some(alarm) = this.alarm.as_pin_mut() {
            ready!(alarm.poll(context));
        }
        Poll::Ready(Err(Late))
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::Waker;

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn what_never_answers_is_late() {
        let never = service_fn(|()| pending::<Result<(), Infallible>>());
        assert_eq!(Timeout::new(never, Duration::from_millis(1)).oneshot(()).await, Err(Late));
    }

    #[test]
    fn what_answers_at_once_needs_no_timer() {
        // Nor is there one outside of a runtime: to ask for it would panic.
        let quick = Timeout::new(service_fn(|()| ready(Ok::<_, Infallible>(7))), Duration::ZERO);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(pin!(quick.oneshot(())).poll(&mut context), Poll::Ready(Ok(7)));
    }
}
