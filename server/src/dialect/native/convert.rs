//! From a request's body to what is registered: names are the registry's own, and a name that is
//! not known is refused rather than ignored, since it may be a slip.

use std::collections::BTreeMap;

use registry_core::{Declared, Generation, Invalid, Service, State, Term, Ttl};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::problem::Problem;

/// What an owner says about its instance.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Declaration {
    name: Box<str>,
    role: Box<str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    address: Box<str>,
    services: Vec<OneService>,
    capabilities: Box<[Box<str>]>,
    labels: BTreeMap<String, String>,
    registered_by: Box<str>,
    /// Absent: the namespace's. 0: no lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
}

/// A body that registers: a declaration and whose life it is.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object that declares an instance")]
pub(super) struct Registration {
    /// In a batch, and where the server may choose.
    pub(super) id: Option<String>,
    /// Which life of the id speaks.
    pub(super) generation: Option<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// The body of a heartbeat; all of it may be absent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Heartbeat {
    /// Which life of the id speaks.
    pub(super) generation: Option<String>,
    /// What to register if there is nothing to renew.
    pub(super) register: Option<Declaration>,
}

/// A change of some fields, as JSON Merge Patch (RFC 7396).
#[derive(Debug)]
pub(super) struct Patch {
    /// Which life of the id speaks.
    pub(super) generation: Option<Generation>,
    fields: serde_json::Map<String, Value>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneService {
    name: Box<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

/// Reads a body; an error names the place in it that is wrong.
pub(super) fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Problem> {
    no_list(body)?;
    let mut text = serde_json::Deserializer::from_slice(body);
    let read = located(&mut text)?;
    text.end()?;
    Ok(read)
}

/// Fields would otherwise be read from a list by their place.
pub(super) fn no_list(body: &[u8]) -> Result<(), Problem> {
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Ok(());
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(body)?;
    Err(Problem::invalid("the body is a list; send an object"))
}

fn located<'de, T, D>(from: D) -> Result<T, Problem>
where
    T: Deserialize<'de>,
    D: Deserializer<'de, Error = serde_json::Error>,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() || path == "." {
            return error.into();
        }
        Problem::invalid(format!("{path}: {error}"))
    })
}

// === impl Declaration ===

impl Declaration {
    /// In the registry's terms.
    pub(super) fn declared(self) -> Result<Declared, Invalid> {
        let service = |one: OneService| Service { name: one.name, port: one.port };
        let metadata = self.metadata.filter(|metadata| !metadata.is_null());
        Ok(Declared {
            name: self.name,
            role: self.role,
            state: self.state.map_or(Ok(State::Running), |state| state.parse())?,
            address: self.address,
            services: self.services.into_iter().map(service).collect(),
            capabilities: self.capabilities,
            labels: self.labels.into_iter().collect(),
            registered_by: self.registered_by,
            term: match self.ttl_ms {
                None => Term::Default,
                Some(0) => Term::Endless,
                Some(ms) => Term::For(Ttl::from_ms(ms)),
            },
            document: metadata.map(|metadata| metadata.to_string().into()),
        })
    }

    /// What the registry holds, as if it had just been sent.
    fn of(declared: &Declared) -> Self {
        let service = |one: &Service| OneService { name: one.name.clone(), port: one.port };
        Self {
            name: declared.name.clone(),
            role: declared.role.clone(),
            state: Some(declared.state.as_str().to_owned()),
            address: declared.address.clone(),
            services: declared.services.iter().map(service).collect(),
            capabilities: declared.capabilities.clone(),
            labels: declared.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            registered_by: declared.registered_by.clone(),
            ttl_ms: match declared.term {
                Term::Default => None,
                Term::Endless => Some(0),
                Term::For(ttl) => Some(ttl.as_ms()),
            },
            metadata: declared.document.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        }
    }
}

// === impl Registration ===

impl Registration {
    /// What is declared.
    pub(super) fn declared(self) -> Result<Declared, Problem> {
        Ok(located::<Declaration, _>(Value::Object(self.rest))?.declared()?)
    }
}

// === impl Patch ===

