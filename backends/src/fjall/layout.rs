//! What a store looks like at rest: one keyspace whose rows are told apart by their first byte.
//!
//! | row | key | value |
//! |---|---|---|
//! | format | `m` `format` | the version of this table, 4 bytes |
//! | head | `m` `head` | latest revision, number of records, sum of revisions: 8 bytes each |
//! | mark | `m` `mark` | tick, wall: 8 bytes each |
//! | restoring | `m` `restoring` | there while a restore goes on: what is here is not whole |
//! | record | `r` namespace `0` id | created, modified, last seen, renewed: 8 bytes each; body |
//! | beats | `b` … | see `embedded/beats.rs` |
//!
//! Numbers are big-endian. A namespace has no zero byte, so no two keys share a row. A record's row
//! has the beat that was given with its latest write; `beats` tells of those that came later.
//!
//! The sum is that of the revisions at which the records were last modified, so that a change that
//! is lost in the middle shows as one that is lost at the end does.

use registry_core::{Beat, Key, Revision};

pub(super) use crate::embedded::row::*;

/// The version of the table above that this build writes.
pub(super) const FORMAT: u32 = 1;

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

// === keys ===

pub(super) fn record_row(key: &Key) -> Vec<u8> {
    [RECORDS, &name_of(key)].concat()
}

/// The key whose record rests in `row`.
pub(super) fn key_of(row: &[u8]) -> Result<Key, Damage> {
    row.strip_prefix(RECORDS).and_then(named).ok_or_else(|| Damage::new(row, "names no record"))
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
        let (numbers, _) = all.as_chunks();
        let [revision, records, sum] = [0, 1, 2].map(|at| u64::from_be_bytes(numbers[at]));
        Ok(Self { revision: Revision(revision), records, sum })
    }
}

impl<'a> Held<'a> {
    pub(super) fn write(&self) -> Vec<u8> {
        let (created, modified) = (self.created.0.to_be_bytes(), self.modified.0.to_be_bytes());
        [&created[..], &modified, &write_beat(self.beat), self.body].concat()
    }

    pub(super) fn read(key: &Key, value: &'a [u8]) -> Result<Self, Damage> {
        let Some((header, body)) = value.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Damage::of_record(key, "is too short"));
        };
        let (numbers, _) = header.as_chunks();
        let [created, modified] = [0, 1].map(|at| Revision(u64::from_be_bytes(numbers[at])));
        Ok(Self { created, modified, beat: beat_of([numbers[2], numbers[3]]), body })
    }
}
