//! From what is sent to what is registered, and what the registry's refusals are called.

use std::sync::Arc;

use hyper::StatusCode;
use registry_core::limits::TTL_MS_MAX;
use registry_core::{Declared, Error, Generation, Invalid, Key, Slot, State, Term, Timestamp, Ttl};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::check::{Moment, Wrong};
use super::record::{OLD_VERSION, OldRecord, Phase, Record, VERSION};
use super::{NAMESPACE, TERMINAL};
use crate::auth::{Denied, Forbidden};

/// A checked publication.
pub(super) struct Publication {
    pub(super) key: Key,
    pub(super) generation: Generation,
    pub(super) declared: Declared,
}

/// Why a request was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A status and a sentence.
    Plain(StatusCode, String),
    /// Another generation is at work under this id.
    Held {
        /// What was to be published.
        generation: Generation,
        /// What is there.
        holder: Arc<Slot>,
    },
    /// The name means several.
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// Which ones it may mean.
        agent_ids: Vec<String>,
    },
}

// === impl Publication ===

impl Publication {
    /// Reads a record that is to be published under `id` when the clock shows `wall`.
    pub(super) fn read(body: &[u8], id: &str, wall: Timestamp) -> Result<Self, Refusal> {
        let record = read_record(json(body)?)?;
        let lease = record.check()?;
        if record.agent_id != id {
            return Err(Wrong::new("agent_id", format!("must be that of the path, `{id}`")).into());
        }
        let term = lease.map_or(Ok(Term::Endless), |until| term(until, wall))?;
        let invalid = |invalid: Invalid| refusal(&invalid.into());
        Ok(Self {
            key: Key::new(NAMESPACE, id).map_err(invalid)?,
            generation: Generation::new(&record.generation_id).map_err(invalid)?,
            declared: declared(&record, term),
        })
    }
}

/// A record of either version. One without a version is of the second, as it was written before
/// there were versions.
fn read_record(body: Value) -> Result<Record, Wrong> {
    let version = body.get("schema_version").cloned();
    match version.as_ref().map(Value::as_u64) {
        Some(Some(VERSION)) => shaped(body),
        Some(Some(OLD_VERSION)) => read_old(body),
        None => read_old(body).map_err(|wrong| {
            let allowed =
                format!("{}; without schema_version it is read as version 2", wrong.allowed);
            Wrong { allowed, ..wrong }
        }),
        Some(_) => {
            let allowed =
                format!("must be {VERSION}, or {OLD_VERSION}, which is kept as {VERSION}");
            Err(Wrong::new("schema_version", allowed))
        }
    }
}

fn read_old(body: Value) -> Result<Record, Wrong> {
    let old: OldRecord = shaped(body)?;
    old.check()?;
    Ok(old.upgraded())
}

/// A body in its shape.
pub(super) fn typed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    Ok(shaped(json(body)?)?)
}

/// A body as JSON. Of members that are repeated, the last counts, as it does to the original.
fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the body is not JSON: {error}")))
}

/// A value in its shape; says where it does not fit.
fn shaped<T: DeserializeOwned>(value: Value) -> Result<T, Wrong> {
    flat(&value)?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "the body".to_string() } else { path };
        Wrong::new(format!("{field}:"), error.inner().to_string())
    })
}

/// A record has parts, and these have plain values. serde would also take a list for an object, and
/// an object for a word.
fn flat(value: &Value) -> Result<(), Wrong> {
    let Value::Object(parts) = value else {
        return Err(Wrong::new("the body", "must be an object"));
    };
    let is_plain = |value: &Value| !value.is_array() && !value.is_object();
    for (name, part) in parts {
        match part {
            Value::Array(_) => return Err(Wrong::new(name, "must not be a list")),
            Value::Object(fields) => {
                if let Some((field, _)) = fields.iter().find(|(_, value)| !is_plain(value)) {
                    let name = format!("{name}.{field}");
                    return Err(Wrong::new(name, "must be neither a list nor an object"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The lease that is left on the registry's clock. What lasts longer than any lease has no end.
fn term(until: Moment, wall: Timestamp) -> Result<Term, Wrong> {
    let left = until.timestamp_millis().saturating_sub(wall.0);
    match u64::try_from(left) {
        Ok(0) | Err(_) => {
            let now = chrono::DateTime::from_timestamp_millis(wall.0).unwrap_or_default();
            let now = now.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            let allowed = format!("must be in the future: here it is {now}");
            Err(Wrong::new("lease_expires_at", allowed))
        }
        Ok(ms) if ms > TTL_MS_MAX => Ok(Term::Endless),
        Ok(ms) => Ok(Term::For(Ttl::from_ms(ms))),
    }
}

/// What can be found goes into its place; the record itself comes back as it is.
fn declared(record: &Record, term: Term) -> Declared {
    let terminal = &record.terminal;
    let gateway =
        record.gateway.as_ref().map(|gateway| format!("{}:{}", gateway.host, gateway.port));
    let place = terminal.current_session_name.as_ref().unwrap_or(&terminal.last_session_name);
    let current = terminal.current_session_name.clone();
    let document = serde_json::to_string(record).expect("a record is texts and numbers");
    Declared {
        name: (&*record.agent_name).into(),
        role: (&*record.identity.tool).into(),
        state: State::from(record.lifecycle.state),
        address: gateway.unwrap_or_else(|| place.clone()).into(),
        labels: current.map(|name| (TERMINAL, name)).into_iter().collect(),
        term,
        document: Some(document.into()),
        ..Declared::default()
    }
}

impl From<Phase> for State {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Active => Self::Running,
            Phase::Stopped => Self::Stopped,
            Phase::Relaunching => Self::Relaunching,
            Phase::Retired => Self::Retired,
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// The caller's mistake.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::Plain(StatusCode::BAD_REQUEST, detail.into())
    }

    /// Nothing is there.
    pub(super) fn absent(detail: impl Into<String>) -> Self {
        Self::Plain(StatusCode::NOT_FOUND, detail.into())
    }
}

impl From<Wrong> for Refusal {
    fn from(wrong: Wrong) -> Self {
        Self::bad(wrong.to_string())
    }
}

impl From<Forbidden> for Refusal {
    fn from(refused: Forbidden) -> Self {
        let (status, detail) = match refused {
            Forbidden::Unknown(Denied::Missing) => {
                (StatusCode::UNAUTHORIZED, "send `Authorization: Bearer` and a token")
            }
            Forbidden::Unknown(Denied::Invalid) => {
                (StatusCode::UNAUTHORIZED, "the token is not known")
            }
            Forbidden::Insufficient => (StatusCode::FORBIDDEN, "the token is not for this"),
        };
        Self::Plain(status, detail.to_string())
    }
}

/// The status and the words for what the registry refused.
pub(super) fn refusal(error: &Error) -> Refusal {
    let status = match error {
        Error::Invalid(_) => StatusCode::BAD_REQUEST,
        Error::NotFound => StatusCode::NOT_FOUND,
        Error::Conflict { .. } | Error::Fenced { .. } | Error::Moved { .. } => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Refusal::Plain(status, error.to_string())
}

#[cfg(test)]
#[path = "convert_test.rs"]
mod tests;
