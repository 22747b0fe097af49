//! Between the original's fields and the registry's: what is required, what a heartbeat changes,
//! and what the registry's refusals are called.

use hyper::{StatusCode, Uri};
use registry_core::{Declared, Error};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::json::{Field, Fields, Metadata, Mismatch, read};
use crate::document::{merged, object};
use crate::json::{Raw, push_string};

/// The status of an agent that has not said otherwise.
pub(super) const HEALTHY: &str = "healthy";

/// The fields of a register request.
#[derive(Default)]
pub(super) struct Registration {
    name: String,
    kind: String,
    host: String,
    port: i64,
    capabilities: Option<Vec<String>>,
    version: String,
    metadata: Metadata,
}

/// The fields of a register request below `/api/v1`, whose sender chooses its id.
#[derive(Default)]
pub(super) struct NamedRegistration {
    common: Registration,
    id: String,
    endpoint: Option<String>,
    health_check: Option<String>,
    status: Option<String>,
}

/// The fields of a heartbeat.
#[derive(Default)]
pub(super) struct Beat {
    status: Option<String>,
    metadata: Metadata,
}

/// The fields of a heartbeat below `/api/v1`, whose id may stand in its body.
#[derive(Default)]
pub(super) struct NamedBeat {
    common: Beat,
    id: String,
}

/// What an agent says that the registry has no field for.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Document {
    /// Any text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) version: String,
    /// Whether the list of its capabilities was left out, which is not the same as an empty one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) without_capabilities: bool,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    pub(super) metadata: Metadata,
}

// === impl Registration ===

impl Registration {
    /// Checks a body. The lines of the refusal name every field that is missing.
    pub(super) fn read(body: &[u8]) -> Result<Declared, String> {
        let fields: Self = read(body)?;
        let required = [
            ("Name", fields.name.is_empty()),
            ("Type", fields.kind.is_empty()),
            ("Host", fields.host.is_empty()),
            ("Port", fields.port == 0),
        ];
        let missing = required.iter().filter(|(_, missing)| *missing).map(|(field, _)| {
            format!(
                "Key: 'RegistrationRequest.{field}' Error:Field validation for '{field}' \
                 failed on the 'required' tag"
            )
        });
        let missing: Vec<_> = missing.collect();
        if !missing.is_empty() {
            return Err(missing.join("\n"));
        }
        Ok(fields.declare(HEALTHY.to_owned()))
    }

    fn declare(self, status: String) -> Declared {
        let document = Document {
            status: Some(status),
            version: self.version,
            without_capabilities: self.capabilities.is_none(),
            metadata: self.metadata,
        };
        Declared {
            name: self.name.into(),
            role: self.kind.into(),
            address: format!("{}:{}", self.host, self.port).into(),
            capabilities: self
                .capabilities
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            document: Some(document.write()),
            ..Declared::default()
        }
    }
}

impl Fields for Registration {
    const NAME: &'static str = "RegistrationRequest";

    fn set(&mut self, field: &str, value: Raw<'_>) -> Result<(), Mismatch> {
        match field {
            "name" => self.name.set(value),
            "type" => self.kind.set(value),
            "host" => self.host.set(value),
            "port" => self.port.set(value),
            "capabilities" => self.capabilities.set(value),
            "version" => self.version.set(value),
            "metadata" => self.metadata.set(value),
            _ => Ok(()),
        }
    }
}

// === impl NamedRegistration ===

impl NamedRegistration {
    /// Checks a body: an id, and what it declares. An endpoint stands for host and port; where
    /// there is no name, the id is one.
    pub(super) fn read(body: &[u8]) -> Result<(String, Declared), String> {
        let Self { mut common, id, endpoint, health_check, status } = read(body)?;
        for (field, text) in [("agent_id", &id), ("agent_type", &common.kind)] {
            if text.is_empty() {
                return Err(format!("{field} is required"));
            }
        }
        if id.contains('/') || matches!(id.as_str(), "." | ".." | "discover") {
            return Err(format!("agent_id must not be `{id}`: no path can name it"));
        }
        if common.name.is_empty() {
            common.name.clone_from(&id);
        }
        if common.host.is_empty() {
            let given = endpoint.as_deref().ok_or("endpoint, or host and port, is required")?;
            let place = place_of(given);
            (common.host, common.port) =
                place.ok_or("endpoint must be a URL such as http://localhost:8001")?;
        }
        if common.port == 0 {
            return Err("port is required".to_owned());
        }
        for (name, url) in [("endpoint", endpoint), ("health_check_endpoint", health_check)] {
            let Some(url) = url else { continue };
            common.metadata.entry(name.to_owned()).or_insert_with(|| text_value(&url));
        }
        Ok((id, common.declare(status.unwrap_or_else(|| HEALTHY.to_owned()))))
    }
}

