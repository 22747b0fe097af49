//! Compaction: a fresh database with what lives, written while the old one goes on taking writes.
//!
//! Sled's log grows to several times what lives in it and never shrinks. So once it has, the rows
//! are copied in order into a new database, a slice at a time with the writer held; between slices
//! the writer goes on, and what it writes to rows already copied it writes to both. At the end the
//! new database has everything, however fast writes come, and `CURRENT` is switched. A crash at any
//! point leaves one database that counts and has everything.

use std::io;
use std::sync::Arc;
use std::thread;

use ::sled::{Batch, IVec};

use super::engine::{ENGINE, Engine, guard};
use super::store::Shared;
use super::writer::{Rows, Writer};
use crate::embedded::{Directory, Failure, State};

/// The new database while it is filled.
pub(super) struct Copy {
    to: Arc<Engine>,
    copied: Copied,
}

/// Which rows are the same in both databases, and are kept so.
enum Copied {
    /// Those up to this one.
    UpTo(IVec),
    All,
}

/// One compaction on its way.
struct Compaction {
    shared: Arc<Shared>,
    directory: Arc<Directory>,
    from_bytes: u64,
    to_name: String,
    cache_bytes: u64,
}

/// How a compaction ended that did not fail.
enum Ended {
    /// The new database counts. Letting go of the old one takes a while.
    Switched { old: Arc<Engine>, to_bytes: u64, live_bytes: u64 },
    /// The old one does: the store was closed, or has failed, meanwhile.
    Stopped,
    /// Nobody knows which one a crash would leave. The store has failed; the next open finds out.
    Unsure(String),
}

/// Rows copied while writers wait: some ten milliseconds.
const SLICE_ROWS: usize = 1_000;

// === impl Writer: when ===

impl Writer {
    /// Starts a compaction if the disk holds far more than what lives. Costs one `fstat` if not.
    pub(super) fn compact_if_due(&mut self, shared: &Arc<Shared>) -> Result<(), Failure> {
        if self.is_compacting() || shared.is_stopping() {
            return Ok(());
        }
        let due_bytes = (self.head.live_bytes * self.config.compact_ratio)
            .max(self.config.compact_above_bytes)
            // What the last one could not shrink, the next one will not either.
            .max(self.settled_bytes * 2);
        let disk_bytes = self.engine.disk_bytes()?;
        if disk_bytes <= due_bytes {
            return Ok(());
        }
        self.check_place()?;
        let compaction = Compaction {
            shared: Arc::clone(shared),
            directory: Arc::clone(&self.directory),
            from_bytes: disk_bytes,
            to_name: Directory::name_after(Some(&self.database)),
            cache_bytes: self.config.cache_bytes,
        };
        let thread = thread::Builder::new().name("rolecall-compact".to_owned());
        match thread.spawn(move || compaction.run()) {
            Ok(thread) => self.compaction = Some(thread),
            Err(error) => tracing::warn!(%error, "no thread to compact in; trying again later"),
        }
        Ok(())
    }

