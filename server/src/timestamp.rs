//! Instants as RFC 3339 text of a fixed width: `2026-01-31T23:59:59.123Z`.

use std::cell::RefCell;

use chrono::{DateTime, Datelike, Timelike};
use registry_core::Timestamp;

/// The width of every timestamp from year 0 to 9999.
pub(crate) const TIMESTAMP_BYTES: usize = "2026-01-31T23:59:59.123Z".len();

const MINUTE_MS: i64 = 60_000;
const YEAR_0_MS: i64 = -62_167_219_200_000;
const YEAR_10000_MS: i64 = 253_402_300_800_000;

/// A prime, so that minutes a lease apart, mostly of so many minutes or hours, have two places.
const LATELY_MAX: usize = 17;

/// `00.` to `59.`
const SECONDS: &str = text(&numbers::<180>(2, b'.'));
/// `000Z` to `999Z`
const MILLIS: &str = text(&numbers::<4_000>(3, b'Z'));

thread_local! {
    /// Minutes that were written lately and their texts, `2026-01-31T23:59:`, each in a place of
    /// its remainder: only the calendar is work, and what is written together is mostly of few
    /// minutes.
    static LATELY: [RefCell<(i64, String)>; LATELY_MAX] =
        const { [const { RefCell::new((i64::MIN, String::new())) }; LATELY_MAX] };
}

/// Appends one timestamp. Instants before year 0 or after 9999 are written as the nearest one that
/// has the fixed width.
pub(crate) fn push_timestamp(text: &mut String, at: Timestamp) {
    let ms = at.0.clamp(YEAR_0_MS, YEAR_10000_MS - 1);
    let (minute, ms) = (ms.div_euclid(MINUTE_MS), ms.rem_euclid(MINUTE_MS) as usize);
    LATELY.with(|lately| {
        let mut place = lately[minute.rem_euclid(LATELY_MAX as i64) as usize].borrow_mut();
        if place.0 != minute {
            *place = (minute, start_of(minute));
        }
        text.push_str(&place.1);
    });
    let (second, ms) = (3 * (ms / 1_000), 4 * (ms % 1_000));
    text.push_str(&SECONDS[second..second + 3]);
    text.push_str(&MILLIS[ms..ms + 4]);
}

/// Everything up to the seconds.
fn start_of(minute: i64) -> String {
    let at = DateTime::from_timestamp(minute * 60, 0).unwrap_or_default();
    let year = at.year().unsigned_abs(); // 0 to 9999
    let (month, day, hour, minute) = (at.month(), at.day(), at.hour(), at.minute());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:")
}

/// Numbers of so many digits, each with this behind it, from zero on for as long as there is room.
const fn numbers<const BYTES: usize>(digits: usize, behind: u8) -> [u8; BYTES] {
    let mut bytes = [behind; BYTES];
    let mut at = 0;
    while at < BYTES {
        let (mut rest, mut place) = (at / (digits + 1), digits);
        while place > 0 {
            place -= 1;
            bytes[at + place] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        at += digits + 1;
    }
    bytes
}

const fn text(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("digits and a sign are ASCII"), // when this file is compiled
    }
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
