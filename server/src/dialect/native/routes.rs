//! Route by route: who may, what was sent, one verb of the registry, and the answer.

use bytes::Bytes;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use registry_core::{
    Cause, Claim, Declared, Error, Generation, Guard, Key, OnConflict, Registry, Slot,
};

use super::condition::{
    Tag, held_revision, if_match, on_conflict, only_new, stands_in_the_path, unknown_parameter,
    without_parameters,
};
use super::convert::{Heartbeat, Patch, Registration, generation, read};
use super::lookup::{has_already, with_etag};
use super::problem::Problem;
use super::wanted::Wanted;
use super::wire::{Field, Writer, etag};
use super::{RESERVED, about, batch, explain, is_hidden, watch};
use crate::app::App;
use crate::auth::Scope;
use crate::body::{self, Body};
use crate::call::Call;
use crate::snapshot;

type Answer = Result<Response<Body>, Problem>;

/// The whole interface as a document, kept by hand; a test holds it against the running server.
const OPENAPI: &str = include_str!("openapi.json");

/// Answers one call.
pub(crate) async fn answer(app: &App, call: Call<'_>) -> Response<Body> {
    let answer = match at_once(app, &call) {
        Some(answer) => answer,
        // In a box, so that the routes before have not the size of these.
        None => Box::pin(respond(app, call)).await,
    };
    answer.unwrap_or_else(Problem::answer)
}

/// The answers that wait for nothing; those asked most often are among them.
fn at_once(app: &App, call: &Call<'_>) -> Option<Answer> {
    if let Err(refused) = call.caller.is_somebody() {
        app.auth.log(refused);
        return Some(Err(Problem::forbidden(refused, Scope::Read, None)));
    }
    if call.has_empty_segment {
        return Some(Err(Problem::no_route()));
    }
    Some(match (call.method, call.segments) {
        (&Method::GET, ["v1", "discover", role]) => discover(app, call, role),
        (&Method::GET, ["v1", "instances"]) => list(app, call, None),
        (&Method::GET, ["v1", "limits"]) => Ok(about::limits(app)),
        (&Method::GET, ["v1", "namespaces"]) => about::namespaces(app, &call.caller),
        (&Method::POST, ["v1", "admin", "snapshot"]) => take_snapshot(app, call),
        (&Method::GET, ["v1"]) => Ok(about::index(app)),
        (&Method::GET, ["openapi.json"]) => Ok(body::json(StatusCode::OK, OPENAPI)),
        (&Method::GET, ["v1", ns, "instances"]) => list(app, call, Some(ns)),
        (&Method::GET, ["v1", ns, "instances", id]) => get(app, call, ns, id),
        (&Method::GET, ["v1", ns, "instances", id, "explain"]) => explain(app, call, ns, id),
        _ => return None,
    })
}

/// The other answers.
async fn respond(app: &App, call: Call<'_>) -> Answer {
    let segments = call.segments;
    match (call.method, segments) {
        (&Method::POST, ["v1", ns, "instances", id, "heartbeat"]) => {
            heartbeat(app, call, ns, id).await
        }
        (&Method::POST, ["v1", "heartbeats"]) => heartbeats(app, call, None).await,
        (&Method::POST, ["v1", "query"]) => query(app, call).await,
        (&Method::GET, ["v1", "watch"]) => watch::watch(app, &call).await,
        (&Method::POST, ["v1", ns, "instances"]) => create(app, call, ns).await,
        (&Method::POST, ["v1", ns, "registrations"]) => registrations(app, call, ns).await,
        (&Method::POST, ["v1", ns, "heartbeats"]) => heartbeats(app, call, Some(ns)).await,
        (&Method::PUT, ["v1", ns, "instances", id]) => register(app, call, ns, id).await,
        (&Method::PATCH, ["v1", ns, "instances", id]) => update(app, call, ns, id).await,
        (&Method::DELETE, ["v1", ns, "instances", id]) => deregister(app, call, ns, id).await,
        _ => Err(allowed(segments).map_or_else(Problem::no_route, Problem::method)),
    }
}

