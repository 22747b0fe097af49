//! Instants as RFC 3339 text of a fixed width: `2026-01-31T23:59:59.123Z`.

use std::cell::Cell;

use chrono::{DateTime, Datelike, Timelike};
use registry_core::Timestamp;

/// The width of every timestamp from year 0 to 9999.
pub(crate) const TIMESTAMP_BYTES: usize = "2026-01-31T23:59:59.123Z".len();

const MINUTE_MS: i64 = 60_000;
const YEAR_0_MS: i64 = -62_167_219_200_000;
const YEAR_10000_MS: i64 = 253_402_300_800_000;

/// A minute's text, `2026-01-31T23:59:`.
type Start = [u8; TIMESTAMP_BYTES - "59.123Z".len()];

/// A prime, so that minutes a lease apart, mostly of so many minutes or hours, have two places.
const LATELY_MAX: usize = 17;

thread_local! {
    /// Minutes that were written lately, each in a place of its remainder: only the
    /// calendar is work, and what is written together is mostly of few minutes.
    static LATELY: [Cell<(i64, Start)>; LATELY_MAX] =
        const { [const { Cell::new((i64::MIN, [0; _])) }; LATELY_MAX] };
}

/// Appends one timestamp.
pub(crate) fn push_timestamp(text: &mut String, at: Timestamp) {
    text.push_str(std::str::from_utf8(&timestamp(at)).expect("these are digits and signs"));
}

/// One timestamp. Instants before year 0 or after 9999 are written as the nearest one that has the
/// fixed width.
pub(crate) fn timestamp(at: Timestamp) -> [u8; TIMESTAMP_BYTES] {
    let ms = at.0.clamp(YEAR_0_MS, YEAR_10000_MS - 1);
    let (minute, ms) = (ms.div_euclid(MINUTE_MS), ms.rem_euclid(MINUTE_MS) as u32);
    let start = LATELY.with(|lately| {
        let place = &lately[minute.rem_euclid(LATELY_MAX as i64) as usize];
        let (known, start) = place.get();
        if known == minute {
            return start;
        }
        let start = start_of(minute);
        place.set((minute, start));
        start
    });
    let mut whole = *b"2026-01-31T23:59:59.123Z";
    whole[..start.len()].copy_from_slice(&start);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    whole[17..19].copy_from_slice(pair(seconds));
    whole[20] = b'0' + (ms / 100) as u8;
    whole[21..23].copy_from_slice(pair(ms % 100));
    whole
}

/// Everything up to the seconds.
fn start_of(minute: i64) -> Start {
    let at = DateTime::from_timestamp(minute * 60, 0).unwrap_or_default();
    let year = at.year().unsigned_abs(); // 0 to 9999
    let mut start = *b"2026-01-31T23:59:";
    for (place, number) in [
        (0, year / 100),
        (2, year % 100),
        (5, at.month()),
        (8, at.day()),
        (11, at.hour()),
        (14, at.minute()),
    ] {
        start[place..place + 2].copy_from_slice(pair(number));
    }
    start
}

/// Two digits.
fn pair(number: u32) -> &'static [u8] {
    const PAIRS: &[u8; 200] = b"00010203040506070809101112131415161718192021222324\
                                25262728293031323334353637383940414243444546474849\
                                50515253545556575859606162636465666768697071727374\
                                75767778798081828384858687888990919293949596979899";
    let at = 2 * number as usize;
    &PAIRS[at..at + 2]
}

#[cfg(test)]
mod tests {
    use chrono::SecondsFormat;

    use super::*;

    #[test]
    fn equals_the_calendar_library_at_every_kind_of_instant() {
        let start = [YEAR_0_MS, -1, 0, 951_782_400_000, 1_709_164_800_000, YEAR_10000_MS - 1];
        for ms in start.into_iter().flat_map(|ms| [ms, ms + 86_399_999, ms + 86_400_000]) {
            let ms = ms.min(YEAR_10000_MS - 1);
            let mut text = String::new();
            push_timestamp(&mut text, Timestamp(ms));
            let expected = DateTime::from_timestamp_millis(ms).unwrap();
            assert_eq!(text, expected.to_rfc3339_opts(SecondsFormat::Millis, true));
        }
    }

    #[test]
    fn keeps_its_width_at_the_ends_of_time() {
        for ms in [i64::MIN, i64::MAX] {
            let mut text = String::new();
            push_timestamp(&mut text, Timestamp(ms));
            assert_eq!(text.len(), TIMESTAMP_BYTES, "{text}");
        }
    }
}
