//! A registry with as many records as a measurement wants.

pub mod plot;
pub mod sled_alone;

use std::sync::Arc;

use registry_core::{Builder, Claim, Declared, Key, Registry, Rules, Store, StoreError, Ttl};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// The namespace that everything is registered in.
pub const NAMESPACE: &str = "bench";

/// The role that ten records have, however many others there are.
pub const RARE: &str = "rare";

/// The role of all others.
pub const COMMON: &str = "common";

/// How many records have the role [`RARE`].
pub const RARE_RECORDS: usize = 10;

/// A label that records are found by; each carries one of [`ZONES`] values.
pub const ZONE: &str = "zone";

/// How many zones there are.
pub const ZONES: usize = 7;

/// How many capabilities there are; each record has one.
pub const SKILLS: usize = 100;

/// How long a lease is: no measurement outlasts it.
pub const TTL_MS: u64 = 3_600_000;

/// Registrations under way at a time, so that they share commits as they would in life.
const AT_A_TIME: usize = 4_000;

/// A registry, and the runtime that its driver runs on.
pub struct Running {
    /// The registry.
    pub registry: Registry,
    /// For what is to be awaited.
    pub runtime: Runtime,
    stop: oneshot::Sender<()>,
    driver: JoinHandle<Result<(), StoreError>>,
}

// === impl Running ===

impl Running {
    /// Opens what `builder` describes.
    ///
    /// # Panics
    /// If the store does not open.
    #[must_use]
    pub fn open(builder: Builder) -> Self {
        let runtime = Runtime::new().expect("a runtime can be built");
        let (registry, driver) = runtime.block_on(builder.open()).expect("the store opens");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _dropped = stopped.await;
        };
        let driver = runtime.spawn(driver.run(shutdown));
        Self { registry, runtime, stop, driver }
    }

    /// Opens `store` and registers `records` records.
    ///
    /// # Panics
    /// If the store does not take them.
    #[must_use]
    pub fn filled(store: Arc<dyn Store>, records: usize) -> Self {
        let running = Self::open(builder(store));
        running.fill(records);
        running
    }

    /// Registers `records` records.
    ///
    /// # Panics
    /// If the store does not take them.
    pub fn fill(&self, records: usize) {
        self.runtime.block_on(async {
            let mut registering = JoinSet::new();
            for number in 0..records {
                let key = Key::new(NAMESPACE, &id(number)).expect("a plain key");
                let (registry, declared) = (self.registry.clone(), declared(number, records));
                let registered =
                    async move { registry.register(key, declared, Claim::default()).await };
                registering.spawn(registered);
                if registering.len() >= AT_A_TIME {
                    let done = registering.join_next().await.expect("there are some");
                    done.expect("no panic").expect("the store takes it");
                }
            }
            for done in registering.join_all().await {
                done.expect("the store takes it");
            }
        });
    }

    /// Stops the registry and waits until everything is at rest.
    ///
    /// # Panics
    /// If it does not end well.
    pub fn close(self) {
        let _ended = self.stop.send(());
        self.runtime.block_on(self.driver).expect("no panic").expect("the store closes");
    }
}

/// What every measurement opens, with what it adds.
#[must_use]
pub fn builder(store: Arc<dyn Store>) -> Builder {
    let rules = Rules {
        default_ttl: Some(Ttl::from_ms(TTL_MS)),
        indexed_labels: vec![ZONE.to_owned()],
        ..Rules::default()
    };
    Registry::builder(store).namespace(NAMESPACE, rules)
}

/// The sizes to measure at: the real ones for `cargo bench`, not the largest of them with
/// `--quick`, and tiny ones for `cargo test`.
#[must_use]
pub fn sizes() -> &'static [usize] {
    let is = |flag: &str| std::env::args().any(|argument| argument == flag);
    match (is("--bench"), is("--quick")) {
        (false, _) => &[20, 50],
        (true, true) => &[1_000, 100_000],
        (true, false) => &[1_000, 100_000, 1_000_000],
    }
}

/// The id of the record of this number. Numbers are spread, so that neighbours in time are not
/// neighbours in memory.
#[must_use]
pub fn id(number: usize) -> String {
    format!("vm-{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The capability of the record of this number.
#[must_use]
pub fn skill(number: usize) -> String {
    format!("skill-{}", number % SKILLS)
}

/// The value of the label [`ZONE`] of the record of this number.
#[must_use]
pub fn zone(number: usize) -> String {
    format!("zone-{}", number % ZONES)
}

/// A record of about 300 bytes at rest, found by everything that records are found by.
#[must_use]
pub fn declared(number: usize, records: usize) -> Declared {
    let rare = number.is_multiple_of((records / RARE_RECORDS).max(1)) && number < records;
    Declared {
        name: format!("worker-{number}").into(),
        role: if rare { RARE } else { COMMON }.into(),
        address: format!("{}.vm.example.net:8080", id(number)).into(),
        capabilities: [skill(number).into()].into(),
        labels: [(ZONE, zone(number))].into(),
        registered_by: "bench".into(),
        document: Some(r#"{"metadata":{"task":"invoices"}}"#.into()),
        ..Declared::default()
    }
}

/// Numbers below a bound, in no order that a processor could guess.
pub struct Random {
    state: u64,
    below: usize,
}

// === impl Random ===

impl Random {
    /// Numbers below `below`. The same ones in every run.
    #[must_use]
    pub fn below(below: usize) -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, below }
    }

    /// The next one.
    #[must_use]
    pub fn pick(&mut self) -> usize {
        // xorshift64
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % self.below as u64) as usize
    }
}
