//! The `since` of a list: after which event, or from which time on, in the many ways that
//! JavaScript's `Date` takes a time.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use registry_core::{Slot, Timestamp};
use serde::Deserialize;
use ulid::ULID_LEN;

use super::wire;
use crate::timestamp::push_timestamp;

/// From where on a list is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Since {
    /// After the event of this id, which is compared as text.
    After(String),
    /// After this time, as documents write it.
    Later(String),
    /// At this time or after it.
    From(String),
    /// What was sent is no time, and nothing is later than that.
    Never,
}

/// The one field of a document that is asked for.
#[derive(Deserialize)]
struct Stamp<'a> {
    timestamp: &'a str,
}

// === impl Since ===

impl Since {
    /// As the feed understands it: an id, or a time that does not count itself.
    pub(super) fn of_events(text: &str) -> Self {
        if text.len() == ULID_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Self::After(text.to_owned());
        }
        time(text).map_or(Self::Never, Self::Later)
    }

    /// As the list of commits understands it: a time that counts itself.
    pub(super) fn of_commits(text: &str) -> Self {
        time(text).map_or(Self::Never, Self::From)
    }

    /// Whether the entry is wanted.
    pub(super) fn is_before(&self, slot: &Slot) -> bool {
        let stamp = || {
            let stamp = serde_json::from_str(wire::document(slot));
            stamp.map_or("", |Stamp { timestamp }| timestamp)
        };
        match self {
            Self::After(id) => slot.record().generation.as_str() > id.as_str(),
            // Times of one width: the order of the texts is that of the times.
            Self::Later(time) => stamp() > time.as_str(),
            Self::From(time) => stamp() >= time.as_str(),
            Self::Never => false,
        }
    }
}

/// Ways to write a time of day without its place on earth. It is meant in UTC.
const LOCAL: [&str; 8] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%B %d %Y %H:%M:%S",
    "%B %d, %Y %H:%M:%S",
];
/// Ways to write a day.
const DAY: [&str; 6] = ["%Y-%m-%d", "%Y/%m/%d", "%m/%d/%Y", "%B %d %Y", "%B %d, %Y", "%d %B %Y"];
/// Ways to write a time and where on earth.
const ZONED: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M%:z"];

/// The time that a text names, as documents write theirs.
fn time(text: &str) -> Option<String> {
    let utc = text.strip_suffix(['Z', 'z']).map(|local| format!("{local}+00:00"));
    let zoned = utc.as_deref().unwrap_or(text);
    let missing = match text.len() {
        4 => "-01-01", // a year
        7 => "-01",    // a month
        _ => "",
    };
    let whole = format!("{text}{missing}");
    let at = ZONED
        .iter()
        .find_map(|format| DateTime::parse_from_str(zoned, format).ok())
        .or_else(|| DateTime::parse_from_rfc2822(text).ok())
        .map(|at| at.naive_utc())
        .or_else(|| LOCAL.iter().find_map(|f| NaiveDateTime::parse_from_str(text, f).ok()))
        .or_else(|| {
            let day = DAY.iter().find_map(|f| NaiveDate::parse_from_str(&whole, f).ok())?;
            day.and_hms_opt(0, 0, 0)
        })?;
    let mut written = String::new();
    push_timestamp(&mut written, Timestamp(at.and_utc().timestamp_millis()));
    Some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_javascript_reads_them() {
        for (text, expected) in [
            ("2026-01-31T23:59:59.123Z", "2026-01-31T23:59:59.123Z"),
            ("2026-01-31T23:59:59Z", "2026-01-31T23:59:59.000Z"),
            ("2026-01-31T23:59Z", "2026-01-31T23:59:00.000Z"),
            ("2026-01-31T23:59:59.5+02:00", "2026-01-31T21:59:59.500Z"),
            ("2026-01-31T23:59", "2026-01-31T23:59:00.000Z"),
            ("2026-01-31 23:59:01", "2026-01-31T23:59:01.000Z"),
            ("2026-01-31", "2026-01-31T00:00:00.000Z"),
            ("2026-01", "2026-01-01T00:00:00.000Z"),
            ("2020", "2020-01-01T00:00:00.000Z"),
            ("Feb 1 2020", "2020-02-01T00:00:00.000Z"),
            ("February 1, 2020", "2020-02-01T00:00:00.000Z"),
            ("1 Feb 2020", "2020-02-01T00:00:00.000Z"),
            ("2020/02/01", "2020-02-01T00:00:00.000Z"),
            ("Sat, 01 Feb 2020 10:00:00 GMT", "2020-02-01T10:00:00.000Z"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_never() {
        let no_times = ["garbage", "1769903999123", "2026-13-01", "-", "now", "é", "2020é"];
        for text in no_times.into_iter().chain(["2026-01-31T23:59:59 02:00"]) {
            assert_eq!(Since::of_events(text), Since::Never, "{text}");
            assert_eq!(Since::of_commits(text), Since::Never, "{text}");
        }
    }

    #[test]
    fn what_looks_like_an_id_is_one() {
        for text in ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav"] {
            assert_eq!(Since::of_events(text), Since::After(text.to_owned()));
        }
        assert_eq!(Since::of_events("01ARZ3NDEKTSV4RRFFQ69G5FA"), Since::Never);
    }
}
