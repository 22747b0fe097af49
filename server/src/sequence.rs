//! Ids in the order of what they name: each is greater than every one before, also across restarts
//! and when the wall clock goes back.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use registry_core::{Slot, Timestamp};
use ulid::Ulid;

/// Where ids come from. One serves everything that is to stand in one order.
#[derive(Debug)]
pub(crate) struct Sequence {
    last: Mutex<Ulid>,
}

/// The id that a record was given; the smallest of all if it was given none.
pub(crate) fn id_of(slot: &Slot) -> Ulid {
    Ulid::from_string(slot.record().generation.as_str()).unwrap_or_default()
}

// === impl Sequence ===

impl Sequence {
    /// Goes on after `greatest`, the greatest id that is kept.
    pub(crate) fn after(greatest: Ulid) -> Self {
        Self { last: Mutex::new(greatest) }
    }

    /// Gives the next id to `queue`, and to nobody a later one before that has returned. What it
    /// puts into a queue stands there in the order of the ids.
    pub(crate) fn next<T>(&self, now: Timestamp, queue: impl FnOnce(Ulid) -> T) -> T {
        let since_1970 = Duration::from_millis(u64::try_from(now.0).unwrap_or_default());
        let fresh = Ulid::from_datetime(UNIX_EPOCH + since_1970);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // Within a millisecond, and in a past that has been before, the next number. It carries
        // over into the time should the random part be at its end.
        let is_later = fresh.timestamp_ms() > last.timestamp_ms();
        *last = if is_later { fresh } else { Ulid(last.0.wrapping_add(1)) };
        queue(*last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(sequence: &Sequence, ms: i64) -> Ulid {
        sequence.next(Timestamp(ms), |id| id)
    }

    #[test]
    fn ids_only_grow_whatever_the_clock_does() {
        let sequence = Sequence::after(Ulid::from_parts(1_000, 7));
        let mut last = Ulid::from_parts(1_000, 7);
        for ms in [0, -5, 1_000, 1_000, 1_001, 1_001, 5, 1_002, i64::MAX >> 20] {
            let id = next(&sequence, ms);
            assert!(id > last, "{id} at {ms}");
            assert!(id.to_string() > last.to_string(), "also as text");
            last = id;
        }
    }

    #[test]
    fn an_id_shows_its_time_and_cannot_be_guessed_from_the_one_before() {
        let sequence = Sequence::after(Ulid::nil());
        let (first, second) = (next(&sequence, 5), next(&sequence, 6));
        assert_eq!((first.timestamp_ms(), second.timestamp_ms()), (5, 6));
        assert_ne!(first.random(), second.random());
    }

    #[test]
    fn the_random_part_carries_over() {
        let sequence = Sequence::after(Ulid::from_parts(5, u128::MAX));
        assert_eq!(next(&sequence, 5), Ulid::from_parts(6, 0));
    }
}
