//! The sled store itself: hands each call to the one writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError, Stored, Write,
};
use tokio::sync::MutexGuard;

use super::config::SledConfig;
use super::writer::Writer;
use crate::embedded::{Failure, Seat, State, hand_out, off_thread, pages};
use crate::open::OpenError;

/// Records on this machine's disk.
///
/// One process opens a location at a time; a second one is refused and told which has it.
/// [`close`](Store::close) lets go of it at once. A store that is only dropped while it compacts
/// lets go a moment later.
pub struct SledStore {
    shared: Arc<Shared>,
}

/// What calls and compaction share.
pub(super) struct Shared {
    seat: Seat<Writer>,
    /// Asks compaction to end.
    stop: AtomicBool,
}

// === impl SledStore ===

impl SledStore {
    /// Opens the store at `config.path`, or begins one there.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(config: SledConfig) -> Result<Self, OpenError> {
        let (path, if_unreadable) = (config.path.clone(), config.if_unreadable);
        let open = move |directory| Writer::open(directory, &config);
        let seat = Seat::open(path, if_unreadable, open).await?;
        Ok(Self { shared: Arc::new(Shared { seat, stop: AtomicBool::new(false) }) })
    }

    /// Lets `work` have the writer.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let work = move || {
            shared.state().run(|writer| {
                let value = work(writer)?;
                writer.compact_if_due(&shared)?;
                Ok(value)
            })
        };
        off_thread(work).await
    }
}

#[async_trait]
impl Store for SledStore {
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
        let shared = Arc::clone(&self.shared);
        off_thread(move || shared.close()).await
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State<Writer>> {
        self.seat.take()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.stop.store(true, Ordering::Relaxed);
        let compaction = match &mut *self.state() {
            State::Open(writer) => writer.compaction.take(),
            State::Failed(_) | State::Closed => None,
        };
        if let Some(compaction) = compaction {
            // It needs the lock to end, so it is awaited without. Its panics are its own affair.
            compaction.join().ok();
        }
        self.state().close()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use registry_core::store::Expect::Absent;
    use registry_core::testkit::fixture::{key, mark, put, renewal};

    use super::*;

    /// A store whose own handle on the log is one that cannot be synced.
    async fn unsyncable(home: &tempfile::TempDir) -> SledStore {
        let store = SledStore::open(SledConfig::new(home.path())).await.unwrap();
        let break_it = |writer: &mut Writer| {
            let engine = Arc::get_mut(&mut writer.engine).expect("nothing compacts");
            engine.log = File::open("/dev/null")?;
            Ok(())
        };
        store.run(break_it).await.unwrap();
        store
    }

    #[tokio::test]
    async fn nothing_is_confirmed_before_it_is_synced_and_a_failed_sync_is_final() {
        let home = tempfile::tempdir().unwrap();
        let store = unsyncable(&home).await;
        for id in ["a", "b"] {
            let refused = store.commit(vec![put(&key(id), Absent, "")]).await;
            assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
        }
        assert!(matches!(store.renew(Vec::new(), None).await, Err(StoreError::Broken(_))));
        let mut nothing = |stored| panic!("{stored:?}");
        assert!(matches!(store.load(&mut nothing).await, Err(StoreError::Broken(_))));
        store.close().await.expect("there is nothing left to close");
        // It has let go, so that a restart within the process can find out what was kept.
        SledStore::open(SledConfig::new(home.path())).await.unwrap();
    }

    #[tokio::test]
    async fn renewals_do_not_wait_for_a_sync() {
        let home = tempfile::tempdir().unwrap();
        let store = unsyncable(&home).await;
        let unknown = renewal(&key("a"), registry_core::Revision(1), 1);
        store.renew(vec![unknown], Some(mark(1))).await.unwrap();
    }
}
