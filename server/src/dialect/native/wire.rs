//! Instances as JSON. What only a change moves is kept once it is asked for again; what time and
//! heartbeats move stands last and is written at each read.

use registry_core::{Lease, Registry, Slot, Standing, Tick, Timestamp};
use serde_json::value::RawValue;

use crate::dialect::Rendered;
use crate::json::push_string;
use crate::timestamp::push_timestamp;

/// One field of an instance, in the order in which they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Namespace,
    Id,
    Name,
    Role,
    State,
    Address,
    Services,
    Capabilities,
    Labels,
    RegisteredBy,
    TtlMs,
    Metadata,
    Generation,
    Revision,
    RegisteredAt,
    LastSeen,
    ExpiresAt,
    Standing,
}

/// Writes instances as of one instant.
pub(super) struct Writer<'a> {
    registry: &'a Registry,
    now: Tick,
    wall: Timestamp,
}

// === impl Field ===

impl Field {
    pub(super) const ALL: [(&'static str, Self); 18] = [
        ("namespace", Self::Namespace),
        ("id", Self::Id),
        ("name", Self::Name),
        ("role", Self::Role),
        ("state", Self::State),
        ("address", Self::Address),
        ("services", Self::Services),
        ("capabilities", Self::Capabilities),
        ("labels", Self::Labels),
        ("registered_by", Self::RegisteredBy),
        ("ttl_ms", Self::TtlMs),
        ("metadata", Self::Metadata),
        ("generation", Self::Generation),
        ("revision", Self::Revision),
        ("registered_at", Self::RegisteredAt),
        ("last_seen", Self::LastSeen),
        ("expires_at", Self::ExpiresAt),
        ("standing", Self::Standing),
    ];

    /// The field of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
    }

    /// Whether it moves without a change.
    fn is_moving(self) -> bool {
        self >= Self::LastSeen
    }

    fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

// === impl Writer ===

impl<'a> Writer<'a> {
    /// As of now.
    pub(super) fn new(registry: &'a Registry) -> Self {
        Self::at(registry, registry.now(), registry.wall())
    }

    /// As of an instant just now, by both clocks.
    pub(super) fn at(registry: &'a Registry, now: Tick, wall: Timestamp) -> Self {
        Self { registry, now, wall }
    }

    /// One instance, whole.
    pub(super) fn push(&self, text: &mut String, slot: &Slot) {
        match Rendered::of(slot) {
            Some(rendered) => text.push_str(rendered.native.get_or_init(|| self.head(slot))),
            None => self.push_head(text, slot),
        }
        self.push_moving(text, slot);
    }

    /// The same of a version that is new. What is made of it is not kept: it may be changed again
    /// before anybody asks.
    pub(super) fn push_new(&self, text: &mut String, slot: &Slot) {
        self.push_head(text, slot);
        self.push_moving(text, slot);
    }

