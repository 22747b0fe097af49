//! Heartbeats race with expiry on real threads; the clock alone is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use registry_core::testkit::ManualClock;
use registry_core::{
    Claim, Clock, Declared, Guard, Key, Query, Registry, Rules, Standing, Timestamp, Ttl,
};

const TTL_MS: u64 = 300;
const ROUNDS: usize = 20_000;
const RECORDS: usize = 8;

/// Whoever has beaten is discovered until its lease has run out, and nobody is a moment longer:
/// whatever the driver, other heartbeats and the clock do at the same time.
#[test]
fn a_heartbeat_is_never_lost_to_an_expiry_that_was_under_way() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let clock = ManualClock::new(Timestamp(0));
    let registry = runtime.block_on(open(&clock));
    let over = Arc::new(AtomicBool::new(false));

    let time = std::thread::spawn({
        let (clock, over) = (clock.clone(), Arc::clone(&over));
        move || {
            let mut step = 0_u64;
            while !over.load(Ordering::Relaxed) {
                // Mostly a little; now and then just about a whole lease, so that many lapse.
                step += 1;
                clock.advance(if step.is_multiple_of(64) { TTL_MS } else { 1 });
                std::thread::yield_now();
            }
        }
    });
    let beating: Vec<_> = (0..RECORDS)
        .map(|record| runtime.spawn(beat_and_look(registry.clone(), clock.clone(), record)))
        .collect();
    for task in beating {
        runtime.block_on(task).expect("every look was right");
    }
    over.store(true, Ordering::Relaxed);
    time.join().expect("time goes on");
}

async fn open(clock: &ManualClock) -> Registry {
    let store = Arc::new(backends::MemoryStore::new());
    let rules = Rules { default_ttl: Some(Ttl::from_ms(TTL_MS)), ..Rules::default() };
    let builder = Registry::builder(store).clock(Arc::new(clock.clone())).namespace("race", rules);
    let (registry, driver) = builder.open().await.expect("memory opens");
    tokio::spawn(driver.run(std::future::pending()));
    for record in 0..RECORDS {
        let key = Key::new("race", &record.to_string()).expect("a plain key");
        let declared = Declared { role: "runner".into(), ..Declared::default() };
        registry.register(key, declared, Claim::default()).await.expect("the key is free");
    }
    registry
}

async fn beat_and_look(registry: Registry, clock: ManualClock, record: usize) {
    let (id, query) = (record.to_string(), Query::role("runner"));
    for _ in 0..ROUNDS {
        let before = clock.elapsed_ms();
        registry.heartbeat("race", &id, &Guard::default()).await.expect("it is registered");
        let now = registry.now();
        let found = registry.discover(&query);
        let mine = found.iter().any(|slot| slot.record().key.id() == id);
        // A look takes time, too: what lapses meanwhile may be hidden already.
        let waited = clock.elapsed_ms() - before;
        assert!(mine || waited > TTL_MS, "{id} beat {waited} ms before, and was not found");
        for slot in &found {
            assert_ne!(slot.standing(now), Standing::Stale, "{:?}", slot.record().key);
        }
        tokio::task::yield_now().await;
    }
}
