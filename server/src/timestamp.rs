//! Instants as RFC 3339 text of a fixed width: `2026-01-31T23:59:59.123Z`.

use chrono::{DateTime, Datelike, NaiveDate};
use registry_core::Timestamp;

/// The width of every timestamp from year 0 to 9999.
pub(crate) const TIMESTAMP_BYTES: usize = "2026-01-31T23:59:59.123Z".len();

const DAY_MS: i64 = 86_400_000;

/// Writes timestamps. Knows the day it wrote last: a list's are mostly of one day, and only the
/// calendar is work.
#[derive(Debug, Default)]
pub(crate) struct Timestamps {
    day: Option<(i64, [u8; 10])>,
}

// === impl Timestamps ===

impl Timestamps {
    /// Appends one timestamp. Instants before year 0 or after 9999 are written as the nearest one
    /// that has the fixed width.
    pub(crate) fn push(&mut self, text: &mut String, at: Timestamp) {
        let ms = at.0.clamp(YEAR_0_MS, YEAR_10000_MS - 1);
        let (day, ms) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
        let date = match self.day {
            Some((known, date)) if known == day => date,
            _ => self.day.insert((day, date(day))).1,
        };
        let ms = ms as u32; // of one day
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        let mut out = *b"0000-00-00T00:00:00.000Z";
        out[..10].copy_from_slice(&date);
        out[11..13].copy_from_slice(&digits::<2>(seconds / 3_600));
        out[14..16].copy_from_slice(&digits::<2>(seconds / 60 % 60));
        out[17..19].copy_from_slice(&digits::<2>(seconds % 60));
        out[20..23].copy_from_slice(&digits::<3>(ms));
        text.push_str(std::str::from_utf8(&out).unwrap_or_default());
    }
}

const YEAR_0_MS: i64 = -62_167_219_200_000;
const YEAR_10000_MS: i64 = 253_402_300_800_000;

fn date(day: i64) -> [u8; 10] {
    let date: NaiveDate =
        DateTime::from_timestamp(day * DAY_MS / 1_000, 0).unwrap_or_default().date_naive();
    let mut out = *b"0000-00-00";
    out[..4].copy_from_slice(&digits::<4>(date.year().unsigned_abs())); // 0 to 9999
    out[5..7].copy_from_slice(&digits::<2>(date.month()));
    out[8..].copy_from_slice(&digits::<2>(date.day()));
    out
}

/// The last `N` decimal digits.
fn digits<const N: usize>(mut number: u32) -> [u8; N] {
    let mut out = [b'0'; N];
    for digit in out.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    out
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
