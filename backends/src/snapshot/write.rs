//! Records into lines.

use std::io::{self, Write};

use registry_core::store::{Loaded, Stored};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{End, Head, Line, Tail, VERSION, hex};

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many records.
    pub records: u64,
    /// How many bytes, from the first line to the last.
    pub bytes: u64,
}

/// Everything goes through here, so that it is counted and summed.
struct Lines<W> {
    out: W,
    sum: Sha256,
    bytes: u64,
    line: Vec<u8>,
}

/// Writes a snapshot: `loaded` and `records` of one revision. `written_by` names the program.
///
/// Nothing is flushed to disk; a caller who wants that does it.
///
/// # Errors
/// What `out` answers, or that a record's body is not an object on one line: then what was written
/// has no end, and is no snapshot.
pub fn write(
    out: impl Write,
    loaded: Loaded,
    records: impl Iterator<Item = Stored>,
    written_by: &str,
) -> io::Result<Written> {
    let mut lines = Lines { out, sum: Sha256::new(), bytes: 0, line: Vec::new() };
    let mark = loaded.mark.unwrap_or_default();
    lines.push(&Head {
        rolecall_snapshot: VERSION,
        revision: loaded.revision.0,
        tick_ms: mark.tick.0,
        wall_ms: mark.wall.0,
        written_by: written_by.to_owned(),
    })?;
    let mut count = 0;
    for stored in records {
        let record: &RawValue = serde_json::from_slice(&stored.body)?;
        if record.get().contains('\n') {
            let reason = format!("the body of {} has more than one line", stored.key);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        lines.push(&Line {
            namespace: stored.key.namespace().into(),
            id: stored.key.id().into(),
            created: stored.created.0,
            modified: stored.modified.0,
            last_seen_ms: stored.beat.last_seen.0,
            renewed_ms: stored.beat.renewed.0,
            record,
        })?;
        count += 1;
    }
    let sha256 = hex(lines.sum.clone());
    lines.push(&Tail { end: End { records: count, sha256 } })?;
    lines.out.flush()?;
    Ok(Written { records: count, bytes: lines.bytes })
}

// === impl Lines ===

impl<W: Write> Lines<W> {
    fn push(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value)?;
        self.line.push(b'\n');
        self.sum.update(&self.line);
        self.bytes += self.line.len() as u64;
        self.out.write_all(&self.line)
    }
}
