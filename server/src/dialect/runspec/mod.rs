//! The shape of runspec-registry: its directory of tool hosts.
//!
//! Instances live in the namespace `tools`. One is active while it is running and was heard of in
//! the last three intervals of heartbeats; whoever is not heard of for a week is forgotten.

mod convert;
mod export;
mod fault;
mod python;
mod routes;
mod wire;

use registry_core::{OnConflict, OnExpiry, Rules, Ttl};

pub(super) use self::routes::answer;
pub(super) use self::wire::Tools;

/// The namespace of this dialect's instances.
pub(super) const NAMESPACE: &str = "tools";

/// What an instance is, for those who look for it by role.
const ROLE: &str = "tool-host";

/// The label that holds an instance's version.
const VERSION: &str = "version";

/// An instance is believed for so many intervals of its heartbeats.
const HEARTBEATS_PER_LEASE: f64 = 3.0;

/// Three of its clients' heartbeats of 30 seconds, since they do not tell their interval.
const STALE_AFTER: Ttl = Ttl::from_secs(90);

/// How long an instance is listed that nothing is heard of. Every start of an agent is another
/// instance, so that a list that is never cleared only grows.
const KEPT_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// The rules of the original, but for what is kept: whoever registers an id replaces what is there.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::Replace,
        default_ttl: Some(STALE_AFTER),
        on_expiry: OnExpiry::PurgeAfterMs(KEPT_MS),
        ended_expires: true,
        ..Rules::default()
    }
}