/// What a path answers to, if there is such a path.
fn allowed(segments: &[&str]) -> Option<&'static str> {
    Some(match segments {
        ["v1", "discover", _]
        | ["v1", "instances" | "watch" | "limits" | "namespaces"]
        | ["v1"]
        | ["openapi.json"]
        | ["v1", _, "instances", _, "explain"] => "GET, HEAD",
        ["v1", "heartbeats" | "query"]
        | ["v1", "admin", "snapshot"]
        | ["v1", _, "heartbeats" | "registrations"]
        | ["v1", _, "instances", _, "heartbeat"] => "POST",
        ["v1", _, "instances"] => "GET, HEAD, POST",
        ["v1", _, "instances", _] => "GET, HEAD, PUT, PATCH, DELETE",
        _ => return None,
    })
}

// === Reading ===

fn discover(app: &App, call: &Call<'_>, role: &str) -> Answer {
    let mut wanted = Wanted::from_query(call.query)?;
    if wanted.role.replace(role.to_owned()).is_some() {
        return Err(stands_in_the_path("role"));
    }
    let lookup = wanted.check(&app.registry, &call.caller)?;
    Ok(lookup.answer(&app.registry, &call.head.headers))
}

/// Everything registered, unless a standing is asked for.
fn list(app: &App, call: &Call<'_>, namespace: Option<&str>) -> Answer {
    let mut wanted = Wanted::from_query(call.query)?;
    if let Some(namespace) = namespace {
        if !wanted.namespace.0.is_empty() {
            return Err(stands_in_the_path("namespace"));
        }
        wanted.namespace.0 = vec![namespace.to_owned()];
    }
    wanted.standing.get_or_insert_with(|| "any".to_owned());
    let lookup = wanted.check(&app.registry, &call.caller)?;
    Ok(lookup.answer(&app.registry, &call.head.headers))
}

/// What a query string is too small for.
async fn query(app: &App, call: Call<'_>) -> Answer {
    without_parameters(&call)?;
    let body = body::read(call.body, &app.limits).await?;
    let wanted: Wanted = read(&body)?;
    let lookup = wanted.check(&app.registry, &call.caller)?;
    Ok(lookup.answer_always(&app.registry))
}

fn get(app: &App, call: &Call<'_>, namespace: &str, id: &str) -> Answer {
    may(call, Scope::Read, namespace)?;
    without_parameters(call)?;
    let slot = app.registry.get(namespace, id).ok_or(Error::NotFound)?;
    let etag = etag(&slot);
    if has_already(&call.head.headers, &etag) {
        return Ok(with_etag(body::empty(StatusCode::NOT_MODIFIED), etag));
    }
    Ok(instance(&app.registry, &slot, StatusCode::OK))
}

fn explain(app: &App, call: &Call<'_>, namespace: &str, id: &str) -> Answer {
    may(call, Scope::Read, namespace)?;
    without_parameters(call)?;
    explain::explain(&app.registry, namespace, id)
}

// === Writing ===

async fn register(app: &App, call: Call<'_>, namespace: &str, id: &str) -> Answer {
    may(&call, Scope::Write, namespace)?;
    let key = key(namespace, id)?;
    let mut policy = on_conflict(&call)?;
    let is_only_new = only_new(call.head)?;
    if is_only_new {
        policy = Some(OnConflict::Refuse);
    }
    let if_revision = match if_match(call.head)? {
        Some(Tag::Any) => Some(held_revision(&app.registry, namespace, id)?),
        Some(Tag::Is(revision)) => Some(revision),
        None => None,
    };
    let by = call.by();
    let body = body::read(call.body, &app.limits).await?;
    let registration: Registration = read(&body)?;
    if registration.id.as_deref().is_some_and(|given| given != id) {
        return Err(Problem::invalid("the id in the body is not the one in the path"));
    }
    let generation = generation(registration.generation.as_deref())?;
    let declared = registration.declared()?;
    if policy.is_none()
        && if_revision.is_none()
        && let Some(slot) = says_it_again(app, namespace, id, generation.as_ref(), &declared).await
    {
        return Ok(instance(&app.registry, &slot, StatusCode::OK));
    }
    let claim = Claim { generation, on_conflict: policy, if_revision, by };
    let done = app.registry.register(key, declared, claim).await;
    let done = done.map_err(|error| match error {
        Error::Conflict { .. } if is_only_new => {
            Problem::new(StatusCode::PRECONDITION_FAILED, "conflict", "the id is taken")
        }
        error => error.into(),
    })?;
    Ok(registered(&app.registry, &done))
}

