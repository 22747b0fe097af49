//! An empty store filled with what another one held.
//!
//! A row says so while it goes on, so that a store that was not filled to the end is never served.

use registry_core::Revision;
use registry_core::store::{Loaded, Reason, Records, Stored};

use super::layout::{self, Head, Header};
use super::writer::{Rows, Writer};
use crate::embedded::beats::Changes;
use crate::embedded::{End, Failure};

/// Rows are written together until they hold so many bytes, or belong to so many records.
const STEP_BYTES: u64 = 1 << 20;
const STEP_RECORDS: u64 = 1_000;

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

        let mut filled = Head { revision: loaded.revision, ..Head::default() };
        let (mut rows, mut done) = (Rows::default(), filled);
        for record in records {
            let record = record.map_err(Failure::Source)?;
            record.check(&loaded).map_err(Failure::Source)?;
            add(&mut rows, &record, &mut filled);
            if filled.live_bytes - done.live_bytes >= STEP_BYTES
                || filled.records - done.records >= STEP_RECORDS
            {
                self.apply(&std::mem::take(&mut rows))?;
                done = filled;
            }
        }
        rows.put(layout::HEAD_ROW, &filled.write());
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

/// Adds the rows of a record that no row tells of yet.
pub(super) fn add(rows: &mut Rows, record: &Stored, head: &mut Head) {
    let Stored { key, created, modified, body, beat } = record;
    let row = layout::record_row(*created, key);
    let header = Header { modified: *modified, beat: *beat, body_bytes: body.len() };
    rows.put_record(&row, header, body);
    head.records += 1;
    head.live_bytes += header.live_bytes(&row);
}
