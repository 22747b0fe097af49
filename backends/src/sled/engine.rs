//! One sled database: what is asked of it, and the repairs to how it answers.

use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ::sled::{Batch, Db, IVec};
use registry_core::store::Reason;

use super::directory::{self, Directory, sync_directory};
use super::layout::Damage;
use crate::open::{OpenError, is_full};

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

/// What went wrong beneath the store. Each is final: see `store`.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", words(.0))]
    Sled(#[from] ::sled::Error),
    #[error("the disk answers: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("sled gave up: {0}")]
    Panic(String),
    #[error("the records to restore broke off: {0}; remove its directory and restore again")]
    Source(Reason),
    #[error(
        "its directory was deleted, moved or replaced while it was open; put it back or choose \
         another --store, and start again"
    )]
    Gone,
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
        directory::create(&path)?;
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

    /// Every row whose key begins with `prefix`, in order.
    pub(super) fn rows(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(IVec, IVec), Failure>> + use<> {
        self.db().scan_prefix(prefix).map(|row| Ok(row?))
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

impl Failure {
    /// What this means for the opening of the store at `path`: whether it is the store's fault.
    pub(super) fn into_open_error(self, path: &Path) -> OpenError {
        match self {
            Self::Io(source) | Self::Sled(::sled::Error::Io(source)) if !is_damage(&source) => {
                OpenError::io(path, "reading what is there", source)
            }
            failure if failure.is_full() => {
                OpenError::Full { path: path.to_owned(), reason: failure.into() }
            }
            failure => OpenError::Unreadable { path: path.to_owned(), reason: failure.into() },
        }
    }

    /// What to tell whoever runs the store at `path` when this ends its work.
    pub(super) fn farewell(self, path: &Path) -> String {
        let store = format!("the store at {}", path.display());
        match self {
            Self::Gone => format!("{store} is gone: {self}"),
            Self::Source(_) => format!("{store}: {self}"),
            Self::Damage(_) | Self::Sled(::sled::Error::Corruption { .. }) => {
                self.into_open_error(path).to_string()
            }
            failure if failure.is_full() => failure.into_open_error(path).to_string(),
            failure => format!("{store}: {failure}; start again to see what was kept"),
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Io(error) | Self::Sled(::sled::Error::Io(error)) => is_full(error),
            // Sled unwraps some of its writes.
            Self::Panic(said) => said.contains("StorageFull") || said.contains("QuotaExceeded"),
            Self::Sled(_) | Self::Damage(_) | Self::Gone | Self::Source(_) => false,
        }
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

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

/// Runs `work`, and makes a failure of its panic.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Nothing that `work` touched is used after a panic: every failure is final.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(Failure::Panic(said(&*panic))))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_damage_however_it_shows() {
        fn full() -> io::Error {
            io::ErrorKind::StorageFull.into()
        }
        let shows: [fn() -> Failure; 3] = [
            || Failure::Io(full()),
            || Failure::Sled(::sled::Error::Io(full())),
            || Failure::Panic(format!("called `Result::unwrap()` on an `Err`: {:?}", full())),
        ];
        for show in shows {
            let path = Path::new("/data/rolecall");
            let refusal = show().into_open_error(path);
            assert!(matches!(refusal, OpenError::Full { .. }), "{refusal}");
            for text in [refusal.to_string(), show().farewell(path)] {
                let begins = "there is no space left on the disk of the store at /data/rolecall";
                assert!(text.starts_with(begins), "{text}");
                assert!(text.ends_with("free some space and start again"), "{text}");
            }
        }
    }

    #[test]
    fn what_sled_says_is_put_into_words() {
        let damaged = Failure::Sled(::sled::Error::Corruption { at: None, bt: () });
        assert_eq!(damaged.to_string(), "sled's files are damaged");
        let farewell = damaged.farewell(Path::new("data"));
        assert!(farewell.starts_with("the store at data cannot be read"), "{farewell}");
    }
}
