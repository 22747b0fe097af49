//! Between the original's fields and the registry's: what is required, in the original's order and
//! words, and what its refusals are called.

use hyper::StatusCode;
use registry_core::{Declared, Error, Service, State, limits};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::document::{merged, object};
use crate::json::{Json, display, push_string, trim};

/// Most documents have less.
const DOCUMENT_BYTES_USUAL: usize = 512;

const ROLES: [&str; 5] = ["infra", "lieutenant", "worker", "golden", "custom"];
const STATUSES: [(&str, State); 3] =
    [("running", State::Running), ("paused", State::Paused), ("stopped", State::Stopped)];

/// A checked register request.
pub(super) struct Registration<'a> {
    pub(super) id: &'a str,
    pub(super) declared: Declared,
}

/// A checked update request: what is `Some` is to be changed.
#[derive(Default)]
pub(super) struct Amendment {
    name: Option<String>,
    state: Option<State>,
    address: Option<String>,
    services: Option<Vec<Service>>,
    /// The services and the metadata, those that were sent.
    document: Option<Box<str>>,
}

/// The parts of an entry that are kept as they were sent.
#[derive(Default, Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) services: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    pub(super) metadata: Option<&'a RawValue>,
}

// === impl Registration ===

impl<'a> Registration<'a> {
    /// Checks the fields in the original's order; the first that is wrong is named.
    pub(super) fn read(body: &'a Json<'_>) -> Result<Self, String> {
        let id = required(body, "id")?;
        let name = required(body, "name")?;
        let role = body.get("role");
        let known = role.and_then(Json::as_str).filter(|role| ROLES.contains(role));
        let role = known.ok_or_else(|| format!("invalid role: {}", display(role)))?;
        let state = match body.get("status") {
            Some(status) if status.is_truthy() => read_status(status)?,
            _ => State::Running,
        };
        let address = required(body, "address")?;
        let registered_by = required(body, "registeredBy")?;
        let services = body.get("services");
        let declared = Declared {
            name: name.into(),
            role: role.into(),
            state,
            address: address.into(),
            services: searchable(services).into(),
            registered_by: registered_by.into(),
            document: write_document(services, body.get("metadata")),
            ..Declared::default()
        };
        Ok(Self { id, declared })
    }
}

/// The text of a field that must be there, trimmed.
pub(super) fn required<'a>(body: &'a Json<'_>, field: &str) -> Result<&'a str, String> {
    non_blank(body.get(field)).ok_or_else(|| format!("{field} is required"))
}

fn non_blank<'a>(value: Option<&'a Json<'_>>) -> Option<&'a str> {
    Some(trim(value?.as_str()?)).filter(|text| !text.is_empty())
}

fn read_status(status: &Json<'_>) -> Result<State, String> {
    let known = STATUSES.iter().find(|(name, _)| status.as_str() == Some(name));
    let found = known.map(|(_, state)| *state);
    found.ok_or_else(|| format!("invalid status: {}", display(Some(status))))
}

// === impl Amendment ===

impl Amendment {
    /// Checks the fields in the original's order. Nothing is changed unless all are right.
    pub(super) fn read(body: &Json<'_>) -> Result<Self, String> {
        let state = body.get("status").map(read_status).transpose()?;
        let text = |field: &str| match body.get(field) {
            None => Ok(None),
            sent => match non_blank(sent) {
                Some(text) => Ok(Some(text.to_owned())),
                None => Err(format!("{field} cannot be empty")),
            },
        };
        let (name, address) = (text("name")?, text("address")?);
        let services = body.get("services");
        let document = write_document(services, body.get("metadata"));
        let services = services.map(|sent| searchable(Some(sent)));
        Ok(Self { name, state, address, services, document })
    }

    /// Changes what was sent and leaves the rest.
    pub(super) fn apply(self, declared: &mut Declared) {
        if let Some(name) = self.name {
            declared.name = name.into();
        }
        if let Some(state) = self.state {
            declared.state = state;
        }
        if let Some(address) = self.address {
            declared.address = address.into();
        }
        if let Some(services) = self.services {
            declared.services = services.into();
        }
        if let Some(new) = self.document {
            declared.document = Some(merged(declared.document.as_deref(), &new));
        }
    }
}

