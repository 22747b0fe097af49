//! The shape of the OptiInfra orchestrator: its registry of agents.

mod routes;

use registry_core::{OnConflict, OnExpiry, Rules, Ttl};

pub(super) use self::routes::answer;

/// The namespace of this dialect's agents.
pub(super) const NAMESPACE: &str = "agents";

/// An agent not heard of for longer than this is unreachable.
const UNREACHABLE_AFTER: Ttl = Ttl::from_secs(45);

/// The rules of the original.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::Replace,
        default_ttl: Some(UNREACHABLE_AFTER),
        on_expiry: OnExpiry::Keep,
        ..Rules::default()
    }
}
