//! Everything that is at rest, read back: rows into records, checked against each other.

use registry_core::Key;
use registry_core::store::{Loaded, Stored};

use super::engine::Engine;
use super::index::Index;
use super::layout::{self, Damage, Head, Header};
use super::writer::Writer;
use crate::embedded::Failure;
use crate::embedded::beats::{Latest, Table};

/// A page of a load ends at whichever comes first.
const PAGE_RECORDS_MAX: usize = 512;
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Room for so many is made in an index before they are read: some 140 MiB.
const INDEX_ROOM_MAX: usize = 1 << 22;

// === impl Writer: reading ===

impl Writer {
    /// Hands out every record in pages, until `take` wants no more.
    pub(super) fn scan(
        &mut self,
        take: &mut dyn FnMut(Vec<Stored>) -> bool,
    ) -> Result<Loaded, Failure> {
        let mut beats = Latest::read(&*self.engine)?;
        let mark = self.engine.get(layout::MARK_ROW)?;
        let mark = mark.map(|value| layout::read_mark(&value)).transpose()?;
        let loaded = Loaded { revision: self.head.revision, mark };

        let mut index = self.empty_index();
        let mut found = Head { revision: self.head.revision, ..Head::default() };
        let (mut page, mut page_bytes) = (Vec::with_capacity(PAGE_RECORDS_MAX), 0);
        for item in self.engine.rows(layout::RECORDS) {
            let (row, value) = item?;
            let (created, key) = layout::record_of(&row)?;
            let (header, inline) = Header::read(&key, &value)?;
            found.records += 1;
            found.live_bytes += header.live_bytes(&row);
            for other in index.lives_of(&key) {
                if self.engine.contains(&layout::record_row(other, &key))? {
                    return Err(Damage::of_record(&key, "is there twice").into());
                }
            }
            index.insert(&key, created);
            let (modified, body) = (header.modified, body(&self.engine, &key, header, inline)?);
            let beat = beats.take(created, modified, header.beat);
            page_bytes += header.body_bytes;
            page.push(Stored { key, created, modified, body, beat });
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
            let Head { records, live_bytes, .. } = self.head;
            let reason = format!(
                "says {records} records in {live_bytes} bytes, but there are {} in {}",
                found.records, found.live_bytes,
            );
            return Err(Damage::new(layout::HEAD_ROW, reason).into());
        }
        // Whose record is not there has ended.
        beats.others().for_each(|created| self.beats.end(created));
        self.index = Some(index);
        Ok(loaded)
    }

    /// Where each key is: needed where there was no load before the first write.
    pub(super) fn read_index(&self) -> Result<Index, Failure> {
        let mut index = self.empty_index();
        for item in self.engine.rows(layout::RECORDS) {
            let (created, key) = layout::record_of(&item?.0)?;
            index.insert(&key, created);
        }
        Ok(index)
    }

    /// With room for what the head tells of. It may be damaged, so it is believed only so far.
    fn empty_index(&self) -> Index {
        let records = usize::try_from(self.head.records).unwrap_or(usize::MAX);
        Index::with_capacity(records.min(INDEX_ROOM_MAX))
    }
}

/// The whole body of a record: what lies in its row, or the chunks elsewhere.
pub(super) fn body(
    engine: &Engine,
    key: &Key,
    header: Header,
    inline: &[u8],
) -> Result<Vec<u8>, Failure> {
    let Header { modified, body_bytes, .. } = header;
    let mut body = Vec::with_capacity(body_bytes);
    body.extend_from_slice(inline);
    for index in 0..header.chunks() {
        let chunk = engine.get(&layout::chunk_row(modified, index))?;
        let damage = || Damage::of_record(key, "lacks a part of its body");
        body.extend_from_slice(&chunk.ok_or_else(damage)?);
    }
    if body.len() != body_bytes {
        return Err(Damage::of_record(key, "has not the length that it says").into());
    }
    Ok(body)
}
