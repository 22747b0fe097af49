//! Why an instance is where it is: whether it is found, until when, and what happened to it.

use hyper::{Response, StatusCode};
use registry_core::{Change, OnExpiry, Registry, Slot, Standing, State};

use super::problem::Problem;
use super::watch;
use super::wire::{Writer, push_list, push_number, quoted};
use crate::body::{self, Body};
use crate::limits::EXPLAIN_CHANGES_MAX;

/// What can be said about one id, also about one that is gone.
pub(super) fn explain(
    registry: &Registry,
    namespace: &str,
    id: &str,
) -> Result<Response<Body>, Problem> {
    let slot = registry.get(namespace, id);
    let (changes, oldest) = registry.changes_of(namespace, id);
    if slot.is_none() && changes.is_empty() {
        let detail = "nothing is registered under this id, and no change of it is kept";
        let problem = Problem::new(StatusCode::NOT_FOUND, "not-registered", detail);
        return Err(problem.with("oldest_revision", oldest.0.to_string()));
    }
    let mut writer = Writer::new(registry);
    let mut text = format!(r#"{{"namespace":{},"id":{}"#, quoted(namespace), quoted(id));
    match &slot {
        Some(slot) => push_presence(&mut text, &mut writer, registry, slot),
        None => {
            text.push_str(r#","registered":false,"discoverable":false,"why":"#);
            text.push_str(&quoted("it has been removed: see the last change"));
        }
    }
    text.push_str(",\"changes\":");
    let latest = &changes[changes.len().saturating_sub(EXPLAIN_CHANGES_MAX)..];
    push_list(&mut text, latest, |text, change| push_change(text, &mut writer, change));
    text.push_str(",\"changes_kept_since_revision\":");
    push_number(&mut text, oldest.0);
    text.push('}');
    Ok(body::json(StatusCode::OK, text))
}

fn push_presence(text: &mut String, writer: &mut Writer<'_>, registry: &Registry, slot: &Slot) {
    let found = slot.is_live(writer.now());
    text.push_str(r#","registered":true,"discoverable":"#);
    text.push_str(if found { "true" } else { "false" });
    text.push_str(",\"why\":");
    text.push_str(&quoted(&why(writer, registry, slot)));
    if let Some(purge_in_ms) = purge_in_ms(writer, registry, slot) {
        text.push_str(",\"purge_in_ms\":");
        push_number(text, purge_in_ms);
    }
    text.push_str(",\"instance\":");
    writer.push(text, slot);
}

/// One sentence.
fn why(writer: &Writer<'_>, registry: &Registry, slot: &Slot) -> String {
    let declared = &slot.record().declared;
    let now = writer.now();
    let lease = slot.lease();
    let ttl_ms = lease.ttl.map_or(0, registry_core::Ttl::as_ms);
    let silent_ms = now.0.saturating_sub(lease.renewed.0);
    match (declared.state, slot.standing(now)) {
        (State::Running, Standing::Live) => {
            let left_ms = ttl_ms.saturating_sub(silent_ms);
            format!(
                "its lease of {ttl_ms} ms was renewed {silent_ms} ms ago: {left_ms} ms are left"
            )
        }
        (State::Running, Standing::Leaseless) => {
            "it has no lease: it is believed until it is deregistered".to_owned()
        }
        (_, Standing::Stale) => {
            let over_ms = silent_ms.saturating_sub(ttl_ms);
            let fate = match registry.rules(slot.record().key.namespace()).on_expiry {
                OnExpiry::Keep => "it stays until it beats again or is deregistered",
                OnExpiry::PurgeAfterMs(_) => "it is removed unless it beats again",
            };
            format!(
                "no heartbeat for {silent_ms} ms, {over_ms} ms longer than its lease of {ttl_ms} \
                 ms; {fate}"
            )
        }
        (state, _) => {
            let state = state.as_str();
            format!("its owner says that it is {state}, and only what is running is discovered")
        }
    }
}

/// In how many milliseconds it is removed, if nothing is heard of it.
fn purge_in_ms(writer: &Writer<'_>, registry: &Registry, slot: &Slot) -> Option<u64> {
    let until = slot.lease().live_until()?;
    match registry.rules(slot.record().key.namespace()).on_expiry {
        OnExpiry::Keep => None,
        OnExpiry::PurgeAfterMs(kept_ms) => {
            Some(until.after_ms(kept_ms).0.saturating_sub(writer.now().0))
        }
    }
}

/// One change: when, why, by whom, and what it left behind.
fn push_change(text: &mut String, writer: &mut Writer<'_>, change: &Change) {
    text.push('{');
    let start = text.len();
    watch::push_change(text, writer, change);
    text.remove(start); // the comma before the first
    text.push_str(",\"generation\":");
    text.push_str(&quoted(change.slot().record().generation.as_str()));
    text.push_str(",\"state\":");
    match &change.after {
        Some(after) => text.push_str(&quoted(after.record().declared.state.as_str())),
        None => text.push_str("null"),
    }
    text.push('}');
}
