//! Our own shape: everything the registry can do, over every namespace.
//!
//! `routes` says which path does what; `wanted` reads what is asked for and `lookup` answers it,
//! `watch` tells what happens, `batch` does many at once, and `explain` says why something is as it
//! is.

mod about;
mod batch;
mod condition;
mod convert;
mod explain;
mod lookup;
mod problem;
mod routes;
mod wanted;
mod watch;
mod wire;

use registry_core::{OnConflict, OnExpiry, Rules, Ttl};

pub(super) use self::routes::answer;

/// The lease of an instance that asks for none of its own: two heartbeats of 20 seconds may be
/// lost.
const LEASE: Ttl = Ttl::from_secs(60);

/// How long what nobody has heard of is kept for those who ask what became of it.
const KEPT_MS: u64 = 24 * 3_600 * 1_000;

/// First segments that are no namespace.
const RESERVED: [&str; 9] = [
    "admin",
    "discover",
    "heartbeats",
    "instances",
    "limits",
    "namespaces",
    "query",
    "v1",
    "watch",
];

/// The rules of `default` and of every namespace that users make: the last word counts.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::Replace,
        default_ttl: Some(LEASE),
        on_expiry: OnExpiry::PurgeAfterMs(KEPT_MS),
        ..Rules::default()
    }
}

/// Whether a namespace is the server's own, which nobody sees here.
fn is_hidden(namespace: &str) -> bool {
    namespace.starts_with('.')
}
