//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::caller::Done;
use super::target::Target;
use crate::app::VERSION_AND_BUILD;
use crate::args::BenchFlags;

/// All rows that came to an end.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of the program that measured.
    version: &'static str,
    address: String,
    connections: u64,
    rows: Vec<Measured>,
}

/// One row.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    name: &'static str,
    requests: usize,
    seconds: f64,
    requests_per_second: f64,
    /// Nothing where no request was answered well.
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    errors: usize,
    error: Option<String>,
}

// === impl Report ===

impl Report {
    pub(super) fn new(target: &Target, flags: &BenchFlags) -> Self {
        Self {
            version: VERSION_AND_BUILD,
            address: target.address.to_string(),
            connections: flags.connections,
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Measured) {
        self.rows.push(row);
    }

    pub(super) fn table(&self) -> String {
        let mut text = format!(
            "{:<18} {:>9} {:>8} {:>11} {:>9} {:>9} {:>6}\n",
            "row", "requests", "seconds", "requests/s", "p50 ms", "p99 ms", "errors"
        );
        for row in &self.rows {
            let ms = |value: Option<f64>| value.map_or("-".to_owned(), |ms| format!("{ms:.2}"));
            let (p50, p99) = (ms(row.p50_ms), ms(row.p99_ms));
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<18} {:>9} {:>8.1} {:>11.0} {p50:>9} {p99:>9} {:>6}",
                row.name, row.requests, row.seconds, row.requests_per_second, row.errors
            );
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let mut text = serde_json::to_string(self).expect("numbers and texts are JSON");
        text.push('\n');
        text
    }
}

// === impl Measured ===

impl Measured {
    pub(super) fn new(name: &'static str, done: Done, elapsed: Duration) -> Self {
        let Done { mut latencies, errors, error } = done;
        latencies.sort_unstable();
        let (requests, seconds) = (latencies.len(), elapsed.as_secs_f64());
        let (p50_ms, p99_ms) = (percentile(&latencies, 50), percentile(&latencies, 99));
        let requests_per_second = requests as f64 / seconds.max(f64::MIN_POSITIVE);
        Self { name, requests, seconds, requests_per_second, p50_ms, p99_ms, errors, error }
    }
}

/// In milliseconds: what so many percent did not take longer than.
fn percentile(sorted: &[u32], percent: usize) -> Option<f64> {
    let place = (sorted.len() * percent).div_ceil(100).checked_sub(1)?;
    Some(f64::from(sorted[place]) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        assert_eq!(percentile(&[], 50), None);
        assert_eq!(percentile(&[7000], 99), Some(7.0));
        let hundred: Vec<u32> = (1..=100).map(|ms| ms * 1000).collect();
        assert_eq!(percentile(&hundred, 50), Some(50.0));
        assert_eq!(percentile(&hundred, 99), Some(99.0));
    }

    #[test]
    fn a_row_without_an_answer_has_no_times_and_keeps_its_error() {
        let row = Measured::new("get", Done::failed("gone".to_owned()), Duration::ZERO);
        assert_eq!((row.requests, row.p50_ms, row.errors), (0, None, 1));
        assert_eq!(row.requests_per_second, 0.0);
        assert_eq!(row.error.as_deref(), Some("gone"));
    }
}
