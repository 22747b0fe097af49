//! An empty store filled with what another one held.
//!
//! A row says so while it goes on, so that a store that was not filled to the end is never served.

use registry_core::store::{Loaded, Reason, Records};

use super::engine::Until;
use super::layout::{self, Damage, Head, Held};
use super::writer::Writer;
use crate::embedded::{End, Failure};

/// Rows are written together until they hold so many bytes, or are so many.
const STEP_BYTES: usize = 1 << 20;
const STEP_RECORDS: usize = 1_000;

/// What was refused, with nothing changed.
pub(super) type Refused = Option<Reason>;

// === impl Writer: restoring ===

impl Writer {
    /// Fails if the store is only in part filled.
    pub(super) fn check_whole(&self) -> Result<(), Failure> {
        let row = layout::RESTORING_ROW;
        if self.engine.get(row)?.is_some() {
            let reason = "was not finished; remove the directory and restore again";
            return Err(Damage::new(row, reason).into());
        }
        Ok(())
    }

    /// Puts the records and everything else where nothing was ever written.
    pub(super) fn restore(&mut self, records: Records, loaded: Loaded) -> Result<Refused, Failure> {
        if self.head != Head::default() {
            return Ok(Some("it is not empty".into()));
        }
        let mut batch = self.engine.batch();
        batch.put(layout::RESTORING_ROW, &[][..]);
        batch.commit(Until::Synced)?;

        let mut filled = Head { revision: loaded.revision, ..Head::default() };
        let (mut batch, mut rows, mut bytes) = (self.engine.batch(), 0, 0);
        for record in records {
            let record = record.map_err(Failure::Source)?;
            record.check(&loaded).map_err(Failure::Source)?;
            let row = layout::record_row(&record.key);
            let (created, modified, beat) = (record.created, record.modified, record.beat);
            let value = Held { created, modified, beat, body: &record.body }.write();
            filled.add(modified);
            (rows, bytes) = (rows + 1, bytes + value.len());
            batch.put(row, value);
            if rows >= STEP_RECORDS || bytes >= STEP_BYTES {
                (rows, bytes) = (0, 0);
                std::mem::replace(&mut batch, self.engine.batch()).commit(Until::Written)?;
            }
        }
        batch.put(layout::HEAD_ROW, &filled.write()[..]);
        if let Some(mark) = loaded.mark {
            batch.put(layout::MARK_ROW, &layout::write_mark(mark)[..]);
        }
        batch.commit(Until::Written)?;
        self.head = filled;
        // Read back before it counts; a key that came twice shows here as well.
        self.scan(&mut |_| true)?;
        self.finish()
    }

    fn finish(&mut self) -> Result<Refused, Failure> {
        let mut batch = self.engine.batch();
        batch.remove(layout::RESTORING_ROW);
        // What came before lies in the same journal, or was synced when that was full.
        batch.commit(Until::Synced)?;
        self.check_place()?;
        self.reached.note(self.head.revision, End::Open)?;
        Ok(None)
    }
}
