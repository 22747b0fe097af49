//! An empty store filled with what another one held.
//!
//! A row says so while it goes on, so that a store that was not filled to the end is never served.

use registry_core::Revision;
use registry_core::store::{Loaded, Reason, Records, Stored};

use super::engine::Engine;
use super::layout::{self, Damage, Head, Header};
use super::writer::{Rows, Writer};
use crate::embedded::beats::Changes;
use crate::embedded::{End, Failure};

/// Rows are written together until they hold so many bytes, or belong to so many records.
const STEP_BYTES: u64 = 1 << 20;
const STEP_RECORDS: u64 = 1_000;

/// Records on their way into an empty database, some at a time: all of them might not fit memory.
pub(super) struct Filling {
    rows: Rows,
    /// What is true once everything added is written.
    filled: Head,
    /// The same of what was handed out.
    written: Head,
}

/// What was refused, with nothing changed.
pub(super) type Refused = Option<Reason>;

// === impl Writer: restoring ===

impl Writer {
    /// Puts the records and everything else where nothing was ever written.
    pub(super) fn restore(&mut self, records: Records, loaded: Loaded) -> Result<Refused, Failure> {
        if self.head != Head::default() {
            return Ok(Some("it is not empty".into()));
        }
        let mut note = Rows::default();
        note.put(layout::RESTORING_ROW, &[]);
        self.apply(&note)?;
        self.engine.sync()?;

        let mut filling = Filling::begin(loaded.revision);
        for record in records {
            let record = record.map_err(Failure::Source)?;
            record.check(&loaded).map_err(Failure::Source)?;
            if let Some(rows) = filling.add(&record) {
                self.apply(&rows)?;
            }
        }
        let (mut rows, filled) = filling.end();
        if let Some(mark) = loaded.mark {
            rows.put(layout::MARK_ROW, &layout::write_mark(mark));
        }
        self.apply(&rows)?;
        self.head = filled;
        // Read back before it counts; a key that came twice shows here as well.
        self.scan(&mut |_| true)?;
        self.finish(filled.revision)
    }

    fn finish(&mut self, revision: Revision) -> Result<Refused, Failure> {
        let mut rows = Rows::default();
        rows.remove(layout::RESTORING_ROW);
        self.apply(&rows)?;
        self.engine.sync()?;
        self.check_place()?;
        self.reached.note(revision, End::Open)?;
        Ok(None)
    }
}

/// Fails if the store is only in part filled.
pub(super) fn check_whole(engine: &Engine) -> Result<(), Failure> {
    let row = layout::RESTORING_ROW;
    if engine.contains(row)? {
        let reason = "was not finished; remove the directory and restore again";
        return Err(Damage::new(row, reason).into());
    }
    Ok(())
}

// === impl Filling ===

impl Filling {
    /// Of a store that will be at this revision.
    pub(super) fn begin(revision: Revision) -> Self {
        let empty = Head { revision, ..Head::default() };
        Self { rows: Rows::default(), filled: empty, written: empty }
    }

    /// Adds a record that no row tells of yet. Gives what is to be written now, if it is enough.
    pub(super) fn add(&mut self, record: &Stored) -> Option<Rows> {
        let Stored { key, created, modified, body, beat } = record;
        let row = layout::record_row(*created, key);
        let header = Header { modified: *modified, beat: *beat, body_bytes: body.len() };
        self.rows.put_record(&row, header, body);
        self.filled.records += 1;
        self.filled.live_bytes += header.live_bytes(&row);
        let is_enough = self.filled.live_bytes - self.written.live_bytes >= STEP_BYTES
            || self.filled.records - self.written.records >= STEP_RECORDS;
        is_enough.then(|| {
            self.written = self.filled;
            std::mem::take(&mut self.rows)
        })
    }

    /// What is to be written last, and what is true then.
    pub(super) fn end(self) -> (Rows, Head) {
        let Self { mut rows, filled, .. } = self;
        rows.put(layout::HEAD_ROW, &filled.write());
        (rows, filled)
    }
}
