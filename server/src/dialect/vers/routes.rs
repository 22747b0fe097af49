//! Route by route: read what the caller sent, say one verb to the registry, answer in its shape.

use std::borrow::Cow;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::sync::Arc;

use hyper::{Method, Response, StatusCode};
use registry_core::{Claim, Error, Guard, Key, Query, Slot};

use super::convert::{Amendment, Registration, VM};
use super::{NAMESPACE, board, commits, feed, wire};
use crate::app::App;
use crate::auth::{Denied, Forbidden, Scope};
use crate::body::{self, Body};
use crate::call::Call;
use crate::echo::{self, Echoes};
use crate::json::{self, Json};
use crate::pieces::Found;

pub(super) type Answer = Result<Response<Body>, Refusal>;

/// A status and the words that go with it.
pub(super) type Refusal = (StatusCode, String);

thread_local! {
    /// Roles that were just discovered. What an answer says is in its records.
    static ECHOES: RefCell<Echoes<()>> = RefCell::default();
}

/// Answers one call. Not every path of the original is served: `docs/DIFFERENCES.md` names those
/// that are not.
pub(crate) async fn answer(app: &App, call: Call<'_>) -> Response<Body> {
    // Before the route is known to exist: a caller without a token learns nothing about paths.
    let scope = if call.method == Method::GET { Scope::Read } else { Scope::Write };
    if let Err(refused) = call.caller.demand(scope, NAMESPACE) {
        app.auth.log(refused);
        let (status, message) = forbidden(refused);
        return body::error(status, &message);
    }
    if call.has_empty_segment {
        return body::not_found();
    }
    let answer = match (call.method, call.segments) {
        (&Method::GET, ["registry", "discover", role]) => Ok(discover(app, role)),
        (&Method::POST, ["registry", "vms", id, "heartbeat"]) => heartbeat(app, id).await,
        (&Method::GET, ["registry", "vms"]) => Ok(list(app, &call)),
        (&Method::GET, ["registry", "vms", id]) => get(app, id),
        // In a box, so that the routes above have not the size of those below.
        _ => Box::pin(others(app, call)).await,
    };
    answer.unwrap_or_else(|(status, message)| body::error(status, &message))
}

/// The routes that are asked less often, or that wait for the disk.
async fn others(app: &App, call: Call<'_>) -> Answer {
    match (call.method, call.segments) {
        (&Method::POST, ["registry", "vms"]) => register(app, call).await,
        (&Method::PATCH, ["registry", "vms", id]) => {
            let id = *id;
            update(app, id, call).await
        }
        (&Method::DELETE, ["registry", "vms", id]) => deregister(app, id, call.by()).await,
        (_, ["feed", ..]) => feed::answer(app, call).await,
        (_, ["commits", ..]) => commits::answer(app, call).await,
        (_, ["board", ..]) => board::answer(app, call).await,
        _ => Ok(body::not_found()),
    }
}

async fn register(app: &App, call: Call<'_>) -> Answer {
    let by = call.by();
    let (key, declared) = {
        let sent = Sent::read(app, call).await?;
        let body = fields(sent.json()?)?;
        let Registration { id, declared } = Registration::read(&body).map_err(bad_request)?;
        (Key::new(NAMESPACE, id).map_err(|error| VM.refusal(&error.into()))?, declared)
    };
    let done = app.registry.register(key, declared, Claim { by, ..Claim::default() }).await;
    let slot = done.map_err(|error| VM.refusal(&error))?.slot;
    Ok(body::json(StatusCode::CREATED, wire::new_entry(&slot)))
}

fn list(app: &App, call: &Call<'_>) -> Response<Body> {
    let mut query = Query::any().in_namespace(NAMESPACE);
    query.role = filter(call, "role").map(Into::into);
    let status = filter(call, "status");
    // Only `running` speaks of the present; any other list shows what is stale, too.
    if status.as_deref() != Some("running") {
        query = query.including_stale();
    }
    let found = app.registry.discover(&query);
    let wanted = |slot: &&Arc<Slot>| status.as_ref().is_none_or(|s| *s == wire::status(slot));
    let mut slots: Vec<_> = found.iter().filter(wanted).map(Arc::clone).collect();
    slots.sort_by_key(|slot| Reverse(slot.record().registered_at));
    wire::list(slots.into_iter())
}

