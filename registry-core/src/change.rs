//! One step of the catalog: what changed, why, and where it stands in the one order of changes.

use std::sync::Arc;

use crate::catalog::Slot;
use crate::clock::Timestamp;
use crate::key::Key;

/// A position in the total order of changes. Never goes back, also across restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// Why a record changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Its owner registered it under a free key.
    Registered,
    /// Its owner registered it again, over what it had declared before.
    Replaced,
    /// Another owner registered the key after its holder had gone stale.
    TakenOver,
    /// Its owner changed what it declares.
    Updated,
    /// It was deregistered.
    Deregistered,
    /// Its lease ran out.
    Lapsed,
    /// A heartbeat came after its lease had run out.
    Revived,
    /// Its lease had been out for as long as its namespace keeps such records.
    Purged,
    /// The registry read it back from the store.
    Recovered,
}

/// One step of the catalog.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its place in the order; greater than that of every earlier change.
    pub revision: Revision,
    /// Why it happened.
    pub cause: Cause,
    /// When it happened, for people.
    pub at: Timestamp,
    /// The record before; `None` if the key was free.
    pub before: Option<Arc<Slot>>,
    /// The record after; `None` if the key is free now.
    pub after: Option<Arc<Slot>>,
    /// Who asked for it, in the caller's words; `None` if nobody said, as for the registry's own.
    ///
    /// Kept as long as the change is: in memory, for watchers and for [`Registry::changes_of`].
    ///
    /// [`Registry::changes_of`]: crate::Registry::changes_of
    pub by: Option<Arc<str>>,
}

// === impl Cause ===

impl Cause {
    /// Every cause, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Registered,
        Self::Replaced,
        Self::TakenOver,
        Self::Updated,
        Self::Deregistered,
        Self::Lapsed,
        Self::Revived,
        Self::Purged,
        Self::Recovered,
    ];

    /// The cause's name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Replaced => "replaced",
            Self::TakenOver => "taken-over",
            Self::Updated => "updated",
            Self::Deregistered => "deregistered",
            Self::Lapsed => "lapsed",
            Self::Revived => "revived",
            Self::Purged => "purged",
            Self::Recovered => "recovered",
        }
    }
}

// === impl Change ===

impl Change {
    /// The record that the change is about: as it is now, or as it was last.
    #[must_use]
    pub fn slot(&self) -> &Arc<Slot> {
        self.after.as_ref().or(self.before.as_ref()).expect("a change has a before or an after")
    }

    /// The key that the change is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.slot().record().key
    }
}
