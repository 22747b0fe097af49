//! A place for one store of any engine.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use backends::OpenError;
use registry_core::store::Store;
use tempfile::TempDir;

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
