//! The one writer: turns commits and renewals into batches of rows.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use ::sled::{Batch, IVec};
use registry_core::store::{Action, Expect, Loaded, Mark, Outcome, Renewal, Stored, Write};
use registry_core::{Key, Revision};

use super::compact::Copy;
use super::config::SledConfig;
use super::engine::{ENGINE, Engine};
use super::index::Index;
use super::layout::{self, CHUNK_BYTES, Damage, Head, Header};
use super::{restore, upgrade};
use crate::embedded::beats::{Beats, Changes, Table};
use crate::embedded::{Directory, End, Failure, IfUnreadable, Note, Reached, Seated};
use crate::open::OpenError;

/// Everything a store has while it is open. Whoever holds it may write.
pub(super) struct Writer {
    pub(super) directory: Arc<Directory>,
    pub(super) engine: Arc<Engine>,
    pub(super) config: SledConfig,
    pub(super) head: Head,
    /// `None` until a write needs it or a load has read everything.
    pub(super) index: Option<Index>,
    pub(super) beats: Beats,
    /// The name of the database that counts.
    pub(super) database: String,
    pub(super) reached: Reached,
    pub(super) compaction: Option<JoinHandle<()>>,
    /// The database that a compaction fills; `None` while there is none.
    pub(super) copy: Option<Copy>,
    /// Disk size after the last compaction, or attempt at one.
    pub(super) settled_bytes: u64,
}

/// Rows to be written together; `None` removes one. The last word on a row counts.
#[derive(Default)]
pub(super) struct Rows(Vec<(IVec, Option<IVec>)>);

// === impl Writer: opening ===

impl Writer {
    /// Opens what is in the directory, or begins it.
    pub(super) fn open(directory: Arc<Directory>, config: &SledConfig) -> Result<Self, OpenError> {
        let failed = |failure: Failure| failure.into_open_error(ENGINE, &config.path);
        let chosen = chosen_database(&directory).map_err(failed)?;
        let is_new = chosen.is_none();
        let mut database = match chosen {
            Some(database) => database,
            None => only_database(&directory).map_err(failed)?,
        };
        let engine = Engine::open(&directory, &database, config.cache_bytes).map_err(failed)?;
        if is_new {
            begin(&engine).map_err(failed)?;
        }
        let mut engine = Arc::new(engine);
        let found = format_of(&engine).map_err(failed)?;
        if found > layout::FORMAT {
            let path = config.path.clone();
            return Err(OpenError::Newer { path, found, known: layout::FORMAT });
        }
        let mut head = head_of(&engine).map_err(failed)?;
        let (reached, note) = Reached::open(&directory).map_err(failed)?;
        note.map_or(Ok(()), |note| note.check(head.revision))
            .map_err(|lost| failed(lost.into()))?;
        restore::check_whole(&engine).map_err(failed)?;
        if found < layout::FORMAT {
            let newer = upgrade::upgrade(&directory, &engine, &database, config.cache_bytes);
            (engine, database) = newer.map_err(failed)?;
            head = head_of(&engine).map_err(failed)?;
        }
        let beats = Beats::open(&*engine).map_err(failed)?;
        let mut writer = Self {
            directory: Arc::clone(&directory),
            engine,
            config: config.clone(),
            head,
            index: None,
            beats,
            database,
            reached,
            compaction: None,
            copy: None,
            settled_bytes: 0,
        };
        if config.if_unreadable == IfUnreadable::MoveAside {
            writer.check_records(config.check).map_err(failed)?;
        }
        writer.take_up(is_new).map_err(failed)?;
        Note::log(note, directory.path(), writer.head.revision, writer.head.records);
        Ok(writer)
    }

    /// Everything is as it should be: from here on the files change.
    fn take_up(&mut self, is_new: bool) -> Result<(), Failure> {
        if is_new {
            self.directory.stage(&self.database)?;
            self.directory.publish()?;
        }
        self.reached.note(self.head.revision, End::Open)?;
        self.reached.settle(self.directory.path())?;
        Ok(self.directory.remove_leftovers(&self.database)?)
    }

    /// Puts everything to rest.
    pub(super) fn shut(&self) -> Result<(), Failure> {
        self.check_place()?;
        self.engine.settle()?;
        self.reached.note(self.head.revision, End::Shut)?;
        Ok(self.reached.settle(self.directory.path())?)
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
        Self::shut(self)
    }
}

/// What `CURRENT` says; `None` if there is no `CURRENT`.
fn chosen_database(directory: &Directory) -> Result<Option<String>, Failure> {
    let Some(database) = directory.current()? else { return Ok(None) };
    if directory.databases()?.contains(&database) {
        return Ok(Some(database));
    }
    Err(Damage::of_file("CURRENT", format!("names {database:?}, which is not there")).into())
}

/// What `CURRENT` will say of a store that was never begun, or not to the end.
fn only_database(directory: &Directory) -> Result<String, Failure> {
    match &directory.databases()?[..] {
        [] => Ok(Directory::name_after(None)),
        [only] => Ok(only.clone()),
        several => {
            let names = several.join(", ");
            let reason = format!("is missing; write into it which one counts: {names}");
            Err(Damage::of_file("CURRENT", reason).into())
        }
    }
}

