//! The server inside the test: the same stack on a real port, over a clock that the test moves.

use std::net::SocketAddr;
use std::sync::Arc;

use registry_core::store::Store;
use registry_core::testkit::ManualClock;
use registry_core::{Clock, Registry, Timestamp};
use rolecall::auth::Auth;
use rolecall::dialect::Doors;
use rolecall::limits::Limits;
use rolecall::metrics::Metrics;
use rolecall::{App, bind, dialect, serve, stack};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::bytes::{Connection, Response};

/// A server in this process, its records in memory. Ends when dropped.
pub struct Inside {
    /// The clock it runs on.
    pub clock: ManualClock,
    /// The registry behind it.
    pub registry: Registry,
    store: Arc<dyn Store>,
    address: SocketAddr,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
}

/// What such a server is made of.
pub struct Making {
    /// What its wall clock shows, in milliseconds.
    pub wall_ms: i64,
    /// Where its records rest.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub auth: Auth,
    /// Whom each dialect lets in without a token.
    pub doors: Doors,
    /// What a request may cost.
    pub limits: Limits,
}

// === impl Making ===

impl Default for Making {
    /// Records in memory, 2026-01-31T23:59:59.123Z, and everybody may call.
    fn default() -> Self {
        Self {
            wall_ms: 1_769_903_999_123,
            store: Arc::new(backends::MemoryStore::new()),
            auth: Auth::anyone(),
            doors: Doors::default(),
            limits: Limits::default(),
        }
    }
}

// === impl Inside ===

impl Inside {
    /// A server without records, whose wall clock shows `wall_ms`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(wall_ms: i64) -> Self {
        Self::with(Making { wall_ms, ..Making::default() })
    }

    /// A server made of this.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn with(making: Making) -> Self {
        Self::open(ManualClock::new(Timestamp(making.wall_ms)), making)
    }

    /// The same server after a crash: another registry on the same store, at the clock's present.
    #[must_use]
    pub fn restarted(self) -> Self {
        let (clock, store) = (self.clock.clone(), Arc::clone(&self.store));
        drop(self);
        Self::open(clock, Making { store, ..Making::default() })
    }

    fn open(clock: ManualClock, making: Making) -> Self {
        let Making { store, auth, doors, limits, .. } = making;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let (stop, stopped) = oneshot::channel::<()>();
        let mut builder = Registry::builder(Arc::clone(&store));
        builder = builder.default_rules(dialect::default_rules());
        builder = builder.clock(Arc::new(clock.clone()) as Arc<dyn Clock>);
        for (name, rules) in dialect::namespaces() {
            builder = builder.namespace(name, rules);
        }
        let (registry, address) = runtime.block_on(async {
            let (registry, driver) = builder.open().await.expect("memory opens");
            let gate = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
            let address = gate.listener.local_addr().expect("it listens");
            let metrics = Metrics::new(Arc::default());
            let app = Arc::new(App::new(registry.clone(), auth, doors, limits, metrics));
            let shutdown = async { stopped.await.unwrap_or(()) };
            let shared = Arc::clone(&app);
            let new_service = move |peer| stack(Arc::clone(&shared), peer);
            tokio::spawn(driver.run(std::future::pending()));
            tokio::spawn(serve(gate, app, new_service, shutdown));
            (registry, address)
        });
        Self { clock, registry, store, address, runtime, stop: Some(stop) }
    }

    /// A new connection.
    ///
    /// # Panics
    /// If it does not listen.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server listens")
    }

    /// One request on a connection of its own.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn request(&self, method: &str, path: &str, body: &str) -> Response {
        let answer = self.connect().request(method, path, body);
        answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// Waits for what only tasks of the server can wait for.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ended_before = self.stop.take().map(|stop| stop.send(()));
    }
}