fn discover(app: &App, role: &str) -> Response<Body> {
    let query = Query::role(role).in_namespace(NAMESPACE);
    let found = app.registry.discover(&query);
    if let Some(kept) = app.rooms.roles.list(role, &found) {
        return kept;
    }
    let write = || wire::short_list(Found::from(found.clone()));
    echo::tell(&ECHOES, role, &found, (), write)
}

fn get(app: &App, id: &str) -> Answer {
    let slot = app.registry.get(NAMESPACE, id).ok_or_else(not_registered)?;
    Ok(body::json(StatusCode::OK, wire::entry(&slot)))
}

async fn update(app: &App, id: &str, call: Call<'_>) -> Answer {
    let by = call.by();
    let amendment = {
        let sent = Sent::read(app, call).await?;
        let json = sent.json()?;
        // The original looks the entry up before it looks at the fields.
        app.registry.get(NAMESPACE, id).ok_or_else(not_registered)?;
        Amendment::read(&fields(json)?).map_err(bad_request)?
    };
    let edit = |declared: &mut _| {
        amendment.apply(declared);
        Ok(())
    };
    let done = app.registry.update(NAMESPACE, id, Guard { by, ..Guard::default() }, edit).await;
    let slot = done.map_err(|error| VM.refusal(&error))?.slot;
    Ok(body::json(StatusCode::OK, wire::new_entry(&slot)))
}

async fn heartbeat(app: &App, id: &str) -> Answer {
    let beat = app.registry.renew(NAMESPACE, id, &Guard::default()).await;
    let beat = beat.map_err(|error| VM.refusal(&error))?;
    Ok(body::json(StatusCode::OK, wire::heard(id, beat.last_seen)))
}

async fn deregister(app: &App, id: &str, by: Option<Arc<str>>) -> Answer {
    let guard = Guard { by, ..Guard::default() };
    let done = app.registry.deregister(NAMESPACE, id, guard).await;
    done.map_err(|error| VM.refusal(&error))?;
    Ok(body::json(StatusCode::OK, r#"{"deleted":true}"#))
}

/// The original's two sentences for who is unknown, and ours for a token that is not enough.
pub(super) fn forbidden(refused: Forbidden) -> Refusal {
    let (status, message) = match refused {
        Forbidden::Unknown(Denied::Missing) => {
            (StatusCode::UNAUTHORIZED, "Unauthorized — missing Authorization header")
        }
        Forbidden::Unknown(Denied::Invalid) => {
            (StatusCode::UNAUTHORIZED, "Unauthorized — invalid token")
        }
        Forbidden::Insufficient => (StatusCode::FORBIDDEN, "Forbidden — the token is not for this"),
    };
    (status, message.to_owned())
}

/// The body of a request. What is read of it lies where it does.
pub(super) struct Sent(String);

// === impl Sent ===

impl Sent {
    pub(super) async fn read(app: &App, call: Call<'_>) -> Result<Self, Refusal> {
        let bytes = body::read(call.body, &app.limits).await;
        let bytes = bytes.map_err(|refusal| (refusal.status(), refusal.to_string()))?;
        // Copied, so that the connection's buffer is free again.
        Ok(Self(json::body_text(&bytes).into_owned()))
    }

    pub(super) fn json(&self) -> Result<Json<'_>, Refusal> {
        json::parse(&self.0).map_err(|error| bad_request(format!("Invalid JSON body: {error}")))
    }
}

/// What fields are read from. Anything but an object has none, and `null` is a mistake.
pub(super) fn fields(body: Json<'_>) -> Result<Json<'_>, Refusal> {
    match body {
        Json::Null => Err(bad_request("Invalid JSON body: null has no fields".to_owned())),
        body => Ok(body),
    }
}

pub(super) fn bad_request(message: String) -> Refusal {
    (StatusCode::BAD_REQUEST, message)
}

fn not_registered() -> Refusal {
    VM.refusal(&Error::NotFound)
}

/// The value of a filter. Without a value it filters nothing.
pub(super) fn filter<'a>(call: &Call<'a>, name: &str) -> Option<Cow<'a, str>> {
    call.query.first(name).filter(|text| !text.is_empty())
}
