//! The server inside the test: the same stack on a real port, over a clock that the test moves.

use std::net::SocketAddr;
use std::sync::Arc;

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
    store: backends::MemoryStore,
    address: SocketAddr,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
}

// === impl Inside ===

impl Inside {
    /// A server without records, whose wall clock shows `wall_ms`.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(wall_ms: i64) -> Self {
        let clock = ManualClock::new(Timestamp(wall_ms));
        Self::open(clock, backends::MemoryStore::new())
    }

    /// The same server after a crash: another registry on the same store, at the clock's present.
    #[must_use]
    pub fn restarted(self) -> Self {
        let (clock, store) = (self.clock.clone(), self.store.clone());
        drop(self);
        Self::open(clock, store)
    }

    fn open(clock: ManualClock, store: backends::MemoryStore) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let (stop, stopped) = oneshot::channel::<()>();
        let mut builder = Registry::builder(Arc::new(store.clone()));
        builder = builder.default_rules(dialect::default_rules());
        builder = builder.clock(Arc::new(clock.clone()) as Arc<dyn Clock>);
        for (name, rules) in dialect::namespaces() {
            builder = builder.namespace(name, rules);
        }
        let (registry, address) = runtime.block_on(async {
            let (registry, driver) = builder.open().await.expect("memory opens");
            let gate = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
            let address = gate.listener.local_addr().expect("it listens");
            let (auth, doors) = (Auth::anyone(), Doors::default());
            let metrics = Metrics::new(Arc::default());
            let app = App::new(registry.clone(), auth, doors, Limits::default(), metrics);
            let app = Arc::new(app);
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
