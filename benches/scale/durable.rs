//! Registering on disk and coming back from it, beside what the engine does with the same rows by
//! itself.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError, Stored, Write,
};
use rolecall_benches::{Running, builder};
use tempfile::TempDir;

use crate::bare::Engine;
use crate::memory::{self, resident};
use crate::table::Row;
use crate::{WORKPLACE, apart, warm};

/// Opens the registry that rests in a directory.
pub(crate) const RECOVER: &str = "recover";
/// Reads what rests in a directory with nothing but its engine.
pub(crate) const READ_BARE: &str = "read-bare";

/// Of so many recoveries in turns, the fastest counts: what disturbs them can only add.
const ROUNDS: usize = 3;

/// A store that notes how many writes each batch has.
struct Noting {
    store: Arc<dyn Store>,
    batches: Mutex<Vec<usize>>,
}

pub(crate) fn home() -> TempDir {
    tempfile::tempdir_in(WORKPLACE).expect("the target directory can be written to")
}

pub(crate) fn open(engine: Engine, path: &Path) -> Arc<dyn Store> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let url = format!("{}:{}", engine.name(), path.display());
    runtime.block_on(backends::open(&url)).expect("the store opens")
}

/// Registers `records` records, then restarts.
pub(crate) fn measure(engine: Engine, records: usize) -> Vec<Row> {
    let (home, name) = (home(), engine.name());
    let store = Arc::new(Noting { store: open(engine, home.path()), batches: Mutex::default() });
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

    let bare = records as f64 / engine.write_bare(home.path(), &batches);
    let batch = records as f64 / batches.len() as f64;
    let mut rows = vec![
        Row::new(&format!("register on {name}, beside bare {name}"), records, ours, "/s")
            .beside(bare)
            .ratio_at_least(0.8),
        Row::new(&format!("register on {name}: writes a batch"), records, batch, ""),
    ];
    let weight = |bytes| {
        let what = format!("memory with {name}, after registering");
        Row::new(&what, records, bytes, "bytes a record")
    };
    rows.extend(filled.map(weight));
    rows.extend(come_back(engine, home.path(), records));
    rows
}

/// Restarts in turns with reading by the engine alone, each in a process of its own.
fn come_back(engine: Engine, home: &Path, records: usize) -> Vec<Row> {
    let name = engine.name();
    let home = home.to_str().expect("a temporary directory has a plain name");
    // The first one to open the store tidies it up: sled writes its snapshot then.
    apart(READ_BARE, home);
    let (mut ours, mut bare, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        warm(records);
        bare.push(apart(READ_BARE, home)[0].value);
        warm(records);
        let rows = apart(RECOVER, home);
        ours.push(rows[0].value);
        weights.extend(rows.get(1).map(|row| row.value));
    }
    let took = Row::new(&format!("recovery, beside bare {name}"), records, least(&ours), "s")
        .beside(least(&bare))
        .ratio_at_most(1.5);
    let mut rows = vec![took];
    if !weights.is_empty() {
        let bytes = least(&weights);
        let what = format!("memory with {name}, after a restart");
        let row = Row::new(&what, records, bytes, "bytes a record");
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
    let running = Running::open(builder(open(Engine::of(home), home)));
    let took = started.elapsed().as_secs_f64();
    let records = running.registry.len();
    let mut rows = vec![Row::new("recovery", records, took, "s")];
    let weight = before.and_then(|before| memory::since(before, &running.registry));
    rows.extend(weight.map(|bytes| Row::new("memory", records, bytes, "bytes a record")));
    running.close();
    rows
}

/// Seconds until the engine by itself has read every row in `home`.
pub(crate) fn read_bare(home: &Path) -> Vec<Row> {
    let started = Instant::now();
    let bytes = Engine::of(home).read_bare(home);
    let took = started.elapsed().as_secs_f64();
    assert!(bytes > 0, "there is something to read");
    vec![Row::new("bare read", bytes, took, "s")]
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
