//! Instants as RFC 3339 text of a fixed width: `2026-01-31T23:59:59.123Z`.

use chrono::{DateTime, Datelike, Timelike};
use registry_core::Timestamp;

/// The width of every timestamp from year 0 to 9999.
pub(crate) const TIMESTAMP_BYTES: usize = "2026-01-31T23:59:59.123Z".len();

const MINUTE_MS: i64 = 60_000;
const YEAR_0_MS: i64 = -62_167_219_200_000;
const YEAR_10000_MS: i64 = 253_402_300_800_000;

/// Writes timestamps. Knows the minute it wrote last: a list's are mostly of one minute, and only
/// the calendar is work.
#[derive(Debug, Default)]
pub(crate) struct Timestamps {
    /// Since 1970.
    minute: i64,
    /// That minute's text, `2026-01-31T23:59:`; nothing before the first.
    start: String,
}

// === impl Timestamps ===

impl Timestamps {
    /// Appends one timestamp. Instants before year 0 or after 9999 are written as the nearest one
    /// that has the fixed width.
    pub(crate) fn push(&mut self, text: &mut String, at: Timestamp) {
        let ms = at.0.clamp(YEAR_0_MS, YEAR_10000_MS - 1);
        let (minute, ms) = (ms.div_euclid(MINUTE_MS), ms.rem_euclid(MINUTE_MS) as u32);
        if self.start.is_empty() || self.minute != minute {
            *self = Self { minute, start: start_of(minute) };
        }
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        text.push_str(&self.start);
        text.push_str(pair(seconds));
        text.push('.');
        text.push(char::from(b'0' + (ms / 100) as u8));
        text.push_str(pair(ms % 100));
        text.push('Z');
    }
}

/// Everything up to the seconds.
fn start_of(minute: i64) -> String {
    let at = DateTime::from_timestamp(minute * 60, 0).unwrap_or_default();
    let year = at.year().unsigned_abs(); // 0 to 9999
    let mut text = String::with_capacity(TIMESTAMP_BYTES);
    for (number, mark) in [
        (year / 100, ""),
        (year % 100, "-"),
        (at.month(), "-"),
        (at.day(), "T"),
        (at.hour(), ":"),
        (at.minute(), ":"),
    ] {
        text.push_str(pair(number));
        text.push_str(mark);
    }
    text
}

/// Two digits.
fn pair(number: u32) -> &'static str {
    const PAIRS: &str = "00010203040506070809101112131415161718192021222324\
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
        let mut times = Timestamps::default();
        let start = [YEAR_0_MS, -1, 0, 951_782_400_000, 1_709_164_800_000, YEAR_10000_MS - 1];
        for ms in start.into_iter().flat_map(|ms| [ms, ms + 86_399_999, ms + 86_400_000]) {
            let ms = ms.min(YEAR_10000_MS - 1);
            let mut text = String::new();
            times.push(&mut text, Timestamp(ms));
            let expected = DateTime::from_timestamp_millis(ms).unwrap();
            assert_eq!(text, expected.to_rfc3339_opts(SecondsFormat::Millis, true));
        }
    }

    #[test]
    fn keeps_its_width_at_the_ends_of_time() {
        for ms in [i64::MIN, i64::MAX] {
            let mut text = String::new();
            Timestamps::default().push(&mut text, Timestamp(ms));
            assert_eq!(text.len(), TIMESTAMP_BYTES, "{text}");
        }
    }
}
