//! What is asked for: conditions from a query string or a body, pages and selected fields.

use std::collections::BTreeMap;

use registry_core::{Query, Registry, Standing, State};
use serde::Deserialize;

use super::lookup::{Cursor, Lookup, Place};
use super::problem::Problem;
use super::wire::Field;
use crate::auth::Caller;
use crate::limits::{PAGE_INSTANCES_DEFAULT, PAGE_INSTANCES_MAX};

/// Everything that can be asked for, by the names of the query string.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only these namespaces; none: all that the caller may read.
    pub(super) namespace: OneOrMore,
    pub(super) role: Option<String>,
    name: Option<String>,
    service: Option<String>,
    capability: OneOrMore,
    label: BTreeMap<String, String>,
    state: Option<String>,
    /// `live`, `stale`, `leaseless`, or `any`.
    pub(super) standing: Option<String>,
    /// Only these ids.
    id: OneOrMore,
    fields: OneOrMore,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A text or a list of texts.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Texts")]
pub(super) struct OneOrMore(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Texts {
    One(String),
    More(Vec<String>),
}

// === impl Wanted ===

impl Wanted {
    /// Reads a query string. `label` is written `label=name=value` or `label.name=value`.
    pub(super) fn from_query(query: crate::query::Query<'_>) -> Result<Self, Problem> {
        let mut wanted = Self::default();
        for (name, value) in query.pairs() {
            wanted.take(&name, value.into_owned())?;
        }
        Ok(wanted)
    }

    /// Takes one parameter.
    pub(super) fn take(&mut self, name: &str, value: String) -> Result<(), Problem> {
        match name {
            "namespace" => self.namespace.0.extend(value.split(',').map(str::to_owned)),
            "role" => self.role = Some(value),
            "name" => self.name = Some(value),
            "service" => self.service = Some(value),
            "capability" => self.capability.0.push(value),
            "state" => self.state = Some(value),
            "standing" => self.standing = Some(value),
            "id" => self.id.0.push(value),
            "fields" => self.fields.0.extend(value.split(',').map(str::to_owned)),
            // An empty one begins at the start, as a loop over pages does.
            "cursor" => self.cursor = Some(value).filter(|value| !value.is_empty()),
            "limit" => {
                let limit = value.parse().map_err(|_| {
                    let detail = format!("limit must be a whole number, not `{value}`");
                    Problem::malformed("invalid-parameter", detail)
                })?;
                self.limit = Some(limit);
            }
            "label" => {
                let (label, value) = value.split_once('=').ok_or_else(|| {
                    Problem::malformed("invalid-parameter", "write label=name=value")
                })?;
                self.label.insert(label.to_owned(), value.to_owned());
            }
            name => match name.strip_prefix("label.") {
                Some(label) => drop(self.label.insert(label.to_owned(), value)),
                None => {
                    let detail = format!(
                        "`{name}` means nothing here; known are namespace, role, name, service, \
                         capability, label, state, standing, id, fields, limit and cursor"
                    );
                    return Err(Problem::malformed("unknown-parameter", detail));
                }
            },
        }
        Ok(())
    }

    /// The conditions that a watcher can have, too.
    pub(super) fn watched(&mut self) -> Result<Query, Problem> {
        match self.standing()? {
            Some(Standing::Live) => Ok(self.conditions()),
            None => Ok(self.conditions().including_stale()),
            Some(_) => {
                let detail = "a watch shows what is live, or with standing=any everything";
                Err(Problem::malformed("invalid-parameter", detail))
            }
        }
    }

    /// Takes out the conditions that the registry answers, but for the namespace.
    fn conditions(&mut self) -> Query {
        Query {
            role: self.role.take(),
            name: self.name.take(),
            service: self.service.take(),
            capabilities: std::mem::take(&mut self.capability.0),
            labels: std::mem::take(&mut self.label).into_iter().collect(),
            ..Query::any()
        }
    }

    /// The standing asked for; `None` is any.
    fn standing(&self) -> Result<Option<Standing>, Problem> {
        match self.standing.as_deref() {
            None | Some("live") => Ok(Some(Standing::Live)),
            Some("stale") => Ok(Some(Standing::Stale)),
            Some("leaseless") => Ok(Some(Standing::Leaseless)),
            Some("any") => Ok(None),
            Some(other) => {
                let detail = format!("standing is live, stale, leaseless or any, not `{other}`");
                Err(Problem::malformed("invalid-parameter", detail))
            }
        }
    }

    /// Checks everything, also that the caller may read where it looks.
    pub(super) fn check(mut self, registry: &Registry, caller: &Caller) -> Result<Lookup, Problem> {
        let place = Place::of(registry, caller, &self.namespace.0)?;
        let state = self.state.as_deref().map(str::parse::<State>).transpose()?;
        let standing = self.standing()?;
        let mut query = self.conditions();
        if standing != Some(Standing::Live) || state.is_some_and(|state| state != State::Running) {
            query = query.including_stale();
        }
        if let Place::In(names) = &place
            && let [only] = names.as_slice()
        {
            query = query.in_namespace(&**only);
        }
        let limit = self.limit.unwrap_or(PAGE_INSTANCES_DEFAULT);
        if !(1..=PAGE_INSTANCES_MAX).contains(&limit) {
            let detail = format!("limit must be 1 to {PAGE_INSTANCES_MAX}, not {limit}");
            return Err(Problem::malformed("invalid-parameter", detail));
        }
        Ok(Lookup {
            place,
            query,
            ids: self.id.0,
            state,
            standing,
            fields: fields(&self.fields.0)?,
            limit,
            cursor: self.cursor.as_deref().map(Cursor::read).transpose()?,
        })
    }
}

fn fields(names: &[String]) -> Result<Option<Vec<Field>>, Problem> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        fields.push(Field::named(name).ok_or_else(|| {
            let known = Field::ALL.map(|(name, _)| name).join(", ");
            let detail = format!("there is no field `{name}`; fields are {known}");
            Problem::malformed("invalid-parameter", detail)
        })?);
    }
    fields.sort();
    fields.dedup();
    Ok(Some(fields))
}

impl From<Texts> for OneOrMore {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(one) => Self(vec![one]),
            Texts::More(more) => Self(more),
        }
    }
}
