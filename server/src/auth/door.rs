//! The door of each dialect: whom it lets in without a token.

use std::fmt;
use std::str::FromStr;

use super::scope::Scope;

/// Whom a dialect lets in. Without any token configured, every door that is not off is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Whoever holds a token that allows it.
    Token,
    /// Everybody may look; changes need a token.
    OpenReads,
    /// Everybody may look and change records.
    Open,
    /// Nobody: its paths do not exist.
    Off,
}

/// A word that is no door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoDoor;

// === impl Door ===

impl Door {
    const ALL: [Self; 4] = [Self::Token, Self::OpenReads, Self::Open, Self::Off];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::OpenReads => "open-reads",
            Self::Open => "open",
            Self::Off => "off",
        }
    }

    /// What it allows to everybody.
    pub(super) fn allows(self) -> Option<Scope> {
        match self {
            Self::Token | Self::Off => None,
            Self::OpenReads => Some(Scope::Read),
            Self::Open => Some(Scope::Write),
        }
    }
}

impl FromStr for Door {
    type Err = NoDoor;

    fn from_str(text: &str) -> Result<Self, NoDoor> {
        Self::ALL.into_iter().find(|door| door.as_str() == text).ok_or(NoDoor)
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
