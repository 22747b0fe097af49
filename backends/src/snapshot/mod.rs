//! A snapshot as a file: everything a registry held at one revision, as text, with a checksum.
//!
//! One object a line. The first says what the file is and of which revision, the last how many
//! records there are and what SHA-256 all bytes before it have; between them stands one line for
//! each record, its body as it rests in a store:
//!
//! ```text
//! {"rolecall_snapshot":1,"revision":42,"tick_ms":9000,"wall_ms":1790000000000,"written_by":"…"}
//! {"namespace":"default","id":"w-1","created":7,"modified":42,"last_seen_ms":1789999999000,…}
//! {"end":{"records":1,"sha256":"5b1f…"}}
//! ```
//!
//! What has no last line was cut short, and is never taken for whole. A newer version is refused,
//! every older one can be read.

mod read;
mod verify;
mod write;

use std::borrow::Cow;
use std::io;

use registry_core::encoding::DecodeError;
use registry_core::store::Reason;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

pub use read::Reader;
pub use verify::Contents;
pub use write::{Written, write};

/// The version this build writes. It reads this one and all before.
const VERSION: u32 = 1;

/// Why a file is not taken for a snapshot, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// It is something else.
    #[error("it does not begin as a snapshot does")]
    NotASnapshot,
    /// It was written by a newer build.
    #[error("it has format {version}; this build reads up to {VERSION}: use the one that wrote it")]
    Newer {
        /// The version it claims.
        version: u32,
    },
    /// Its last line is missing.
    #[error("it was cut short after {records} records: its last line is missing; copy it again")]
    CutShort {
        /// The records up to there.
        records: u64,
    },
    /// One of its lines cannot be.
    #[error("it is damaged in line {line}: {reason}")]
    Damaged {
        /// Counted from 1.
        line: u64,
        /// What was found.
        reason: Reason,
    },
    /// What it holds is not what was written.
    #[error("it was altered or damaged: {0}; copy it again")]
    Altered(&'static str),
    /// A record of it can be read by nobody, or by a newer build.
    #[error(transparent)]
    Record(#[from] DecodeError),
    /// The machine did not hand it over.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    rolecall_snapshot: u32,
    revision: u64,
    tick_ms: u64,
    wall_ms: i64,
    written_by: String,
}

/// The line of a record.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    namespace: Cow<'a, str>,
    id: Cow<'a, str>,
    created: u64,
    modified: u64,
    last_seen_ms: i64,
    renewed_ms: u64,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct Tail {
    end: End,
}

#[derive(Serialize, Deserialize)]
struct End {
    records: u64,
    sha256: String,
}

/// How the last line begins, and no other.
const TAIL_START: &[u8] = br#"{"end":"#;

/// The sum as the last line tells it.
fn hex(sum: Sha256) -> String {
    sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "snapshot_test.rs"]
mod tests;
