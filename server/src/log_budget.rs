//! How many log lines of one kind may be written per second, so that nobody can fill the log.

use std::sync::Mutex;

use crate::clock::Stopwatch;

/// A number of lines per second; what goes beyond is counted, not written.
#[derive(Debug)]
pub(crate) struct LogBudget {
    lines_per_second: u32,
    started: Stopwatch,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    second: u64,
    lines: u32,
    suppressed: u64,
}

// === impl LogBudget ===

impl LogBudget {
    /// Allows so many lines in each second.
    pub(crate) fn per_second(lines_per_second: u32) -> Self {
        Self { lines_per_second, started: Stopwatch::start(), spent: Mutex::default() }
    }

    /// Asks for one line: `Some(n)` allows it and tells how many were withheld before it.
    pub(crate) fn take(&self) -> Option<u64> {
        self.take_at(self.started.elapsed().as_secs())
    }

    fn take_at(&self, second: u64) -> Option<u64> {
        // A poisoned lock only means that another thread panicked between two additions.
        let mut spent = self.spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if spent.second != second {
            spent.second = second;
            spent.lines = 0;
        }
        if spent.lines < self.lines_per_second {
            spent.lines += 1;
            return Some(std::mem::take(&mut spent.suppressed));
        }
        spent.suppressed += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_second_allows_lines_again_and_tells_what_was_withheld() {
        let budget = LogBudget::per_second(2);
        assert_eq!(budget.take_at(7), Some(0));
        assert_eq!(budget.take_at(7), Some(0));
        assert_eq!(budget.take_at(7), None);
        assert_eq!(budget.take_at(7), None);
        assert_eq!(budget.take_at(8), Some(2));
        assert_eq!(budget.take_at(8), Some(0));
        assert_eq!(budget.take_at(8), None);
    }
}
