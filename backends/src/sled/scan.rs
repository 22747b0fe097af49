//! Everything that is at rest, read back: rows into records, checked against each other.

use std::collections::HashMap;

use registry_core::store::{Loaded, Stored};
use registry_core::{Beat, Key, Revision};

use super::layout::{self, Damage, Head, Header};
use super::writer::Writer;
use crate::embedded::Failure;

/// A page of a load ends at whichever comes first.
const PAGE_RECORDS_MAX: usize = 512;
const PAGE_BYTES_MAX: usize = 1 << 20;
/// Room for so many beats is made before they are read: 160 MiB.
const BEATS_ROOM_MAX: usize = 1 << 22;

// === impl Writer: reading ===

impl Writer {
    /// Hands out every record in pages, until `take` wants no more.
    pub(super) fn scan(
        &self,
        take: &mut dyn FnMut(Vec<Stored>) -> bool,
    ) -> Result<Loaded, Failure> {
        let beats = self.beats()?;
        let mark = self.engine.get(layout::MARK_ROW)?;
        let mark = mark.map(|value| layout::read_mark(&value)).transpose()?;
        let loaded = Loaded { revision: self.head.revision, mark };

        let mut found = Head { revision: self.head.revision, ..Head::default() };
        let (mut page, mut page_bytes) = (Vec::with_capacity(PAGE_RECORDS_MAX), 0);
        for item in self.engine.rows(layout::RECORDS) {
            let (row, value) = item?;
            let key = layout::key_of(&row).ok_or_else(|| Damage::new(&row, "names no record"))?;
            let (header, inline) = Header::read(&row, &value)?;
            found.records += 1;
            found.live_bytes += header.live_bytes(&row);
            page_bytes += header.body_bytes;
            page.push(self.stored(key, header, inline, &beats)?);
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
        Ok(loaded)
    }

    /// Every beat, by the life that it belongs to.
    fn beats(&self) -> Result<HashMap<Revision, Beat>, Failure> {
        // Each record has one. The head may be damaged, so it is believed only so far.
        let room = usize::try_from(self.head.records).unwrap_or(0).min(BEATS_ROOM_MAX);
        let mut beats = HashMap::with_capacity(room);
        for item in self.engine.rows(layout::BEATS) {
            let (row, value) = item?;
            beats.insert(layout::life_of(&row)?, layout::read_beat(&row, &value)?);
        }
        Ok(beats)
    }

    fn stored(
        &self,
        key: Key,
        header: Header,
        inline: &[u8],
        beats: &HashMap<Revision, Beat>,
    ) -> Result<Stored, Failure> {
        let damage = |reason| Damage::new(&layout::record_row(&key), reason);
        let Header { created, modified, body_bytes } = header;
        let beat = *beats.get(&created).ok_or_else(|| damage("has no beat"))?;
        let mut body = Vec::with_capacity(body_bytes);
        body.extend_from_slice(inline);
        for index in 0..header.chunks() {
            let chunk = self.engine.get(&layout::chunk_row(modified, index))?;
            body.extend_from_slice(&chunk.ok_or_else(|| damage("lacks a part of its body"))?);
        }
        if body.len() != body_bytes {
            return Err(damage("has not the length that it says").into());
        }
        Ok(Stored { key, created, modified, body, beat })
    }
}