/// Writes the first rows of an empty database. One that was begun already stays as it is.
fn begin(engine: &Engine) -> Result<(), Failure> {
    if engine.rows(b"").next().is_some() {
        return Ok(());
    }
    let mut batch = Batch::default();
    batch.insert(layout::FORMAT_ROW, &layout::FORMAT.to_be_bytes());
    batch.insert(layout::HEAD_ROW, &Head::default().write());
    engine.apply(batch)?;
    engine.settle()
}

fn format_of(engine: &Engine) -> Result<u32, Failure> {
    let row = layout::FORMAT_ROW;
    let value = engine.get(row)?.ok_or_else(|| Damage::new(row, "is missing"))?;
    Ok(layout::read_format(&value)?)
}

fn head_of(engine: &Engine) -> Result<Head, Failure> {
    let row = layout::HEAD_ROW;
    let value = engine.get(row)?.ok_or_else(|| Damage::new(row, "is missing"))?;
    Ok(Head::read(&value)?)
}

// === impl Writer: writing ===

impl Writer {
    pub(super) fn commit(&mut self, writes: Vec<Write>) -> Result<Vec<Outcome>, Failure> {
        let mut index = self.index.take().map_or_else(|| self.read_index(), Ok)?;
        let (mut rows, mut head) = (Rows::default(), self.head);
        let mut outcomes = Vec::with_capacity(writes.len());
        for write in writes {
            outcomes.push(self.write(write, &mut index, &mut rows, &mut head)?);
        }
        self.index = Some(index);
        if head != self.head {
            rows.put(layout::HEAD_ROW, &head.write());
            self.apply(&rows)?;
            self.engine.sync()?;
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
        let mut rows = Rows::default();
        let Head { revision, records, .. } = self.head;
        self.beats.add(&*self.engine, &mut rows, renewals, revision, records)?;
        if let Some(mark) = mark {
            self.check_place()?;
            rows.put(layout::MARK_ROW, &layout::write_mark(mark));
        }
        // Not synced: the contract lets a crash take renewals back.
        if rows.is_empty() { Ok(()) } else { self.apply(&rows) }
    }

    /// Adds the rows of one write, if its expectation holds.
    fn write(
        &mut self,
        write: Write,
        index: &mut Index,
        rows: &mut Rows,
        head: &mut Head,
    ) -> Result<Outcome, Failure> {
        let Write { key, expect, action } = write;
        let held = self.held(&key, index)?;
        let holds = match expect {
            Expect::Absent => held.is_none(),
            Expect::Modified(revision) => held.is_some_and(|held| held.1.modified == revision),
        };
        if !holds {
            return Ok(Outcome::Conflict);
        }
        head.revision = Revision(head.revision.0 + 1);
        let modified = head.revision;
        let created = held.map_or(modified, |(created, _)| created);
        let row = layout::record_row(created, &key);
        if let Some((_, held)) = held {
            rows.remove_record(&row, held);
            head.records -= 1;
            head.live_bytes -= held.live_bytes(&row);
        }
        match action {
            Action::Put { body, beat } => {
                let header = Header { modified, beat, body_bytes: body.len() };
                rows.put_record(&row, header, &body);
                head.records += 1;
                head.live_bytes += header.live_bytes(&row);
                if held.is_none() {
                    index.insert(&key, created);
                }
            }
            Action::Delete => {
                if held.is_some() {
                    index.remove(&key, created);
                    self.beats.end(created);
                }
            }
        }
        Ok(Outcome::Done(modified))
    }

    /// What is there of a key: since when, and the start of its value.
    fn held(&self, key: &Key, index: &Index) -> Result<Option<(Revision, Header)>, Failure> {
        for created in index.lives_of(key) {
            if let Some(value) = self.engine.get(&layout::record_row(created, key))? {
                return Ok(Some((created, Header::read(key, &value)?.0)));
            }
        }
        Ok(None)
    }

    /// Fails if what is written goes where nobody will find it.
    pub(super) fn check_place(&self) -> Result<(), Failure> {
        if self.directory.is_in_place()? { Ok(()) } else { Err(Failure::Gone) }
    }

    pub(super) fn apply(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.engine.apply(rows.batch(|_| true))?;
        self.engine.flush()?;
        self.mirror(rows);
        Ok(())
    }
}

// === impl Rows ===

impl Rows {
    pub(super) fn batch(&self, is_wanted: impl Fn(&IVec) -> bool) -> Batch {
        let mut batch = Batch::default();
        for (row, value) in self.0.iter().filter(|(row, _)| is_wanted(row)) {
            match value {
                Some(value) => batch.insert(row, value),
                None => batch.remove(row),
            }
        }
        batch
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn put(&mut self, row: &[u8], value: &[u8]) {
        self.0.push((row.into(), Some(value.into())));
    }

    pub(super) fn put_record(&mut self, row: &[u8], header: Header, body: &[u8]) {
        self.put(row, &header.write(body));
        if header.chunks() > 0 {
            for (index, chunk) in (0..).zip(body.chunks(CHUNK_BYTES)) {
                self.put(&layout::chunk_row(header.modified, index), chunk);
            }
        }
    }

    /// A record put after this stays.
    fn remove_record(&mut self, row: &[u8], header: Header) {
        self.remove(row);
        for index in 0..header.chunks() {
            self.remove(&layout::chunk_row(header.modified, index));
        }
    }
}

impl Changes for Rows {
    fn put(&mut self, row: &[u8], value: Vec<u8>) {
        Self::put(self, row, &value);
    }

    fn remove(&mut self, row: &[u8]) {
        self.0.push((row.into(), None));
    }
}
