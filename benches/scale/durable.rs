//! Registering on disk and coming back from it, beside what sled does with the same rows by itself.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use backends::sled::{SledConfig, SledStore};
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError, Stored, Write,
};
use rolecall_benches::{Running, builder};
use sled::{Batch, Db, IVec};
use tempfile::TempDir;

use crate::memory::{self, resident};
use crate::table::Row;
use crate::{WORKPLACE, apart};

/// Opens the registry that rests in a directory.
pub(crate) const RECOVER: &str = "recover";
/// Reads what rests in a directory with nothing but sled.
pub(crate) const READ_BARE: &str = "read-bare";

/// Of so many recoveries in turns, the fastest counts: what disturbs them can only add.
const ROUNDS: usize = 3;
/// The first bytes of the rows of records and of beats: see the layout of the sled store.
const RECORDS: &[u8] = b"r";
const BEATS: &[u8] = b"b";
const HEAD: &[u8] = b"mhead";
const HEAD_BYTES: usize = 24;

/// A store that notes how many writes each batch has.
struct Noting {
    store: Arc<dyn Store>,
    batches: Mutex<Vec<usize>>,
}

/// What one registration has written: the row of the record and the row of its beat.
struct Written {
    record: (IVec, IVec),
    beat: (IVec, IVec),
}

pub(crate) fn home() -> TempDir {
    tempfile::tempdir_in(WORKPLACE).expect("the target directory can be written to")
}

pub(crate) fn open(path: &Path) -> Arc<dyn Store> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    Arc::new(runtime.block_on(SledStore::open(SledConfig::new(path))).expect("the store opens"))
}

/// Registers `records` records, then restarts.
pub(crate) fn measure(records: usize) -> Vec<Row> {
    let home = home();
    let store = Arc::new(Noting { store: open(home.path()), batches: Mutex::default() });
    let before = resident();
    let running = Running::open(builder(Arc::clone(&store) as Arc<dyn Store>));
    let started = Instant::now();
    running.fill(records);
    let ours = records as f64 / started.elapsed().as_secs_f64();
    let filled = before.and_then(|before| memory::since(before, &running.registry));
    running.close();
    let batches =
        std::mem::take(&mut *store.batches.lock().unwrap_or_else(PoisonError::into_inner));
    drop(store);

    let bare = records as f64 / write_bare(&database(home.path()), &batches);
    let batch = records as f64 / batches.len() as f64;
    let mut rows = vec![
        Row::new("register on sled, beside bare sled", records, ours, "/s")
            .beside(bare)
            .ratio_at_least(0.8),
        Row::new("register on sled: writes a batch", records, batch, ""),
    ];
    let weight = |what: &str, bytes| Row::new(what, records, bytes, "bytes a record");
    rows.extend(filled.map(|bytes| weight("memory with sled, after registering", bytes)));
    rows.extend(come_back(home.path(), records));
    rows
}

/// Restarts in turns with reading by sled alone, each in a process of its own.
fn come_back(home: &Path, records: usize) -> Vec<Row> {
    let home = home.to_str().expect("a temporary directory has a plain name");
    // The first one to open the store writes sled's snapshot of it.
    apart(READ_BARE, home);
    let (mut ours, mut bare, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(apart(READ_BARE, home)[0].value);
        let rows = apart(RECOVER, home);
        ours.push(rows[0].value);
        weights.extend(rows.get(1).map(|row| row.value));
    }
    let took = Row::new("recovery, beside bare sled", records, least(&ours), "s")
        .beside(least(&bare))
        .ratio_at_most(1.5);
    let mut rows = vec![took];
    if !weights.is_empty() {
        let bytes = least(&weights);
        let row = Row::new("memory with sled, after a restart", records, bytes, "bytes a record");
        rows.push(row.at_most(memory::BYTES_MAX));
    }
    rows
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Seconds until the registry in `home` is ready, then bytes a record.
pub(crate) fn recover(home: &Path) -> Vec<Row> {
    let before = resident();
    let started = Instant::now();
    let running = Running::open(builder(open(home)));
    let took = started.elapsed().as_secs_f64();
    let records = running.registry.len();
    let mut rows = vec![Row::new("recovery", records, took, "s")];
    let weight = before.and_then(|before| memory::since(before, &running.registry));
    rows.extend(weight.map(|bytes| Row::new("memory", records, bytes, "bytes a record")));
    running.close();
    rows
}

/// Seconds until sled has read every row in `home`.
pub(crate) fn read_bare(home: &Path) -> Vec<Row> {
    let started = Instant::now();
    let db = open_bare(&database(home));
    let mut bytes = 0;
    for row in db.iter() {
        let (key, value) = row.expect("sled reads what it wrote");
        bytes += key.len() + value.len();
    }
    let took = started.elapsed().as_secs_f64();
    assert!(bytes > 0, "there is something to read");
    vec![Row::new("bare read", bytes, took, "s")]
}

/// Writes the rows of `from` to a new database in these batches, each flushed as the store does.
fn write_bare(from: &Path, batches: &[usize]) -> f64 {
    let mut written = written(&open_bare(from)).into_iter();
    let home = home();
    let db = open_bare(home.path());
    let log = File::options().write(true).open(home.path().join("db")).expect("sled made it");
    let started = Instant::now();
    for size in batches {
        let mut batch = Batch::default();
        for Written { record, beat } in written.by_ref().take(*size) {
            batch.insert(record.0, record.1);
            batch.insert(beat.0, beat.1);
        }
        batch.insert(HEAD, &[0; HEAD_BYTES]);
        db.apply_batch(batch).expect("sled takes it");
        db.flush().expect("sled writes it");
        log.sync_data().expect("the disk takes it");
    }
    let took = started.elapsed().as_secs_f64();
    assert!(written.next().is_none(), "all of it was written");
    took
}

/// Everything in a database that was only registered in, in the order it was written.
fn written(db: &Db) -> Vec<Written> {
    let rows = |first: &[u8]| {
        db.scan_prefix(first).map(|row| row.expect("sled reads what it wrote")).collect::<Vec<_>>()
    };
    let mut records = rows(RECORDS);
    // A record's row begins with the revision that made it; beats lie in that order.
    records.sort_by(|(_, one), (_, other)| one[..8].cmp(&other[..8]));
    let pairs = records.into_iter().zip(rows(BEATS));
    pairs.map(|(record, beat)| Written { record, beat }).collect()
}

/// The database that counts in a store's directory.
fn database(home: &Path) -> PathBuf {
    let current = std::fs::read_to_string(home.join("CURRENT")).expect("a store says which");
    home.join(current.trim())
}

fn open_bare(path: &Path) -> Db {
    let SledConfig { cache_bytes, .. } = SledConfig::new(path);
    let config = sled::Config::new().path(path).cache_capacity(cache_bytes);
    config.flush_every_ms(Some(500)).open().expect("sled opens")
}

// === impl Noting ===

#[async_trait]
impl Store for Noting {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        self.store.load(each).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(writes.len());
        self.store.commit(writes).await
    }

    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError> {
        self.store.renew(renewals, mark).await
    }

    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        self.store.restore(records, loaded).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }
}
