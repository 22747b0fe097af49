//! The log of beats: what heartbeats left since the records they belong to were last written.
//!
//! | row | key | value |
//! |---|---|---|
//! | beats | `b` bucket number | created, as of, last seen, renewed: 8 bytes each, many times |
//!
//! A row for each beat costs many times the processor time of its place in a row of many. So each
//! call adds what it is given, unread, to a log; the last word on a life counts, and words on lives
//! that have ended are ignored. The log lies in buckets, by life, each a run of numbered rows. One
//! that has grown to several times what lives in it is written anew, one bucket a call, so that no
//! writer waits long for it.
//!
//! Which lives have ended is known here only: a restart finds it out again while it loads.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use registry_core::store::Renewal;
use registry_core::{Beat, Revision};

use super::failure::Failure;
use super::row::{BEAT_BYTES, Damage, beat_of, join, sized, write_beat};

/// What the log asks of the engine that it rests in.
pub(crate) trait Table {
    /// A row's key, or its value.
    type Bytes: AsRef<[u8]>;
    /// Rows to be written together.
    type Changes: Changes;
    /// So many beats lie in one row at most. Not part of the format.
    const ROW_BEATS_MAX: usize;

    /// Every row whose key begins with `prefix`, in order.
    fn rows(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Self::Bytes, Self::Bytes), Failure>>;
}

/// Rows to be written together.
pub(crate) trait Changes {
    fn put(&mut self, row: &[u8], value: Vec<u8>);
    fn remove(&mut self, row: &[u8]);
}

/// One beat among many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// Names the life that it belongs to.
    created: Revision,
    /// The latest revision when it came: a write after that has a beat of its own.
    as_of: Revision,
    beat: Beat,
}

/// The last word on each life.
#[derive(Default)]
pub(crate) struct Latest(HashMap<Revision, Entry, foldhash::fast::RandomState>);

/// The log, without what is in its rows.
pub(crate) struct Beats([Bucket; BUCKETS]);

/// A part of the log: whose lives give the same remainder.
#[derive(Default)]
struct Bucket {
    /// Of its rows.
    numbers: Range<u64>,
    /// In all of its rows.
    entries: usize,
    /// How many entries it had when it was written anew.
    settled: usize,
    /// Lives that may still have entries here.
    ended: HashSet<Revision>,
}

/// Part of the format: it tells where the beats of a life are.
const BUCKETS: usize = 16;
/// A bucket with fewer entries is never written anew.
const ENTRIES_MIN: usize = 128;
/// Nor one with fewer rows, unless they have many entries.
const ROWS_MIN: u64 = 256;
const BEATS: &[u8] = b"b";
/// Bytes of one beat among many.
pub(crate) const ENTRY_BYTES: usize = 8 + 8 + BEAT_BYTES;

// === impl Beats ===

impl Beats {
    /// Finds the log in a database.
    pub(crate) fn open(table: &impl Table) -> Result<Self, Failure> {
        let mut buckets: [Bucket; BUCKETS] = Default::default();
        for item in table.rows(BEATS) {
            let (row, value) = item?;
            let (row, value) = (row.as_ref(), value.as_ref());
            let (bucket, number) = number_of(row)?;
            let Some(bucket) = buckets.get_mut(usize::from(bucket)) else {
                return Err(Damage::new(row, "is in no bucket").into());
            };
            if bucket.numbers.is_empty() {
                bucket.numbers = number..number;
            }
            if bucket.numbers.end != number {
                return Err(Damage::new(row, "comes after one that is missing").into());
            }
            bucket.numbers.end += 1;
            bucket.entries += Entry::read(row, value)?.len();
        }
        Ok(Self(buckets))
    }

    /// Adds beats to the log, and writes a bucket anew if one is due.
    pub(crate) fn add<T: Table>(
        &mut self,
        table: &T,
        changes: &mut T::Changes,
        renewals: &[Renewal],
        as_of: Revision,
        records: u64,
    ) -> Result<(), Failure> {
        let live = usize::try_from(records).unwrap_or(usize::MAX) / BUCKETS;
        if let Some(at) = self.0.iter().position(|bucket| bucket.is_due::<T>(live)) {
            self.0[at].renew(index(at), table, changes)?;
        }
        let mut added: [Vec<Entry>; BUCKETS] = Default::default();
        for &Renewal { created, beat, .. } in renewals {
            added[bucket_of(created)].push(Entry { created, as_of, beat });
        }
        for (at, (bucket, added)) in self.0.iter_mut().zip(&added).enumerate() {
            bucket.push::<T>(index(at), changes, added);
        }
        Ok(())
    }

    /// Notes that a life has ended: its beats need not be kept.
    pub(crate) fn end(&mut self, created: Revision) {
        self.0[bucket_of(created)].ended.insert(created);
    }
}