// === impl Document ===

impl<'a> Document<'a> {
    /// Reads what [`write_document`] wrote. Another dialect's document has neither part.
    pub(super) fn read(text: Option<&'a str>) -> Self {
        object(text).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

/// A part that was sent as `null` is a part.
fn present<'de, D: Deserializer<'de>>(json: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(json).map(Some)
}

fn write_document(services: Option<&Json<'_>>, metadata: Option<&Json<'_>>) -> Option<Box<str>> {
    let mut text = String::with_capacity(DOCUMENT_BYTES_USUAL);
    for (name, json) in [("services", services), ("metadata", metadata)] {
        if let Some(json) = json {
            text.push(if text.is_empty() { '{' } else { ',' });
            push_string(&mut text, name);
            text.push(':');
            json.push_to(&mut text);
        }
    }
    (!text.is_empty()).then(|| {
        text.push('}');
        text.as_str().into() // no larger than it must be: it is kept
    })
}

/// The services that the registry can find by name. Whatever else was sent is kept all the same.
fn searchable(services: Option<&Json<'_>>) -> Vec<Service> {
    let Some(Json::Array(list)) = services else { return Vec::new() };
    let named = list.iter().filter_map(|service| {
        let name = service.get("name")?.as_str()?;
        let port = match service.get("port") {
            Some(Json::Number(port)) if (1.0..=65_535.0).contains(port) => Some(*port as u16),
            _ => None,
        };
        (name.len() <= limits::TEXT_BYTES_MAX).then(|| Service { name: name.into(), port })
    });
    named.take(limits::SERVICES_MAX).collect()
}

/// What the registry's refusals are called where they are about something of one kind.
pub(super) struct Words {
    /// It is not there.
    pub(super) unknown: &'static str,
    /// It is there already.
    pub(super) taken: &'static str,
    /// The largest part of it by far: its name in the registry means nothing to the caller.
    pub(super) document: &'static str,
}

pub(super) const VM: Words = Words {
    unknown: "VM not found",
    taken: "VM already registered",
    document: "services and metadata together: it",
};

// === impl Words ===

impl Words {
    /// The status and the words for what the registry refused.
    pub(super) fn refusal(&self, error: &Error) -> (StatusCode, String) {
        let status = match error {
            Error::NotFound => return (StatusCode::NOT_FOUND, self.unknown.to_owned()),
            Error::Conflict { .. } => return (StatusCode::CONFLICT, self.taken.to_owned()),
            Error::Invalid(invalid) if invalid.field == "document" => {
                let words = format!("{} {}", self.document, invalid.reason);
                return (StatusCode::PAYLOAD_TOO_LARGE, words);
            }
            Error::Invalid(_) => StatusCode::BAD_REQUEST,
            Error::Fenced { .. } | Error::Moved { .. } => StatusCode::CONFLICT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, error.to_string())
    }
}

/// The text of a field that may be missing, trimmed; `null` is missing.
pub(super) fn optional(body: &Json<'_>, field: &str) -> Result<Option<String>, String> {
    match body.get(field) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(trim(text).to_owned())),
        Some(_) => Err(format!("{field} must be a string")),
    }
}

/// Refuses what is too long to be found by.
pub(super) fn fits(field: &str, text: &str, max: usize) -> Result<(), String> {
    let bytes = text.len();
    if bytes <= max {
        return Ok(());
    }
    Err(format!("{field} has {bytes} bytes; at most {max} are allowed"))
}

/// Refuses tags that are too many or too long to be found by.
pub(super) fn tags_fit<'a>(tags: impl ExactSizeIterator<Item = &'a str>) -> Result<(), String> {
    let (count, max) = (tags.len(), limits::CAPABILITIES_MAX);
    if count > max {
        return Err(format!("tags has {count} elements; at most {max} are allowed"));
    }
    tags.into_iter().try_for_each(|tag| fits("a tag", tag, limits::TEXT_BYTES_MAX))
}
