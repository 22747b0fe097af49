//! A place for one store of any engine.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::OpenError;
use registry_core::store::Store;
use tempfile::TempDir;

/// Long enough for anything that ends at all.
const DEADLINE: Duration = Duration::from_secs(60);

/// A directory for one store, gone at the end of the test.
pub(crate) struct Home {
    pub(crate) engine: &'static str,
    directory: TempDir,
}

// === impl Home ===

impl Home {
    /// One for each engine.
    pub(crate) fn each() -> [Self; 2] {
        ["fjall", "sled"].map(Self::new)
    }

    pub(crate) fn new(engine: &'static str) -> Self {
        Self { engine, directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    pub(crate) fn url(&self) -> String {
        format!("{}:{}", self.engine, self.path().display())
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        backends::open(&self.url()).await.unwrap()
    }

    pub(crate) async fn refusal(&self) -> OpenError {
        backends::open(&self.url()).await.err().expect("opening is refused")
    }

    /// The rows of the closed store that begin so, each with its value.
    pub(crate) fn rows(&self, prefix: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pair = |row: &[u8], value: &[u8]| (row.to_vec(), value.to_vec());
        if self.engine == "fjall" {
            let database = fjall::Database::builder(self.path().join("fjall")).open().unwrap();
            let rows = database.keyspace("rows", Default::default).unwrap();
            let rows = rows.prefix(prefix).map(|row| row.into_inner().unwrap());
            return rows.map(|(row, value)| pair(&row, &value)).collect();
        }
        let current = fs::read_to_string(self.path().join("CURRENT")).unwrap();
        let path = self.path().join(current.trim());
        let database = sled::open(&path).unwrap();
        let rows = database.scan_prefix(prefix).map(Result::unwrap);
        let rows = rows.map(|(row, value)| pair(&row, &value)).collect();
        drop(database);
        // Sled's threads keep its lock a little longer.
        let deadline = Instant::now() + DEADLINE;
        while fs::File::open(path.join("db")).unwrap().try_lock().is_err() {
            assert!(Instant::now() < deadline, "sled does not let go");
            std::thread::yield_now();
        }
        rows
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let items = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn moved_aside(&self) -> Vec<PathBuf> {
        let items = fs::read_dir(self.directory.path()).unwrap().map(|item| item.unwrap().path());
        items.filter(|path| path.to_string_lossy().contains("store.unreadable-")).collect()
    }
}
