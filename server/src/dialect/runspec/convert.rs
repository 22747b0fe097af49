//! Between the original's fields and the registry's: what is required, and what is found by what.

use hyper::StatusCode;
use registry_core::{Declared, Error, Invalid, Key, Term, Ttl, limits};

use super::fault::{Faults, Place, Wrong};
use super::python::{self, Json, Object, Unreadable};
use super::{HEARTBEATS_PER_LEASE, NAMESPACE, ROLE, VERSION};
use crate::body;

/// A body, not looked into yet.
#[derive(Debug)]
pub(super) enum Sent {
    /// There is none.
    Nothing,
    /// There is one, and its content type does not say that it is JSON.
    Text(String),
    /// There is one.
    Json(Json),
}

/// A checked register request.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) key: Key,
    pub(super) declared: Declared,
}

/// A checked list of tools.
#[derive(Debug)]
pub(super) struct ToolList {
    /// The list as it comes back; `None` if it is empty.
    document: Option<Box<str>>,
    /// As many names as the registry can find the instance by.
    names: Vec<String>,
}

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Values in it are wrong.
    Faults(Faults),
    /// A status and one sentence.
    Plain(StatusCode, String),
    /// It was done too often.
    TooOften { per_minute: u32, seconds: u64 },
}

const BODY: Place<'static> = Place::Name("body");

// === impl Sent ===

impl Sent {
    /// Reads a body of this content type.
    pub(super) fn read(content_type: Option<&[u8]>, body: &[u8]) -> Result<Self, Refusal> {
        if body.is_empty() {
            return Ok(Self::Nothing);
        }
        if !content_type.is_some_and(is_json) {
            return Ok(Self::Text(String::from_utf8_lossy(body).into_owned()));
        }
        python::parse(body).map(Self::Json).map_err(|unreadable| match unreadable {
            Unreadable::Syntax { at, why } => Refusal::Faults(Faults::no_json(at, why)),
            Unreadable::Hopeless => {
                let detail = "There was an error parsing the body";
                Refusal::Plain(StatusCode::BAD_REQUEST, detail.to_owned())
            }
        })
    }

    /// The members of the body, which must be an object.
    fn fields(self) -> Result<Object, Faults> {
        match self {
            Self::Json(Json::Object(fields)) => Ok(fields),
            Self::Json(other) => Err(Faults::one(Wrong::Body, &[BODY], &other)),
            Self::Text(text) => Err(Faults::one(Wrong::Body, &[BODY], &Json::String(text))),
            Self::Nothing => Err(Faults::one(Wrong::Missing, &[BODY], &Json::Null)),
        }
    }
}

/// Whether a content type means JSON: `application/json`, or anything that is built on it.
fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let kind = kind.trim_ascii().to_ascii_lowercase();
    kind.strip_prefix(b"application/")
        .is_some_and(|kind| kind == b"json" || kind.ends_with(b"+json"))
}

// === impl Registration ===

impl Registration {
    /// Checks every field; each that is wrong is named.
    pub(super) fn read(sent: Sent) -> Result<Self, Refusal> {
        let fields = sent.fields()?;
        let mut faults = Faults::default();
        let [id, name, version, host] = ["instance_id", "name", "version", "host"]
            .map(|field| required(&fields, field, &mut faults).unwrap_or_default());
        if fields.get("instance_id") == Some(&Json::String(String::new())) {
            faults.add(
                Wrong::Short,
                &[BODY, Place::Name("instance_id")],
                &Json::String(id.clone()),
            );
        }
        let term = term(&fields, &mut faults);
        if !faults.is_empty() {
            return Err(faults.into());
        }
        if matches!(&*id, "." | "..") {
            let reason = "must not be `.` or `..`: no path can name it";
            return Err(Error::from(Invalid::new("id", reason)).into());
        }
        let key = Key::new(NAMESPACE, &id).map_err(Error::from)?;
        let declared = Declared {
            name: name.into(),
            role: ROLE.into(),
            address: host.into(),
            labels: [(VERSION, version)].into(),
            term,
            ..Declared::default()
        };
        Ok(Self { key, declared })
    }
}