/// The same owner that says the same again has sent a heartbeat: nothing is to be written, and
/// watchers learn nothing new.
async fn says_it_again(
    app: &App,
    namespace: &str,
    id: &str,
    generation: Option<&Generation>,
    declared: &Declared,
) -> Option<std::sync::Arc<Slot>> {
    let slot = app.registry.get(namespace, id)?;
    let record = slot.record();
    let is_same = generation.is_none_or(|given| *given == record.generation);
    if !is_same || record.declared != *declared {
        return None;
    }
    let guard = Guard {
        generation: Some(record.generation.clone()),
        if_revision: Some(record.modified),
        by: None,
    };
    app.registry.heartbeat(namespace, id, &guard).await.ok()
}

/// Registers under an id that the server makes up, unless the body has one.
async fn create(app: &App, call: Call<'_>, namespace: &str) -> Answer {
    may(&call, Scope::Write, namespace)?;
    without_parameters(&call)?;
    let by = call.by();
    let body = body::read(call.body, &app.limits).await?;
    let registration: Registration = read(&body)?;
    let id = registration.id.clone();
    let id = id.unwrap_or_else(|| uuid::Uuid::now_v7().hyphenated().to_string());
    let key = key(namespace, &id)?;
    let claim = Claim {
        generation: generation(registration.generation.as_deref())?,
        on_conflict: Some(OnConflict::Refuse),
        by,
        ..Claim::default()
    };
    let done = app.registry.register(key, registration.declared()?, claim).await?;
    Ok(registered(&app.registry, &done))
}

async fn registrations(app: &App, call: Call<'_>, namespace: &str) -> Answer {
    may(&call, Scope::Write, namespace)?;
    key(namespace, "any")?;
    let claim = Claim { on_conflict: on_conflict(&call)?, by: call.by(), ..Claim::default() };
    let body = body::read(call.body, &app.limits).await?;
    batch::registrations(&app.registry, namespace, claim, &body).await
}

async fn update(app: &App, call: Call<'_>, namespace: &str, id: &str) -> Answer {
    may(&call, Scope::Write, namespace)?;
    without_parameters(&call)?;
    let (if_revision, by) = (if_match(call.head)?.and_then(Tag::revision), call.by());
    let body = body::read(call.body, &app.limits).await?;
    let mut patch = Patch::read(&body)?;
    let guard = Guard { generation: patch.generation.take(), if_revision, by };
    let edit = |declared: &mut Declared| patch.apply(declared);
    let done = app.registry.update(namespace, id, guard, edit).await?;
    Ok(new_instance(&app.registry, &done.slot, StatusCode::OK))
}

async fn heartbeat(app: &App, call: Call<'_>, namespace: &str, id: &str) -> Answer {
    may(&call, Scope::Write, namespace)?;
    without_parameters(&call)?;
    let by = call.by();
    let body = body::read(call.body, &app.limits).await?;
    let sent: Heartbeat = if body.is_empty() { Heartbeat::default() } else { read(&body)? };
    let generation = generation(sent.generation.as_deref())?;
    let guard = Guard { generation: generation.clone(), ..Guard::default() };
    let beaten = app.registry.heartbeat(namespace, id, &guard).await;
    // A life that is over does not stand in the way of the next.
    if let (Err(Error::NotFound | Error::Fenced { .. }), Some(declaration)) =
        (&beaten, sent.register)
    {
        let on_conflict = Some(OnConflict::TakeOverStale);
        let claim = Claim { generation, on_conflict, by, ..Claim::default() };
        let declared = declaration.declared()?;
        let done = app.registry.register(key(namespace, id)?, declared, claim).await?;
        return Ok(registered(&app.registry, &done));
    }
    let slot = beaten?;
    let mut text = String::with_capacity(256);
    Writer::new(&app.registry).push_fields(&mut text, &slot, &HEARD);
    Ok(body::json(StatusCode::OK, text))
}

