//! What writes and heartbeats cost, and what a write costs in a role of any size.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use backends::MemoryStore;
use backends::sled::{SledConfig, SledStore};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use foldhash::fast::RandomState;
use registry_core::{Claim, Guard, Key};
use rolecall_benches::{NAMESPACE, Random, Running, declared, id, sizes};

/// A store on disk is filled no further: beyond, one criterion sample takes longer than it tells.
const ON_DISK_MAX: usize = 100_000;

/// A heartbeat, beside one read of a plain map and of a shared one with the same keys.
fn heartbeat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat, random of");
    for &records in sizes() {
        let running = Running::filled(Arc::new(MemoryStore::new()), records);
        let ids: Vec<String> = (0..records).map(id).collect();
        let mut random = Random::below(records);
        let registry = &running.registry;
        group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
            // All in one future, as in a server: entering a runtime costs as much as a heartbeat.
            bencher.iter_custom(|times| {
                running.runtime.block_on(async {
                    let (guard, started) = (Guard::default(), Instant::now());
                    for _ in 0..times {
                        let beat = registry.renew(NAMESPACE, &ids[random.pick()], &guard);
                        black_box(beat.await.expect("it is registered"));
                    }
                    started.elapsed()
                })
            });
        });
        drop(running);
        let keys = || ids.iter().cloned().zip(0_u64..);
        let map: std::collections::HashMap<String, u64, RandomState> = keys().collect();
        group.bench_function(BenchmarkId::new("a map's read", records), |bencher| {
            bencher.iter(|| map[&ids[random.pick()]]);
        });
        drop(map);
        let shared: papaya::HashMap<String, u64, RandomState> = keys().collect();
        group.bench_function(BenchmarkId::new("a shared map's read", records), |bencher| {
            bencher.iter(|| shared.pin().get(&ids[random.pick()]).copied());
        });
    }
    group.finish();
}

fn write(criterion: &mut Criterion) {
    for &records in sizes() {
        let running = Running::filled(Arc::new(MemoryStore::new()), records);
        register(criterion, &running, "in memory", records);
        update(criterion, &running, "in memory", records);
    }
    for &records in sizes().iter().filter(|records| **records <= ON_DISK_MAX) {
        let home = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a place on disk");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
        let store = runtime.block_on(SledStore::open(SledConfig::new(home.path())));
        let running = Running::filled(Arc::new(store.expect("a new store")), records);
        register(criterion, &running, "on disk", records);
        update(criterion, &running, "on disk", records);
        running.close();
    }
}

fn register(criterion: &mut Criterion, running: &Running, place: &str, records: usize) {
    let mut group = criterion.benchmark_group("register and deregister, beside");
    let registry = &running.registry;
    group.bench_function(BenchmarkId::new(place, records), |bencher| {
        bencher.iter(|| {
            let key = Key::new(NAMESPACE, "one more").expect("a plain key");
            running.runtime.block_on(async {
                let declared = declared(records + 1, records);
                let done = registry.register(key, declared, Claim::default()).await;
                done.expect("the key is free");
                let gone = registry.deregister(NAMESPACE, "one more", Guard::default()).await;
                gone.expect("it is there")
            })
        });
    });
    group.finish();
}

fn update(criterion: &mut Criterion, running: &Running, place: &str, records: usize) {
    let mut group = criterion.benchmark_group("update, random of");
    let mut random = Random::below(records);
    let mut times = 0_u64;
    group.bench_function(BenchmarkId::new(place, records), |bencher| {
        bencher.iter(|| {
            times += 1;
            let address = format!("10.0.0.7:{times}");
            let id = id(random.pick());
            let update = running.registry.update(NAMESPACE, &id, Guard::default(), move |it| {
                it.address = address.into();
                Ok(())
            });
            running.runtime.block_on(update).expect("it is registered")
        });
    });
    group.finish();
}

criterion_group!(benches, heartbeat, write);
criterion_main!(benches);
