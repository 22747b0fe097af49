//! What can be set about a sled store, and how a URL says it.

use std::path::PathBuf;

use registry_core::store::Stored;

use crate::embedded::{IfUnreadable, MIB, bad, if_unreadable, mib};
use crate::open::OpenError;

/// How to open a sled store.
#[derive(Clone, Debug)]
pub struct SledConfig {
    /// The directory it lives in; made where it is missing.
    pub path: PathBuf,
    /// What to do with a store that cannot be read. URL: `if-unreadable=refuse|move-aside`.
    pub if_unreadable: IfUnreadable,
    /// Size of sled's page cache; budget four times this in memory. URL: `cache-mib=N`.
    ///
    /// Reads are answered by the catalog, so it only serves loading, conditions and compaction.
    pub cache_bytes: u64,
    /// A smaller disk size is never compacted. URL: `compact-above-mib=N`.
    pub compact_above_bytes: u64,
    /// Compaction starts when the disk holds this many times what lives. URL: `compact-ratio=N`.
    ///
    /// A freshly compacted store takes two to four times what lives in it, the more the smaller the
    /// records; it is not compacted again before it has doubled.
    pub compact_ratio: u64,
    /// What its reader makes of a body, asked only where an unreadable store is to be moved aside.
    ///
    /// The store itself takes any bytes.
    pub check: fn(&Stored) -> Result<(), String>,
}

const PARAMETERS: &str = "if-unreadable, cache-mib, compact-above-mib and compact-ratio";

// === impl SledConfig ===

impl SledConfig {
    /// The usual settings for a store at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            if_unreadable: IfUnreadable::default(),
            cache_bytes: 64 * MIB,
            compact_above_bytes: 64 * MIB,
            compact_ratio: 4,
            check: |_| Ok(()),
        }
    }

    /// Sets the parameter that a URL calls `name`.
    ///
    /// # Errors
    /// [`OpenError::UnknownParameter`] and [`OpenError::BadParameter`] say what would be right.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OpenError> {
        match name {
            "if-unreadable" => self.if_unreadable = if_unreadable(value)?,
            "cache-mib" => self.cache_bytes = mib("cache-mib", value)?,
            "compact-above-mib" => self.compact_above_bytes = mib("compact-above-mib", value)?,
            "compact-ratio" => self.compact_ratio = ratio(value)?,
            _ => {
                let name = name.to_owned();
                let known = PARAMETERS;
                return Err(OpenError::UnknownParameter { store: "sled", name, known });
            }
        }
        Ok(())
    }
}

fn ratio(value: &str) -> Result<u64, OpenError> {
    match value.parse::<u64>() {
        Ok(ratio @ 2..=1_000) => Ok(ratio),
        _ => Err(bad("compact-ratio", value, "it takes a number from 2 to 1000")),
    }
}
