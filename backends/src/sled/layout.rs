//! What a store looks like at rest: one tree whose rows are told apart by their first byte.
//!
//! | row | key | value |
//! |---|---|---|
//! | format | `m` `format` | the version of this table, 4 bytes |
//! | head | `m` `head` | latest revision, number of records, live bytes: 8 bytes each |
//! | mark | `m` `mark` | tick, wall: 8 bytes each |
//! | restoring | `m` `restoring` | there while a restore goes on: what is here is not whole |
//! | record | `r` created namespace `0` id | modified, beat, body length: 28 bytes; short body |
//! | chunk | `c` modified index | a part of a long body |
//! | beats | `b` … | see `embedded/beats.rs` |
//!
//! Numbers are big-endian. Chunks carry the revision of the write that made them, which is given
//! once, so none can be mistaken for another's. A record's row has the beat that was given with its
//! latest write, last seen and renewed; `beats` tells of those that came later.
//!
//! Records lie in the order of their creation: a new one goes to the end, into a page that is at
//! hand. In the order of their keys it would go anywhere, and sled reads a page anew for nearly
//! each once there are more than fit its cache: of a million records, a write took four times the
//! processor time. Where a key is, the store remembers while it is open: see `index`.
//!
//! A body longer than [`CHUNK_BYTES`] is cut up, since sled puts large pages in files of their own
//! that it never syncs.

use registry_core::{Beat, Key, Revision};

use crate::embedded::beats::ENTRY_BYTES;
pub(super) use crate::embedded::row::*;

/// The version of the table above that this build writes. It reads all before: see `upgrade`.
pub(super) const FORMAT: u32 = 2;
/// Bytes of a body in one row. Part of the format: it tells how many chunks a body has.
pub(super) const CHUNK_BYTES: usize = 3_584;

const CHUNKS: &[u8] = b"c";

const CREATED_BYTES: usize = 8;
const HEADER_BYTES: usize = 8 + BEAT_BYTES + 4;
const CHUNK_ROW_BYTES: usize = 1 + 8 + 4;

/// What is true of the store as a whole. Written with every batch, checked by every load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: Revision,
    pub(super) records: u64,
    /// Bytes of all rows of all records.
    pub(super) live_bytes: u64,
}

/// The start of a record's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) modified: Revision,
    /// As of the latest write.
    pub(super) beat: Beat,
    pub(super) body_bytes: usize,
}

// === keys ===

pub(super) fn record_row(created: Revision, key: &Key) -> Vec<u8> {
    [RECORDS, &created.0.to_be_bytes(), &name_of(key)].concat()
}

/// Which record rests in `row`, and since when.
pub(super) fn record_of(row: &[u8]) -> Result<(Revision, Key), Damage> {
    let parts = || {
        let (created, name) = row.strip_prefix(RECORDS)?.split_first_chunk::<CREATED_BYTES>()?;
        Some((Revision(u64::from_be_bytes(*created)), named(name)?))
    };
    parts().ok_or_else(|| Damage::new(row, "names no record"))
}

pub(super) fn chunk_row(modified: Revision, index: u32) -> [u8; CHUNK_ROW_BYTES] {
    join([CHUNKS, &modified.0.to_be_bytes(), &index.to_be_bytes()])
}

// === values ===

impl Header {
    /// A record's value: the header, then the body if it is short.
    pub(super) fn write(self, body: &[u8]) -> Vec<u8> {
        let body_bytes = u32::try_from(self.body_bytes).expect("a body is far shorter than 4 GiB");
        let (modified, beat) = (self.modified.0.to_be_bytes(), write_beat(self.beat));
        let inline = if self.chunks() == 0 { body } else { &[] };
        [&modified[..], &beat, &body_bytes.to_be_bytes(), inline].concat()
    }

    /// Takes the value apart into the header and the body, which is empty if it lies in chunks.
    pub(super) fn read<'a>(key: &Key, value: &'a [u8]) -> Result<(Self, &'a [u8]), Damage> {
        let damage = |reason| Damage::of_record(key, reason);
        let parts = value.split_first_chunk::<HEADER_BYTES>();
        let (header, inline) = parts.ok_or_else(|| damage("is too short"))?;
        let (numbers, body_bytes) = header.as_chunks();
        let body_bytes = u32::from_be_bytes(sized(RECORDS, body_bytes)?);
        let header = Self {
            modified: Revision(u64::from_be_bytes(numbers[0])),
            beat: beat_of([numbers[1], numbers[2]]),
            body_bytes: usize::try_from(body_bytes).map_err(|_| damage("is too long"))?,
        };
        let expected = if header.chunks() == 0 { header.body_bytes } else { 0 };
        if inline.len() != expected {
            return Err(damage("has not the length that it says"));
        }
        Ok((header, inline))
    }

    /// How many chunks the body lies in; none if it is short.
    pub(super) fn chunks(self) -> u32 {
        let is_short = self.body_bytes <= CHUNK_BYTES;
        let chunks = if is_short { 0 } else { self.body_bytes.div_ceil(CHUNK_BYTES) };
        u32::try_from(chunks).expect("a body is far shorter than 4 GiB")
    }

    /// Bytes of all the rows of the record in `row`, and of a beat.
    pub(super) fn live_bytes(self, row: &[u8]) -> u64 {
        let chunks = self.chunks() as usize * CHUNK_ROW_BYTES;
        (row.len() + HEADER_BYTES + self.body_bytes + chunks + ENTRY_BYTES) as u64
    }
}

impl Head {
    pub(super) fn write(self) -> [u8; 24] {
        let Self { revision, records, live_bytes } = self;
        join([&revision.0.to_be_bytes(), &records.to_be_bytes(), &live_bytes.to_be_bytes()])
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, Damage> {
        let all: [u8; 24] = sized(HEAD_ROW, value)?;
        let (numbers, _) = all.as_chunks();
        let [revision, records, live_bytes] = [0, 1, 2].map(|at| u64::from_be_bytes(numbers[at]));
        Ok(Self { revision: Revision(revision), records, live_bytes })
    }
}
