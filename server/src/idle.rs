//! The timer of one connection, which tells hyper that a client has taken too long.
//!
//! hyper asks for a new deadline with each request, and hardly any is ever reached. To set an alarm
//! for each would take the lock that all timers share, twice a request. So one alarm stays where it
//! is while deadlines move on; when it goes off too early it is set anew, once in a while.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::time::Sleep as Alarm;

use crate::timeout::reach;

/// A connection's timer; its one alarm, once there is need of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct IdleTimer(Arc<Mutex<Option<Pin<Box<Alarm>>>>>);

/// Waits for one deadline.
#[derive(Debug)]
struct Wait {
    deadline: Instant,
    timer: IdleTimer,
}

// === impl IdleTimer ===

impl Timer for IdleTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { deadline, timer: self.clone() })
    }
}

// === impl Wait ===

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline.into();
        // A panic leaves the alarm as it was, and whoever polls it next finds out what it says.
        let mut alarm = self.timer.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alarm = alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        reach(alarm.as_mut(), deadline, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::clock::deadline_after;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(20);

    fn wait(timer: &IdleTimer, duration: Duration) -> Pin<Box<dyn Sleep>> {
        timer.sleep_until(deadline_after(duration).into_std())
    }

    async fn is_over(wait: Pin<Box<dyn Sleep>>) -> bool {
        timeout(Duration::from_millis(200), wait).await.is_ok()
    }

    #[tokio::test]
    async fn each_deadline_is_kept_whatever_was_waited_for_before() {
        let timer = IdleTimer::default();
        assert!(is_over(wait(&timer, SHORT)).await, "the first");
        assert!(!is_over(wait(&timer, LONG)).await, "a later one, though the alarm has gone off");
        assert!(is_over(wait(&timer, SHORT)).await, "an earlier one, though the alarm is later");
    }

    #[tokio::test]
    async fn a_deadline_that_moves_on_is_not_met_by_the_alarm_of_the_one_before() {
        let timer = IdleTimer::default();
        assert!(timeout(Duration::ZERO, wait(&timer, SHORT)).await.is_err(), "the alarm is set");
        let later = deadline_after(3 * SHORT);
        timer.sleep_until(later.into_std()).await;
        assert!(deadline_after(Duration::ZERO) >= later);
    }
}
