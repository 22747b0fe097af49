//! The shape of Houmao's shared registry: records of agent sessions, over HTTP instead of in files.
//!
//! A record says itself in which of four states its session is, and until when that may be
//! believed. An active one belongs to its generation while its lease lasts. Records live in the
//! namespace `sessions`, and only their owners and a cleanup remove them.

mod check;
mod cleanup;
mod convert;
mod lookup;
mod publish;
mod record;
mod routes;
mod wire;

use registry_core::{OnConflict, OnExpiry, Rules};

pub(super) use self::routes::answer;

/// The namespace of this dialect's records.
pub(super) const NAMESPACE: &str = "sessions";

/// The label with the terminal session that a record is attached to.
const TERMINAL: &str = "terminal";

/// What Houmao's own names begin with. People leave it out.
const PREFIX: &str = "HOUMAO-";

/// The rules of the original: each record says its own lease, and one that ends removes nothing.
pub(super) fn rules() -> Rules {
    Rules {
        on_conflict: OnConflict::TakeOverStale,
        default_ttl: None,
        on_expiry: OnExpiry::Keep,
        indexed_labels: vec![TERMINAL.to_string()],
        ..Rules::default()
    }
}
