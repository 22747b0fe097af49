//! One change and many watchers: how long until the last of them has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use backends::MemoryStore;
use registry_core::{Event, Guard, Query, Start};
use rolecall_benches::{COMMON, NAMESPACE, Running, id};
use tokio::sync::{Notify, watch};

use crate::lookup::median;
use crate::table::Row;

const CHANGES: usize = 51;
const RECORDS: usize = 1_000;

/// Counts those who have heard, and tells when all have.
#[derive(Default)]
struct Round {
    heard: AtomicUsize,
    all: Notify,
}

/// From the call that makes a change until every watcher has it; beside a bare channel.
pub(crate) fn measure(watchers: usize) -> Vec<Row> {
    let ours = registry(watchers);
    let bare = channel(watchers);
    let slowest = ours.iter().copied().fold(0.0, f64::max);
    vec![
        Row::new("a change to all watchers, beside a bare channel", watchers, median(ours), "ms")
            .beside(median(bare)),
        Row::new("a change to all watchers, the slowest", watchers, slowest, "ms").at_most(1_000.0),
    ]
}

fn registry(watchers: usize) -> Vec<f64> {
    let running = Running::filled(Arc::new(MemoryStore::new()), RECORDS);
    let round = Arc::new(Round::default());
    for _ in 0..watchers {
        let query = Query::role(COMMON).in_namespace(NAMESPACE);
        let mut watcher = running.registry.watch(query, Start::Now).expect("there is room");
        let round = Arc::clone(&round);
        running.runtime.spawn(async move {
            while let Ok(event) = watcher.next().await {
                assert!(matches!(event, Event::Put(_)), "{event:?}");
                round.hear(watchers);
            }
        });
    }
    let id = id(1);
    let change = async |number: usize| {
        let name = format!("changed-{number}");
        let updated = running.registry.update(NAMESPACE, &id, Guard::default(), |it| {
            it.name = name.into();
            Ok(())
        });
        updated.await.expect("it is registered");
    };
    running.runtime.block_on(times(&round, change))
}

fn channel(watchers: usize) -> Vec<f64> {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    let round = Arc::new(Round::default());
    let (sender, receiver) = watch::channel(0);
    for _ in 0..watchers {
        let (mut receiver, round) = (receiver.clone(), Arc::clone(&round));
        runtime.spawn(async move {
            while receiver.changed().await.is_ok() {
                round.hear(watchers);
            }
        });
    }
    let change = async |number: usize| {
        sender.send_replace(number);
    };
    runtime.block_on(times(&round, change))
}

/// How many milliseconds each of [`CHANGES`] changes took to reach everyone.
async fn times(round: &Round, change: impl AsyncFn(usize)) -> Vec<f64> {
    let mut times = Vec::new();
    for number in 1..=CHANGES {
        round.heard.store(0, Ordering::SeqCst);
        let started = Instant::now();
        change(number).await;
        round.all.notified().await;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times
}

// === impl Round ===

impl Round {
    fn hear(&self, watchers: usize) {
        if self.heard.fetch_add(1, Ordering::SeqCst) + 1 == watchers {
            self.all.notify_one();
        }
    }
}
