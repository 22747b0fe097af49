//! Finding sessions: by id, by name, by terminal. What is ambiguous stays a list.

use registry_core::{Query, Registry, Scope, Slot};

use super::check::is_blank;
use super::record::{Phase, Record};
use super::{NAMESPACE, PREFIX, TERMINAL};

/// A record as it was found.
pub(super) struct Session {
    pub(super) record: Record,
    /// Whether it is active and its lease lasts.
    pub(super) is_active: bool,
}

/// The record of this id, in whatever state.
pub(super) fn by_id(registry: &Registry, id: &str) -> Option<Session> {
    let slot = registry.get(NAMESPACE, id)?;
    read(registry, &slot)
}

/// Every record, by id.
pub(super) fn all(registry: &Registry) -> Vec<Session> {
    found(registry, &everything())
}

/// Every active record, by id.
pub(super) fn active(registry: &Registry) -> Vec<Session> {
    found(registry, &live())
}

/// The active records of exactly this name.
pub(super) fn named(registry: &Registry, name: &str) -> Vec<Session> {
    found(registry, &live().named(name))
}

/// The active records that are attached to this terminal session.
pub(super) fn attached(registry: &Registry, terminal: &str) -> Vec<Session> {
    found(registry, &live().label(TERMINAL, terminal))
}

/// What people may mean by `reference`, in whatever state.
pub(super) fn known(registry: &Registry, reference: &str) -> Vec<Session> {
    meant(registry, reference, &everything())
}

/// What people may mean by `reference` among the active.
pub(super) fn known_active(registry: &Registry, reference: &str) -> Vec<Session> {
    meant(registry, reference, &live())
}

/// The record of this id, or else all that have this name, with or without the prefix.
fn meant(registry: &Registry, reference: &str, among: &Query) -> Vec<Session> {
    let reference = reference.trim_matches(is_blank);
    let by_id = by_id(registry, reference);
    if let Some(session) = by_id.filter(|it| it.is_active || among.scope == Scope::All) {
        return vec![session];
    }
    let prefixed = format!("{PREFIX}{reference}");
    let other = reference.strip_prefix(PREFIX).unwrap_or(&prefixed);
    let mut sessions = found(registry, &among.clone().named(reference));
    sessions.extend(found(registry, &among.clone().named(other)));
    sort(&mut sessions);
    sessions
}

fn everything() -> Query {
    live().including_stale()
}

fn live() -> Query {
    Query::any().in_namespace(NAMESPACE)
}

fn found(registry: &Registry, query: &Query) -> Vec<Session> {
    let slots = registry.discover(query);
    let mut sessions: Vec<_> = slots.iter().filter_map(|slot| read(registry, slot)).collect();
    sort(&mut sessions);
    sessions
}

fn sort(sessions: &mut [Session]) {
    sessions.sort_by(|a, b| a.record.agent_id.cmp(&b.record.agent_id));
}

/// What somebody registered here in another shape is no session, and must not hide those that are.
pub(super) fn read(registry: &Registry, slot: &Slot) -> Option<Session> {
    let document = slot.record().declared.document.as_deref()?;
    let record: Record = serde_json::from_str(document).ok()?;
    record.check().ok()?;
    let is_active = slot.is_live(registry.now()) && record.lifecycle.state == Phase::Active;
    (record.agent_id == slot.record().key.id()).then_some(Session { record, is_active })
}
