//! The shape of vers-agent-services: its VM registry.
//!
//! Entries live in the namespace `vms`. An entry is live while it is `running` and was heard of in
//! the last five minutes; it is never removed but by its owner.

mod convert;
mod routes;
mod wire;

use registry_core::{OnConflict, OnExpiry, Rules, Ttl};

pub(super) use self::routes::answer;

/// The namespace of this dialect's entries.
pub(super) const NAMESPACE: &str = "vms";

/// A VM not heard of for longer than this is stale.
const STALE_AFTER: Ttl = Ttl::from_secs(300);

/// The rules of the original: one entry an id, stale entries stay.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::Refuse,
        default_ttl: Some(STALE_AFTER),
        on_expiry: OnExpiry::Keep,
        ..Rules::default()
    }
}
