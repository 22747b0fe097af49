//! The shape of vers-agent-services: its VM registry, and beside it the feed of events, the ledger
//! of commits and the board of tasks.
//!
//! Entries live in the namespace `vms`. An entry is live while it is `running` and was heard of in
//! the last five minutes; it is never removed but by its owner. The others are no records to be
//! discovered: they rest in namespaces of the server's own.

mod board;
mod commits;
mod convert;
mod feed;
mod page;
mod routes;
mod since;
mod task;
mod wire;

use std::sync::Arc;

use registry_core::{OnConflict, OnExpiry, Query, Registry, Rules, Ttl};
use ulid::Ulid;

pub(super) use self::routes::answer;
use crate::blocks::Blocks;
use crate::collection::Collection;
use crate::journal::Journal;
use crate::limits::FEED_EVENTS_MAX;
use crate::sequence::{self, Sequence};

/// The namespace of this dialect's entries.
pub(super) const NAMESPACE: &str = "vms";

/// Where the feed, the commits and the board rest. The dot hides them from other dialects.
const FEED: &str = ".feed";
const COMMITS: &str = ".commits";
const BOARD: &str = ".board";

/// The three of them. They are there from the start, so that no limit stands in their way.
pub(super) const HIDDEN: [&str; 3] = [FEED, COMMITS, BOARD];

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

/// What is kept beside the registry's entries.
pub(crate) struct Rooms {
    feed: Journal,
    commits: Journal,
    board: Collection,
    /// Lists by role that were told before.
    roles: Blocks,
}

// === impl Rooms ===

impl Rooms {
    /// The rooms as the registry holds them. Their ids go on after the greatest that is kept.
    pub(crate) fn open(registry: &Registry) -> Self {
        let greatest = [FEED, COMMITS, BOARD].map(|namespace| {
            let found = registry.discover(&Query::any().in_namespace(namespace).including_stale());
            found.iter().map(|slot| sequence::id_of(slot)).max().unwrap_or(Ulid::nil())
        });
        let greatest = greatest.into_iter().max().unwrap_or(Ulid::nil());
        let sequence = Arc::new(Sequence::after(greatest));
        let journal = |namespace, newest_max| {
            Journal::new(registry.clone(), Arc::clone(&sequence), namespace, newest_max)
        };
        Self {
            feed: journal(FEED, Some(FEED_EVENTS_MAX)),
            commits: journal(COMMITS, None),
            board: Collection::new(registry.clone(), Arc::clone(&sequence), BOARD),
            roles: wire::blocks(),
        }
    }
}
