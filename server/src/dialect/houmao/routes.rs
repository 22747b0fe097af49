//! Route by route: read what the caller sent, say one verb to the registry, answer in its shape.

use std::borrow::Cow;

use hyper::{Method, Response, StatusCode};
use registry_core::limits::TEXT_BYTES_MAX;
use registry_core::{Error, Generation, Guard};

use super::check::{Wrong, identifier, is_blank};
use super::cleanup::Cleanup;
use super::convert::{Publication, Refusal, refusal, typed};
use super::lookup::{self, Session};
use super::publish::publish;
use super::record::Phase;
use super::{NAMESPACE, wire};
use crate::app::App;
use crate::auth::Scope;
use crate::body::{self, Body};
use crate::call::Call;

type Answer = Result<Response<Body>, Refusal>;

/// What a list of records is asked for by; one of them at a time.
const LOOKUPS: [&str; 4] = ["name", "known", "terminal", "state"];

/// Answers one call below `/houmao`.
pub(crate) async fn answer(app: &App, call: Call<'_>) -> Response<Body> {
    respond(app, call).await.unwrap_or_else(|refusal| wire::refused(&refusal))
}

async fn respond(app: &App, call: Call<'_>) -> Answer {
    // Before the route is known to exist: a caller without a token learns nothing about paths.
    let scope = if call.method == Method::GET { Scope::Read } else { Scope::Write };
    call.caller.demand(scope, NAMESPACE).inspect_err(|refused| app.auth.log(*refused))?;
    let segments = if call.has_empty_segment { &[] } else { call.segments };
    match (call.method, segments) {
        (&Method::GET, ["houmao", "agents"]) => Ok(wire::agents(lookup::active(&app.registry))),
        (&Method::GET, ["houmao", "agents", reference]) => agent(app, reference),
        (&Method::GET, ["houmao", "agents", reference, "resolve"]) => {
            Ok(wire::address(reference, &lookup::known(&app.registry, reference)))
        }
        (&Method::GET, ["houmao", "records"]) => records(app, &call),
        (&Method::GET, ["houmao", "records", id]) => record(app, id),
        (&Method::PUT, ["houmao", "records", id]) => {
            let id = *id;
            put(app, id, call).await
        }
        (&Method::DELETE, ["houmao", "records", id]) => remove(app, id, &call).await,
        (&Method::POST, ["houmao", "cleanup"]) => cleanup(app, call).await,
        _ => Err(Refusal::absent("no such path")),
    }
}

// === Records ===

async fn put(app: &App, id: &str, call: Call<'_>) -> Answer {
    let by = call.by();
    let body = read(app, call).await?;
    let publication = Publication::read(&body, id, app.registry.wall())?;
    let done = publish(&app.registry, publication, by).await?;
    let is_new = done.slot.record().created == done.slot.record().modified;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let session = lookup::read(&app.registry, &done.slot).ok_or_else(|| not_found(id))?;
    Ok(wire::record(status, &session.record))
}

fn record(app: &App, id: &str) -> Answer {
    let session = lookup::by_id(&app.registry, id).ok_or_else(|| not_found(id))?;
    Ok(wire::record(StatusCode::OK, &session.record))
}

fn records(app: &App, call: &Call<'_>) -> Answer {
    let parameters: Vec<_> = call.query.pairs().collect();
    let registry = &app.registry;
    match &parameters[..] {
        [] => Ok(wire::list(&lookup::all(registry))),
        [(name, value)] => match &**name {
            "name" => Ok(wire::resolution(&lookup::named(registry, name_of(value)?))),
            "known" => Ok(wire::resolution(&lookup::known(registry, value))),
            "terminal" => Ok(wire::resolution(&lookup::attached(registry, value))),
            "state" => in_state(app, value),
            name => Err(unknown_parameter(name, &LOOKUPS)),
        },
        _ => Err(Refusal::bad(format!("ask for one of {} at a time", LOOKUPS.join(", ")))),
    }
}

/// A name that an agent may have, without the white space around it.
fn name_of(text: &str) -> Result<&str, Wrong> {
    let name = text.trim_matches(is_blank);
    identifier("name", name, TEXT_BYTES_MAX).map(|()| name)
}

/// Active ones only while their lease lasts; `all` are all.
fn in_state(app: &App, state: &str) -> Answer {
    let registry = &app.registry;
    let phase = Phase::ALL.into_iter().find(|phase| phase.as_str() == state);
    match phase {
        Some(Phase::Active) => Ok(wire::list(&lookup::active(registry))),
        Some(phase) => {
            let mut sessions = lookup::all(registry);
            sessions.retain(|session| session.record.lifecycle.state == phase);
            Ok(wire::list(&sessions))
        }
        None if state == "all" => Ok(wire::list(&lookup::all(registry))),
        None => {
            let names = Phase::ALL.map(Phase::as_str).join(", ");
            Err(Refusal::bad(format!("state must be one of {names}, all")))
        }
    }
}

/// Removes a record, if it is of the generation that was given. A generation that no record can
/// have removes nothing.
async fn remove(app: &App, id: &str, call: &Call<'_>) -> Answer {
    let mut given: Option<Cow<'_, str>> = None;
    for (name, value) in call.query.pairs() {
        match &*name {
            "generation" => given = Some(value),
            name => return Err(unknown_parameter(name, &["generation"])),
        }
    }
    let generation = given.map(|text| Generation::new(&text)).transpose();
    let Ok(generation) = generation else { return Ok(wire::removed(false)) };
    let guard = Guard { generation, by: call.by(), ..Guard::default() };
    match app.registry.deregister(NAMESPACE, id, guard).await {
        Ok(_) => Ok(wire::removed(true)),
        Err(Error::NotFound | Error::Fenced { .. }) => Ok(wire::removed(false)),
        Err(error) => Err(refusal(&error)),
    }
}

async fn cleanup(app: &App, call: Call<'_>) -> Answer {
    let by = call.by();
    let body = read(app, call).await?;
    let cleanup = if body.is_empty() { Cleanup::default() } else { typed(&body)? };
    Ok(wire::json(StatusCode::OK, &cleanup.run(&app.registry, by).await))
}

// === Agents ===

/// The one active agent that is meant by an id or a name.
fn agent(app: &App, reference: &str) -> Answer {
    match &lookup::known_active(&app.registry, reference)[..] {
        [] => Err(Refusal::absent(format!("no active agent is known as `{reference}`"))),
        [session] => Ok(wire::agent(session)),
        several => {
            let id = |session: &Session| session.record.agent_id.clone();
            let agent_ids = several.iter().map(id).collect();
            Err(Refusal::Ambiguous { reference: reference.to_string(), agent_ids })
        }
    }
}

// === What they share ===

async fn read(app: &App, call: Call<'_>) -> Result<bytes::Bytes, Refusal> {
    let bytes = body::read(call.body, &app.limits).await;
    bytes.map_err(|refused| Refusal::Plain(refused.status(), refused.to_string()))
}

fn not_found(id: &str) -> Refusal {
    Refusal::absent(format!("no record of agent `{id}`"))
}

fn unknown_parameter(name: &str, known: &[&str]) -> Refusal {
    Refusal::bad(format!("`{name}` means nothing here; known is {}", known.join(", ")))
}
