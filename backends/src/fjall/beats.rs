//! The log of beats: what heartbeats left since the records they belong to were last written.
//!
//! A row for each beat costs forty times the processor time of its place in a row of many. So each
//! call adds what it is given, unread, to a log; the last word on a life counts, and words on lives
//! that have ended are ignored. The log lies in buckets, by life, each a run of numbered rows. One
//! that has grown to several times what lives in it is written anew, one bucket a call, so that no
//! writer waits long for it.
//!
//! Which lives have ended is known here only: a restart finds it out again while it loads.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use registry_core::Revision;
use registry_core::store::Renewal;

use super::engine::{Batch, Engine};
use super::layout::{self, Damage, Entry};
use crate::embedded::Failure;

/// The log, without what is in its rows.
pub(super) struct Beats([Bucket; BUCKETS]);

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
/// A longer row is cut up.
const ROW_ENTRIES_MAX: usize = 8_192;

// === impl Beats ===

impl Beats {
    /// Finds the log in a database.
    pub(super) fn open(engine: &Engine) -> Result<Self, Failure> {
        let mut buckets: [Bucket; BUCKETS] = Default::default();
        for item in engine.rows(layout::BEATS) {
            let (row, value) = item?;
            let (bucket, number) = layout::number_of(&row)?;
            let Some(bucket) = buckets.get_mut(usize::from(bucket)) else {
                return Err(Damage::new(&row, "is in no bucket").into());
            };
            if bucket.numbers.is_empty() {
                bucket.numbers = number..number;
            }
            if bucket.numbers.end != number {
                return Err(Damage::new(&row, "comes after one that is missing").into());
            }
            bucket.numbers.end += 1;
            bucket.entries += Entry::read(&row, &value)?.len();
        }
        Ok(Self(buckets))
    }

    /// Adds beats to the log, and writes a bucket anew if one is due.
    pub(super) fn add(
        &mut self,
        engine: &Engine,
        batch: &mut Batch,
        renewals: &[Renewal],
        as_of: Revision,
        records: u64,
    ) -> Result<(), Failure> {
        let live = usize::try_from(records).unwrap_or(usize::MAX) / BUCKETS;
        if let Some(at) = self.0.iter().position(|bucket| bucket.is_due(live)) {
            self.0[at].renew(index(at), engine, batch)?;
        }
        let mut added: [Vec<Entry>; BUCKETS] = Default::default();
        for &Renewal { created, beat, .. } in renewals {
            added[bucket_of(created)].push(Entry { created, as_of, beat });
        }
        for (at, (bucket, added)) in self.0.iter_mut().zip(&added).enumerate() {
            bucket.push(index(at), batch, added);
        }
        Ok(())
    }

    /// Notes that a life has ended: its beats need not be kept.
    pub(super) fn end(&mut self, created: Revision) {
        self.0[bucket_of(created)].ended.insert(created);
    }

    /// The last word on each life.
    pub(super) fn read(engine: &Engine) -> Result<HashMap<Revision, Entry>, Failure> {
        let mut latest = HashMap::new();
        for item in engine.rows(layout::BEATS) {
            let (row, value) = item?;
            latest.extend(Entry::read(&row, &value)?.map(|entry| (entry.created, entry)));
        }
        Ok(latest)
    }
}

// === impl Bucket ===

impl Bucket {
    fn is_due(&self, live: usize) -> bool {
        let kept = self.settled.max(live).saturating_mul(2);
        self.entries + self.ended.len() > kept.saturating_add(ENTRIES_MIN)
    }

    /// Writes what lives in it to new rows, in place of the old ones.
    fn renew(&mut self, index: u8, engine: &Engine, batch: &mut Batch) -> Result<(), Failure> {
        let mut latest = HashMap::new();
        for item in engine.rows(&[layout::BEATS, &[index]].concat()) {
            let (row, value) = item?;
            let entries = Entry::read(&row, &value)?;
            let live = entries.filter(|entry| !self.ended.contains(&entry.created));
            latest.extend(live.map(|entry| (entry.created, entry)));
        }
        for number in self.numbers.clone() {
            batch.remove(&layout::beats_row(index, number)[..]);
        }
        let next = self.numbers.end;
        *self = Self { numbers: next..next, settled: latest.len(), ..Self::default() };
        self.push(index, batch, &latest.into_values().collect::<Vec<_>>());
        Ok(())
    }

    fn push(&mut self, index: u8, batch: &mut Batch, entries: &[Entry]) {
        for entries in entries.chunks(ROW_ENTRIES_MAX) {
            let mut value = Vec::with_capacity(entries.len() * layout::ENTRY_BYTES);
            entries.iter().for_each(|entry| entry.write(&mut value));
            batch.put(&layout::beats_row(index, self.numbers.end)[..], value);
            self.numbers.end += 1;
            self.entries += entries.len();
        }
    }
}

fn bucket_of(created: Revision) -> usize {
    usize::try_from(created.0 % BUCKETS as u64).expect("a remainder is less than BUCKETS")
}

fn index(at: usize) -> u8 {
    u8::try_from(at).expect("there are fewer than 256 buckets")
}