impl Patch {
    /// Reads the body. What it does to a record shows when it is applied.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let mut fields: serde_json::Map<String, Value> = read(body)?;
        let generation = match fields.remove("generation") {
            None => None,
            Some(Value::String(text)) => Some(Generation::new(&text)?),
            Some(_) => return Err(Problem::invalid("generation must be a text")),
        };
        Ok(Self { generation, fields })
    }

    /// Changes what was sent and leaves the rest.
    ///
    /// A document that is not JSON is kept as it is unless the patch replaces it.
    pub(super) fn apply(self, declared: &mut Declared) -> Result<(), Invalid> {
        let keeps_document = !self.fields.contains_key("metadata");
        let wrong = |why: &dyn std::fmt::Display| {
            Invalid::new("the patch", format!("cannot be applied: {why}"))
        };
        let whole = serde_json::to_value(Declaration::of(declared));
        let mut whole = whole.map_err(|error| wrong(&error))?;
        merge(&mut whole, Value::Object(self.fields));
        let changed = located::<Declaration, _>(whole);
        let mut changed = changed.map_err(|problem| wrong(&problem.detail()))?.declared()?;
        if keeps_document {
            changed.document = declared.document.take();
        }
        *declared = changed;
        Ok(())
    }
}

/// RFC 7396: objects merge, null removes, everything else replaces.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// A generation that a caller may leave out.
pub(super) fn generation(text: Option<&str>) -> Result<Option<Generation>, Invalid> {
    text.map(Generation::new).transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Declared, Problem> {
        super::read::<Registration>(body.to_string().as_bytes())?.declared()
    }

    #[test]
    fn a_field_that_is_not_known_is_named() {
        let problem = read(json!({"adress": "h"})).unwrap_err();
        assert!(problem.detail().contains("adress"), "{}", problem.detail());
    }

    #[test]
    fn what_is_wrong_deep_in_a_body_is_named_with_its_place() {
        let problem = read(json!({"services": [{"name": "a"}, {"name": "b", "port": 70_000}]}));
        let problem = problem.unwrap_err();
        assert!(problem.detail().starts_with("services[1].port: "), "{}", problem.detail());
        let problem = super::read::<Value>(b"{} {}").unwrap_err();
        assert_eq!(problem.code(), "invalid-json", "{}", problem.detail());
    }

    #[test]
    fn no_lease_the_namespaces_and_ones_own() {
        let term = |body| read(body).unwrap().term;
        assert_eq!(term(json!({})), Term::Default);
        assert_eq!(term(json!({"ttl_ms": 0})), Term::Endless);
        assert_eq!(term(json!({"ttl_ms": 7})), Term::For(Ttl::from_ms(7)));
    }

    #[test]
    fn a_patch_merges_and_null_removes() {
        let mut declared = read(json!({
            "name": "a", "labels": {"x": "1", "y": "2"}, "ttl_ms": 5,
            "metadata": {"deep": {"a": 1, "b": 2}},
        }))
        .unwrap();
        let patch = br#"{"labels":{"x":null,"z":"3"},"ttl_ms":null,"state":"paused",
            "metadata":{"deep":{"a":null}}}"#;
        Patch::read(patch).unwrap().apply(&mut declared).unwrap();
        assert_eq!(declared.name, "a".into());
        assert_eq!(declared.state, State::Paused);
        assert_eq!(declared.term, Term::Default);
        let labels: Vec<_> = declared.labels.iter().map(|(n, v)| format!("{n}{v}")).collect();
        assert_eq!(labels, ["y2", "z3"]);
        assert_eq!(declared.document.as_deref(), Some(r#"{"deep":{"b":2}}"#));
    }

    #[test]
    fn a_patch_that_cannot_be_changes_nothing() {
        let before = read(json!({"name": "a", "metadata": 1})).unwrap();
        for patch in [r#"{"name":5}"#, r#"{"id":"x"}"#, r#"{"state":"asleep"}"#] {
            let mut declared = before.clone();
            let patch = Patch::read(patch.as_bytes()).unwrap();
            assert!(patch.apply(&mut declared).is_err());
            assert_eq!(declared, before);
        }
    }
}
