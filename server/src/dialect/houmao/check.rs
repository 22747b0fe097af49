//! What a record must be beyond its shape. The first field that is wrong is named, with what is
//! allowed there.

use chrono::{DateTime, Datelike, FixedOffset, Utc};
use registry_core::limits::{GENERATION_BYTES_MAX, ID_BYTES_MAX, TEXT_BYTES_MAX};

use super::record::{
    Gateway, Lifecycle, Mailbox, OldRecord, Phase, Record, Terminal, Transport, VERSION,
};

/// A field, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {allowed}")]
pub(super) struct Wrong {
    pub(super) field: String,
    pub(super) allowed: String,
}

type Checked<T = ()> = Result<T, Wrong>;

/// A point in time, as it was written.
pub(super) type Moment = DateTime<FixedOffset>;

// === impl Wrong ===

impl Wrong {
    pub(super) fn new(field: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { field: field.into(), allowed: allowed.into() }
    }
}

// === impl Record ===

impl Record {
    /// Checks everything but the clock; when the lease ends, where there is one.
    pub(super) fn check(&self) -> Checked<Option<Moment>> {
        if self.schema_version != VERSION {
            return Err(Wrong::new("schema_version", format!("must be {VERSION}")));
        }
        identifier("agent_id", &self.agent_id, ID_BYTES_MAX)?;
        identifier("agent_name", &self.agent_name, TEXT_BYTES_MAX)?;
        text("generation_id", &self.generation_id, GENERATION_BYTES_MAX)?;
        text("identity.tool", &self.identity.tool, TEXT_BYTES_MAX)?;
        let state = self.lifecycle.state;
        self.lifecycle.check()?;
        non_blank("runtime.manifest_path", &self.runtime.manifest_path)?;
        optional("runtime.session_root", self.runtime.session_root.as_deref())?;
        optional("runtime.agent_def_dir", self.runtime.agent_def_dir.as_deref())?;
        self.terminal.check(state)?;
        let lease = only_if_up("liveness", self.liveness.as_ref(), state)?.map(|liveness| {
            let names = ["liveness.published_at", "liveness.lease_expires_at"];
            leased(names, [&liveness.published_at, &liveness.lease_expires_at])
        });
        if !state.is_up() {
            absent("gateway", self.gateway.as_ref(), state)?;
        }
        self.gateway.as_ref().map_or(Ok(()), Gateway::check)?;
        self.mailbox.as_ref().map_or(Ok(()), Mailbox::check)?;
        lease.transpose()
    }
}

impl OldRecord {
    /// Checks what is called otherwise in version 3, in the words of version 2.
    pub(super) fn check(&self) -> Checked {
        text("terminal.session_name", &self.terminal.session_name, TEXT_BYTES_MAX)?;
        let names = ["published_at", "lease_expires_at"];
        leased(names, [&self.published_at, &self.lease_expires_at])?;
        Ok(())
    }
}

impl Lifecycle {
    fn check(&self) -> Checked {
        if self.relaunchable && self.state == Phase::Retired {
            let allowed = "must be false when lifecycle.state is retired";
            return Err(Wrong::new("lifecycle.relaunchable", allowed));
        }
        time("lifecycle.state_updated_at", &self.state_updated_at)?;
        if self.state.is_up() {
            absent("lifecycle.stopped_at", self.stopped_at.as_ref(), self.state)?;
            return absent("lifecycle.stop_reason", self.stop_reason.as_ref(), self.state);
        }
        time(
            "lifecycle.stopped_at",
            required("lifecycle.stopped_at", self.stopped_at.as_deref())?,
        )?;
        optional("lifecycle.stop_reason", self.stop_reason.as_deref())
    }
}

impl Terminal {
    fn check(&self, state: Phase) -> Checked {
        let current = self.current_session_name.as_deref();
        if let Some(name) = only_if_up("terminal.current_session_name", current, state)? {
            text("terminal.current_session_name", name, TEXT_BYTES_MAX)?;
        }
        text("terminal.last_session_name", &self.last_session_name, TEXT_BYTES_MAX)
    }
}

