//! Every backend keeps the contract of `Store`: one line each, the same list of cases.

use std::sync::Arc;

use async_trait::async_trait;
use backends::MemoryStore;
use registry_core::store::{Reason, Store};
use registry_core::store_suite;
use registry_core::testkit::{FaultyStore, Missing, StoreFactory};
#[cfg(any(feature = "fjall", feature = "sled"))]
use tempfile::TempDir;

store_suite!(memory, Memory);
#[cfg(feature = "fjall")]
store_suite!(fjall, Embedded("fjall"));
#[cfg(feature = "sled")]
store_suite!(sled, Embedded("sled"));
// Getting in the way without harm must not show.
store_suite!(memory_behind_a_faulty_store, Unharmed(Memory));

struct Memory;

/// In a directory, by the name of its engine.
#[cfg(any(feature = "fjall", feature = "sled"))]
struct Embedded(&'static str);

struct Unharmed<F>(F);

#[async_trait]
impl StoreFactory for Memory {
    type Location = MemoryStore;

    async fn location(&self) -> Result<MemoryStore, Missing> {
        Ok(MemoryStore::new())
    }

    async fn open(&self, location: &MemoryStore) -> Result<Arc<dyn Store>, Reason> {
        Ok(Arc::new(location.clone()))
    }
}

#[cfg(any(feature = "fjall", feature = "sled"))]
#[async_trait]
impl StoreFactory for Embedded {
    type Location = TempDir;

    async fn location(&self) -> Result<TempDir, Missing> {
        tempfile::tempdir().map_err(|error| Missing(format!("no temporary directory: {error}")))
    }

    async fn open(&self, location: &TempDir) -> Result<Arc<dyn Store>, Reason> {
        let path = location.path().join("store");
        Ok(backends::open(&format!("{}:{}", self.0, path.display())).await?)
    }
}

#[async_trait]
impl<F: StoreFactory> StoreFactory for Unharmed<F> {
    type Location = F::Location;

    async fn location(&self) -> Result<F::Location, Missing> {
        self.0.location().await
    }

    async fn open(&self, location: &F::Location) -> Result<Arc<dyn Store>, Reason> {
        Ok(Arc::new(FaultyStore::new(self.0.open(location).await?)))
    }
}
