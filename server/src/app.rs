//! What every request of one server shares.

use registry_core::Registry;

use crate::auth::Auth;
use crate::clock::Stopwatch;
use crate::dialect::{Doors, Rooms};
use crate::lifecycle::Lifecycle;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::rate::Rates;
use crate::request_id::Namer;
use crate::snapshot::Snapshots;
use crate::tls::Tls;

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Which build this is: `ROLECALL_BUILD_ID` at build time, else the git commit, else the version.
pub const BUILD: &str = env!("ROLECALL_BUILD");

/// Both, for people.
pub const VERSION_AND_BUILD: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("ROLECALL_BUILD"), ")");

/// The shared state of one server.
pub struct App {
    /// The one registry behind every dialect.
    pub registry: Registry,
    /// Who may call.
    pub auth: Auth,
    /// Whom each dialect lets in without a token.
    pub doors: Doors,
    /// What connections are encrypted with; without it they are in cleartext.
    pub tls: Option<Tls>,
    /// What a request may cost.
    pub limits: Limits,
    /// Where the server stands between start and end.
    pub lifecycle: Lifecycle,
    /// What is counted.
    pub metrics: Metrics,
    /// What one dialect keeps beside the records that every dialect shows.
    pub(crate) rooms: Rooms,
    /// What was done lately, where that is limited.
    pub(crate) rates: Rates,
    /// What is being sent, and what was saved.
    pub(crate) snapshots: Snapshots,
    /// How requests are called that come without a name.
    pub(crate) namer: Namer,
    pub(crate) uptime: Stopwatch,
}

// === impl App ===

impl App {
    /// A server that is starting now. `metrics` knows the timing of its store.
    pub fn new(
        registry: Registry,
        auth: Auth,
        doors: Doors,
        limits: Limits,
        metrics: Metrics,
    ) -> Self {
        let (lifecycle, uptime) = (Lifecycle::new(), Stopwatch::start());
        let (rooms, rates) = (Rooms::open(&registry), Rates::default());
        let snapshots = Snapshots::default();
        Self {
            registry,
            auth,
            doors,
            tls: None,
            limits,
            lifecycle,
            metrics,
            rooms,
            rates,
            snapshots,
            namer: Namer::new(),
            uptime,
        }
    }

    /// The same, with this on its connections.
    pub fn with_tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }
}

/// An empty registry whose driver runs for as long as the test does.
#[cfg(test)]
pub(crate) async fn registry_for_tests() -> Registry {
    let store = std::sync::Arc::new(backends::MemoryStore::new());
    let (registry, driver) = Registry::builder(store).open().await.unwrap();
    tokio::spawn(driver.run(std::future::pending()));
    registry
}