fn required(fields: &Object, field: &str, faults: &mut Faults) -> Option<String> {
    let at = [BODY, Place::Name(field)];
    match fields.get(field) {
        Some(Json::String(text)) => return Some(text.clone()),
        Some(other) => faults.add(Wrong::String, &at, other),
        None => faults.add(Wrong::Missing, &at, &Json::Object(fields.clone())),
    }
    None
}

/// The lease that follows from the interval of heartbeats, if the caller tells it. Ours: the
/// original ignores it.
fn term(fields: &Object, faults: &mut Faults) -> Term {
    const FIELD: &str = "heartbeat_interval";
    match fields.get(FIELD) {
        None | Some(Json::Null) => Term::Default,
        Some(Json::Number(seconds)) => {
            let lease_ms = seconds.parse().unwrap_or(0.0) * 1_000.0 * HEARTBEATS_PER_LEASE;
            Term::For(Ttl::from_ms(lease_ms as u64)) // a cast ends at the ends of its range
        }
        Some(other) => {
            faults.add(Wrong::Float, &[BODY, Place::Name(FIELD)], other);
            Term::Default
        }
    }
}

/// Checks the body of a heartbeat. What it says of the system is of no use to anybody; none at all
/// is what the original's clients send unless they are told to.
pub(super) fn read_heartbeat(sent: Sent) -> Result<(), Refusal> {
    if matches!(sent, Sent::Nothing) {
        return Ok(());
    }
    match sent.fields()?.get("system") {
        None | Some(Json::Null | Json::Object(_)) => Ok(()),
        Some(other) => Err(Faults::one(Wrong::Dict, &[BODY, Place::Name("system")], other).into()),
    }
}

// === impl ToolList ===

impl ToolList {
    /// Checks that it is a list of objects, and that each can be found by its name.
    pub(super) fn read(sent: Sent) -> Result<Self, Refusal> {
        let mut fields = sent.fields()?;
        const FIELD: Place<'static> = Place::Name("tools");
        let tools = match fields.get_mut("tools") {
            Some(Json::Array(tools)) => std::mem::take(tools),
            Some(other) => return Err(Faults::one(Wrong::List, &[BODY, FIELD], other).into()),
            None => {
                let body = Json::Object(fields);
                return Err(Faults::one(Wrong::Missing, &[BODY, FIELD], &body).into());
            }
        };
        let mut faults = Faults::default();
        for (number, tool) in tools.iter().enumerate() {
            let at = [BODY, FIELD, Place::Number(number), Place::Name("name")];
            match tool {
                Json::Object(tool) => {
                    // The original takes such a name, and can then show no tool to anybody.
                    if let Some(name @ (Json::Array(_) | Json::Object(_))) = tool.get("name") {
                        faults.add(Wrong::String, &at, name);
                    }
                }
                other => faults.add(Wrong::Dict, &at[..3], other),
            }
        }
        if !faults.is_empty() {
            return Err(faults.into());
        }
        let names = searchable(&tools);
        let document = (!tools.is_empty()).then(|| Json::Array(tools).to_text().into());
        Ok(Self { document, names })
    }

    /// Replaces the tools that are declared.
    pub(super) fn apply(self, declared: &mut Declared) {
        declared.capabilities = self.names.into_iter().map(Into::into).collect();
        declared.document = self.document;
    }
}

/// The names that the registry can find. All others come back all the same.
fn searchable(tools: &[Json]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for tool in tools {
        if names.len() == limits::CAPABILITIES_MAX {
            break;
        }
        if let Json::Object(tool) = tool
            && let Some(Json::String(name)) = tool.get("name")
            && name.len() <= limits::TEXT_BYTES_MAX
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}

// === impl Refusal ===

impl From<Faults> for Refusal {
    fn from(faults: Faults) -> Self {
        Self::Faults(faults)
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound => Self::Plain(StatusCode::NOT_FOUND, "Instance not found".to_owned()),
            Error::Invalid(invalid) => Self::Faults(Faults::refused(invalid)),
            Error::Conflict { .. } | Error::Fenced { .. } | Error::Moved { .. } => {
                Self::Plain(StatusCode::CONFLICT, error.to_string())
            }
            _ => Self::Plain(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}

impl From<body::Refusal> for Refusal {
    fn from(refusal: body::Refusal) -> Self {
        Self::Plain(refusal.status(), refusal.to_string())
    }
}
