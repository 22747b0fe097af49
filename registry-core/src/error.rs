//! What can go wrong, told by what the caller can do about it.

use std::sync::Arc;

use crate::catalog::Slot;
use crate::change::Revision;
use crate::record::Generation;

/// An operation's failure. Each variant is one thing a caller can do next.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request itself is wrong: correct it. Nothing was changed.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Nothing is registered under this key: register. Nothing was changed.
    #[error("nothing is registered under this key")]
    NotFound,
    /// The key is held by another: choose another key, or wait. Nothing was changed.
    #[error("the key is already registered")]
    Conflict {
        /// The record that holds the key.
        holder: Arc<Slot>,
    },
    /// The caller's generation is not the one that holds the key: its life is over. Nothing was
    /// changed.
    #[error("the key is held by generation {held}")]
    Fenced {
        /// The generation that holds the key now.
        held: Generation,
    },
    /// The record has moved on since the caller read it: read again. Nothing was changed.
    #[error("the record is at revision {}, not at the expected one", current.0)]
    Moved {
        /// The revision the record is at now.
        current: Revision,
    },
    /// Too much waits already: try again later. Nothing was changed.
    #[error("too many operations are waiting; try again")]
    Busy,
    /// The store said that it did not do it: try again. Nothing was changed.
    #[error("the store did not take the change; try again")]
    Unavailable,
    /// The store did not say whether it did it: look before trying again.
    #[error("the store did not say whether the change was made; look before trying again")]
    Unknown,
    /// The registry has stopped: find another, or wait for its return.
    #[error("the registry has stopped")]
    Closed,
}

/// A value that was refused, with the field it stood in and what is allowed there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct Invalid {
    /// The field, in the words of [`Declared`](crate::Declared).
    pub field: &'static str,
    /// What is wrong with it and what would be right.
    pub reason: String,
}

// === impl Invalid ===

impl Invalid {
    /// Says that `field` is wrong because of `reason`.
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }

    pub(crate) fn too_long(field: &'static str, bytes: usize, max: usize) -> Self {
        Self::new(field, format!("has {bytes} bytes; at most {max} are allowed"))
    }

    pub(crate) fn too_many(field: &'static str, count: usize, max: usize) -> Self {
        Self::new(field, format!("has {count} elements; at most {max} are allowed"))
    }
}
