//! What may happen in a story: every operation, and everything that can go wrong around it.

use proptest::prelude::*;
use registry_core::{OnConflict, OnExpiry, Rules, State, Term, Ttl};

/// One step of a story.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Register {
        who: Who,
        role: usize,
        term: Term,
        fence: Fence,
    },
    Update {
        who: Who,
        state: State,
        fence: Fence,
    },
    /// Like an update, but no sign of life.
    Amend {
        who: Who,
        role: usize,
        state: State,
        fence: Fence,
    },
    Heartbeat {
        who: Who,
        fence: Fence,
    },
    Deregister {
        who: Who,
        fence: Fence,
    },
    /// Time passes, on both clocks.
    Advance(u64),
    /// The wall clock is set, either way.
    JumpWall(i64),
    /// Everything due is announced, every beat is at rest.
    Settle,
    /// The registry stops in order and opens again.
    Restart,
    /// The registry is gone from one moment to the next, and opens again.
    Crash,
    /// The store will fail the next commit.
    Fault(Fault),
}

/// A key: which namespace, which id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Who {
    pub(crate) namespace: usize,
    pub(crate) id: usize,
}

/// Which generation the caller gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    Absent,
    Current,
    Another,
}

/// How the next commit fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is refused, and nothing is done.
    Refused,
    /// It is done, but nobody is told.
    AnswerLost,
    /// It is not done, and nobody is told.
    Lost,
}

pub(crate) const IDS: usize = 4;
pub(crate) const ROLES: [&str; 2] = ["infra", "worker"];
pub(crate) const NAMESPACES: [&str; 4] = ["refuse", "replace", "takeover", "purge"];
pub(crate) const PURGE_AFTER_MS: u64 = 15;
pub(crate) const GRACE_MS: u64 = 5;

/// The rules of the namespace of this number.
pub(crate) fn rules(namespace: usize) -> Rules {
    let on_conflict = [OnConflict::Refuse, OnConflict::Replace, OnConflict::TakeOverStale];
    let purges = NAMESPACES[namespace] == "purge";
    Rules {
        on_conflict: on_conflict[namespace % on_conflict.len()],
        default_ttl: Some(Ttl::from_ms(30)),
        ended_expires: purges,
        on_expiry: if purges { OnExpiry::PurgeAfterMs(PURGE_AFTER_MS) } else { OnExpiry::Keep },
        ..Rules::default()
    }
}

/// Any step. Those that make the story go on are likelier than those that end lives.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let who = || {
        let parts = (0..NAMESPACES.len(), 0..IDS);
        parts.prop_map(|(namespace, id)| Who { namespace, id })
    };
    let fence = || {
        let fences = [Fence::Absent, Fence::Absent, Fence::Current, Fence::Another];
        prop::sample::select(fences.to_vec())
    };
    let term = prop_oneof![
        4 => Just(Term::Default),
        1 => Just(Term::Endless),
        2 => Just(Term::For(Ttl::from_ms(10))),
        1 => Just(Term::For(Ttl::from_ms(2_000))),
    ];
    let fault = prop_oneof![Just(Fault::Refused), Just(Fault::AnswerLost), Just(Fault::Lost)];
    prop_oneof![
        6 => (who(), 0..ROLES.len(), term, fence())
            .prop_map(|(who, role, term, fence)| Step::Register { who, role, term, fence }),
        2 => (who(), prop::sample::select(&State::ALL[..]), fence())
            .prop_map(|(who, state, fence)| Step::Update { who, state, fence }),
        2 => (who(), 0..ROLES.len(), prop::sample::select(&State::ALL[..]), fence())
            .prop_map(|(who, role, state, fence)| Step::Amend { who, role, state, fence }),
        6 => (who(), fence()).prop_map(|(who, fence)| Step::Heartbeat { who, fence }),
        1 => (who(), fence()).prop_map(|(who, fence)| Step::Deregister { who, fence }),
        6 => prop_oneof![0..12_u64, Just(30), Just(31), 0..700_u64].prop_map(Step::Advance),
        1 => (-100_000..100_000_i64).prop_map(Step::JumpWall),
        2 => Just(Step::Settle),
        1 => Just(Step::Restart),
        1 => Just(Step::Crash),
        1 => fault.prop_map(Step::Fault),
    ]
}
