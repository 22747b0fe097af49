//! Everything that is at rest, read back: rows into records, checked against the head.

use registry_core::store::{Loaded, Stored};

use super::layout::{self, Damage, Head, Held};
use super::writer::Writer;
use crate::embedded::Failure;
use crate::embedded::beats::{Latest, Table};

/// A page of a load ends at whichever comes first.
const PAGE_RECORDS_MAX: usize = 512;
const PAGE_BYTES_MAX: usize = 1 << 20;

// === impl Writer: reading ===

impl Writer {
    /// Hands out every record in pages, until `take` wants no more.
    pub(super) fn scan(
        &mut self,
        take: &mut dyn FnMut(Vec<Stored>) -> bool,
    ) -> Result<Loaded, Failure> {
        let mut beats = Latest::read(&self.engine)?;
        let mark = self.engine.get(layout::MARK_ROW)?;
        let mark = mark.map(|value| layout::read_mark(&value)).transpose()?;
        let loaded = Loaded { revision: self.head.revision, mark };

        let mut found = Head { revision: self.head.revision, ..Head::default() };
        let (mut page, mut page_bytes) = (Vec::with_capacity(PAGE_RECORDS_MAX), 0);
        for item in self.engine.rows(layout::RECORDS) {
            let (row, value) = item?;
            let key = layout::key_of(&row)?;
            let Held { created, modified, beat, body } = Held::read(&key, &value)?;
            found.add(modified);
            page_bytes += body.len();
            let beat = beats.take(created, modified, beat);
            page.push(Stored { key, created, modified, body: body.to_vec(), beat });
            if page.len() >= PAGE_RECORDS_MAX || page_bytes >= PAGE_BYTES_MAX {
                page_bytes = 0;
                let next = Vec::with_capacity(PAGE_RECORDS_MAX);
                if !take(std::mem::replace(&mut page, next)) {
                    return Ok(loaded);
                }
            }
        }
        take(page);
        if found != self.head {
            return Err(Damage::new(layout::HEAD_ROW, difference(self.head, found)).into());
        }
        // Whose record is not there has ended.
        beats.others().for_each(|created| self.beats.end(created));
        Ok(loaded)
    }
}

fn difference(says: Head, found: Head) -> String {
    if says.records == found.records {
        return format!(
            "says {} records, and so many there are, but not all of them are the \
                        latest",
            says.records
        );
    }
    format!("says {} records, but there are {}", says.records, found.records)
}
