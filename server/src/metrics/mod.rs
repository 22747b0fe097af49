//! What is counted and timed while the server runs, and its page in Prometheus' text format.
//!
//! Counting is one addition to one number; everything else is done by whoever asks for the page.

mod page;
mod route;
mod store;
mod timing;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

pub(crate) use self::page::page;
use self::route::Route;
pub use self::store::Timed;
pub use self::timing::Timing;

/// The numbers of one server.
#[derive(Debug)]
pub struct Metrics {
    /// Answers, by route and status.
    answers: Box<[AtomicU64]>,
    /// Requests that never came to their answer.
    abandoned: AtomicU64,
    /// How long the store took, shared with the store.
    timing: Arc<Timing>,
}

/// One request on its way to its answer. Without one it is counted as abandoned: it took too long,
/// it panicked, or its client hung up.
#[derive(Debug)]
pub(crate) struct Begun<'a>(&'a Metrics);

/// Statuses are 100 to 599.
const STATUSES: usize = 500;

// === impl Metrics ===

impl Metrics {
    /// Nothing has happened yet.
    pub fn new(timing: Arc<Timing>) -> Self {
        let answers = (0..Route::ALL.len() * STATUSES).map(|_| AtomicU64::new(0)).collect();
        Self { answers, abandoned: AtomicU64::new(0), timing }
    }

    /// Begins to count one request.
    pub(crate) fn begin(&self) -> Begun<'_> {
        Begun(self)
    }

    /// What was counted: route, status, answers.
    fn counted(&self) -> impl Iterator<Item = (Route, usize, u64)> {
        let numbers = self.answers.iter().map(|number| number.load(Ordering::Relaxed));
        numbers
            .enumerate()
            .filter(|(_, number)| *number > 0)
            .map(|(place, number)| (Route::ALL[place / STATUSES], 100 + place % STATUSES, number))
    }
}

// === impl Begun ===

impl Begun<'_> {
    /// Counts the answer.
    pub(crate) fn end(self, segments: &[&str], status: StatusCode) {
        let status = usize::from(status.as_u16()).saturating_sub(100).min(STATUSES - 1);
        let place = Route::of(segments) as usize * STATUSES + status;
        self.0.answers[place].fetch_add(1, Ordering::Relaxed);
        std::mem::forget(self);
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.abandoned.fetch_add(1, Ordering::Relaxed);
    }
}
