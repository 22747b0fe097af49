//! What discover may ask: conditions that must all hold.

use std::borrow::Cow;

use crate::catalog::Slot;
use crate::record::Record;

/// Which records are wanted. Every condition given must hold; with none, everything matches.
///
/// ```
/// use registry_core::Query;
///
/// let query = Query::role("worker").in_namespace("default").capability("gpu");
/// assert_eq!(query.role.as_deref(), Some("worker"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Exactly this role.
    pub role: Option<String>,
    /// Exactly this name.
    pub name: Option<String>,
    /// Offers a service of this name.
    pub service: Option<String>,
    /// Has all of these capabilities.
    pub capabilities: Vec<String>,
    /// Carries all of these labels.
    pub labels: Vec<(String, String)>,
    /// Live records only, or all that are registered.
    pub scope: Scope,
}

/// How much of the catalog a query looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Running, and heard of within the lease: what may be used now.
    #[default]
    Live,
    /// Everything registered: stale, paused and stopped records too.
    All,
}

/// What records are indexed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Facet {
    Role,
    Name,
    Service,
    Capability,
    Label,
}

// === impl Query ===

impl Query {
    /// Everything live.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Everything live of one role.
    pub fn role(role: impl Into<String>) -> Self {
        Self { role: Some(role.into()), ..Self::default() }
    }

    /// Only records of this namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// Only records of this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only records that offer this service.
    #[must_use]
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Only records with this capability, besides those already asked for.
    #[must_use]
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capabilities.push(capability.into());
        self
    }

    /// Only records with this label, besides those already asked for.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Stale, paused and stopped records too.
    #[must_use]
    pub fn including_stale(mut self) -> Self {
        self.scope = Scope::All;
        self
    }

    /// Whether the record meets every condition but the scope.
    #[must_use]
    pub fn matches(&self, record: &Record) -> bool {
        let declared = &record.declared;
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|w| **w == *found);
        is(&self.namespace, record.key.namespace())
            && is(&self.role, &declared.role)
            && is(&self.name, &declared.name)
            && self
                .service
                .as_ref()
                .is_none_or(|w| declared.services.iter().any(|s| *s.name == **w))
            && self.capabilities.iter().all(|w| declared.capabilities.iter().any(|c| **c == **w))
            && self
                .labels
                .iter()
                .all(|(name, value)| declared.labels.get(name) == Some(value.as_str()))
    }

    /// Whether a watcher of this query sees the record: its scope by the announced standing.
    pub(crate) fn shows(&self, slot: &Slot) -> bool {
        let in_scope = self.scope == Scope::All || slot.is_announced_live();
        in_scope && self.matches(slot.record())
    }
}

// === impl Facet ===

impl Facet {
    /// Every facet, in the order of its numbers.
    pub(crate) const ALL: [Self; 5] =
        [Self::Role, Self::Name, Self::Service, Self::Capability, Self::Label];
}

/// What one record is indexed under. Labels only where the namespace asks for it.
pub(crate) fn facets_of<'a>(
    record: &'a Record,
    indexed_labels: &'a [String],
) -> impl Iterator<Item = (Facet, Cow<'a, str>)> {
    let declared = &record.declared;
    let services = declared.services.iter().map(|s| (Facet::Service, (&*s.name).into()));
    let capabilities = declared.capabilities.iter().map(|c| (Facet::Capability, (&**c).into()));
    let labels = indexed_labels.iter().filter_map(|name| {
        let value = declared.labels.get(name)?;
        Some((Facet::Label, label_text(name, value).into()))
    });
    [(Facet::Role, (&*declared.role).into()), (Facet::Name, (&*declared.name).into())]
        .into_iter()
        .chain(services)
        .chain(capabilities)
        .chain(labels)
}

/// Whether the record is indexed under this text, as far as it depends on the record.
pub(crate) fn is_carried(record: &Record, facet: Facet, text: &str) -> bool {
    let declared = &record.declared;
    match facet {
        Facet::Role => *declared.role == *text,
        Facet::Name => *declared.name == *text,
        Facet::Service => declared.services.iter().any(|service| *service.name == *text),
        Facet::Capability => declared.capabilities.iter().any(|one| **one == *text),
        Facet::Label => declared.labels.iter().any(|(name, value)| label_text(name, value) == text),
    }
}

/// A label as one text: no label name contains the separator by accident, for it has a length.
pub(crate) fn label_text(name: &str, value: &str) -> String {
    format!("{}:{name}={value}", name.len())
}
