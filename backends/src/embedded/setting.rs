//! What a URL may say of any store on this machine's disk.

use crate::open::OpenError;

/// What to do with a store that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfUnreadable {
    /// Do not open it, and change nothing.
    #[default]
    Refuse,
    /// Rename it to `PATH.unreadable-MILLISECONDS` and begin with an empty one.
    ///
    /// Opening then reads every row once, since only that tells whether all can be read.
    MoveAside,
}

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn if_unreadable(value: &str) -> Result<IfUnreadable, OpenError> {
    match value {
        "refuse" => Ok(IfUnreadable::Refuse),
        "move-aside" => Ok(IfUnreadable::MoveAside),
        _ => Err(bad("if-unreadable", value, "it takes refuse or move-aside")),
    }
}

pub(crate) fn mib(name: &'static str, value: &str) -> Result<u64, OpenError> {
    match value.parse::<u64>() {
        Ok(mib @ 1..=1_048_576) => Ok(mib * MIB),
        _ => Err(bad(name, value, "it takes a number of MiB from 1 to 1048576")),
    }
}

pub(crate) fn bad(name: &'static str, value: &str, expected: &'static str) -> OpenError {
    OpenError::BadParameter { name, value: value.to_owned(), expected }
}
