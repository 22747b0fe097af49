//! Many leases that end in the same second: how long the slowest reader waits meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::MemoryStore;
use registry_core::{Cause, Claim, Declared, Guard, Key, Query, Registry, Store, Term, Tick};
use rolecall_benches::{COMMON, NAMESPACE, RARE, Running, TTL_MS, builder, id};

use crate::bare::Engine;
use crate::durable;
use crate::leap::LeapingClock;
use crate::stopwatch::Stopwatch;
use crate::table::Row;

/// The role of ten records without a lease.
const ENDLESS: &str = "endless";
/// How long before the first lease ends the measurement begins.
const LEAD_MS: u64 = 3_000;
/// How long is looked at before, when nothing happens.
const QUIET: Duration = Duration::from_millis(500);
/// A page that takes longer reads on and on past records that have lapsed.
const PASSING_OVER: Duration = Duration::from_millis(1);
/// Records of a page.
const PAGE: usize = 100;
const STALL_MS_MAX: f64 = 50.0;

/// How long the slowest of each kind of discovery took.
#[derive(Default)]
struct Slowest {
    /// Of ten records that never lapse.
    endless: Duration,
    /// Of ten records that lapse.
    ten: Duration,
    /// Of the first page of all others, which lapse too.
    page: Duration,
    /// Records that were shown although their lease had run out.
    stale: usize,
    /// When a page last took so long that it must have looked at what has lapsed.
    passed_over: Tick,
}

pub(crate) fn in_memory(records: usize) -> Vec<Row> {
    measure(Arc::new(MemoryStore::new()), records, "in memory")
}

pub(crate) fn on_sled(records: usize) -> Vec<Row> {
    let home = durable::home();
    measure(durable::open(Engine::Sled, home.path()), records, "on sled")
}

fn measure(store: Arc<dyn Store>, records: usize, place: &str) -> Vec<Row> {
    let clock = LeapingClock::default();
    let running = Running::open(builder(store).clock(Arc::new(clock.clone())));
    running.fill(records);
    add_endless(&running);
    let registry = &running.registry;

    let begin = registry.now();
    beat_all(&running, records);
    let end = registry.now();
    let kept = running.runtime.block_on(registry.checkpoint());
    kept.expect("the store keeps the beats");
    let (first, last) = (begin.after_ms(TTL_MS), end.after_ms(TTL_MS));

    let mut before = Slowest::default();
    let until = Instant::now() + QUIET;
    while Instant::now() < until {
        before.look(registry, last);
    }

    clock.leap(first.ms_since(registry.now()).saturating_sub(LEAD_MS));
    let mut meanwhile = Slowest::default();
    while lapsed(registry) < records {
        assert!(registry.now() < last.after_ms(10 * 60_000), "they are announced in time");
        meanwhile.look(registry, last);
    }
    let announced = registry.now();
    let since_last = |tick: Tick| tick.ms_since(last) as f64 / 1_000.0;
    let row = |what: &str, value, unit: &'static str| {
        Row::new(&format!("expiry {place}: {what}"), records, value, unit)
    };
    let mut rows = vec![row("leases end within", last.ms_since(first) as f64 / 1_000.0, "s")];
    rows.extend(meanwhile.rows(&before, row));
    rows.push(row("all taken out of the lists after", since_last(meanwhile.passed_over), "s"));
    rows.push(row("all announced after", since_last(announced), "s"));
    rows
}

fn add_endless(running: &Running) {
    for number in 0..10 {
        let key = Key::new(NAMESPACE, &format!("endless-{number}")).expect("a plain key");
        let declared =
            Declared { role: ENDLESS.into(), term: Term::Endless, ..Declared::default() };
        let registered = running.registry.register(key, declared, Claim::default());
        running.runtime.block_on(registered).expect("the store takes it");
    }
}

fn beat_all(running: &Running, records: usize) {
    let ids: Vec<String> = (0..records).map(id).collect();
    running.runtime.block_on(async {
        for id in &ids {
            let beat = running.registry.heartbeat(NAMESPACE, id, &Guard::default()).await;
            drop(beat.expect("it is registered"));
        }
    });
}

fn lapsed(registry: &Registry) -> usize {
    let changes = registry.changes();
    let (_, lapsed) = changes.iter().find(|(cause, _)| *cause == Cause::Lapsed).expect("a cause");
    usize::try_from(*lapsed).expect("no more than there are records")
}

// === impl Slowest ===

impl Slowest {
    /// Discovers one of each kind. After `last` nothing that lapses is to be seen.
    fn look(&mut self, registry: &Registry, last: Tick) {
        let after = registry.now() > last;
        let (endless, took) = discover(registry, ENDLESS);
        assert_eq!(endless, 10, "those stay");
        self.endless = self.endless.max(took);
        let (ten, took) = discover(registry, RARE);
        self.ten = self.ten.max(took);
        let (page, took) = discover(registry, COMMON);
        self.page = self.page.max(took);
        if took > PASSING_OVER {
            self.passed_over = registry.now();
        }
        self.stale += if after { ten + page } else { 0 };
    }

    fn rows(&self, before: &Self, row: impl Fn(&str, f64, &'static str) -> Row) -> [Row; 4] {
        let slowest = |what: &str, kind: fn(&Self) -> Duration| {
            let ms = |slowest| kind(slowest).as_secs_f64() * 1e3;
            row(what, ms(self), "ms").beside(ms(before)).at_most(STALL_MS_MAX)
        };
        [
            slowest("slowest discover of 10 that stay, beside before", |s| s.endless),
            slowest("slowest discover of 10 that lapse, beside before", |s| s.ten),
            slowest("slowest page of all that lapse, beside before", |s| s.page),
            row("stale records shown", self.stale as f64, "").at_most(0.0),
        ]
    }
}

fn discover(registry: &Registry, role: &str) -> (usize, Duration) {
    let query = Query::role(role).in_namespace(NAMESPACE);
    let watch = Stopwatch::start();
    let shown = registry.discover(&query).iter().take(PAGE).count();
    (shown, watch.elapsed())
}
