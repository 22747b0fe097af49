//! What reading costs: the same however many records are registered.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::sync::Arc;

use backends::MemoryStore;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use registry_core::{Query, Slot};
use rolecall_benches::{
    NAMESPACE, RARE, RARE_RECORDS, Random, Running, ZONE, id, sizes, skill, zone,
};

fn reading(criterion: &mut Criterion) {
    for &records in sizes() {
        let running = Running::filled(Arc::new(MemoryStore::new()), records);
        discover(criterion, &running, records);
        filter(criterion, &running, records);
        get(criterion, &running, records);
    }
}

fn discover(criterion: &mut Criterion, Running { registry, .. }: &Running, records: usize) {
    let mut group = criterion.benchmark_group("discover 10 live of");
    let query = Query::role(RARE).in_namespace(NAMESPACE);
    assert_eq!(registry.discover(&query).len(), RARE_RECORDS);
    group.bench_function(BenchmarkId::new("snapshot", records), |bencher| {
        bencher.iter(|| registry.discover(&query));
    });
    group.bench_function(BenchmarkId::new("read all ten", records), |bencher| {
        let address = |slot: &Arc<Slot>| slot.record().declared.address.len();
        bencher.iter(|| registry.discover(&query).iter().map(address).sum::<usize>());
    });
    group.finish();
}

/// By one condition that has a view, and by two: then the smaller view is read record by record.
fn filter(criterion: &mut Criterion, Running { registry, .. }: &Running, records: usize) {
    let mut group = criterion.benchmark_group("filter");
    let any = Query::any().in_namespace(NAMESPACE);
    let queries = [
        ("by capability", any.clone().capability(skill(3))),
        ("by label", any.clone().label(ZONE, zone(3))),
        ("by capability and label", any.capability(skill(3)).label(ZONE, zone(3))),
        ("by rare role and capability", Query::role(RARE).capability(skill(0))),
    ];
    for (name, query) in queries {
        assert!(!registry.discover(&query).is_empty(), "{name} finds nothing");
        group.bench_function(BenchmarkId::new(name, records), |bencher| {
            bencher.iter(|| registry.discover(&query).len());
        });
    }
    group.finish();
}

fn get(criterion: &mut Criterion, Running { registry, .. }: &Running, records: usize) {
    let mut group = criterion.benchmark_group("get, random of");
    let ids: Vec<String> = (0..records).map(id).collect();
    let mut random = Random::below(records);
    group.bench_function(BenchmarkId::from_parameter(records), |bencher| {
        bencher.iter(|| registry.get(NAMESPACE, &ids[random.pick()]).expect("it is registered"));
    });
    group.finish();
}

criterion_group!(benches, reading);
criterion_main!(benches);
