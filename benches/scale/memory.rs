//! Bytes a record, with everything that it is found by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use backends::MemoryStore;
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError, Stored, Write,
};
use registry_core::{Registry, Revision};
use rolecall_benches::Running;

use crate::table::Row;

/// A store that takes everything and keeps nothing, so that only the catalog is weighed.
#[derive(Default)]
struct Nowhere {
    revision: AtomicU64,
}

pub(crate) const BYTES_MAX: f64 = 1_000.0;

pub(crate) fn of_the_catalog_alone(records: usize) -> Vec<Row> {
    let weighed = weigh(Arc::new(Nowhere::default()), records);
    let row = |bytes| Row::new("memory of the catalog alone", records, bytes, "bytes a record");
    weighed.map(|bytes| row(bytes).at_most(BYTES_MAX)).into_iter().collect()
}

pub(crate) fn on_the_memory_store(records: usize) -> Vec<Row> {
    let weighed = weigh(Arc::new(MemoryStore::new()), records);
    let row = |bytes| Row::new("memory with the memory store", records, bytes, "bytes a record");
    weighed.map(row).into_iter().collect()
}

/// Fills a registry; what the process has grown by, shared out among the records.
fn weigh(store: Arc<dyn Store>, records: usize) -> Option<f64> {
    let before = resident()?;
    let running = Running::filled(store, records);
    let grown = since(before, &running.registry);
    running.close();
    grown
}

/// Bytes a record that this process has grown by since it had `before` bytes.
pub(crate) fn since(before: u64, registry: &Registry) -> Option<f64> {
    Some(resident()?.saturating_sub(before) as f64 / registry.len() as f64)
}

/// Bytes of this process in memory. Only Linux says.
pub(crate) fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kib.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1_024)
}

// === impl Nowhere ===

#[async_trait]
impl Store for Nowhere {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: false }
    }

    async fn load(&self, _each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        Ok(Loaded::default())
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        let next = || Outcome::Done(Revision(self.revision.fetch_add(1, Ordering::SeqCst) + 1));
        Ok(writes.iter().map(|_| next()).collect())
    }

    async fn renew(&self, _renewals: Vec<Renewal>, _mark: Option<Mark>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn restore(&self, _records: Records, _loaded: Loaded) -> Result<(), StoreError> {
        Err(StoreError::NotDone("it keeps nothing".into()))
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
