//! Lines into records, one at a time.

use std::io::{BufRead, Read};

use registry_core::store::{Loaded, Mark, Reason, Stored};
use registry_core::{Beat, Key, Revision, Tick, Timestamp, limits};
use sha2::{Digest, Sha256};

use super::{Head, Line, SnapshotError, TAIL_START, Tail, VERSION, hex};

/// A line is never longer: a body, and a key of which each byte may be escaped.
const LINE_BYTES_MAX: u64 = (limits::RECORD_BYTES_MAX
    + 6 * (limits::ID_BYTES_MAX + limits::NAMESPACE_BYTES_MAX)
    + 512) as u64;

/// The greatest revision and the latest tick that can be: as many as every program tells
/// apart.
const NUMBER_MAX: u64 = 1 << 53;

/// A snapshot being read. As an iterator it gives the records; that the snapshot is whole is known
/// once the iterator has ended without an error.
pub struct Reader<R> {
    input: R,
    loaded: Loaded,
    written_by: String,
    sum: Sha256,
    records: u64,
    bytes: u64,
    lines: u64,
    line: Vec<u8>,
    has_ended: bool,
}

// === impl Reader ===

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open(input: R) -> Result<Self, SnapshotError> {
        let mut reader = Self {
            input,
            loaded: Loaded::default(),
            written_by: String::new(),
            sum: Sha256::new(),
            records: 0,
            bytes: 0,
            lines: 0,
            line: Vec::new(),
            has_ended: false,
        };
        if !reader.next_line()? {
            return Err(SnapshotError::NotASnapshot);
        }
        let head: Head =
            serde_json::from_slice(&reader.line).map_err(|_| SnapshotError::NotASnapshot)?;
        if head.rolecall_snapshot > VERSION {
            return Err(SnapshotError::Newer { version: head.rolecall_snapshot });
        }
        // What no server reaches; beyond, the next write would have no number.
        if head.revision.max(head.tick_ms) > NUMBER_MAX {
            return Err(reader.damaged("its revision or its time cannot be".into()));
        }
        let mark = Mark { tick: Tick(head.tick_ms), wall: Timestamp(head.wall_ms) };
        reader.loaded = Loaded { revision: Revision(head.revision), mark: Some(mark) };
        reader.written_by = head.written_by;
        reader.sum.update(&reader.line);
        Ok(reader)
    }

    /// Its revision, and when it was taken.
    pub fn loaded(&self) -> Loaded {
        self.loaded
    }

    /// The program that wrote it.
    pub fn written_by(&self) -> &str {
        &self.written_by
    }

    /// How many bytes have been read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is another line.
    fn next_line(&mut self) -> Result<bool, SnapshotError> {
        self.line.clear();
        let mut limited = self.input.by_ref().take(LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut self.line)?;
        self.lines += 1;
        self.bytes += read as u64;
        Ok(read > 0)
    }

    fn next_record(&mut self) -> Result<Option<Stored>, SnapshotError> {
        let has_line = self.next_line()?;
        if !has_line || self.line.last() != Some(&b'\n') {
            let is_too_long = self.line.len() as u64 == LINE_BYTES_MAX;
            return Err(if is_too_long {
                self.damaged("it is longer than a record can be".into())
            } else {
                SnapshotError::CutShort { records: self.records }
            });
        }
        if self.line.starts_with(TAIL_START) {
            return self.end().map(|()| None);
        }
        self.sum.update(&self.line);
        self.records += 1;
        let stored = parse(&self.line).and_then(|stored| {
            stored.check(&self.loaded)?;
            Ok(stored)
        });
        stored.map(Some).map_err(|reason| self.damaged(reason))
    }

    fn end(&mut self) -> Result<(), SnapshotError> {
        let tail: Tail =
            serde_json::from_slice(&self.line).map_err(|error| self.damaged(error.into()))?;
        if tail.end.records != self.records {
            return Err(SnapshotError::Altered("it has not as many records as its last line says"));
        }
        if tail.end.sha256 != hex(self.sum.clone()) {
            return Err(SnapshotError::Altered("its checksum is not that of its content"));
        }
        if self.next_line()? {
            return Err(SnapshotError::Altered("something stands behind its last line"));
        }
        Ok(())
    }

    fn damaged(&self, reason: Reason) -> SnapshotError {
        SnapshotError::Damaged { line: self.lines, reason }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Stored, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let next = self.next_record().transpose();
        self.has_ended = !matches!(next, Some(Ok(_)));
        next
    }
}

fn parse(line: &[u8]) -> Result<Stored, Reason> {
    let line: Line<'_> = serde_json::from_slice(line)?;
    Ok(Stored {
        key: Key::new(&line.namespace, &line.id)?,
        created: Revision(line.created),
        modified: Revision(line.modified),
        body: line.record.get().as_bytes().to_vec(),
        beat: Beat { last_seen: Timestamp(line.last_seen_ms), renewed: Tick(line.renewed_ms) },
    })
}
