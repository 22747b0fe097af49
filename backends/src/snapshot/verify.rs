//! The whole of a snapshot, read for no other purpose than to know that it can be.

use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;

use registry_core::encoding::decode;
use registry_core::store::Loaded;

use super::{Reader, SnapshotError};

/// What a sound snapshot contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Its revision, and when it was taken.
    pub loaded: Loaded,
    /// The program that wrote it.
    pub written_by: String,
    /// How many records.
    pub records: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many records each role of each namespace has; the namespace first.
    pub roles: BTreeMap<(String, String), u64>,
}

// === impl Reader ===

impl<R: BufRead> Reader<R> {
    /// Reads all of it: the checksum, and that a registry understands each record.
    ///
    /// # Errors
    /// [`SnapshotError`] says what is wrong with it.
    pub fn verify(mut self) -> Result<Contents, SnapshotError> {
        let (mut seen, mut lives) = (HashSet::new(), HashSet::new());
        let mut roles = BTreeMap::new();
        for (line, stored) in (2..).zip(&mut self) {
            let stored = stored?;
            let record = decode(&stored)?;
            if !lives.insert(stored.created) {
                let reason = "another record was created by the same write".into();
                return Err(SnapshotError::Damaged { line, reason });
            }
            let place = (stored.key.namespace().to_owned(), record.declared.role.into_string());
            *roles.entry(place).or_default() += 1;
            if let Some(twice) = seen.replace(stored.key) {
                let reason = format!("{twice} stands in an earlier line, too").into();
                return Err(SnapshotError::Damaged { line, reason });
            }
        }
        let (records, written_by) = (roles.values().sum(), self.written_by().to_owned());
        Ok(Contents { loaded: self.loaded(), written_by, records, bytes: self.bytes(), roles })
    }
}
