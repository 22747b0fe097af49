//! A store whose commits are timed.

use std::sync::Arc;

use async_trait::async_trait;
use registry_core::store::{Capabilities, Loaded, Mark, Outcome, Records, Renewal, Stored, Write};
use registry_core::{Store, StoreError};

use super::timing::Timing;
use crate::clock::Stopwatch;

/// Passes everything on, and notes how long commits take.
pub struct Timed {
    inner: Arc<dyn Store>,
    timing: Arc<Timing>,
}

// === impl Timed ===

impl Timed {
    /// Times `inner`.
    pub fn new(inner: Arc<dyn Store>, timing: Arc<Timing>) -> Self {
        Self { inner, timing }
    }
}

#[async_trait]
impl Store for Timed {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        self.inner.load(each).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        let (stopwatch, count) = (Stopwatch::start(), writes.len());
        let outcome = self.inner.commit(writes).await;
        self.timing.note(stopwatch.elapsed(), count, outcome.is_err());
        outcome
    }

    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError> {
        self.inner.renew(renewals, mark).await
    }

    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        self.inner.restore(records, loaded).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