impl Fields for NamedRegistration {
    const NAME: &'static str = Registration::NAME;

    fn set(&mut self, field: &str, value: Raw<'_>) -> Result<(), Mismatch> {
        match field {
            "agent_id" => self.id.set(value),
            "agent_name" => self.common.name.set(value),
            "agent_type" => self.common.kind.set(value),
            "endpoint" => self.endpoint.set(value),
            "health_check_endpoint" => self.health_check.set(value),
            "status" => self.status.set(value),
            other => self.common.set(other, value),
        }
    }
}

/// Host and port of a URL.
fn place_of(url: &str) -> Option<(String, i64)> {
    let uri: Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    let host = authority.host();
    // What stands there and is no port is not as if nothing stood there.
    let says_no_port = authority.as_str().trim_end_matches(':').ends_with(host);
    let port = match (authority.port_u16(), uri.scheme_str()?) {
        (Some(port), _) => port,
        (None, "http") if says_no_port => 80,
        (None, "https") if says_no_port => 443,
        (None, _) => return None,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port.into()))
}

fn text_value(text: &str) -> Box<RawValue> {
    let mut json = String::new();
    push_string(&mut json, text);
    RawValue::from_string(json).expect("a quoted string is JSON")
}

// === impl Beat ===

impl Beat {
    /// Checks a body. Without a status the agent has none: `""`.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let Self { status, metadata } = read(body)?;
        Ok(Self { status: Some(status.unwrap_or_default()), metadata })
    }

    /// Whether it says anything that is not known already. Nearly every heartbeat does not.
    pub(super) fn is_news(&self, declared: &Declared) -> bool {
        let known = Document::read(declared.document.as_deref());
        let mut facts = self.metadata.iter();
        self.status.as_deref().is_some_and(|status| status != known.status())
            || facts.any(|(name, value)| {
                known.metadata.get(name).is_none_or(|known| known.get() != value.get())
            })
    }

    /// Changes what was sent and leaves the rest.
    pub(super) fn apply(self, declared: &mut Declared) {
        let mut document = Document::read(declared.document.as_deref());
        document.status = self.status.or(document.status);
        document.metadata.extend(self.metadata);
        let document = document.write();
        declared.document = Some(merged(declared.document.as_deref(), &document));
    }
}

impl Fields for Beat {
    const NAME: &'static str = "HeartbeatRequest";

    fn set(&mut self, field: &str, value: Raw<'_>) -> Result<(), Mismatch> {
        match field {
            "status" => self.status.set(value),
            "metadata" => self.metadata.set(value),
            // Such as a timestamp or metrics, new in every heartbeat: what is kept is written.
            _ => Ok(()),
        }
    }
}

// === impl NamedBeat ===

impl NamedBeat {
    /// Checks a body. Without a status nothing was said about it.
    pub(super) fn read(body: &[u8]) -> Result<(String, Beat), String> {
        let Self { common, id } = read(body)?;
        Ok((id, common))
    }
}

impl Fields for NamedBeat {
    const NAME: &'static str = Beat::NAME;

    fn set(&mut self, field: &str, value: Raw<'_>) -> Result<(), Mismatch> {
        match field {
            "agent_id" => self.id.set(value),
            other => self.common.set(other, value),
        }
    }
}

// === impl Document ===

impl Document {
    /// Reads what [`Document::write`] wrote. Another dialect's document has none of it.
    pub(super) fn read(text: Option<&str>) -> Self {
        object(text).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// What the agent said last of how it is.
    pub(super) fn status(&self) -> &str {
        self.status.as_deref().unwrap_or(HEALTHY)
    }

    fn write(&self) -> Box<str> {
        serde_json::to_string(self).expect("its keys are strings").into_boxed_str()
    }
}

/// Host and port of an address. One that another dialect gave may have no port.
pub(super) fn split(address: &str) -> (&str, i64) {
    let parts = address.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.unwrap_or((address, 0))
}

/// The status and the words for what the registry refused.
pub(super) fn refusal(error: &Error) -> (StatusCode, String) {
    match error {
        Error::NotFound => (StatusCode::NOT_FOUND, "agent not found: agent not found".to_owned()),
        // The largest part by far; its name in the registry means nothing to the caller.
        Error::Invalid(invalid) if invalid.field == "document" => {
            (StatusCode::PAYLOAD_TOO_LARGE, format!("metadata {}", invalid.reason))
        }
        Error::Invalid(invalid) => (StatusCode::BAD_REQUEST, invalid.to_string()),
        _ => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}
