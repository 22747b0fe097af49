//! What a discovery costs: the same however many records are registered.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use registry_core::Query;
use rolecall_benches::{NAMESPACE, RARE, RARE_RECORDS, registry, sizes};

fn discover(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("discover 10 live of");
    for &records in sizes() {
        let store = Arc::new(backends::MemoryStore::new());
        let (_runtime, registry) = registry(store, records);
        let query = Query::role(RARE).in_namespace(NAMESPACE);
        assert_eq!(registry.discover(&query).len(), RARE_RECORDS);
        group.bench_function(BenchmarkId::new("snapshot", records), |bencher| {
            bencher.iter(|| registry.discover(&query));
        });
        group.bench_function(BenchmarkId::new("read all ten", records), |bencher| {
            let address = |slot: &Arc<registry_core::Slot>| slot.record().declared.address.len();
            bencher.iter(|| registry.discover(&query).iter().map(address).sum::<usize>());
        });
        group.bench_function(BenchmarkId::new("by role and service", records), |bencher| {
            let query = query.clone().service("none");
            bencher.iter(|| registry.discover(&query).len());
        });
    }
    group.finish();
}

criterion_group!(benches, discover);
criterion_main!(benches);
