//! A registry with as many records as a measurement wants.

use std::sync::Arc;

use registry_core::{Claim, Declared, Key, Registry, Rules, Store, Ttl};
use tokio::runtime::Runtime;

/// The namespace that everything is registered in.
pub const NAMESPACE: &str = "bench";

/// The role that ten records have, however many others there are.
pub const RARE: &str = "rare";

/// The role of all others.
pub const COMMON: &str = "common";

/// How many records have the role [`RARE`].
pub const RARE_RECORDS: usize = 10;

/// The sizes to measure at: the real ones for `cargo bench`, tiny ones for `cargo test`.
#[must_use]
pub fn sizes() -> &'static [usize] {
    let measures = std::env::args().any(|argument| argument == "--bench");
    if measures { &[1_000, 100_000, 1_000_000] } else { &[20, 50] }
}

/// A registry on `store` that has `records` records, and the runtime that its driver runs on.
///
/// # Panics
/// If the store does not take them.
#[must_use]
pub fn registry(store: Arc<dyn Store>, records: usize) -> (Runtime, Registry) {
    let runtime = Runtime::new().expect("a runtime can be built");
    let registry = runtime.block_on(async {
        let rules = Rules { default_ttl: Some(Ttl::from_secs(3_600)), ..Rules::default() };
        let builder = Registry::builder(store).namespace(NAMESPACE, rules);
        let (registry, driver) = builder.open().await.expect("the store opens");
        tokio::spawn(driver.run(std::future::pending()));
        fill(&registry, records).await;
        registry
    });
    (runtime, registry)
}

/// The id of the record of this number. Numbers are spread, so that neighbours in time are not
/// neighbours in memory.
#[must_use]
pub fn id(number: usize) -> String {
    format!("vm-{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A record of about 300 bytes.
#[must_use]
pub fn declared(number: usize, records: usize) -> Declared {
    let rare = number.is_multiple_of((records / RARE_RECORDS).max(1)) && number < records;
    Declared {
        name: format!("worker-{number}"),
        role: if rare { RARE } else { COMMON }.to_owned(),
        address: format!("{}.vm.example.net:8080", id(number)),
        registered_by: "bench".to_owned(),
        document: Some(
            r#"{"metadata":{"task":"process invoices","started":"a while ago"}}"#.into(),
        ),
        ..Declared::default()
    }
}

async fn fill(registry: &Registry, records: usize) {
    // Many at a time, so that they share commits as they would in life.
    let mut registering = tokio::task::JoinSet::new();
    for number in 0..records {
        let key = Key::new(NAMESPACE, &id(number)).expect("a plain key");
        let (registry, declared) = (registry.clone(), declared(number, records));
        registering.spawn(async move { registry.register(key, declared, Claim::default()).await });
        if registering.len() >= 4_000 {
            let done = registering.join_next().await.expect("there are some");
            done.expect("no panic").expect("the store takes it");
        }
    }
    while let Some(done) = registering.join_next().await {
        done.expect("no panic").expect("the store takes it");
    }
}
