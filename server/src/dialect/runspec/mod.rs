//! The shape of runspec-registry: its directory of tool hosts.

mod routes;

use registry_core::{OnConflict, OnExpiry, Rules, Ttl};

pub(super) use self::routes::answer;

/// The namespace of this dialect's instances.
pub(super) const NAMESPACE: &str = "tools";

/// Three of its clients' heartbeats of 30 seconds.
const STALE_AFTER: Ttl = Ttl::from_secs(90);

/// The rules of the original: whoever registers an id replaces what is there.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::Replace,
        default_ttl: Some(STALE_AFTER),
        on_expiry: OnExpiry::Keep,
        ..Rules::default()
    }
}
