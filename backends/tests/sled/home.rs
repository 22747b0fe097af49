//! A place for one sled store, and ways to look behind its back.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use backends::OpenError;
use backends::sled::{SledConfig, SledStore};
use tempfile::TempDir;

/// Long enough for anything that ends at all.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

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

    pub(crate) fn config(&self) -> SledConfig {
        SledConfig::new(self.path())
    }

    pub(crate) async fn open(&self) -> SledStore {
        SledStore::open(self.config()).await.unwrap()
    }

    pub(crate) async fn refusal(&self) -> OpenError {
        SledStore::open(self.config()).await.err().expect("opening is refused")
    }

    /// Compacts at every opportunity.
    pub(crate) async fn open_restless(&self) -> SledStore {
        let config = SledConfig { compact_above_bytes: 1 << 20, compact_ratio: 2, ..self.config() };
        SledStore::open(config).await.unwrap()
    }

    /// Changes the rows of the closed store behind its back.
    pub(crate) fn tamper(&self, change: impl FnOnce(&sled::Db)) {
        let database = sled::open(self.path().join(self.current())).unwrap();
        change(&database);
        database.flush().unwrap();
        drop(database);
        // Sled's threads keep its lock a little longer.
        let deadline = Instant::now() + DEADLINE;
        while fs::File::open(self.log()).unwrap().try_lock().is_err() {
            assert!(Instant::now() < deadline, "sled does not let go");
            std::thread::yield_now();
        }
    }

    pub(crate) fn current(&self) -> String {
        let current = fs::read_to_string(self.path().join("CURRENT")).unwrap();
        current.lines().next().unwrap().to_owned()
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

    /// Sled's log in the database that counts.
    pub(crate) fn log(&self) -> PathBuf {
        self.path().join(self.current()).join("db")
    }
}
