//! The works: what servers are asked to do, one row of the table each, and what ours should reach.

use crate::contender::{OURS, OURS_ON_FJALL};
use crate::floor::Reads;
use crate::population::Population;

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Health,
    DiscoverRare,
    DiscoverRareNative,
    DiscoverFrequent,
    Get,
    Heartbeat,
    HeartbeatBatch,
    Update,
    Register,
    DiscoverRareEncrypted,
}

/// What our server should reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Goal {
    /// This part of the floor's requests a second.
    OfFloor(f64),
    /// This part of what sled commits by itself.
    OfSled(f64),
    /// So many items a second, whatever the floor does.
    Items(f64),
}

/// How many heartbeats are in one batch.
pub(crate) const BATCH: usize = 1_000;

// === impl Work ===

impl Work {
    /// In the order in which they are done: what only reads, what moves leases, what writes; and
    /// last what needs the server started anew.
    pub(crate) const ALL: [Work; 10] = [
        Work::Health,
        Work::DiscoverRare,
        Work::DiscoverRareNative,
        Work::DiscoverFrequent,
        Work::Get,
        Work::Heartbeat,
        Work::HeartbeatBatch,
        Work::Update,
        Work::Register,
        Work::DiscoverRareEncrypted,
    ];

    /// Its name in files and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Work::Health => "health",
            Work::DiscoverRare => "discover-10",
            Work::DiscoverRareNative => "discover-10-v1",
            Work::DiscoverFrequent => "discover-1000",
            Work::Get => "get",
            Work::Heartbeat => "heartbeat",
            Work::HeartbeatBatch => "heartbeat-batch",
            Work::Update => "update",
            Work::Register => "register",
            Work::DiscoverRareEncrypted => "discover-10-h2",
        }
    }

    /// What the row says to people.
    pub(crate) fn title(self, population: Population) -> String {
        let (records, frequent) = (grouped(population.records), grouped(population.frequent()));
        match self {
            Work::Health => "health".to_owned(),
            Work::DiscoverRare => format!("discover 10 of {records}"),
            Work::DiscoverRareNative => format!("discover 10 of {records}, /v1"),
            Work::DiscoverFrequent => format!("discover {frequent} of {records}"),
            Work::Get => format!("get one of {records}"),
            Work::Heartbeat => format!("heartbeat, one of {records}"),
            Work::HeartbeatBatch => format!("heartbeats, {} a request", grouped(BATCH)),
            Work::Update => format!("update, one of {records}, durable"),
            Work::Register => "register, durable".to_owned(),
            Work::DiscoverRareEncrypted => format!("discover 10 of {records}, h2 over TLS"),
        }
    }

    /// What this one of our servers should reach, if there is a goal for it.
    pub(crate) fn goal(self, who: &str) -> Option<Goal> {
        match (self, who) {
            (Work::DiscoverRare | Work::DiscoverRareNative, OURS) => Some(Goal::OfFloor(0.90)),
            (Work::DiscoverFrequent, OURS) => Some(Goal::OfFloor(0.80)),
            (Work::Heartbeat, OURS) => Some(Goal::OfFloor(0.85)),
            (Work::HeartbeatBatch, OURS) => Some(Goal::Items(1_000_000.0)),
            (Work::Register, OURS) => Some(Goal::OfSled(0.80)),
            // The fastest engine.
            (Work::Register, OURS_ON_FJALL) => Some(Goal::OfFloor(0.50)),
            _ => None,
        }
    }

    /// What the floor does with the body of this work.
    pub(crate) fn reads(self) -> Reads {
        match self {
            Work::Heartbeat => Reads::Bytes,
            Work::HeartbeatBatch => Reads::Ids,
            Work::Update | Work::Register => Reads::Record,
            _ => Reads::Nothing,
        }
    }

    /// How many things are done by one request.
    pub(crate) fn items(self) -> usize {
        if self == Work::HeartbeatBatch { BATCH } else { 1 }
    }

    pub(crate) fn is_encrypted(self) -> bool {
        self == Work::DiscoverRareEncrypted
    }

    /// Whether where records rest makes a difference to it.
    pub(crate) fn concerns_the_store(self) -> bool {
        matches!(self, Work::Heartbeat | Work::Update | Work::Register)
    }
}

/// A number for people: 1,000,000.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_three() {
        let numbers = [0, 12, 999, 1_000, 100_000, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "12", "999", "1,000", "100,000", "1,234,567"]);
    }
}
