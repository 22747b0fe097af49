//! Sled by itself, set and flushed as our store sets and flushes it.

use std::fs::File;
use std::path::Path;

use backends::sled::SledConfig;
use sled::{Batch, Db};

/// A database and nothing around it.
#[derive(Debug)]
pub struct SledAlone {
    /// Its rows.
    pub db: Db,
    /// Sled's own flush does not reach the disk.
    log: File,
}

// === impl SledAlone ===

impl SledAlone {
    /// Opens the database in `path`, or begins one there.
    ///
    /// # Errors
    /// What sled or the machine says.
    pub fn open(path: &Path) -> sled::Result<Self> {
        let SledConfig { cache_bytes, .. } = SledConfig::new(path);
        let config = sled::Config::new().path(path).cache_capacity(cache_bytes);
        let db = config.flush_every_ms(Some(500)).open()?;
        let log = File::options().write(true).open(path.join("db"))?;
        Ok(Self { db, log })
    }

    /// Returns once the batch is on disk.
    ///
    /// # Errors
    /// What sled or the machine says.
    pub fn commit(&self, batch: Batch) -> sled::Result<()> {
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(self.log.sync_data()?)
    }
}
