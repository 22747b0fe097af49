//! Rows that are the same whichever engine keeps them, and what can be wrong with any.
//!
//! | row | key | value |
//! |---|---|---|
//! | format | `m` `format` | the version of the engine's layout, 4 bytes |
//! | head | `m` `head` | what is true of the store as a whole; the engine's layout says what |
//! | mark | `m` `mark` | tick, wall: 8 bytes each |
//! | restoring | `m` `restoring` | there while a restore goes on: what is here is not whole |
//! | record | `r` … namespace `0` id | the engine's layout says what |
//!
//! Numbers are big-endian. A namespace has no zero byte, so no two keys share a name.

use registry_core::store::Mark;
use registry_core::{Beat, Key, Tick, Timestamp};

pub(crate) const FORMAT_ROW: &[u8] = b"mformat";
pub(crate) const HEAD_ROW: &[u8] = b"mhead";
pub(crate) const MARK_ROW: &[u8] = b"mmark";
pub(crate) const RESTORING_ROW: &[u8] = b"mrestoring";
pub(crate) const RECORDS: &[u8] = b"r";

pub(crate) const BEAT_BYTES: usize = 8 + 8;

/// Something at rest that cannot be understood, in words for whoever runs the server.
#[derive(Debug, thiserror::Error)]
#[error("{what} {reason}")]
pub(crate) struct Damage {
    what: String,
    reason: String,
}

// === keys ===

/// A key as it stands at the end of its record's row.
pub(crate) fn name_of(key: &Key) -> Vec<u8> {
    [key.namespace().as_bytes(), &[0], key.id().as_bytes()].concat()
}

/// The key of this name; `None` if it is none.
pub(crate) fn named(name: &[u8]) -> Option<Key> {
    let (namespace, id) = std::str::from_utf8(name).ok()?.split_once('\0')?;
    Key::new(namespace, id).ok()
}

// === values ===

pub(crate) fn write_beat(beat: Beat) -> [u8; BEAT_BYTES] {
    join([&beat.last_seen.0.to_be_bytes(), &beat.renewed.0.to_be_bytes()])
}

pub(crate) fn beat_of([last_seen, renewed]: [[u8; 8]; 2]) -> Beat {
    Beat {
        last_seen: Timestamp(i64::from_be_bytes(last_seen)),
        renewed: Tick(u64::from_be_bytes(renewed)),
    }
}

pub(crate) fn write_mark(mark: Mark) -> [u8; 16] {
    join([&mark.tick.0.to_be_bytes(), &mark.wall.0.to_be_bytes()])
}

pub(crate) fn read_mark(value: &[u8]) -> Result<Mark, Damage> {
    let all: [u8; 16] = sized(MARK_ROW, value)?;
    let (numbers, _) = all.as_chunks();
    let [tick, wall] = [numbers[0], numbers[1]];
    Ok(Mark { tick: Tick(u64::from_be_bytes(tick)), wall: Timestamp(i64::from_be_bytes(wall)) })
}

pub(crate) fn read_format(value: &[u8]) -> Result<u32, Damage> {
    Ok(u32::from_be_bytes(sized(FORMAT_ROW, value)?))
}

// === impl Damage ===

impl Damage {
    pub(crate) fn new(row: &[u8], reason: impl Into<String>) -> Self {
        let what = match row {
            FORMAT_ROW => "the note of its format".to_owned(),
            HEAD_ROW => "its summary, which counts what is there,".to_owned(),
            MARK_ROW => "the note of the time it was left".to_owned(),
            RESTORING_ROW => "the restore into it".to_owned(),
            _ => format!("a row of its database, {},", row.escape_ascii()),
        };
        Self { what, reason: reason.into() }
    }

    pub(crate) fn of_record(key: &Key, reason: impl Into<String>) -> Self {
        Self { what: format!("the record {key:?}"), reason: reason.into() }
    }

    pub(crate) fn of_file(name: &str, reason: impl Into<String>) -> Self {
        Self { what: format!("its file {name}"), reason: reason.into() }
    }
}

// === numbers ===

pub(crate) fn join<const N: usize, const P: usize>(parts: [&[u8]; P]) -> [u8; N] {
    parts.concat().try_into().expect("the parts of a row have fixed lengths that add up to N")
}

pub(crate) fn sized<const N: usize>(row: &[u8], value: &[u8]) -> Result<[u8; N], Damage> {
    value.try_into().map_err(|_| Damage::new(row, "has the wrong length"))
}
