//! What can be set about a fjall store, and how a URL says it.

use std::path::PathBuf;

use registry_core::store::Stored;

use crate::embedded::{IfUnreadable, MIB, if_unreadable, mib};
use crate::open::OpenError;

/// How to open a fjall store.
#[derive(Clone, Debug)]
pub struct FjallConfig {
    /// The directory it lives in; made where it is missing.
    pub path: PathBuf,
    /// What to do with a store that cannot be read. URL: `if-unreadable=refuse|move-aside`.
    pub if_unreadable: IfUnreadable,
    /// Size of fjall's cache of blocks. URL: `cache-mib=N`.
    ///
    /// Reads are answered by the catalog, so it only serves loading and conditions.
    pub cache_bytes: u64,
    /// Size of what is held in memory before it becomes a table. URL: `memtable-mib=N`.
    ///
    /// Kept by a store from its beginning. A larger one writes less and answers more conditions
    /// without a look at the disk, and takes longer to open after a crash.
    pub memtable_bytes: u64,
    /// What its reader makes of a body, asked only where an unreadable store is to be moved aside.
    ///
    /// The store itself takes any bytes.
    pub check: fn(&Stored) -> Result<(), String>,
}

const PARAMETERS: &str = "if-unreadable, cache-mib and memtable-mib";

// === impl FjallConfig ===

impl FjallConfig {
    /// The usual settings for a store at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            if_unreadable: IfUnreadable::default(),
            cache_bytes: 16 * MIB,
            memtable_bytes: 32 * MIB,
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
            "memtable-mib" => self.memtable_bytes = mib("memtable-mib", value)?,
            _ => {
                let name = name.to_owned();
                let known = PARAMETERS;
                return Err(OpenError::UnknownParameter { store: "fjall", name, known });
            }
        }
        Ok(())
    }
}
