//! Gives up on an answer that takes too long to begin.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock::deadline_after;

/// No answer in time. What was asked for may have been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late;

/// Where the requests of one connection find an alarm that one before has left behind.
///
/// To set an alarm takes a lock that all alarms share. One that goes off too early for its next
/// user is set again then; mostly that user is answered long before.
#[derive(Debug, Default)]
pub(crate) struct Alarms(Mutex<Option<Pin<Box<Sleep>>>>);

/// An alarm, once there is need of one, and where it is left behind.
struct Alarm<'a> {
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
    left: &'a Alarms,
}

/// Waits for a deadline with an alarm that may have been set for another one: it is set again if it
/// would be late, or when it goes off too early.
pub(crate) fn reach(
    mut alarm: Pin<&mut Sleep>,
    deadline: Instant,
    context: &mut Context<'_>,
) -> Poll<()> {
    if alarm.deadline() > deadline {
        alarm.as_mut().reset(deadline);
    }
    loop {
        ready!(alarm.as_mut().poll(context));
        if alarm.deadline() >= deadline {
            return Poll::Ready(());
        }
        alarm.as_mut().reset(deadline);
    }
}

// === impl Alarms ===

impl Alarms {
    /// Waits for an answer for so long and no longer.
    ///
    /// A slow *body* has its own, shorter limit and its own answer, 408. Not tokio's function of
    /// that purpose, which readies a timer for each request: most are answered when first asked,
    /// and then this one has touched neither the clock nor any alarm.
    pub(crate) fn within<F: Future>(
        &self,
        time_max: Duration,
        mut answer: Pin<&mut F>,
    ) -> impl Future<Output = Result<F::Output, Late>> {
        let mut alarm = None;
        poll_fn(move |context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(Ok(answer));
            }
            // Not before the answer has once been found not ready.
            let alarm = alarm.get_or_insert_with(|| Alarm::after(time_max, self));
            ready!(alarm.poll(context));
            Poll::Ready(Err(Late))
        })
    }

    fn left(&self) -> MutexGuard<'_, Option<Pin<Box<Sleep>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Alarm ===

impl<'a> Alarm<'a> {
    fn after(time: Duration, left: &'a Alarms) -> Self {
        // Whoever else asks on this connection meanwhile, as over HTTP/2, has one of its own.
        Self { deadline: deadline_after(time), sleep: left.left().take(), left }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        reach(sleep.as_mut(), deadline, context)
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        *self.left.left() = self.sleep.take();
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(10);

    async fn is_late(alarms: &Alarms, time_max: Duration) -> bool {
        let never = pin!(pending::<()>());
        let late = alarms.within(time_max, never);
        tokio::time::timeout(20 * SHORT, late).await == Ok(Err(Late))
    }

    #[tokio::test]
    async fn what_never_answers_is_late_whatever_alarm_was_left_behind() {
        let alarms = Alarms::default();
        assert!(is_late(&alarms, SHORT).await, "the first");
        assert!(!is_late(&alarms, LONG).await, "with an alarm that has gone off");
        assert!(alarms.left().is_some(), "it is left behind");
        assert!(is_late(&alarms, SHORT).await, "with one that would be late");
        let begun = Instant::now();
        assert!(!is_late(&alarms, LONG).await);
        assert!(is_late(&alarms, 3 * SHORT).await, "with one that goes off too early");
        assert!(begun.elapsed() >= 3 * SHORT);
    }

    #[tokio::test]
    async fn two_at_once_have_an_alarm_each() {
        let alarms = Alarms::default();
        assert!(is_late(&alarms, SHORT).await, "so that one is left behind");
        let both = tokio::join!(is_late(&alarms, SHORT), is_late(&alarms, 2 * SHORT));
        assert_eq!(both, (true, true));
    }

    #[test]
    fn what_answers_at_once_needs_no_timer() {
        // Nor is there one outside of a runtime: to ask for it would panic.
        let (alarms, answer) = (Alarms::default(), pin!(ready(7)));
        let quick = pin!(alarms.within(Duration::ZERO, answer));
        assert_eq!(quick.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(7)));
    }
}
