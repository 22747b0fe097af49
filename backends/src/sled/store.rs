//! The sled store itself: hands each call to the one writer, off the async threads.
//!
//! Fail-stop: after the first failure beneath it the store answers every call with `Broken`. Sled's
//! errors are sticky and a failed sync must not be tried again, so only a restart helps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Reason, Records, Renewal, Store, StoreError, Stored, Write,
};
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::task::{JoinError, spawn_blocking};

use super::config::{IfUnreadable, SledConfig};
use super::directory::Directory;
use super::engine::{Failure, guard};
use super::writer::Writer;
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
    /// Held for the whole of each call, so only ever locked on threads made for blocking. Tokio's
    /// lock, since it is fair: calls and compaction take turns.
    state: Mutex<State>,
    /// Asks compaction to end.
    stop: AtomicBool,
}

pub(super) enum State {
    Open(Box<Writer>),
    Failed(Arc<str>),
    Closed,
}

/// Pages of a load under way at a time.
const PAGES_MAX: usize = 4;

// === impl SledStore ===

impl SledStore {
    /// Opens the store at `config.path`, or begins one there.
    ///
    /// # Errors
    /// [`OpenError`] says what to do.
    pub async fn open(config: SledConfig) -> Result<Self, OpenError> {
        let path = config.path.clone();
        let opened = spawn_blocking(move || open(&config)).await;
        let writer = opened.unwrap_or_else(|error| {
            let (doing, source) = ("waiting for a thread", error.into());
            Err(OpenError::Io { path, doing, source })
        })?;
        let state = Mutex::new(State::Open(Box::new(writer)));
        Ok(Self { shared: Arc::new(Shared { state, stop: AtomicBool::new(false) }) })
    }

    /// Lets `work` have the writer.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = spawn_blocking(move || {
            shared.state().run(|writer| {
                let value = work(writer)?;
                writer.compact_if_due(&shared)?;
                Ok(value)
            })
        });
        task.await.unwrap_or_else(|error| Err(not_run(error)))
    }
}

#[async_trait]
impl Store for SledStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        let (pages, mut arrived) = mpsc::channel(PAGES_MAX);
        let scan = self.run(move |writer| {
            // Nobody takes pages any more once the load was given up.
            writer.scan(&mut |page| pages.blocking_send(page).is_ok())
        });
        let hand_out = async {
            while let Some(page) = arrived.recv().await {
                page.into_iter().for_each(&mut *each);
            }
        };
        tokio::join!(scan, hand_out).0
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        self.run(|writer| writer.commit(writes)).await
    }

    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError> {
        self.run(move |writer| writer.renew(renewals, mark)).await
    }

    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        match self.run(move |writer| writer.restore(records, loaded)).await? {
            Some(reason) => Err(StoreError::NotDone(reason)),
            None => Ok(()),
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = spawn_blocking(move || shared.close());
        task.await.unwrap_or_else(|error| Err(not_run(error)))
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn open(config: &SledConfig) -> Result<Writer, OpenError> {
    let directory = Directory::lock(&config.path)?;
    let opened = Writer::open(Arc::clone(&directory), config);
    match (opened, config.if_unreadable) {
        (Err(OpenError::Unreadable { path, reason }), IfUnreadable::MoveAside) => {
            let moved = directory.move_aside();
            let aside = moved.map_err(|source| OpenError::io(&path, "moving it aside", source))?;
            drop(directory); // its lock went with it
            tracing::error!(
                path = %config.path.display(), aside = %aside.display(), %reason,
                "the store could not be read; it was moved aside, and an empty one takes its place"
            );
            Writer::open(Directory::lock(&config.path)?, config)
        }
        (opened, _) => opened,
    }
}

fn not_run(error: JoinError) -> StoreError {
    // A task is cancelled only before it starts, when the runtime ends.
    if error.is_cancelled() {
        StoreError::NotDone(error.into())
    } else {
        StoreError::Unknown(error.into())
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.blocking_lock()
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

// === impl State ===

impl State {
    fn run<T>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let writer = match self {
            Self::Open(writer) => writer,
            Self::Failed(reason) => return Err(StoreError::Broken(Reason::from(&**reason))),
            Self::Closed => return Err(StoreError::Broken("the store is closed".into())),
        };
        match guard(|| work(writer)) {
            Ok(done) => Ok(done),
            Err(failure) => {
                let reason = failure.farewell(&writer.config.path);
                Err(self.fail(reason))
            }
        }
    }

    /// Ends the store's work for good.
    pub(super) fn fail(&mut self, reason: String) -> StoreError {
        tracing::error!(%reason, "the sled store has failed and takes no more writes");
        *self = Self::Failed(reason.as_str().into());
        StoreError::Broken(reason.into())
    }

    fn close(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(self, Self::Closed) {
            // Dropping the writer lets go of sled's files, then of the lock.
            Self::Open(writer) => guard(|| writer.shut()).map_err(|failure| {
                StoreError::Broken(failure.farewell(&writer.config.path).into())
            }),
            Self::Failed(_) | Self::Closed => Ok(()),
        }
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
        {
            let mut state = store.shared.state.lock().await;
            let State::Open(writer) = &mut *state else { unreachable!("it was just opened") };
            let engine = Arc::get_mut(&mut writer.engine).expect("nothing compacts");
            engine.log = File::open("/dev/null").unwrap();
        }
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
