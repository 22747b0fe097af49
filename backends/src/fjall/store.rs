//! The fjall store itself: hands each call to the one writer.

use std::sync::Arc;

use async_trait::async_trait;
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError, Stored, Write,
};

use super::config::FjallConfig;
use super::writer::Writer;
use crate::embedded::{Failure, Seat, hand_out, off_thread, pages};
use crate::open::OpenError;

/// Records on this machine's disk, written for less processor time than by sled.
///
/// One process opens a location at a time; a second one is refused and told which has it.
/// [`close`](Store::close) lets go of it at once.
pub struct FjallStore {
    seat: Arc<Seat<Writer>>,
}

// === impl FjallStore ===

impl FjallStore {
    /// Opens the store at `config.path`, or begins one there.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(config: FjallConfig) -> Result<Self, OpenError> {
        let (path, if_unreadable) = (config.path.clone(), config.if_unreadable);
        let open = move |directory| Writer::open(directory, &config);
        Ok(Self { seat: Arc::new(Seat::open(path, if_unreadable, open).await?) })
    }

    /// Lets `work` have the writer.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let seat = Arc::clone(&self.seat);
        off_thread(move || seat.take().run(work)).await
    }
}

#[async_trait]
impl Store for FjallStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        let (pages, arrived) = pages();
        let scan = self.run(move |writer| {
            // Nobody takes pages any more once the load was given up.
            writer.scan(&mut |page| pages.blocking_send(page).is_ok())
        });
        tokio::join!(scan, hand_out(arrived, each)).0
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        self.run(|writer| writer.commit(writes)).await
    }

    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError> {
        self.run(move |writer| writer.renew(&renewals, mark)).await
    }

    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        match self.run(move |writer| writer.restore(records, loaded)).await? {
            Some(reason) => Err(StoreError::NotDone(reason)),
            None => Ok(()),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let seat = Arc::clone(&self.seat);
        off_thread(move || seat.take().close()).await
    }
}
