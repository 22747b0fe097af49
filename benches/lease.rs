//! What writes and heartbeats cost, and what a write costs in a role of any size.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use registry_core::{Claim, Guard, Key};
use rolecall_benches::{NAMESPACE, declared, id, registry, sizes};

fn heartbeat(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("heartbeat, random of");
    for &records in sizes() {
        let (runtime, registry) = registry(Arc::new(backends::MemoryStore::new()), records);
        let ids: Vec<String> = (0..records).map(id).collect();
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
            bencher.iter(|| {
                next = (next + 7_919) % ids.len();
                let guard = Guard::default();
                let beat = registry.heartbeat(NAMESPACE, &ids[next], &guard);
                runtime.block_on(beat).expect("it is registered")
            });
        });
    }
    group.finish();
}

fn register(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("register and deregister, beside");
    for &records in sizes() {
        let (runtime, registry) = registry(Arc::new(backends::MemoryStore::new()), records);
        group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
            bencher.iter(|| {
                let key = Key::new(NAMESPACE, "one more").expect("a plain key");
                runtime.block_on(async {
                    let declared = declared(records + 1, records);
                    let done = registry.register(key, declared, Claim::default()).await;
                    done.expect("the key is free");
                    let gone = registry.deregister(NAMESPACE, "one more", Guard::default()).await;
                    gone.expect("it is there")
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, heartbeat, register);
criterion_main!(benches);
