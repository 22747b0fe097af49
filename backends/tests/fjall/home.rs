//! A place for one fjall store, and ways to look behind its back.

use std::fs;
use std::path::PathBuf;

use backends::OpenError;
use backends::fjall::{FjallConfig, FjallStore};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use tempfile::TempDir;

/// A directory for one store, gone at the end of the test.
pub(crate) struct Home(TempDir);

// === impl Home ===

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    /// A file of the database.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join("fjall").join(name)
    }

    pub(crate) fn config(&self) -> FjallConfig {
        FjallConfig::new(self.path())
    }

    pub(crate) async fn open(&self) -> FjallStore {
        FjallStore::open(self.config()).await.unwrap()
    }

    pub(crate) async fn refusal(&self) -> OpenError {
        FjallStore::open(self.config()).await.err().expect("opening is refused")
    }

    /// Changes the rows of the closed store behind its back.
    pub(crate) fn tamper<T>(&self, change: impl FnOnce(&Keyspace) -> T) -> T {
        let database = Database::builder(self.file("")).open().unwrap();
        assert!(database.keyspace_exists("rows"));
        change(&database.keyspace("rows", KeyspaceCreateOptions::default).unwrap())
    }

    /// The keys of all rows of the closed store that begin so.
    pub(crate) fn rows(&self, prefix: &str) -> Vec<Vec<u8>> {
        self.tamper(|rows| rows.prefix(prefix).map(|row| row.key().unwrap().to_vec()).collect())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let items = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn moved_aside(&self) -> Vec<PathBuf> {
        let items = fs::read_dir(self.0.path()).unwrap().map(|item| item.unwrap().path());
        items.filter(|path| path.to_string_lossy().contains("store.unreadable-")).collect()
    }
}
