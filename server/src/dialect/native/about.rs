//! What a caller may know about the server itself: its limits and its namespaces.

use hyper::{Response, StatusCode};
use registry_core::{OnConflict, OnExpiry, Query, limits as core};

use super::lookup;
use super::problem::Problem;
use super::wire::{object, push_list, quoted};
use crate::app::{App, BUILD, VERSION};
use crate::auth::Caller;
use crate::body::{self, Body};
use crate::limits;

/// `GET /v1/limits`: every bound that a client can meet.
pub(super) fn limits(app: &App) -> Response<Body> {
    let ms = |duration: std::time::Duration| duration.as_millis() as u64;
    let all: [(&str, u64); 28] = [
        ("batch_heartbeats_max", limits::BATCH_HEARTBEATS_MAX as u64),
        ("batch_registrations_max", limits::BATCH_REGISTRATIONS_MAX as u64),
        ("body_bytes_max", app.limits.body_bytes_max as u64),
        ("capabilities_max", core::CAPABILITIES_MAX as u64),
        ("connections_max", app.limits.connections_max as u64),
        ("generation_bytes_max", core::GENERATION_BYTES_MAX as u64),
        ("header_bytes_max", limits::HEADER_BYTES_MAX as u64),
        ("history_changes_max", core::HISTORY_CHANGES_MAX as u64),
        ("id_bytes_max", core::ID_BYTES_MAX as u64),
        ("json_depth_max", limits::JSON_DEPTH_MAX as u64),
        ("labels_max", core::LABELS_MAX as u64),
        ("metadata_bytes_max", core::DOCUMENT_BYTES_MAX as u64),
        ("namespace_bytes_max", core::NAMESPACE_BYTES_MAX as u64),
        ("namespaces_max", core::NAMESPACES_MAX as u64),
        ("page_bytes_max", limits::PAGE_BYTES_MAX as u64),
        ("page_instances_default", limits::PAGE_INSTANCES_DEFAULT as u64),
        ("page_instances_max", limits::PAGE_INSTANCES_MAX as u64),
        ("poll_events_max", limits::POLL_EVENTS_MAX as u64),
        ("request_ms_max", ms(app.limits.request)),
        ("services_max", core::SERVICES_MAX as u64),
        ("snapshots_sent_max", limits::SNAPSHOT_STREAMS_MAX as u64),
        ("stream_silence_ms_max", ms(app.limits.stream_silence)),
        ("target_bytes_max", limits::TARGET_BYTES_MAX as u64),
        ("text_bytes_max", core::TEXT_BYTES_MAX as u64),
        ("ttl_ms_max", core::TTL_MS_MAX),
        ("ttl_ms_min", core::TTL_MS_MIN),
        ("wait_ms_max", ms(super::watch::wait_max(app))),
        ("watchers_max", core::WATCHERS_MAX as u64),
    ];
    let all = all.map(|(name, number)| (name, number.to_string()));
    body::json(StatusCode::OK, object(&all))
}

/// `GET /v1/namespaces`: those that the caller may read, their rules, and how many are in them.
pub(super) fn namespaces(app: &App, caller: &Caller) -> Result<Response<Body>, Problem> {
    let names = lookup::readable(&app.registry, caller, &[])?;
    let mut text = String::from("{\"namespaces\":");
    push_list(&mut text, &names, |text, name| {
        let rules = app.registry.rules(name);
        let live = app.registry.discover(&Query::any().in_namespace(&**name)).len();
        let all = Query::any().in_namespace(&**name).including_stale();
        let registered = app.registry.discover(&all).len();
        let on_conflict = match rules.on_conflict {
            OnConflict::Refuse => "refuse",
            OnConflict::Replace => "replace",
            OnConflict::TakeOverStale => "take-over-stale",
        };
        let purge = match rules.on_expiry {
            OnExpiry::Keep => "null".to_owned(),
            OnExpiry::PurgeAfterMs(ms) => ms.to_string(),
        };
        let ttl_ms = rules.default_ttl.map_or(0, registry_core::Ttl::as_ms);
        text.push_str(&object(&[
            ("name", quoted(name)),
            ("registered", registered.to_string()),
            ("live", live.to_string()),
            ("on_conflict", quoted(on_conflict)),
            ("default_ttl_ms", ttl_ms.to_string()),
            ("purge_after_ms", purge),
        ]));
    });
    text.push('}');
    Ok(body::json(StatusCode::OK, text))
}

/// `GET /v1`: what this is, and where the rest is described.
pub(super) fn index(app: &App) -> Response<Body> {
    let text = object(&[
        ("name", quoted("rolecall")),
        ("version", quoted(VERSION)),
        ("build", quoted(BUILD)),
        ("revision", app.registry.revision().0.to_string()),
        ("openapi", quoted("/openapi.json")),
    ]);
    body::json(StatusCode::OK, text)
}
