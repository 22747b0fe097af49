//! What a store looks like at rest: one keyspace whose rows are told apart by their first byte.
//!
//! | row | key | value |
//! |---|---|---|
//! | format | `m` `format` | the version of this table, 4 bytes |
//! | head | `m` `head` | latest revision, number of records, sum of revisions: 8 bytes each |
//! | mark | `m` `mark` | tick, wall: 8 bytes each |
//! | restoring | `m` `restoring` | there while a restore goes on: what is here is not whole |
//! | record | `r` namespace `0` id | created, modified, last seen, renewed: 8 bytes each; body |
//! | beats | `b` bucket number | created, as of, last seen, renewed: 8 bytes each, many times |
//!
//! Numbers are big-endian. A namespace has no zero byte, so no two keys share a row. A record's row
//! has the beat that was given with its latest write; `beats` tells of those that came later.
//!
//! The sum is that of the revisions at which the records were last modified, so that a change that
//! is lost in the middle shows as one that is lost at the end does.

use registry_core::{Beat, Revision, Tick, Timestamp};

pub(super) use crate::embedded::row::*;

/// The version of the table above that this build writes.
pub(super) const FORMAT: u32 = 1;
pub(super) const BEATS: &[u8] = b"b";
/// Bytes of one beat among many.
pub(super) const ENTRY_BYTES: usize = 8 + 8 + BEAT_BYTES;

const HEADER_BYTES: usize = 8 + 8 + BEAT_BYTES;

/// What is true of the store as a whole. Written with every batch, checked by every load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) revision: Revision,
    pub(super) records: u64,
    /// Of the revisions at which the records were last modified; it wraps around.
    pub(super) sum: u64,
}

/// The value of a record's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held<'a> {
    pub(super) created: Revision,
    pub(super) modified: Revision,
    /// As of the latest write.
    pub(super) beat: Beat,
    pub(super) body: &'a [u8],
}

/// One beat among many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Names the life that it belongs to.
    pub(super) created: Revision,
    /// The latest revision when it came: a write after that has a beat of its own.
    pub(super) as_of: Revision,
    pub(super) beat: Beat,
}

// === keys ===

/// The row of the beats with this number in this bucket.
pub(super) fn beats_row(bucket: u8, number: u64) -> [u8; 10] {
    join([BEATS, &[bucket], &number.to_be_bytes()])
}

/// The bucket and the number of a row of beats.
pub(super) fn number_of(row: &[u8]) -> Result<(u8, u64), Damage> {
    let [_prefix, bucket, number @ ..] = row else { return Err(Damage::new(row, "is no beats")) };
    Ok((*bucket, u64::from_be_bytes(sized(row, number)?)))
}

// === values ===

impl Head {
    /// What is true beside one more record.
    pub(super) fn add(&mut self, modified: Revision) {
        self.records += 1;
        self.sum = self.sum.wrapping_add(modified.0);
    }

    /// What is true beside one record less.
    pub(super) fn subtract(&mut self, modified: Revision) {
        self.records -= 1;
        self.sum = self.sum.wrapping_sub(modified.0);
    }

    pub(super) fn write(self) -> [u8; 24] {
        let Self { revision, records, sum } = self;
        join([&revision.0.to_be_bytes(), &records.to_be_bytes(), &sum.to_be_bytes()])
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, Damage> {
        let all: [u8; 24] = sized(HEAD_ROW, value)?;
        Ok(Self {
            revision: number(HEAD_ROW, &all[..8]).map(Revision)?,
            records: number(HEAD_ROW, &all[8..16])?,
            sum: number(HEAD_ROW, &all[16..])?,
        })
    }
}

impl<'a> Held<'a> {
    pub(super) fn write(&self) -> Vec<u8> {
        let (created, modified) = (self.created.0.to_be_bytes(), self.modified.0.to_be_bytes());
        [&created[..], &modified, &write_beat(self.beat), self.body].concat()
    }

    pub(super) fn read(row: &[u8], value: &'a [u8]) -> Result<Self, Damage> {
        let Some((header, body)) = value.split_at_checked(HEADER_BYTES) else {
            return Err(Damage::new(row, "is too short"));
        };
        let created = number(row, &header[..8]).map(Revision)?;
        let modified = number(row, &header[8..16]).map(Revision)?;
        Ok(Self { created, modified, beat: read_beat(row, &header[16..])?, body })
    }
}

impl Entry {
    /// Adds it to the value of a row.
    pub(super) fn write(&self, value: &mut Vec<u8>) {
        value.extend_from_slice(&self.created.0.to_be_bytes());
        value.extend_from_slice(&self.as_of.0.to_be_bytes());
        value.extend_from_slice(&write_beat(self.beat));
    }

    /// All that are in a row, in the order they came.
    pub(super) fn read(
        row: &[u8],
        value: &[u8],
    ) -> Result<impl ExactSizeIterator<Item = Self>, Damage> {
        let (entries, []) = value.as_chunks::<ENTRY_BYTES>() else {
            return Err(Damage::new(row, "has the wrong length"));
        };
        Ok(entries.iter().map(Self::of))
    }

    fn of(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (numbers, _) = bytes.as_chunks::<8>();
        let [created, as_of, last_seen, renewed] = [0, 1, 2, 3].map(|at| numbers[at]);
        let last_seen = Timestamp(i64::from_be_bytes(last_seen));
        Self {
            created: Revision(u64::from_be_bytes(created)),
            as_of: Revision(u64::from_be_bytes(as_of)),
            beat: Beat { last_seen, renewed: Tick(u64::from_be_bytes(renewed)) },
        }
    }
}

fn number(row: &[u8], value: &[u8]) -> Result<u64, Damage> {
    Ok(u64::from_be_bytes(sized(row, value)?))
}
