//! `rolecall bench`: a bounded load against a server of the user's, so that machines can be sized.
//!
//! One row after another, each by as many callers as there are connections (`caller`). What the
//! rows ask is in `row`, of whom in `target`, and what it comes to in `report`.

mod caller;
mod report;
mod row;
mod target;

use std::fmt;
use std::io::{Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use self::caller::{Caller, Done};
use self::report::{Measured, Report};
use self::row::{Ask, NAMESPACE, Records, Row};
use self::target::Target;
use crate::args::BenchFlags;
use crate::clock::Stopwatch;
use crate::config::Environment;
use crate::exit::{Code, Failure};
use crate::limits::BENCH_LEASE;
use crate::print;
use crate::signal::{ReloadSignals, StopSignals};

/// What all callers share.
struct Bench {
    target: Target,
    records: Records,
    connections: usize,
    /// How long a row may take.
    patience: Duration,
    is_stopped: AtomicBool,
}

/// Measures, cleans up, prints.
///
/// Fails when it may not begin, when an answer is not what it should be, and when it is stopped.
pub fn bench(flags: &BenchFlags, environment: &Environment) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Code::Internal, error))?;
    runtime.block_on(run(flags, environment))
}

async fn run(flags: &BenchFlags, environment: &Environment) -> Result<(), Failure> {
    let target = Target::find(flags, environment).await?;
    let signals = StopSignals::catch().map_err(|error| Failure::new(Code::Internal, error))?;
    let bench = Arc::new(Bench {
        target,
        records: Records::new(bounded(flags.records)),
        connections: bounded(flags.connections),
        patience: Duration::from_secs(flags.seconds),
        is_stopped: AtomicBool::new(false),
    });
    let stopped = Arc::clone(&bench);
    let hangup = ReloadSignals::catch().map_err(|error| Failure::new(Code::Internal, error))?;
    tokio::spawn(async move {
        // A terminal that is gone stops it, too.
        tokio::select! {
            () = signals.first() => {}
            () = hangup.first() => {}
        }
        // Requests that are under way come to their end, so that what they registered is known.
        stopped.is_stopped.store(true, Ordering::Relaxed);
        say("stopping: what was registered is removed first");
    });
    let mut report = Report::new(&bench.target, flags);
    let measured = bench.measure(&mut report).await;
    let cleaned = bench.clean_up().await;
    let text = if flags.json { report.json() } else { report.table() };
    measured.and(cleaned).and(print::to_stdout(&text))?;
    if bench.is_stopped() {
        return Err(Failure::new(Code::Interrupted, "stopped before the last row had ended"));
    }
    Ok(())
}

/// What the command line has bounded fits everywhere.
fn bounded(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// Progress, which is not part of the result. A closed stderr is no failure.
fn say(line: impl fmt::Display) {
    let _ = writeln!(stderr(), "{line}");
}

// === impl Bench ===

impl Bench {
    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Every row, until one has an error or somebody stops it.
    async fn measure(self: &Arc<Self>, report: &mut Report) -> Result<(), Failure> {
        for row in Row::ALL {
            if self.is_stopped() {
                break;
            }
            say(format_args!("{} …", row.name()));
            let (done, elapsed) = self.callers(row, Some(self.patience)).await;
            let error = done.error.clone();
            report.push(Measured::new(row.name(), done, elapsed));
            if let Some(error) = error {
                return Err(Failure::new(Code::Unavailable, format!("{}: {error}", row.name())));
            }
        }
        Ok(())
    }

    /// Removes whatever a row may have registered and the last row has not removed.
    async fn clean_up(self: &Arc<Self>) -> Result<(), Failure> {
        let left = self.records.begin_cleaning();
        if left == 0 {
            return Ok(());
        }
        say(format_args!("removing what is left of {left} records …"));
        let (done, _) = self.callers(Row::CleanUp, None).await;
        let Some(error) = done.error else { return Ok(()) };
        let minutes = BENCH_LEASE.as_secs() / 60;
        let text = format!(
            "cannot clean up: {error}; records {}-… of namespace {NAMESPACE} may be left: they are \
             not found any more in {minutes} minutes, and forgotten a day later",
            self.records.run()
        );
        Err(Failure::new(Code::Unavailable, text))
    }

    /// One row by all callers at once, and how long it took.
    async fn callers(self: &Arc<Self>, row: Row, patience: Option<Duration>) -> (Done, Duration) {
        let mut callers = JoinSet::new();
        let watch = Stopwatch::start();
        for _ in 0..self.connections {
            let bench = Arc::clone(self);
            callers.spawn(async move { bench.call(row, patience, watch).await });
        }
        let mut all = Done::default();
        while let Some(done) = callers.join_next().await {
            all.add(done.unwrap_or_else(|panicked| Done::failed(panicked.to_string())));
        }
        (all, watch.elapsed())
    }

    /// One caller's part of a row, which ends with the first error.
    async fn call(&self, row: Row, patience: Option<Duration>, watch: Stopwatch) -> Done {
        let mut done = Done::default();
        let mut caller = match Caller::connect(&self.target).await {
            Ok(caller) => caller,
            Err(error) => return Done::failed(error),
        };
        let goes_on = || patience.is_none_or(|most| watch.elapsed() < most && !self.is_stopped());
        while goes_on()
            && done.has_room(self.connections)
            && let Some(ask) = self.records.next(row)
        {
            let sent = Stopwatch::start();
            match caller.ask(&ask).await {
                Ok(()) => done.took(sent.elapsed()),
                Err(error) => {
                    done.add(Done::failed(error));
                    break;
                }
            }
        }
        done
    }
}
