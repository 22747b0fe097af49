//! The seat of the one writer: calls have it one after another, off the async threads.
//!
//! Fail-stop: after the first failure beneath it every call is answered with `Broken`. What an
//! engine is after an error nobody knows, and a failed sync must not be tried again, so only a
//! restart helps.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry_core::store::{Loaded, Reason, StoreError, Stored};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::sync::{Mutex, MutexGuard, mpsc};
use tokio::task::{JoinError, spawn_blocking};

use super::directory::Directory;
use super::failure::{Failure, guard};
use super::row::Damage;
use super::setting::IfUnreadable;
use crate::open::OpenError;

/// Everything an engine's store has while it is open, as far as its seat has to know it.
pub(crate) trait Seated: Send + Sized + 'static {
    /// What the engine is called in a URL.
    const ENGINE: &'static str;

    /// Where the store is, as it was asked for.
    fn path(&self) -> &Path;

    /// Hands out every record in pages, until `take` wants no more.
    fn scan(&mut self, take: &mut dyn FnMut(Vec<Stored>) -> bool) -> Result<Loaded, Failure>;

    /// Puts everything to rest.
    fn shut(&mut self) -> Result<(), Failure>;

    /// Fails if a record is damaged, be it in its rows or in what its reader makes of them.
    fn check_records(&mut self, check: fn(&Stored) -> Result<(), String>) -> Result<(), Failure> {
        let mut damaged = None;
        self.scan(&mut |page| {
            damaged = page.iter().find_map(|stored| {
                let reason = check(stored).err()?;
                Some(Damage::of_record(&stored.key, reason))
            });
            damaged.is_none()
        })?;
        damaged.map_or(Ok(()), |damage| Err(damage.into()))
    }
}

/// Where the writer sits.
///
/// Held for the whole of each call, so only ever locked on threads made for blocking. Tokio's lock,
/// since it is fair: calls and what an engine does beside them take turns.
pub(crate) struct Seat<W>(Mutex<State<W>>);

pub(crate) enum State<W> {
    Open(Box<W>),
    Failed(Arc<str>),
    Closed,
}

/// Pages of a load under way at a time.
const PAGES_MAX: usize = 16;

// === impl Seat ===

impl<W: Seated> Seat<W> {
    /// Opens the store at `path` by `open`; one that cannot be read gives way if that is asked for.
    pub(crate) async fn open(
        path: PathBuf,
        if_unreadable: IfUnreadable,
        open: impl Fn(Arc<Directory>) -> Result<W, OpenError> + Send + 'static,
    ) -> Result<Self, OpenError> {
        let at = path.clone();
        let opened = spawn_blocking(move || open_at(&at, if_unreadable, open)).await;
        let writer = opened.unwrap_or_else(|error| {
            let (doing, source) = ("waiting for a thread", error.into());
            Err(OpenError::Io { path, doing, source })
        })?;
        Ok(Self(Mutex::new(State::Open(Box::new(writer)))))
    }

    /// Waits until it is free.
    pub(crate) fn take(&self) -> MutexGuard<'_, State<W>> {
        self.0.blocking_lock()
    }
}

/// Does `work` on a thread made for blocking.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(not_run(error)))
}

/// Where a scan puts its pages, and where they arrive.
pub(crate) fn pages() -> (Sender<Vec<Stored>>, Receiver<Vec<Stored>>) {
    mpsc::channel(PAGES_MAX)
}

/// Hands out what arrives until the scan has ended.
pub(crate) async fn hand_out(
    mut arrived: Receiver<Vec<Stored>>,
    each: &mut (dyn FnMut(Stored) + Send),
) {
    while let Some(page) = arrived.recv().await {
        page.into_iter().for_each(&mut *each);
    }
}

fn open_at<W: Seated>(
    path: &Path,
    if_unreadable: IfUnreadable,
    open: impl Fn(Arc<Directory>) -> Result<W, OpenError>,
) -> Result<W, OpenError> {
    let directory = Directory::lock(W::ENGINE, path)?;
    match (open(Arc::clone(&directory)), if_unreadable) {
        (Err(OpenError::Unreadable { path, reason, .. }), IfUnreadable::MoveAside) => {
            let moved = directory.move_aside();
            let aside = moved.map_err(|source| OpenError::io(&path, "moving it aside", source))?;
            drop(directory); // its lock went with it
            tracing::error!(
                path = %path.display(), aside = %aside.display(), %reason,
                "the store could not be read; it was moved aside, and an empty one takes its place"
            );
            open(Directory::lock(W::ENGINE, &path)?)
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

// === impl State ===

impl<W: Seated> State<W> {
    /// Lets `work` have the writer.
    pub(crate) fn run<T>(
        &mut self,
        work: impl FnOnce(&mut W) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let writer = match self {
            Self::Open(writer) => writer,
            Self::Failed(reason) => return Err(StoreError::Broken(Reason::from(&**reason))),
            Self::Closed => return Err(StoreError::Broken("the store is closed".into())),
        };
        match guard(W::ENGINE, || work(writer)) {
            Ok(done) => Ok(done),
            Err(failure) => {
                let reason = failure.farewell(W::ENGINE, writer.path());
                Err(self.fail(reason))
            }
        }
    }

    /// Ends the store's work for good.
    pub(crate) fn fail(&mut self, reason: String) -> StoreError {
        tracing::error!(%reason, "the {} store has failed and takes no more writes", W::ENGINE);
        *self = Self::Failed(reason.as_str().into());
        StoreError::Broken(reason.into())
    }

    pub(crate) fn close(&mut self) -> Result<(), StoreError> {
        match std::mem::replace(self, Self::Closed) {
            // Dropping the writer lets go of the engine's files, then of the lock.
            Self::Open(mut writer) => guard(W::ENGINE, || writer.shut()).map_err(|failure| {
                StoreError::Broken(failure.farewell(W::ENGINE, writer.path()).into())
            }),
            Self::Failed(_) | Self::Closed => Ok(()),
        }
    }
}
