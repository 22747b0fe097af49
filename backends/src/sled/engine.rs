//! One sled database: what is asked of it, and the repairs to how it answers.

use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::sled::{Batch, Db, IVec};

use super::layout::CHUNK_BYTES;
use super::writer::Rows;
use crate::embedded::beats::{ENTRY_BYTES, Table};
use crate::embedded::{self, Directory, Failure, Fault, sync_directory};

/// What it is called in a URL.
pub(super) const ENGINE: &str = "sled";

/// An open database.
///
/// Dropping it waits until sled has let go of the files, which its threads hold a little longer.
pub(super) struct Engine {
    /// `None` only while it is dropped.
    db: Option<Db>,
    /// Our own handle on sled's log: sled writes it but does not sync it in time.
    pub(super) log: File,
    path: PathBuf,
    /// Keeps the lock until sled is gone.
    directory: Arc<Directory>,
}

const RELEASE_CHECKS_MAX: u32 = 5_000;
const RELEASE_CHECK: Duration = Duration::from_millis(1);

// === impl Engine ===

impl Engine {
    /// Opens the database `name`, making it where there is none.
    pub(super) fn open(
        directory: &Arc<Directory>,
        name: &str,
        cache_bytes: u64,
    ) -> Result<Self, Failure> {
        let path = directory.path().join(name);
        let config = ::sled::Config::new()
            .path(&path)
            .cache_capacity(cache_bytes)
            // Sled reclaims space only in this thread. Durability does not wait for it.
            .flush_every_ms(Some(500));
        // Sled's own files say nothing about who may read them, so their directory does.
        embedded::create(&path)?;
        remove_torn_snapshots(&path)?;
        // Sled answers some damaged files with a panic.
        let db = guard(|| Ok(config.open()?))?;
        let log = File::options().read(true).write(true).open(path.join("db"))?;
        let directory = Arc::clone(directory);
        let engine = Self { db: Some(db), log, path, directory };
        // Opening writes a snapshot of what was recovered, and may have made every file.
        engine.sync_files()?;
        Ok(engine)
    }

    pub(super) fn get(&self, row: &[u8]) -> Result<Option<IVec>, Failure> {
        Ok(self.db().get(row)?)
    }

    pub(super) fn contains(&self, row: &[u8]) -> Result<bool, Failure> {
        Ok(self.db().contains_key(row)?)
    }

    /// Every row whose key comes after `row`, in order.
    pub(super) fn rows_after(
        &self,
        row: &IVec,
    ) -> impl Iterator<Item = Result<(IVec, IVec), Failure>> + use<> {
        let after = (Bound::Excluded(row.clone()), Bound::Unbounded);
        self.db().range::<IVec, _>(after).map(|row| Ok(row?))
    }

    /// Writes all of it or nothing, for readers and for crashes.
    pub(super) fn apply(&self, batch: Batch) -> Result<(), Failure> {
        Ok(self.db().apply_batch(batch)?)
    }

    /// Brings what was applied past a crash of this process.
    pub(super) fn flush(&self) -> Result<(), Failure> {
        self.db().flush()?;
        Ok(())
    }

    /// Brings what was flushed past a loss of power. Sled's `flush` by itself does not.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        Ok(self.log.sync_data()?)
    }

    /// Puts everything to rest: rows, files and their names.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        self.flush()?;
        self.sync_files()
    }

    /// Bytes on disk. The log is all there is: no row is large enough for a file of its own.
    pub(super) fn disk_bytes(&self) -> Result<u64, Failure> {
        Ok(self.log.metadata()?.len())
    }

    fn sync_files(&self) -> Result<(), Failure> {
        for item in fs::read_dir(&self.path)? {
            let item = item?;
            if item.file_type()?.is_file() {
                File::open(item.path())?.sync_all()?;
            }
        }
        sync_directory(&self.path)?;
        Ok(sync_directory(self.directory.path())?)
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("only drop takes it")
    }
}

impl Table for Engine {
    type Bytes = IVec;
    type Changes = Rows;
    /// As much as a row of a long body has.
    const ROW_BEATS_MAX: usize = CHUNK_BYTES / ENTRY_BYTES;

    fn rows(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(IVec, IVec), Failure>> {
        self.db().scan_prefix(prefix).map(|row| Ok(row?))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Sled unwraps a sync in its own drop. What was confirmed is at rest already.
        let db = self.db.take();
        let closed = guard(|| {
            drop(db);
            Ok(())
        });
        if let Err(failure) = closed {
            tracing::error!(path = %self.path.display(), %failure, "sled did not close cleanly");
        }
        for _ in 0..RELEASE_CHECKS_MAX {
            match self.log.try_lock() {
                Err(fs::TryLockError::WouldBlock) => thread::sleep(RELEASE_CHECK),
                _ => return, // ours now, and let go together with the handle
            }
        }
        tracing::error!(path = %self.path.display(), "sled has not let go of its files");
    }
}

/// Removes snapshots that sled did not finish.
///
/// It writes one while it opens, and if it is killed then, it takes the torn one for the latest and
/// refuses to open ever again. Without it, it reads its log instead.
fn remove_torn_snapshots(path: &Path) -> io::Result<()> {
    for item in fs::read_dir(path)? {
        let item = item?;
        if item.file_name().to_string_lossy().ends_with(".generating") {
            fs::remove_file(item.path())?;
        }
    }
    Ok(())
}

// === impl Failure ===

impl From<::sled::Error> for Failure {
    fn from(error: ::sled::Error) -> Self {
        let says = words(&error);
        let fault = match error {
            ::sled::Error::Io(error) => Fault::Disk(error),
            ::sled::Error::Corruption { .. } => Fault::Damage,
            _ => Fault::Other,
        };
        Self::Engine { says, fault }
    }
}

fn words(error: &::sled::Error) -> String {
    match error {
        ::sled::Error::Corruption { at: Some(at), .. } => {
            format!("sled's log is damaged at byte {}", at.lid())
        }
        ::sled::Error::Corruption { at: None, .. } => "sled's files are damaged".to_owned(),
        other => format!("sled answers: {other}"),
    }
}

/// Runs `work`, and makes a failure of its panic.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    embedded::guard(ENGINE, work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::OpenError;

    #[test]
    fn what_sled_says_is_put_into_words() {
        let damaged = Failure::from(::sled::Error::Corruption { at: None, bt: () });
        assert_eq!(damaged.to_string(), "sled's files are damaged");
        let farewell = damaged.farewell(ENGINE, Path::new("data"));
        assert!(farewell.starts_with("the store at data cannot be read"), "{farewell}");
    }

    #[test]
    fn a_full_disk_is_no_damage_to_sled() {
        let full = Failure::from(::sled::Error::Io(io::ErrorKind::StorageFull.into()));
        let refusal = full.into_open_error(ENGINE, Path::new("data"));
        assert!(matches!(refusal, OpenError::Full { .. }), "{refusal}");
    }
}
