//! What an engine does by itself with the rows that a store wrote in it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use backends::fjall::FjallConfig;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use rolecall_benches::sled_alone::SledAlone;

use crate::durable::home;

/// An engine in our own process.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine {
    Fjall,
    Sled,
}

/// The first byte of the rows of records: see the layouts of the stores.
const RECORDS: &[u8] = b"r";
const HEAD: &[u8] = b"mhead";
const HEAD_BYTES: usize = 24;

// === impl Engine ===

impl Engine {
    /// The one whose store is in a directory.
    pub(crate) fn of(home: &Path) -> Self {
        if home.join("fjall").is_dir() { Self::Fjall } else { Self::Sled }
    }

    /// What it is called in a URL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fjall => "fjall",
            Self::Sled => "sled",
        }
    }

    /// Reads every row of the store in `home`; the bytes that are in them.
    pub(crate) fn read_bare(self, home: &Path) -> usize {
        let said = "the engine reads what it wrote";
        let bytes = |key: &[u8], value: &[u8]| key.len() + value.len();
        match self {
            Self::Fjall => {
                let (_db, rows) = open_fjall(&home.join("fjall"));
                let rows = rows.iter().map(|row| row.into_inner().expect(said));
                rows.map(|(key, value)| bytes(&key, &value)).sum()
            }
            Self::Sled => {
                let rows = open_sled(&current(home)).db;
                rows.iter()
                    .map(|row| row.expect(said))
                    .map(|(key, value)| bytes(&key, &value))
                    .sum()
            }
        }
    }

    /// Writes the rows of the store in `from` to a new database in these batches, each as durable
    /// as the store makes it. Seconds that this takes.
    pub(crate) fn write_bare(self, from: &Path, batches: &[usize]) -> f64 {
        match self {
            Self::Fjall => write_fjall(&from.join("fjall"), batches),
            Self::Sled => write_sled(&current(from), batches),
        }
    }
}

// === fjall ===

fn open_fjall(path: &Path) -> (Database, Keyspace) {
    let FjallConfig { cache_bytes, memtable_bytes, .. } = FjallConfig::new(path);
    let builder = Database::builder(path).cache_size(cache_bytes).worker_threads(2);
    let db = builder.max_journaling_size(64 << 20).open().expect("fjall opens");
    let options = || KeyspaceCreateOptions::default().max_memtable_size(memtable_bytes);
    let rows = db.keyspace("rows", options).expect("fjall has the rows");
    (db, rows)
}

fn write_fjall(from: &Path, batches: &[usize]) -> f64 {
    let (_from, rows) = open_fjall(from);
    let rows = rows.prefix(RECORDS).map(|row| row.into_inner().expect("fjall reads what it wrote"));
    let mut written: Vec<_> = rows.collect();
    // A record's row begins with the revision that made it.
    written.sort_by(|(_, one), (_, other)| one[..8].cmp(&other[..8]));
    let mut written = written.into_iter();
    let home = home();
    let (db, rows) = open_fjall(home.path());
    let started = Instant::now();
    for size in batches {
        let mut batch = db.batch().durability(Some(PersistMode::SyncData));
        for (key, value) in written.by_ref().take(*size) {
            batch.insert(&rows, key, value);
        }
        batch.insert(&rows, HEAD, &[0; HEAD_BYTES][..]);
        batch.commit().expect("fjall takes it");
    }
    let took = started.elapsed().as_secs_f64();
    assert!(written.next().is_none(), "all of it was written");
    took
}

// === sled ===

fn open_sled(path: &Path) -> SledAlone {
    SledAlone::open(path).expect("sled opens")
}

/// The database that counts in a store's directory.
fn current(home: &Path) -> PathBuf {
    let current = std::fs::read_to_string(home.join("CURRENT")).expect("a store says which");
    home.join(current.trim())
}

fn write_sled(from: &Path, batches: &[usize]) -> f64 {
    // Only registered in, so that they lie in the order they were written.
    let from = open_sled(from);
    let rows = from.db.scan_prefix(RECORDS);
    let written: Vec<_> = rows.map(|row| row.expect("sled reads what it wrote")).collect();
    let mut written = written.into_iter();
    let home = home();
    let sled = open_sled(home.path());
    let started = Instant::now();
    for size in batches {
        let mut batch = sled::Batch::default();
        for (row, value) in written.by_ref().take(*size) {
            batch.insert(row, value);
        }
        batch.insert(HEAD, &[0; HEAD_BYTES]);
        sled.commit(batch).expect("sled takes it");
    }
    let took = started.elapsed().as_secs_f64();
    assert!(written.next().is_none(), "all of it was written");
    took
}
