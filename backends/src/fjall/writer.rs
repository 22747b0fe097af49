//! The one writer: turns commits and renewals into batches of rows.

use std::path::Path;
use std::sync::Arc;

use registry_core::Revision;
use registry_core::store::{Action, Expect, Loaded, Mark, Outcome, Renewal, Stored, Write};

use super::config::FjallConfig;
use super::engine::{Batch, ENGINE, Engine, Until};
use super::layout::{self, Damage, Head, Held};
use crate::embedded::beats::Beats;
use crate::embedded::{Directory, End, Failure, IfUnreadable, Note, Reached, Seated};
use crate::open::OpenError;

/// Everything a store has while it is open. Whoever holds it may write.
pub(super) struct Writer {
    pub(super) directory: Arc<Directory>,
    pub(super) engine: Engine,
    pub(super) config: FjallConfig,
    pub(super) head: Head,
    pub(super) beats: Beats,
    pub(super) reached: Reached,
}

// === impl Writer: opening ===

impl Writer {
    /// Opens what is in the directory, or begins it.
    pub(super) fn open(directory: Arc<Directory>, config: &FjallConfig) -> Result<Self, OpenError> {
        let failed = |failure: Failure| failure.into_open_error(ENGINE, &config.path);
        let (reached, note) = Reached::open(&directory).map_err(failed)?;
        let engine = Engine::open(&directory, config, note).map_err(failed)?;
        let found = layout::read_format(&note_of(&engine, layout::FORMAT_ROW).map_err(failed)?);
        let found = found.map_err(|damage| failed(damage.into()))?;
        if found != layout::FORMAT {
            let path = config.path.clone();
            return Err(OpenError::Newer { path, found, known: layout::FORMAT });
        }
        Self::take(directory, engine, reached, note, config).map_err(failed)
    }

    /// Everything is as it should be, or this fails.
    fn take(
        directory: Arc<Directory>,
        engine: Engine,
        reached: Reached,
        note: Option<Note>,
        config: &FjallConfig,
    ) -> Result<Self, Failure> {
        let head = Head::read(&note_of(&engine, layout::HEAD_ROW)?)?;
        note.map_or(Ok(()), |note| note.check(head.revision))?;
        let beats = Beats::open(&engine)?;
        let config = config.clone();
        let mut writer = Self { directory, engine, config, head, beats, reached };
        writer.check_whole()?;
        if writer.config.if_unreadable == IfUnreadable::MoveAside {
            writer.check_records(writer.config.check)?;
        }
        writer.reached.note(head.revision, End::Open)?;
        writer.reached.settle(writer.directory.path())?;
        Note::log(note, writer.directory.path(), head.revision, head.records);
        Ok(writer)
    }
}

impl Seated for Writer {
    const ENGINE: &'static str = ENGINE;

    fn path(&self) -> &Path {
        &self.config.path
    }

    fn scan(&mut self, take: &mut dyn FnMut(Vec<Stored>) -> bool) -> Result<Loaded, Failure> {
        Self::scan(self, take)
    }

    fn shut(&mut self) -> Result<(), Failure> {
        self.check_place()?;
        self.engine.settle()?;
        self.reached.note(self.head.revision, End::Shut)?;
        Ok(self.reached.settle(self.directory.path())?)
    }
}

/// A row that is always there.
fn note_of(engine: &Engine, row: &[u8]) -> Result<::fjall::Slice, Failure> {
    Ok(engine.get(row)?.ok_or_else(|| Damage::new(row, "is missing"))?)
}

// === impl Writer: writing ===

impl Writer {
    pub(super) fn commit(&mut self, writes: Vec<Write>) -> Result<Vec<Outcome>, Failure> {
        let (mut batch, mut head) = (self.engine.batch(), self.head);
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            outcomes.push(self.write(write, &mut batch, &mut head)?);
        }
        if head != self.head {
            batch.put(layout::HEAD_ROW, &head.write()[..]);
            batch.commit(Until::Synced)?;
            self.check_place()?;
            self.reached.note(head.revision, End::Open)?;
            self.head = head;
        }
        Ok(outcomes)
    }

    pub(super) fn renew(
        &mut self,
        renewals: &[Renewal],
        mark: Option<Mark>,
    ) -> Result<(), Failure> {
        let mut batch = self.engine.batch();
        let Head { revision, records, .. } = self.head;
        self.beats.add(&self.engine, &mut batch, renewals, revision, records)?;
        if let Some(mark) = mark {
            self.check_place()?;
            batch.put(layout::MARK_ROW, &layout::write_mark(mark)[..]);
        }
        // Not synced: the contract lets a crash take renewals back.
        batch.commit(Until::Written)
    }

    /// Adds the row of one write, if its expectation holds.
    fn write(
        &mut self,
        write: Write,
        batch: &mut Batch,
        head: &mut Head,
    ) -> Result<Outcome, Failure> {
        let row = layout::record_row(&write.key);
        let value = self.engine.get(&row)?;
        let held = value.as_ref().map(|value| Held::read(&write.key, value)).transpose()?;
        let holds = match write.expect {
            Expect::Absent => held.is_none(),
            Expect::Modified(revision) => held.is_some_and(|held| held.modified == revision),
        };
        if !holds {
            return Ok(Outcome::Conflict);
        }
        head.revision = Revision(head.revision.0 + 1);
        if let Some(held) = held {
            head.subtract(held.modified);
        }
        match write.action {
            Action::Put { body, beat } => {
                let modified = head.revision;
                let created = held.map_or(modified, |held| held.created);
                batch.put(row, Held { created, modified, beat, body: &body }.write());
                head.add(modified);
            }
            Action::Delete => {
                batch.remove(row);
                held.into_iter().for_each(|held| self.beats.end(held.created));
            }
        }
        Ok(Outcome::Done(head.revision))
    }

    /// Fails if what is written goes where nobody will find it.
    pub(super) fn check_place(&self) -> Result<(), Failure> {
        if self.directory.is_in_place()? { Ok(()) } else { Err(Failure::Gone) }
    }
}
