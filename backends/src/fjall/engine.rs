//! One fjall database: what is asked of it, and what its answers mean.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ::fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, Slice};
use registry_core::Revision;

use super::config::FjallConfig;
use super::journal;
use super::layout::{self, Damage, Head};
use crate::embedded::beats::{Changes, Table};
use crate::embedded::{self, Directory, Failure, Fault, Note, guard, sync_directory};

/// What it is called in a URL, and its directory within the store's.
pub(super) const ENGINE: &str = "fjall";
/// A database on its way to become the one that counts.
const NEXT: &str = "fjall.next";
const ROWS: &str = "rows";
/// Files that every database has, and without which fjall makes or removes what should be there.
const MARKERS: [&str; 3] = ["version", "keyspaces/0/current", "keyspaces/1/current"];

/// Where its keyspaces are, by their numbers.
const KEYSPACES: &str = "keyspaces";

/// One flushes while another compacts.
const THREADS: usize = 2;
/// Where this cannot be written, there is no space for a table either.
const PROBE_BYTES: usize = 4 << 20;
/// The least that fjall allows; a journal is reused only when it is full.
const JOURNALS_BYTES: u64 = 64 << 20;

/// An open database. Dropping it waits for its threads.
pub(super) struct Engine {
    rows: Keyspace,
    db: Database,
    /// Keeps the lock until fjall is gone.
    directory: Arc<Directory>,
}

/// Rows to be written together. No row may come twice: fjall would keep either.
pub(super) struct Batch {
    directory: Arc<Directory>,
    rows: Keyspace,
    batch: ::fjall::OwnedWriteBatch,
}

/// How far a batch is brought before it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Past the end of this process.
    Written,
    /// Past a loss of power, too.
    Synced,
}

// === impl Engine ===

impl Engine {
    /// Opens the database in the directory, beginning one where there is none. It is to be as far
    /// as `note` says.
    pub(super) fn open(
        directory: &Arc<Directory>,
        config: &FjallConfig,
        note: Option<Note>,
    ) -> Result<Self, Failure> {
        let path = directory.path().join(ENGINE);
        if !path.try_exists()? {
            if note.is_some_and(|note| note.revision > Revision(0)) {
                return Err(Damage::of_file(ENGINE, "is missing").into());
            }
            begin(directory, config)?;
        }
        for marker in MARKERS {
            if !path.join(marker).try_exists()? {
                return Err(Damage::of_file(&format!("{ENGINE}/{marker}"), "is missing").into());
            }
        }
        only_numbers(&path)?;
        journal::mend(&path, note)?;
        // Fjall answers some damaged files with a panic.
        let db = guard(ENGINE, || database(&path, config))?;
        if !db.keyspace_exists(ROWS) {
            return Err(Damage::of_file("fjall/keyspaces", "has lost its rows").into());
        }
        Ok(Self { rows: rows(&db, config)?, db, directory: Arc::clone(directory) })
    }

    pub(super) fn get(&self, row: &[u8]) -> Result<Option<Slice>, Failure> {
        Ok(self.rows.get(row)?)
    }

    pub(super) fn batch(&self) -> Batch {
        let directory = Arc::clone(&self.directory);
        Batch { directory, rows: self.rows.clone(), batch: self.db.batch() }
    }

    /// Puts everything to rest.
    pub(super) fn settle(&self) -> Result<(), Failure> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}

impl Table for Engine {
    type Bytes = Slice;
    type Changes = Batch;
    const ROW_BEATS_MAX: usize = 8_192;

    fn rows(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Slice, Slice), Failure>> {
        self.rows.prefix(prefix).map(|row| Ok(row.into_inner()?))
    }
}

/// Fails if there is a directory that fjall has not made: it would end the process at that.
fn only_numbers(path: &Path) -> Result<(), Failure> {
    for item in fs::read_dir(path.join(KEYSPACES))? {
        let item = item?;
        let name = item.file_name();
        let name = name.to_string_lossy();
        if item.file_type()?.is_dir() && name.parse::<u64>().is_err() {
            let file = format!("{ENGINE}/{KEYSPACES}/{name}");
            return Err(Damage::of_file(&file, "is none of fjall's; move it elsewhere").into());
        }
    }
    Ok(())
}

