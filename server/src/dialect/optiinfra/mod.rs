//! The shape of the OptiInfra orchestrator: its registry of agents.
//!
//! Agents live in the namespace `agents`. One that falls silent is `unreachable` after 45 seconds
//! and gone after 60: hidden at once, forgotten a day later, so that the next heartbeat of a
//! client that never registers again brings it back.

mod convert;
mod json;
mod routes;
mod wire;

use registry_core::{OnConflict, OnExpiry, Rules, Ttl};

pub(super) use self::routes::answer;
pub(super) use self::wire::Rendering;

/// The namespace of this dialect's agents.
pub(super) const NAMESPACE: &str = "agents";

/// An agent not heard of for longer than this many milliseconds is shown as unreachable.
const UNREACHABLE_AFTER_MS: u64 = 45_000;

/// An agent not heard of for longer than this is not shown.
const GONE_AFTER: Ttl = Ttl::from_secs(60);

/// For how long a heartbeat can bring back an agent that is gone: longer than a night, since its
/// client goes on beating and never registers again.
const FORGOTTEN_AFTER_MS: u64 = 24 * 3_600 * 1_000;

/// The original's rules, but for what becomes of the silent.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::Replace,
        default_ttl: Some(GONE_AFTER),
        on_expiry: OnExpiry::PurgeAfterMs(FORGOTTEN_AFTER_MS),
        ..Rules::default()
    }
}
