//! What a store looks like at rest: one tree whose rows are told apart by their first byte.
//!
//! | row | key | value |
//! |---|---|---|
//! | format | `m` `format` | the version of this table, 4 bytes |
//! | head | `m` `head` | latest revision, number of records, live bytes: 8 bytes each |
//! | mark | `m` `mark` | tick, wall: 8 bytes each |
//! | restoring | `m` `restoring` | there while a restore goes on: what is here is not whole |
//! | record | `r` namespace `0` id | created, modified: 8 bytes each; body length: 4; short body |
//! | chunk | `c` modified index | a part of a long body |
//! | beat | `b` created | last seen, renewed: 8 bytes each |
//!
//! Numbers are big-endian. A namespace has no zero byte, so no two keys share a row. Chunks carry
//! the revision of the write that made them and beats that of the life they belong to: both are
//! given once, so neither can be mistaken for another's. Beats lie in order of age rather than of
//! key: renewals in bulk then touch few pages.
//!
//! A body longer than [`CHUNK_BYTES`] is cut up, since sled puts large pages in files of their own
//! that it never syncs.

use registry_core::Revision;

pub(super) use crate::embedded::row::*;

/// The version of the table above that this build writes.
pub(super) const FORMAT: u32 = 1;
/// Bytes of a body in one row. Part of the format: it tells how many chunks a body has.
pub(super) const CHUNK_BYTES: usize = 3_584;

pub(super) const BEATS: &[u8] = b"b";
const CHUNKS: &[u8] = b"c";

const HEADER_BYTES: usize = 8 + 8 + 4;
const CHUNK_ROW_BYTES: usize = 1 + 8 + 4;
const BEAT_ROW_BYTES: usize = 1 + 8;

/// What is true of the store as a whole. Written with every batch, checked by every load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: Revision,
    pub(super) records: u64,
    /// Bytes of all rows of all records.
    pub(super) live_bytes: u64,
}

/// The start of a record's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) created: Revision,
    pub(super) modified: Revision,
    pub(super) body_bytes: usize,
}

// === keys ===

pub(super) fn chunk_row(modified: Revision, index: u32) -> [u8; CHUNK_ROW_BYTES] {
    join([CHUNKS, &modified.0.to_be_bytes(), &index.to_be_bytes()])
}

pub(super) fn beat_row(created: Revision) -> [u8; BEAT_ROW_BYTES] {
    join([BEATS, &created.0.to_be_bytes()])
}

/// The life whose beat rests in `row`.
pub(super) fn life_of(row: &[u8]) -> Result<Revision, Damage> {
    let [_prefix, created @ ..] = row else { return Err(Damage::new(row, "is not a beat")) };
    Ok(Revision(u64::from_be_bytes(sized(row, created)?)))
}

// === values ===

impl Header {
    /// A record's row: the header, then the body if it is short.
    pub(super) fn write(self, body: &[u8]) -> Vec<u8> {
        let body_bytes = u32::try_from(self.body_bytes).expect("a body is far shorter than 4 GiB");
        let (created, modified) = (self.created.0.to_be_bytes(), self.modified.0.to_be_bytes());
        let inline = if self.chunks() == 0 { body } else { &[] };
        [&created[..], &modified, &body_bytes.to_be_bytes(), inline].concat()
    }

    /// Takes the row apart into the header and the body, which is empty if it lies in chunks.
    pub(super) fn read<'a>(row: &[u8], value: &'a [u8]) -> Result<(Self, &'a [u8]), Damage> {
        let Some((header, inline)) = value.split_at_checked(HEADER_BYTES) else {
            return Err(Damage::new(row, "is too short"));
        };
        let body_bytes = u32::from_be_bytes(sized(row, &header[16..])?);
        let header = Self {
            created: Revision(u64::from_be_bytes(sized(row, &header[..8])?)),
            modified: Revision(u64::from_be_bytes(sized(row, &header[8..16])?)),
            body_bytes: usize::try_from(body_bytes).map_err(|_| Damage::new(row, "is too long"))?,
        };
        let expected = if header.chunks() == 0 { header.body_bytes } else { 0 };
        if inline.len() != expected {
            return Err(Damage::new(row, "has not the length that it says"));
        }
        Ok((header, inline))
    }

    /// How many chunks the body lies in; none if it is short.
    pub(super) fn chunks(self) -> u32 {
        let is_short = self.body_bytes <= CHUNK_BYTES;
        let chunks = if is_short { 0 } else { self.body_bytes.div_ceil(CHUNK_BYTES) };
        u32::try_from(chunks).expect("a body is far shorter than 4 GiB")
    }

    /// Bytes of all the rows of the record in `row`, its beat included.
    pub(super) fn live_bytes(self, row: &[u8]) -> u64 {
        let chunks = self.chunks() as usize * CHUNK_ROW_BYTES;
        let record = row.len() + HEADER_BYTES + self.body_bytes;
        (record + chunks + BEAT_ROW_BYTES + BEAT_BYTES) as u64
    }
}

impl Head {
    pub(super) fn write(self) -> [u8; 24] {
        let Self { revision, records, live_bytes } = self;
        join([&revision.0.to_be_bytes(), &records.to_be_bytes(), &live_bytes.to_be_bytes()])
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, Damage> {
        let all: [u8; 24] = sized(HEAD_ROW, value)?;
        Ok(Self {
            revision: Revision(u64::from_be_bytes(sized(HEAD_ROW, &all[..8])?)),
            records: u64::from_be_bytes(sized(HEAD_ROW, &all[8..16])?),
            live_bytes: u64::from_be_bytes(sized(HEAD_ROW, &all[16..])?),
        })
    }
}