impl Gateway {
    fn check(&self) -> Checked {
        if !["127.0.0.1", "0.0.0.0"].contains(&self.host.as_str()) {
            return Err(Wrong::new("gateway.host", "must be 127.0.0.1 or 0.0.0.0"));
        }
        if !(1..=u64::from(u16::MAX)).contains(&self.port) {
            return Err(Wrong::new("gateway.port", "must be 1 to 65535"));
        }
        if self.protocol_version != "v1" {
            return Err(Wrong::new("gateway.protocol_version", "must be v1"));
        }
        non_blank("gateway.state_path", &self.state_path)
    }
}

impl Mailbox {
    fn check(&self) -> Checked {
        non_blank("mailbox.address", &self.address)?;
        non_blank("mailbox.bindings_version", &self.bindings_version)?;
        non_blank("mailbox.principal_id", &self.principal_id)?;
        for (name, value, transport) in [
            ("mailbox.filesystem_root", &self.filesystem_root, Transport::Filesystem),
            ("mailbox.credential_ref", &self.credential_ref, Transport::Stalwart),
            ("mailbox.jmap_url", &self.jmap_url, Transport::Stalwart),
            ("mailbox.login_identity", &self.login_identity, Transport::Stalwart),
            ("mailbox.management_url", &self.management_url, Transport::Stalwart),
        ] {
            if self.transport == transport {
                non_blank(name, required(name, value.as_deref())?)?;
            } else if value.is_some() {
                return Err(Wrong::new(name, "does not belong to this mailbox.transport"));
            }
        }
        Ok(())
    }
}

// === What fields may hold ===

/// A letter or digit, then letters, digits, `_` and `-`.
pub(super) fn identifier(field: &str, value: &str, bytes_max: usize) -> Checked {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !value.starts_with(|c: char| c.is_ascii_alphanumeric()) || !value.chars().all(plain) {
        let allowed = "must be letters, digits, `_` and `-`, a letter or digit first";
        return Err(Wrong::new(field, allowed));
    }
    fits(field, value, bytes_max)
}

/// Not blank, and short enough to be found by.
fn text(field: &str, value: &str, bytes_max: usize) -> Checked {
    non_blank(field, value)?;
    fits(field, value, bytes_max)
}

fn fits(field: &str, value: &str, bytes_max: usize) -> Checked {
    if value.len() > bytes_max {
        let allowed = format!("has {} bytes; at most {bytes_max} are allowed", value.len());
        return Err(Wrong::new(field, allowed));
    }
    Ok(())
}

fn non_blank(field: &str, value: &str) -> Checked {
    if value.chars().all(is_blank) {
        return Err(Wrong::new(field, "must not be blank"));
    }
    Ok(())
}

/// White space as the original's language sees it, which counts four separators more.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}')
}

fn optional(field: &str, value: Option<&str>) -> Checked {
    value.map_or(Ok(()), |value| non_blank(field, value))
}

fn required<T>(field: &str, value: Option<T>) -> Checked<T> {
    value.ok_or_else(|| Wrong::new(field, "is required here"))
}

fn absent<T>(field: &str, value: Option<T>, state: Phase) -> Checked {
    if value.is_some() {
        let allowed = format!("must be null when lifecycle.state is {}", state.as_str());
        return Err(Wrong::new(field, allowed));
    }
    Ok(())
}

/// What a session has exactly while it is up.
fn only_if_up<T: Copy>(field: &str, value: Option<T>, state: Phase) -> Checked<Option<T>> {
    if state.is_up() {
        return required(field, value).map(Some);
    }
    absent(field, value, state).map(|()| None)
}

/// When a lease ends that was published before.
fn leased(names: [&str; 2], values: [&str; 2]) -> Checked<Moment> {
    let (published, expires) = (time(names[0], values[0])?, time(names[1], values[1])?);
    if expires <= published {
        return Err(Wrong::new(names[1], format!("must be later than {}", names[0])));
    }
    Ok(expires)
}

/// An instant that the original can read, too: it refuses leap seconds, a lower-case `z`, and years
/// that are not 1 to 9999 in UTC.
fn time(field: &str, value: &str) -> Checked<Moment> {
    let read = DateTime::parse_from_rfc3339(value).ok().filter(|at| {
        let is_leap = at.timestamp_subsec_nanos() >= 1_000_000_000;
        let year = at.with_timezone(&Utc).year();
        !is_leap && !value.contains('z') && (1..=9999).contains(&year)
    });
    let allowed = "must be a time with an offset, like 2026-01-31T23:59:59+00:00";
    read.ok_or_else(|| Wrong::new(field, allowed))
}
