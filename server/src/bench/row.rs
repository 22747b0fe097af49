//! What is asked, row by row, and the records that the rows work on.

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::{Method, StatusCode};
use uuid::Uuid;

use crate::limits::{BENCH_BATCH_HEARTBEATS, BENCH_LEASE};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Row {
    Health,
    Register,
    Discover,
    Get,
    Heartbeat,
    BatchHeartbeat,
    Deregister,
    /// Not measured: what the others have left.
    CleanUp,
}

/// One request and how its answer must begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: String,
    pub(super) statuses: &'static [StatusCode],
    pub(super) begins: String,
}

/// The records of one bench. They share the namespace [`NAMESPACE`] with those of others, since a
/// server counts namespaces until it is restarted; their ids and their role are their own.
pub(super) struct Records {
    /// What the ids begin with; also the role.
    run: String,
    wanted: usize,
    /// Numbers below this one may be registered.
    registered: AtomicUsize,
    /// Numbers below this one have been asked to go.
    gone: AtomicUsize,
    /// Requests of the other rows: which record is whose turn.
    turns: AtomicUsize,
}

/// Where the records of every bench stand.
pub(super) const NAMESPACE: &str = "bench";

// === impl Row ===

impl Row {
    /// In the order in which they are measured.
    pub(super) const ALL: [Self; 7] = [
        Self::Health,
        Self::Register,
        Self::Discover,
        Self::Get,
        Self::Heartbeat,
        Self::BatchHeartbeat,
        Self::Deregister,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Register => "register",
            Self::Discover => "discover 10",
            Self::Get => "get",
            Self::Heartbeat => "heartbeat",
            Self::BatchHeartbeat => "heartbeats by 100",
            Self::Deregister => "deregister",
            Self::CleanUp => "clean up",
        }
    }
}

// === impl Records ===

impl Records {
    /// As many as are wanted; none is there yet.
    pub(super) fn new(wanted: usize) -> Self {
        let run = Uuid::new_v4().simple().to_string();
        let [registered, gone, turns] = [0, 0, 0].map(AtomicUsize::new);
        Self { run, wanted, registered, gone, turns }
    }

    /// What the ids of all begin with.
    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// From here on every record is asked to go, once more where it has been already: whether it
    /// went is not known of all. Returns of how many that is.
    pub(super) fn begin_cleaning(&self) -> usize {
        self.gone.store(0, Ordering::Relaxed);
        self.registered()
    }

    /// The next request of a row; none when there is no record left for it.
    pub(super) fn next(&self, row: Row) -> Option<Ask> {
        let turn = || self.turns.fetch_add(1, Ordering::Relaxed);
        let some = self.registered().checked_sub(1).map(|last| last + 1);
        match row {
            Row::Health => Some(Ask::new(Method::GET, "/health".to_owned())),
            Row::Register => {
                let number = take(&self.registered, self.wanted)?;
                let lease = BENCH_LEASE.as_millis();
                let body = format!(
                    "{{\"role\":\"{}\",\"address\":\"127.0.0.1:9\",\"ttl_ms\":{lease},\
                     \"capabilities\":[\"bench\"],\"labels\":{{\"shard\":\"{}\"}}}}",
                    self.run,
                    number % 10
                );
                Some(self.of(Method::PUT, number, "").with(body).answered(&[StatusCode::CREATED]))
            }
            Row::Discover => {
                let role = &self.run;
                let path = format!("/v1/discover/{role}?namespace={NAMESPACE}&limit=10");
                some.map(|_| Ask::new(Method::GET, path))
            }
            Row::Get => some.map(|some| self.of(Method::GET, turn() % some, "")),
            Row::Heartbeat => some.map(|some| self.of(Method::POST, turn() % some, "/heartbeat")),
            Row::BatchHeartbeat => some.map(|some| self.batch(turn() % some, some)),
            Row::Deregister => {
                let number = take(&self.gone, self.registered())?;
                Some(self.of(Method::DELETE, number, "").answered(&[StatusCode::NO_CONTENT]))
            }
            Row::CleanUp => {
                let number = take(&self.gone, self.registered())?;
                let gone = &[StatusCode::NO_CONTENT, StatusCode::NOT_FOUND];
                Some(self.of(Method::DELETE, number, "").answered(gone))
            }
        }
    }

    fn registered(&self) -> usize {
        self.registered.load(Ordering::Relaxed)
    }

    fn of(&self, method: Method, number: usize, act: &str) -> Ask {
        Ask::new(method, format!("/v1/{NAMESPACE}/instances/{}-{number}{act}", self.run))
    }

    fn batch(&self, first: usize, some: usize) -> Ask {
        let mut body = String::from("{\"ids\":[");
        for place in 0..BENCH_BATCH_HEARTBEATS {
            let comma = if place == 0 { "" } else { "," };
            let number = (first + place) % some;
            write!(body, "{comma}\"{}-{number}\"", self.run).expect("a string takes text");
        }
        body.push_str("]}");
        let mut ask = Ask::new(Method::POST, format!("/v1/{NAMESPACE}/heartbeats"));
        ask.begins = format!("{{\"renewed\":{BENCH_BATCH_HEARTBEATS},");
        ask.with(body)
    }
}

/// The next number below `end`, which nobody else gets.
fn take(next: &AtomicUsize, end: usize) -> Option<usize> {
    let more = |number| (number < end).then_some(number + 1);
    next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()
}

// === impl Ask ===

impl Ask {
    fn new(method: Method, path: String) -> Self {
        let (body, begins) = (String::new(), String::new());
        Self { method, path, body, statuses: &[StatusCode::OK], begins }
    }

    fn with(self, body: String) -> Self {
        Self { body, ..self }
    }

    fn answered(self, statuses: &'static [StatusCode]) -> Self {
        Self { statuses, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ask_for_what_is_registered_and_each_record_goes_once() {
        let records = Records::new(2);
        for row in [Row::Discover, Row::Get, Row::Heartbeat, Row::BatchHeartbeat, Row::Deregister] {
            assert_eq!(records.next(row), None, "{row:?}");
        }
        // Which number an id ends with.
        let path = |row| records.next(row).map(|ask| ask.path.rsplit('-').next().unwrap().into());
        let all = |row| std::iter::from_fn(|| path(row)).collect::<Vec<String>>();
        assert_eq!(all(Row::Register), ["0", "1"]);
        let gets: Vec<_> = (0..3).filter_map(|_| path(Row::Get)).collect();
        assert_eq!(gets, ["0", "1", "0"]);
        assert_eq!(path(Row::Deregister).as_deref(), Some("0"));
        // Not known to be gone: asked again.
        assert_eq!(records.begin_cleaning(), 2);
        assert_eq!(all(Row::CleanUp), ["0", "1"]);
    }

    #[test]
    fn a_batch_has_always_as_many_and_says_so() {
        let records = Records::new(3);
        while records.next(Row::Register).is_some() {}
        let batch = records.next(Row::BatchHeartbeat).unwrap();
        assert_eq!(batch.body.matches(records.run()).count(), BENCH_BATCH_HEARTBEATS);
        assert_eq!(batch.begins, "{\"renewed\":100,");
    }
}