/// Makes an empty database beside its place and moves it there whole: fjall cannot go on with one
/// that a crash left half made.
fn begin(directory: &Arc<Directory>, config: &FjallConfig) -> Result<(), Failure> {
    let next = directory.path().join(NEXT);
    match fs::remove_dir_all(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => embedded::create(&next)?,
    }
    let db = database(&next, config)?;
    let rows = rows(&db, config)?;
    let mut batch = Batch { directory: Arc::clone(directory), rows, batch: db.batch() };
    batch.put(layout::FORMAT_ROW, &layout::FORMAT.to_be_bytes()[..]);
    batch.put(layout::HEAD_ROW, &Head::default().write()[..]);
    batch.commit(Until::Synced)?;
    drop(db);
    fs::rename(&next, directory.path().join(ENGINE))?;
    Ok(sync_directory(directory.path())?)
}

fn database(path: &Path, config: &FjallConfig) -> Result<Database, Failure> {
    let builder = Database::builder(path)
        .cache_size(config.cache_bytes)
        .worker_threads(THREADS)
        .max_journaling_size(JOURNALS_BYTES);
    Ok(builder.open()?)
}

fn rows(db: &Database, config: &FjallConfig) -> Result<Keyspace, Failure> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(config.memtable_bytes);
    Ok(db.keyspace(ROWS, options)?)
}

// === impl Batch ===

impl Batch {
    pub(super) fn put(&mut self, row: impl Into<Slice>, value: impl Into<Slice>) {
        self.batch.insert(&self.rows, row, value);
    }

    pub(super) fn remove(&mut self, row: impl Into<Slice>) {
        self.batch.remove(&self.rows, row);
    }

    /// Writes all of it or nothing, for readers and for crashes. Nobody sees it before it counts.
    pub(super) fn commit(self, until: Until) -> Result<(), Failure> {
        let mode = match until {
            Until::Written => PersistMode::Buffer,
            Until::Synced => PersistMode::SyncData,
        };
        match self.batch.durability(Some(mode)).commit() {
            Err(::fjall::Error::Poisoned) => Err(why(self.directory.path())),
            done => Ok(done?),
        }
    }
}

/// Why one of fjall's threads gave up: it tells that to the log only. Mostly no space is left.
fn why(path: &Path) -> Failure {
    let probe = path.join("fjall.probe");
    let tried = fs::write(&probe, vec![1; PROBE_BYTES]);
    let _none_is_left = fs::remove_file(&probe);
    match tried {
        Err(error) => error.into(),
        Ok(()) => ::fjall::Error::Poisoned.into(),
    }
}

impl Changes for Batch {
    fn put(&mut self, row: &[u8], value: Vec<u8>) {
        Self::put(self, row, value);
    }

    fn remove(&mut self, row: &[u8]) {
        Self::remove(self, row);
    }
}

// === impl Failure ===

impl From<::fjall::Error> for Failure {
    fn from(error: ::fjall::Error) -> Self {
        use ::fjall::Error::{Io, KeyspaceDeleted, Locked, Poisoned, Storage};
        let (says, fault) = match error {
            Io(error) | Storage(::fjall::LsmError::Io(error)) if !is_damage(&error) => {
                (format!("fjall answers: {error}"), Fault::Disk(error))
            }
            Poisoned => {
                ("fjall has given up after an error that the log tells".to_owned(), Fault::Other)
            }
            Locked | KeyspaceDeleted => (format!("fjall answers: {error:?}"), Fault::Other),
            error => (format!("fjall's files are damaged ({error:?})"), Fault::Damage),
        };
        Self::Engine { says, fault }
    }
}

/// Whether it comes of files that are missing or cut short.
fn is_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, NotFound, UnexpectedEof};
    matches!(error.kind(), InvalidInput | NotFound | UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open::OpenError;

    #[test]
    fn a_full_disk_is_no_damage_to_fjall() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let shows = [::fjall::Error::Io(full()), ::fjall::LsmError::Io(full()).into()];
        for show in shows {
            let refusal = Failure::from(show).into_open_error(ENGINE, Path::new("data"));
            assert!(matches!(refusal, OpenError::Full { .. }), "{refusal}");
        }
    }

    #[test]
    fn what_fjall_says_is_put_into_words() {
        let damaged = Failure::from(::fjall::Error::InvalidTrailer);
        let farewell = damaged.farewell(ENGINE, Path::new("data"));
        assert!(farewell.starts_with("the store at data cannot be read: fjall's"), "{farewell}");
        assert!(farewell.contains("'fjall:data?if-unreadable=move-aside'"), "{farewell}");
    }
}
