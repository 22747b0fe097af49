//! The rules of a collection of records, as data.

use crate::lease::{Term, Ttl};
use crate::record::State;

/// What holds for every record of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What a register under a key that is taken does.
    pub on_conflict: OnConflict,
    /// The lease of a record that asks for none of its own; `None` is no lease.
    pub default_ttl: Option<Ttl>,
    /// What becomes of a record whose lease has run out.
    pub on_expiry: OnExpiry,
    /// Whether leases run on when a record has stopped or retired. It is not discovered in either
    /// case, but then it expires like any other and is not kept until somebody deregisters it.
    pub ended_expires: bool,
    /// The labels that records are found by without looking at every record.
    pub indexed_labels: Vec<String>,
}

/// What a register under a key that is taken does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnConflict {
    /// It is refused, whoever holds the key and however stale.
    #[default]
    Refuse,
    /// It replaces what is there and begins a new life in the same place of the list.
    Replace,
    /// It replaces what is there if that has gone stale, or is of the same generation.
    TakeOverStale,
}

/// What becomes of a record whose lease has run out. It is hidden at once in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnExpiry {
    /// It stays, stale, until it is revived or deregistered.
    #[default]
    Keep,
    /// It is removed when it has been stale for this many milliseconds.
    PurgeAfterMs(u64),
}

// === impl Rules ===

impl Rules {
    /// The lease that a record asking for `term` gets.
    #[must_use]
    pub fn ttl(&self, term: Term) -> Option<Ttl> {
        match term {
            Term::Default => self.default_ttl,
            Term::Endless => None,
            Term::For(ttl) => Some(ttl),
        }
    }

    /// The lease that runs for a record in this state that asks for `term`.
    #[must_use]
    pub fn lease(&self, state: State, term: Term) -> Option<Ttl> {
        let has_ended = matches!(state, State::Stopped | State::Retired);
        let runs = state.is_under_lease() || (self.ended_expires && has_ended);
        self.ttl(term).filter(|_| runs)
    }
}
