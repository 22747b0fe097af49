//! What a backend brings to be proved: fresh locations, and a way to open them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::store::{Reason, Store};

/// Opens the stores of one backend.
#[async_trait]
pub trait StoreFactory: Send + Sync + 'static {
    /// A place for one store. While it lives, what was stored there does too; dropped, it is gone.
    type Location: Send + Sync + 'static;

    /// A location that nothing has used: random, so that cases can run beside one another.
    ///
    /// # Errors
    /// [`Missing`] if the engine is not there.
    async fn location(&self) -> Result<Self::Location, Missing>;

    /// Opens a handle on the store there. Opened again after a close, it is a restart.
    ///
    /// # Errors
    /// A reason, if it is already open and takes no second handle. Anything else fails the case.
    async fn open(&self, location: &Self::Location) -> Result<Arc<dyn Store>, Reason>;
}

/// Why an engine is not there: which one it is, and what would bring it.
#[derive(Clone, Debug)]
pub struct Missing(pub String);

/// A fresh location and how to open it: all that a case is given.
pub struct Place {
    opener: Box<dyn Opener>,
}

#[async_trait]
trait Opener: Send + Sync {
    async fn open(&self) -> Result<Arc<dyn Store>, Reason>;
}

struct At<F: StoreFactory> {
    factory: F,
    location: F::Location,
}

// === impl Place ===

impl Place {
    /// A fresh place for the store called `name`, or `None` if its engine is missing.
    ///
    /// That is said aloud. `ROLECALL_TEST_REQUIRE=etcd,redis` makes it a failure.
    ///
    /// # Panics
    /// If the engine is missing and required.
    pub async fn fresh<F: StoreFactory>(name: &str, factory: F) -> Option<Self> {
        match factory.location().await {
            Ok(location) => Some(Self { opener: Box::new(At { factory, location }) }),
            Err(Missing(reason)) => {
                let required = std::env::var("ROLECALL_TEST_REQUIRE").unwrap_or_default();
                let is_required = required.split(',').any(|required| required.trim() == name);
                assert!(!is_required, "{name} is required but missing: {reason}");
                #[allow(clippy::print_stderr, reason = "a skipped proof must be seen")]
                {
                    eprintln!("SKIPPED {name}: {reason}");
                }
                None
            }
        }
    }

    /// Opens the store.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.unwrap_or_else(|reason| panic!("opening was refused: {reason}"))
    }

    /// Opens the store where it may be refused, since it is already open.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn try_open(&self) -> Result<Arc<dyn Store>, Reason> {
        self.opener.open().await
    }

    /// Closes the store and opens it again, as a restart does.
    ///
    /// # Panics
    /// If either fails.
    pub async fn reopen(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await.expect("what is at rest can be closed");
        drop(store);
        self.open().await
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

#[async_trait]
impl<F: StoreFactory> Opener for At<F> {
    async fn open(&self) -> Result<Arc<dyn Store>, Reason> {
        self.factory.open(&self.location).await
    }
}