/// What a heartbeat answers.
const HEARD: [Field; 8] = [
    Field::Namespace,
    Field::Id,
    Field::TtlMs,
    Field::Generation,
    Field::Revision,
    Field::LastSeen,
    Field::ExpiresAt,
    Field::Standing,
];

async fn heartbeats(app: &App, call: Call<'_>, namespace: Option<&str>) -> Answer {
    without_parameters(&call)?;
    let body = body::read(call.body, &app.limits).await?;
    let namespace = namespace.unwrap_or("default");
    batch::heartbeats(&app.registry, &call.caller, namespace, &body).await
}

async fn deregister(app: &App, call: Call<'_>, namespace: &str, id: &str) -> Answer {
    may(&call, Scope::Write, namespace)?;
    let mut wanted = None;
    for (name, value) in call.query.pairs() {
        match &*name {
            "generation" => wanted = generation(Some(&value))?,
            name => return Err(unknown_parameter(name, "generation")),
        }
    }
    let if_revision = if_match(call.head)?.and_then(Tag::revision);
    let guard = Guard { generation: wanted, if_revision, by: call.by() };
    app.registry.deregister(namespace, id, guard).await?;
    Ok(body::empty(StatusCode::NO_CONTENT))
}

// === For operators ===

fn take_snapshot(app: &App, call: &Call<'_>) -> Answer {
    let refused = call.caller.demand_everywhere(Scope::Admin);
    refused.map_err(|refused| Problem::forbidden(refused, Scope::Admin, None))?;
    without_parameters(call)?;
    snapshot::answer(app).ok_or_else(|| {
        let detail = "as many snapshots as may be are being sent; try again when one has ended";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
            .with_header("retry-after", "10")
    })
}

// === What they share ===

/// Whether the caller may; hidden namespaces are nobody's.
fn may(call: &Call<'_>, scope: Scope, namespace: &str) -> Result<(), Problem> {
    let refused = call.caller.demand(scope, namespace);
    refused.map_err(|refused| Problem::forbidden(refused, scope, Some(namespace)))?;
    if is_hidden(namespace) { Err(Problem::no_route()) } else { Ok(()) }
}

/// A key that can be registered here and then be found by its path.
pub(super) fn key(namespace: &str, id: &str) -> Result<Key, Problem> {
    if RESERVED.contains(&namespace) {
        let reserved = RESERVED.join(", ");
        return Err(Problem::invalid(format!("namespace must not be one of {reserved}")));
    }
    if matches!(id, "." | "..") {
        return Err(Problem::invalid("id must not be `.` or `..`: no path can name it"));
    }
    Ok(Key::new(namespace, id)?)
}

/// One instance and its validator.
fn instance(registry: &Registry, slot: &Slot, status: StatusCode) -> Response<Body> {
    let mut text = String::with_capacity(512);
    Writer::new(registry).push(&mut text, slot);
    with_etag(body::json(status, Bytes::from(text)), etag(slot))
}

/// One instance as it has come to be just now, and its validator.
fn new_instance(registry: &Registry, slot: &Slot, status: StatusCode) -> Response<Body> {
    let mut text = String::with_capacity(512);
    Writer::new(registry).push_new(&mut text, slot);
    with_etag(body::json(status, Bytes::from(text)), etag(slot))
}

/// What is escaped in a segment: all but the unreserved characters (RFC 3986, 2.3).
const RESERVED_IN_PATHS: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What has been registered: 201 where nothing was before.
fn registered(registry: &Registry, done: &registry_core::Done) -> Response<Body> {
    if done.cause != Cause::Registered {
        return new_instance(registry, &done.slot, StatusCode::OK);
    }
    let mut answer = new_instance(registry, &done.slot, StatusCode::CREATED);
    let key = &done.slot.record().key;
    let id = utf8_percent_encode(key.id(), RESERVED_IN_PATHS);
    let location = format!("/v1/{}/instances/{id}", key.namespace());
    if let Ok(location) = HeaderValue::from_str(&location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

#[cfg(test)]
#[path = "routes_test.rs"]
mod tests;
