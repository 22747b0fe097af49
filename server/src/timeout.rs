//! Gives up on an answer that takes too long to begin.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::sleep;

/// No answer in time. What was asked for may have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

/// Waits for an answer for so long and no longer.
///
/// A slow *body* has its own, shorter limit and its own answer, 408. Not tokio's function of that
/// purpose, which readies a timer for each request: most are answered when first asked, and then
/// this one has touched neither the clock nor what all timers share.
pub(crate) fn within<F: Future>(
    time_max: Duration,
    mut answer: Pin<&mut F>,
) -> impl Future<Output = Result<F::Output, Late>> {
    // In a box, so that it is nothing to those who are not late.
    let mut alarm = None;
    poll_fn(move |context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(Ok(answer));
        }
        // Not before the answer has once been found not ready.
        let alarm = alarm.get_or_insert_with(|| Box::pin(sleep(time_max)));
        ready!(alarm.as_mut().poll(context));
        Poll::Ready(Err(Late))
    })
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn what_never_answers_is_late() {
        let never = pin!(pending::<()>());
        assert_eq!(within(Duration::from_millis(1), never).await, Err(Late));
    }

    #[test]
    fn what_answers_at_once_needs_no_timer() {
        // Nor is there one outside of a runtime: to ask for it would panic.
        let answer = pin!(ready(7));
        let quick = pin!(within(Duration::ZERO, answer));
        assert_eq!(quick.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7)));
    }
}