    /// The last three fields, and the end.
    fn push_moving(&self, text: &mut String, slot: &Slot) {
        let lease = slot.lease();
        text.push_str(r#","last_seen":""#);
        push_timestamp(text, slot.last_seen());
        match self.expires_at(lease) {
            Some(at) => {
                text.push_str(r#"","expires_at":""#);
                push_timestamp(text, at);
                text.push_str(r#"","standing":""#);
            }
            None => text.push_str(r#"","expires_at":null,"standing":""#),
        }
        text.push_str(standing(lease.standing(self.now)));
        text.push_str(r#""}"#);
    }

    /// Some fields of one instance, in the usual order.
    pub(super) fn push_fields(&self, text: &mut String, slot: &Slot, fields: &[Field]) {
        text.push('{');
        let start = text.len();
        for field in fields {
            let before = text.len();
            self.push_member(text, slot, *field);
            if before == start && text.len() > start {
                text.remove(start); // the comma before the first
            }
        }
        text.push('}');
    }

    /// Everything before what moves.
    fn head(&self, slot: &Slot) -> Box<str> {
        let mut text = String::with_capacity(384);
        self.push_head(&mut text, slot);
        text.into_boxed_str()
    }

    fn push_head(&self, text: &mut String, slot: &Slot) {
        let still = Field::ALL.iter().map(|(_, field)| *field).filter(|field| !field.is_moving());
        self.push_fields(text, slot, &still.collect::<Vec<_>>());
        text.pop(); // more follows
    }

    /// `,"name":value`; nothing for a field that the instance does not have.
    fn push_member(&self, text: &mut String, slot: &Slot, field: Field) {
        let record = slot.record();
        let declared = &record.declared;
        if field == Field::Metadata && declared.document.is_none() {
            return;
        }
        text.push_str(",\"");
        text.push_str(field.name());
        text.push_str("\":");
        match field {
            Field::Namespace => push_string(text, record.key.namespace()),
            Field::Id => push_string(text, record.key.id()),
            Field::Name => push_string(text, &declared.name),
            Field::Role => push_string(text, &declared.role),
            Field::State => push_string(text, declared.state.as_str()),
            Field::Address => push_string(text, &declared.address),
            Field::Services => push_services(text, slot),
            Field::Capabilities => {
                push_list(text, &declared.capabilities, |text, one| push_string(text, one));
            }
            Field::Labels => push_labels(text, slot),
            Field::RegisteredBy => push_string(text, &declared.registered_by),
            Field::TtlMs => push_number(text, self.ttl_ms(slot)),
            Field::Metadata => push_document(text, declared.document.as_deref().unwrap_or("null")),
            Field::Generation => push_string(text, record.generation.as_str()),
            Field::Revision => push_number(text, record.modified.0),
            Field::RegisteredAt => self.push_time(text, Some(record.registered_at)),
            Field::LastSeen => self.push_time(text, Some(slot.last_seen())),
            Field::ExpiresAt => {
                let expires = self.expires_at(slot.lease());
                self.push_time(text, expires);
            }
            Field::Standing => push_string(text, standing(slot.standing(self.now))),
        }
    }

    /// The lease's length; 0 where there is none.
    fn ttl_ms(&self, slot: &Slot) -> u64 {
        let record = slot.record();
        let rules = self.registry.rules(record.key.namespace());
        rules.ttl(record.declared.term).map_or(0, registry_core::Ttl::as_ms)
    }

    /// When the lease runs out, or ran out, by the clock on the wall; `None` if none runs.
    pub(super) fn expires_at(&self, lease: Lease) -> Option<Timestamp> {
        let until = lease.live_until()?.0;
        let ahead = i64::try_from(until.saturating_sub(self.now.0)).unwrap_or(i64::MAX);
        let behind = i64::try_from(self.now.0.saturating_sub(until)).unwrap_or(i64::MAX);
        Some(Timestamp(self.wall.0.saturating_add(ahead).saturating_sub(behind)))
    }

    /// A time in quotes, or null.
    pub(super) fn push_time(&self, text: &mut String, at: Option<Timestamp>) {
        match at {
            None => text.push_str("null"),
            Some(at) => {
                text.push('"');
                push_timestamp(text, at);
                text.push('"');
            }
        }
    }

    /// The instant that this writer writes of.
    pub(super) fn now(&self) -> Tick {
        self.now
    }
}

/// The word for a standing.
pub(super) fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Live => "live",
        Standing::Stale => "stale",
        Standing::Leaseless => "leaseless",
    }
}

/// The validator of an instance: its revision. `last_seen` moves without it.
pub(super) fn etag(slot: &Slot) -> String {
    let mut etag = String::with_capacity(24);
    etag.push('"');
    push_number(&mut etag, slot.record().modified.0);
    etag.push('"');
    etag
}

/// An object of members whose values are JSON already.
pub(super) fn object(members: &[(&str, String)]) -> String {
    let mut text = String::from("{");
    for (place, (name, json)) in members.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_string(&mut text, name);
        text.push(':');
        text.push_str(json);
    }
    text.push('}');
    text
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    push_string(&mut json, text);
    json
}

/// A number.
pub(super) fn push_number(text: &mut String, number: u64) {
    text.push_str(itoa::Buffer::new().format(number));
}

/// An array.
pub(super) fn push_list<T>(text: &mut String, list: &[T], mut push: impl FnMut(&mut String, &T)) {
    text.push('[');
    for (place, one) in list.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push(text, one);
    }
    text.push(']');
}

fn push_services(text: &mut String, slot: &Slot) {
    push_list(text, &slot.record().declared.services, |text, service| {
        text.push_str("{\"name\":");
        push_string(text, &service.name);
        if let Some(port) = service.port {
            text.push_str(",\"port\":");
            push_number(text, port.into());
        }
        text.push('}');
    });
}

fn push_labels(text: &mut String, slot: &Slot) {
    text.push('{');
    for (place, (name, value)) in slot.record().declared.labels.iter().enumerate() {
        if place > 0 {
            text.push(',');
        }
        push_string(text, name);
        text.push(':');
        push_string(text, value);
    }
    text.push('}');
}

/// A document as it is if it is JSON, as every dialect's is; else as a text.
fn push_document(text: &mut String, document: &str) {
    match serde_json::from_str::<&RawValue>(document) {
        Ok(json) => text.push_str(json.get()),
        Err(_) => push_string(text, document),
    }
}
