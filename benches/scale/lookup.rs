//! Reads and heartbeats, beside one read of a plain map that is as large.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use backends::MemoryStore;
use foldhash::fast::RandomState;
use registry_core::{Guard, Query};
use rolecall_benches::{NAMESPACE, RARE, Random, Running, id};

use crate::stopwatch::Stopwatch;
use crate::table::Row;

/// Of each thing measured in turns, the median counts.
const ROUNDS: usize = 9;
const TIMES: usize = 100_000;
/// What a registry is discovered in to see whether size matters.
const SMALL: usize = 1_000;

/// What one read costs, beside any number of records.
pub(crate) fn measure(records: usize) -> Vec<Row> {
    let small = Running::filled(Arc::new(MemoryStore::new()), SMALL);
    let large = Running::filled(Arc::new(MemoryStore::new()), records);
    let ids: Vec<String> = (0..records).map(id).collect();
    let map: HashMap<String, u64, RandomState> = ids.iter().cloned().zip(0..).collect();
    let shared: papaya::HashMap<String, u64, RandomState> = ids.iter().cloned().zip(0..).collect();

    let query = Query::role(RARE).in_namespace(NAMESPACE);
    let discover = |running: &Running| each(0..TIMES, |_| running.registry.discover(&query));
    let mut random = Random::below(records);
    let mut picks = || (0..TIMES).map(|_| random.pick()).collect::<Vec<_>>();
    let figures: [Vec<f64>; 6] = rounds(|| {
        let (own, maps, shareds, gets) = (picks(), picks(), picks(), picks());
        [
            discover(&small),
            discover(&large),
            nanoseconds(|| beat(&large, &ids, &own)),
            each(maps, |at| map[&ids[at]]),
            each(shareds, |at| shared.pin().get(&ids[at]).copied()),
            each(gets, |at| large.registry.get(NAMESPACE, &ids[at])),
        ]
    });
    let [small_one, discover, heartbeat, plain, shared_read, get] = figures.map(median);
    vec![
        Row::new("discover 10 live, beside discover in 1,000", records, discover, "ns")
            .beside(small_one)
            .at_most(100.0),
        Row::new("get, beside a map's read", records, get, "ns").beside(plain),
        Row::new("heartbeat, beside a map's read", records, heartbeat, "ns")
            .beside(plain)
            .ratio_at_most(1.5),
        Row::new("heartbeat, beside a shared map's read", records, heartbeat, "ns")
            .beside(shared_read),
        Row::new("heartbeats on all cores", records, on_all_cores(&large, &ids), "/s")
            .at_least(1_000_000.0),
    ]
}

fn beat(running: &Running, ids: &[String], picks: &[usize]) {
    let guard = Guard::default();
    running.runtime.block_on(async {
        for at in picks {
            let beat = running.registry.renew(NAMESPACE, &ids[*at], &guard).await;
            black_box(beat.expect("it is registered"));
        }
    });
}

/// Heartbeats a second, from as many threads as there are cores.
fn on_all_cores(running: &Running, ids: &[String]) -> f64 {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut random = Random::below(ids.len());
    let shares: Vec<Vec<usize>> =
        (0..threads).map(|_| (0..TIMES * ROUNDS).map(|_| random.pick()).collect()).collect();
    let started = Instant::now();
    thread::scope(|scope| {
        for share in &shares {
            scope.spawn(|| beat(running, ids, share));
        }
    });
    (threads * TIMES * ROUNDS) as f64 / started.elapsed().as_secs_f64()
}

/// Nanoseconds that `work` takes with each of these.
fn each<T>(these: impl IntoIterator<Item = usize>, work: impl Fn(usize) -> T) -> f64 {
    nanoseconds(|| {
        for one in these {
            black_box(work(one));
        }
    })
}

/// Nanoseconds that each of [`TIMES`] repetitions takes, all of which `work` does.
fn nanoseconds(work: impl FnOnce()) -> f64 {
    let watch = Stopwatch::start();
    work();
    watch.elapsed().as_nanos() as f64 / TIMES as f64
}

/// Figures of several rounds, so that what disturbs one round disturbs all alike.
fn rounds<const N: usize>(mut round: impl FnMut() -> [f64; N]) -> [Vec<f64>; N] {
    let mut all: [Vec<f64>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..ROUNDS {
        for (figures, figure) in all.iter_mut().zip(round()) {
            figures.push(figure);
        }
    }
    all
}

/// The figure in the middle.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