    fn is_compacting(&self) -> bool {
        self.compaction.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Writes to the new database what was just written to the old one, as far as it was copied.
    pub(super) fn mirror(&mut self, rows: &Rows) {
        let Some(copy) = &self.copy else { return };
        let batch = rows.batch(|row| copy.copied.has(row));
        if let Err(failure) = guard(|| copy.to.apply(batch)) {
            // The store is none the worse for it. The compaction finds that its copy is gone.
            tracing::error!(%failure, "the new database of a compaction has failed");
            self.copy = None;
        }
    }

    /// Copies some more rows. Says whether it has copied all.
    fn copy_slice(&mut self) -> Result<bool, Failure> {
        let Some(copy) = &mut self.copy else { return Err(gone()) };
        let Copied::UpTo(copied) = &copy.copied else { return Ok(true) };
        let mut batch = Batch::default();
        let mut last = None;
        for item in self.engine.rows_after(copied).take(SLICE_ROWS) {
            let (row, value) = item?;
            batch.insert(&row, value);
            last = Some(row);
        }
        copy.to.apply(batch)?;
        copy.copied = last.map_or(Copied::All, Copied::UpTo);
        Ok(matches!(copy.copied, Copied::All))
    }

    /// Lets the new database, which has every row by now, take the place of the old one.
    ///
    /// After an error the old one is still in its place.
    fn switch(&mut self, name: &str) -> Result<Ended, Failure> {
        let Some(Copy { to, .. }) = self.copy.take() else { return Err(gone()) };
        to.settle()?;
        let to_bytes = to.disk_bytes()?;
        self.check_place()?;
        self.directory.stage(name)?;
        if let Err(error) = self.directory.publish() {
            let failure = Failure::from(error);
            return Ok(Ended::Unsure(failure.farewell(ENGINE, &self.config.path)));
        }
        // Nothing below can fail: the old database no longer counts.
        let old = std::mem::replace(&mut self.engine, to);
        name.clone_into(&mut self.database);
        self.settled_bytes = to_bytes;
        Ok(Ended::Switched { old, to_bytes, live_bytes: self.head.live_bytes })
    }
}

fn gone() -> Failure {
    io::Error::other("the new database has failed").into()
}

// === impl Copied ===

impl Copied {
    fn has(&self, row: &IVec) -> bool {
        match self {
            Self::UpTo(copied) => row <= copied,
            Self::All => true,
        }
    }
}

// === impl Compaction ===

impl Compaction {
    fn run(self) {
        let path = self.directory.path().display();
        tracing::info!(%path, from_bytes = self.from_bytes, "compacting");
        let ended = guard(|| self.copy_and_switch());
        match ended {
            Ok(Ended::Switched { old, to_bytes, live_bytes }) => {
                drop(old); // before its directory goes
                let from_bytes = self.from_bytes;
                tracing::info!(%path, from_bytes, to_bytes, live_bytes, "compacted");
            }
            Ok(Ended::Stopped) => tracing::info!(%path, "compaction stopped"),
            Ok(Ended::Unsure(_)) => return, // either may be needed
            Err(failure) => {
                tracing::error!(%path, %failure, "compaction failed; going on without");
                self.abandon();
            }
        }
        if let Err(error) = self.clean_up() {
            tracing::warn!(%path, %error, "a leftover database stays until the next open");
        }
    }

    fn clean_up(&self) -> io::Result<()> {
        // What stands in this one's place may be somebody else's.
        if !self.directory.is_in_place()? {
            return Ok(());
        }
        match self.directory.current()? {
            Some(current) => self.directory.remove_leftovers(&current),
            None => Ok(()),
        }
    }

    fn copy_and_switch(&self) -> Result<Ended, Failure> {
        let to = Engine::open(&self.directory, &self.to_name, self.cache_bytes)?;
        let to = Arc::new(to);
        let copy = Copy { to: Arc::clone(&to), copied: Copied::UpTo(IVec::default()) };
        match &mut *self.shared.state() {
            State::Open(writer) => writer.copy = Some(copy),
            State::Failed(_) | State::Closed => return Ok(Ended::Stopped),
        }
        let mut has_all = false;
        while !has_all {
            let mut state = self.shared.state();
            let State::Open(writer) = &mut *state else { return Ok(Ended::Stopped) };
            if self.shared.is_stopping() {
                writer.copy = None;
                return Ok(Ended::Stopped);
            }
            has_all = writer.copy_slice()?;
        }
        // Most of the sync is done before writers have to wait for the rest of it.
        to.settle()?;
        drop(to);
        self.switch()
    }

    fn switch(&self) -> Result<Ended, Failure> {
        let mut state = self.shared.state();
        let State::Open(writer) = &mut *state else { return Ok(Ended::Stopped) };
        let ended = writer.switch(&self.to_name)?;
        if let Ended::Unsure(reason) = &ended {
            state.fail(reason.clone());
        }
        Ok(ended)
    }

    fn abandon(&self) {
        if let State::Open(writer) = &mut *self.shared.state() {
            writer.copy = None;
            writer.settled_bytes = self.from_bytes; // not again before it has doubled
        }
    }
}