// === impl Bucket ===

impl Bucket {
    fn is_due<T: Table>(&self, live: usize) -> bool {
        let kept = self.settled.max(live).saturating_mul(2);
        let rows = self.numbers.end - self.numbers.start;
        self.entries + self.ended.len() > kept.saturating_add(ENTRIES_MIN)
            // Where few beats come at a time, a load would find very many short rows.
            || rows > ROWS_MIN + 2 * (self.entries / T::ROW_BEATS_MAX) as u64
    }

    /// Writes what lives in it to new rows, in place of the old ones.
    fn renew<T: Table>(
        &mut self,
        index: u8,
        table: &T,
        changes: &mut T::Changes,
    ) -> Result<(), Failure> {
        let latest = Latest::read_at(table, &[BEATS, &[index]].concat())?;
        let live = latest.0.into_values().filter(|entry| !self.ended.contains(&entry.created));
        let live = live.collect::<Vec<_>>();
        for number in self.numbers.clone() {
            changes.remove(&beats_row(index, number));
        }
        let next = self.numbers.end;
        *self = Self { numbers: next..next, settled: live.len(), ..Self::default() };
        self.push::<T>(index, changes, &live);
        Ok(())
    }

    fn push<T: Table>(&mut self, index: u8, changes: &mut T::Changes, entries: &[Entry]) {
        for entries in entries.chunks(T::ROW_BEATS_MAX) {
            let mut value = Vec::with_capacity(entries.len() * ENTRY_BYTES);
            entries.iter().for_each(|entry| entry.write(&mut value));
            changes.put(&beats_row(index, self.numbers.end), value);
            self.numbers.end += 1;
            self.entries += entries.len();
        }
    }
}

// === impl Latest ===

impl Latest {
    pub(crate) fn read(table: &impl Table) -> Result<Self, Failure> {
        Self::read_at(table, BEATS)
    }

    fn read_at(table: &impl Table, prefix: &[u8]) -> Result<Self, Failure> {
        let mut latest = Self::default();
        for item in table.rows(prefix) {
            let (row, value) = item?;
            let entries = Entry::read(row.as_ref(), value.as_ref())?;
            latest.0.extend(entries.map(|entry| (entry.created, entry)));
        }
        Ok(latest)
    }

    /// What counts of a record that was last written at `modified`, and then with `beat`. It is
    /// asked for once.
    pub(crate) fn take(&mut self, created: Revision, modified: Revision, beat: Beat) -> Beat {
        let later = self.0.remove(&created).filter(|entry| entry.as_of >= modified);
        later.map_or(beat, |entry| entry.beat)
    }

    /// The lives that were not asked for.
    pub(crate) fn others(self) -> impl Iterator<Item = Revision> {
        self.0.into_keys()
    }
}

// === impl Entry ===

impl Entry {
    /// Adds it to the value of a row.
    fn write(&self, value: &mut Vec<u8>) {
        value.extend_from_slice(&self.created.0.to_be_bytes());
        value.extend_from_slice(&self.as_of.0.to_be_bytes());
        value.extend_from_slice(&write_beat(self.beat));
    }

    /// All that are in a row, in the order they came.
    fn read<'a>(
        row: &'a [u8],
        value: &'a [u8],
    ) -> Result<impl ExactSizeIterator<Item = Self> + use<'a>, Damage> {
        let (entries, []) = value.as_chunks::<ENTRY_BYTES>() else {
            return Err(Damage::new(row, "has the wrong length"));
        };
        Ok(entries.iter().map(Self::of))
    }

    fn of(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let (numbers, _) = bytes.as_chunks::<8>();
        let [created, as_of, last_seen, renewed] = [0, 1, 2, 3].map(|at| numbers[at]);
        Self {
            created: Revision(u64::from_be_bytes(created)),
            as_of: Revision(u64::from_be_bytes(as_of)),
            beat: beat_of([last_seen, renewed]),
        }
    }
}

// === rows ===

/// The row of the beats with this number in this bucket.
fn beats_row(bucket: u8, number: u64) -> [u8; 10] {
    join([BEATS, &[bucket], &number.to_be_bytes()])
}

/// The bucket and the number of a row of beats.
fn number_of(row: &[u8]) -> Result<(u8, u64), Damage> {
    let [_prefix, bucket, number @ ..] = row else { return Err(Damage::new(row, "is no beats")) };
    Ok((*bucket, u64::from_be_bytes(sized(row, number)?)))
}

fn bucket_of(created: Revision) -> usize {
    usize::try_from(created.0 % BUCKETS as u64).expect("a remainder is less than BUCKETS")
}

fn index(at: usize) -> u8 {
    u8::try_from(at).expect("there are fewer than 256 buckets")
}
