//! What is known about one registered thing.

use std::fmt;
use std::str::FromStr;

use crate::change::Revision;
use crate::clock::Timestamp;
use crate::error::Invalid;
use crate::key::Key;
use crate::labels::Labels;
use crate::lease::Term;
use crate::limits;

/// What its owner declares. Everything a record shows but what the registry itself observes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// What people call it; not unique.
    pub name: Box<str>,
    /// The one class it is discovered by.
    pub role: Box<str>,
    /// What it says it is doing.
    pub state: State,
    /// Where it is reached, in whatever form its clients understand.
    pub address: Box<str>,
    /// What it offers, and where.
    pub services: Box<[Service]>,
    /// What it can do; each one finds it.
    pub capabilities: Box<[Box<str>]>,
    /// Further facts, searchable.
    pub labels: Labels,
    /// Who registered it.
    pub registered_by: Box<str>,
    /// How long it is believed without a heartbeat.
    pub term: Term,
    /// Text that the registry keeps to the letter and never reads.
    pub document: Option<Box<str>>,
}

/// One thing a record offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// What it is called; finds the record.
    pub name: Box<str>,
    /// The port it listens on, where it has one.
    pub port: Option<u16>,
}

/// What an owner says its thing is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// At work: the only state in which it is discovered.
    #[default]
    Running,
    /// Held: it sends no heartbeats and none are expected.
    Paused,
    /// On its way back: not discovered yet, but its lease runs.
    Relaunching,
    /// Ended, and may come back.
    Stopped,
    /// Ended for good.
    Retired,
}

/// Names one life of a key; the fencing token.
///
/// Given by the owner or, where it gives none, made by the registry. Compared for equality only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Generation(Box<str>);

/// What is known about one registered thing: what it declared and what the registry observed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its unique name.
    pub key: Key,
    /// What its owner says.
    pub declared: Declared,
    /// Which life of the key this is.
    pub generation: Generation,
    /// When this life began.
    pub registered_at: Timestamp,
    /// When the registry noticed that the lease had run out; `None` while it has not.
    ///
    /// An observation for people and watchers. Whether the record is stale is computed from the
    /// lease at each read, never from this.
    pub lapsed_at: Option<Timestamp>,
    /// The change that put the key here; the key's place in lists.
    pub created: Revision,
    /// The latest change.
    pub modified: Revision,
}

// === impl Declared ===

impl Declared {
    /// Checks every part against the [`limits`].
    ///
    /// # Errors
    /// [`Invalid`] names the first part that is over its bound.
    pub fn check(&self) -> Result<(), Invalid> {
        fits("name", &self.name, limits::TEXT_BYTES_MAX)?;
        fits("role", &self.role, limits::TEXT_BYTES_MAX)?;
        fits("address", &self.address, limits::TEXT_BYTES_MAX)?;
        fits("registered_by", &self.registered_by, limits::TEXT_BYTES_MAX)?;
        few("services", self.services.len(), limits::SERVICES_MAX)?;
        few("capabilities", self.capabilities.len(), limits::CAPABILITIES_MAX)?;
        few("labels", self.labels.len(), limits::LABELS_MAX)?;
        for service in &self.services {
            fits("services", &service.name, limits::TEXT_BYTES_MAX)?;
        }
        for capability in &self.capabilities {
            fits("capabilities", capability, limits::TEXT_BYTES_MAX)?;
        }
        for (name, value) in self.labels.iter() {
            fits("labels", name, limits::TEXT_BYTES_MAX)?;
            fits("labels", value, limits::TEXT_BYTES_MAX)?;
        }
        if let Term::For(ttl) = self.term {
            ttl.check()?;
        }
        fits("document", self.document.as_deref().unwrap_or(""), limits::DOCUMENT_BYTES_MAX)
    }
}

pub(crate) fn fits(field: &'static str, text: &str, max: usize) -> Result<(), Invalid> {
    if text.len() > max { Err(Invalid::too_long(field, text.len(), max)) } else { Ok(()) }
}

fn few(field: &'static str, count: usize, max: usize) -> Result<(), Invalid> {
    if count > max { Err(Invalid::too_many(field, count, max)) } else { Ok(()) }
}

// === impl Record ===

impl Record {
    /// Whether it is the same life and says the same, whatever its revisions.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.declared == other.declared
            && self.lapsed_at == other.lapsed_at
    }

    /// Roughly the bytes it keeps in memory besides its own size.
    pub(crate) fn weight(&self) -> usize {
        let declared = &self.declared;
        let texts = [&declared.name, &declared.role, &declared.address, &declared.registered_by];
        let document = declared.document.as_deref().map_or(0, str::len);
        texts.iter().map(|text| text.len()).sum::<usize>()
            + declared.services.iter().map(|service| service.name.len() + 32).sum::<usize>()
            + declared.capabilities.iter().map(|text| text.len() + 24).sum::<usize>()
            + declared
                .labels
                .iter()
                .map(|(name, value)| name.len() + value.len() + 48)
                .sum::<usize>()
            + self.key.id().len()
            + document
    }
}

// === impl State ===

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 5] =
        [Self::Running, Self::Paused, Self::Relaunching, Self::Stopped, Self::Retired];

    /// The state's name on the wire and at rest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Relaunching => "relaunching",
            Self::Stopped => "stopped",
            Self::Retired => "retired",
        }
    }

    /// Whether heartbeats are expected. Otherwise no lease runs, so nothing expires, unless the
    /// namespace has what has ended expire.
    #[must_use]
    pub const fn is_under_lease(self) -> bool {
        matches!(self, Self::Running | Self::Relaunching)
    }
}

impl FromStr for State {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Invalid::new("state", format!("must be one of {names}"))
        })
    }
}

// === impl Generation ===

impl Generation {
    /// A generation of the owner's choice.
    ///
    /// # Errors
    /// [`Invalid`] if it is empty or too long.
    pub fn new(text: &str) -> Result<Self, Invalid> {
        if text.is_empty() {
            return Err(Invalid::new("generation", "must not be empty"));
        }
        fits("generation", text, limits::GENERATION_BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// A new one, unlike any before.
    pub(crate) fn unique() -> Self {
        let mut text = [0_u8; uuid::fmt::Simple::LENGTH];
        Self(Box::from(&*uuid::Uuid::now_v7().simple().encode_lower(&mut text)))
    }

    /// The generation as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
