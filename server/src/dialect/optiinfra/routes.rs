//! Route by route: read what the caller sent, say one verb to the registry, answer in its shape.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use percent_encoding::percent_decode_str;
use registry_core::{Claim, Declared, Error, Guard, Key, Query, Slot};
use uuid::Uuid;

use super::convert::{Beat, HEALTHY, NamedBeat, NamedRegistration, Registration, refusal};
use super::{NAMESPACE, wire};
use crate::app::App;
use crate::auth::{Forbidden, Scope};
use crate::body::{self, Body};
use crate::call::Call;
use crate::query;

type Answer = Result<Response<Body>, Refusal>;

/// Who is calling: see [`Call::by`].
type By = Option<Arc<str>>;

/// A status and the words that go with it.
type Refusal = (StatusCode, String);

/// What a path and its method ask for.
enum Route<'a> {
    List,
    Discover,
    OfType(&'a str),
    Get(&'a str),
    Register,
    Heartbeat(&'a str),
    Unregister(&'a str),
    NamedRegister,
    NamedHeartbeat,
    NamedHeartbeatOf(&'a str),
    NamedUnregister(&'a str),
}

/// How their agents say that they are well: the services below `/api/v1` have a word of their own.
const WELL: [&str; 2] = [HEALTHY, "active"];

/// Answers one call.
pub(crate) async fn answer(app: &App, call: Call<'_>) -> Response<Body> {
    // As it came: the original knows neither HEAD nor dot segments.
    let (method, raw) = (&call.head.method, call.head.uri.path());
    let Some(path) = decoded(raw) else { return wire::bad_path() };
    // Before the route is known to exist: a caller without a token learns nothing about paths.
    let scope = if call.method == Method::GET { Scope::Read } else { Scope::Write };
    if let Err(refused) = call.caller.demand(scope, NAMESPACE) {
        app.auth.log(refused);
        return forbidden(refused);
    }
    let Some(route) = Route::find(method, &path) else {
        return elsewhere(method, raw, call.head.uri.query());
    };
    let answer = match route {
        Route::List => Ok(list(app, &Query::any())),
        Route::OfType(kind) => Ok(list(app, &Query::role(kind))),
        Route::Discover => Ok(discover(app, &call.query)),
        Route::Get(id) => get(app, id),
        Route::Register => register(app, call.by(), call.body).await,
        Route::Heartbeat(id) => heartbeat(app, call.by(), id, call.body).await,
        Route::Unregister(id) => {
            unregister(app, call.by(), id).await.map(|()| wire::unregistered()).map(ok)
        }
        Route::NamedRegister => named_register(app, call.by(), call.body).await,
        Route::NamedHeartbeat => named_heartbeat(app, call.by(), None, call.body).await,
        Route::NamedHeartbeatOf(id) => named_heartbeat(app, call.by(), Some(id), call.body).await,
        Route::NamedUnregister(id) => {
            unregister(app, call.by(), id).await.map(|()| wire::named_unregistered(id)).map(ok)
        }
    };
    answer.unwrap_or_else(|(status, message)| wire::error(status, &message))
}

// === impl Route ===

impl<'a> Route<'a> {
    fn find(method: &Method, path: &'a str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        if segments.contains(&"") {
            return None;
        }
        match (method, &*segments) {
            (&Method::GET, ["agents"]) => Some(Self::List),
            (&Method::GET, ["agents", "discover"]) => Some(Self::Discover),
            (&Method::GET, ["agents", id]) => Some(Self::Get(id)),
            (&Method::GET, ["agents", "type", kind]) => Some(Self::OfType(kind)),
            (&Method::POST, ["agents", "register"]) => Some(Self::Register),
            (&Method::POST, ["agents", id, "heartbeat"]) => Some(Self::Heartbeat(id)),
            (&Method::POST, ["agents", id, "unregister"]) => Some(Self::Unregister(id)),
            (&Method::POST, ["api", "v1", "agents", "register"]) => Some(Self::NamedRegister),
            (&Method::POST, ["api", "v1", "agents", "heartbeat"]) => Some(Self::NamedHeartbeat),
            (&Method::POST, ["api", "v1", "agents", id, "heartbeat"]) => {
                Some(Self::NamedHeartbeatOf(id))
            }
            (&Method::DELETE, ["api", "v1", "agents", id]) => Some(Self::NamedUnregister(id)),
            _ => None,
        }
    }
}

/// A path as Go decodes it: whole, before it is taken apart. `None` if an escape is broken.
fn decoded(path: &str) -> Option<String> {
    let is_hex = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_hexdigit);
    let mut escapes = path.split('%').skip(1).map(str::as_bytes);
    if !escapes.all(|rest| is_hex(rest.first()) && is_hex(rest.get(1))) {
        return None;
    }
    Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
}

/// Without a trailing slash it may be a path that there is; otherwise there is nothing.
fn elsewhere(method: &Method, path: &str, query: Option<&str>) -> Response<Body> {
    let Some(place) = path.strip_suffix('/') else { return wire::not_found() };
    let is_there = decoded(place).is_some_and(|path| Route::find(method, &path).is_some());
    match query {
        _ if !is_there => wire::not_found(),
        None => wire::moved(method, place),
        Some(query) => wire::moved(method, &format!("{place}?{query}")),
    }
}

// === The routes ===

fn list(app: &App, query: &Query) -> Response<Body> {
    let now = app.registry.now();
    wire::all(app.registry.discover(&query.clone().in_namespace(NAMESPACE)), now)
}

/// What meets every condition, and one of it: each as likely as any other, so that callers who
/// know nothing of each other spread evenly, on one server or several, and nothing is kept.
fn discover(app: &App, asked: &query::Query<'_>) -> Response<Body> {
    let given = |name| asked.first(name).filter(|text| !text.is_empty());
    let mut query = Query::any().in_namespace(NAMESPACE);
    query.role = given("type").map(Into::into);
    query.capabilities.extend(given("capability").map(Into::into));
    let wanted = match given("status") {
        Some(status) => vec![wire::quoted(&status)],
        None => WELL.map(wire::quoted).to_vec(),
    };
    let now = app.registry.now();
    let found = app.registry.discover(&query);
    let slots = found.iter().filter(|slot| wire::is_any_of(&wanted, slot, now));
    let slots: Vec<_> = slots.collect();
    let chosen = Uuid::new_v4().as_u128().checked_rem(slots.len() as u128);
    let chosen = chosen.map(|place| &**slots[place as usize]);
    ok(wire::choice(&slots, chosen, now))
}

fn get(app: &App, id: &str) -> Answer {
    let slot = app.registry.get(NAMESPACE, id);
    let now = app.registry.now();
    let live = slot.filter(|slot| slot.is_live(now));
    let slot = live.ok_or_else(|| (StatusCode::NOT_FOUND, "Agent not found".to_owned()))?;
    Ok(ok(wire::agent(&slot, now)))
}

async fn register(app: &App, by: By, body: &mut Incoming) -> Answer {
    let declared = Registration::read(&bytes(app, body).await?).map_err(bad_request)?;
    let slot = registered(app, by, &Uuid::new_v4().to_string(), declared).await?;
    Ok(wire::json(StatusCode::CREATED, wire::registered(&slot)))
}

async fn named_register(app: &App, by: By, body: &mut Incoming) -> Answer {
    let (id, declared) = NamedRegistration::read(&bytes(app, body).await?).map_err(bad_request)?;
    Ok(ok(wire::named_registered(&*registered(app, by, &id, declared).await?)))
}

async fn registered(app: &App, by: By, id: &str, declared: Declared) -> Result<Arc<Slot>, Refusal> {
    let key = Key::new(NAMESPACE, id).map_err(|error| refusal(&error.into()))?;
    let done = app.registry.register(key, declared, Claim { by, ..Claim::default() }).await;
    Ok(done.map_err(|error| refusal(&error))?.slot)
}

async fn heartbeat(app: &App, by: By, id: &str, body: &mut Incoming) -> Answer {
    let beat = Beat::read(&bytes(app, body).await?).map_err(bad_request)?;
    Ok(ok(wire::heard(&*heard(app, by, id, beat).await?)))
}

async fn named_heartbeat(app: &App, by: By, id: Option<&str>, body: &mut Incoming) -> Answer {
    let (given, beat) = NamedBeat::read(&bytes(app, body).await?).map_err(bad_request)?;
    let id = id.unwrap_or(&given);
    if id.is_empty() {
        return Err(bad_request("agent_id is required".to_owned()));
    }
    Ok(ok(wire::named_heard(&*heard(app, by, id, beat).await?)))
}

/// Most heartbeats say what is known: those only renew the lease, which writes nothing.
async fn heard(app: &App, by: By, id: &str, beat: Beat) -> Result<Arc<Slot>, Refusal> {
    let slot = app.registry.get(NAMESPACE, id).ok_or_else(|| refusal(&Error::NotFound))?;
    let done = if beat.is_news(&slot.record().declared) {
        let edit = |declared: &mut _| {
            beat.apply(declared);
            Ok(())
        };
        let done = app.registry.update(NAMESPACE, id, Guard { by, ..Guard::default() }, edit).await;
        done.map(|done| done.slot)
    } else {
        app.registry.heartbeat(NAMESPACE, id, &Guard::default()).await
    };
    done.map_err(|error| refusal(&error))
}

/// Whether it was there does not matter: it is not there afterwards.
async fn unregister(app: &App, by: By, id: &str) -> Result<(), Refusal> {
    match app.registry.deregister(NAMESPACE, id, Guard { by, ..Guard::default() }).await {
        Ok(_) | Err(Error::NotFound) => Ok(()),
        Err(error) => Err(refusal(&error)),
    }
}

fn forbidden(refused: Forbidden) -> Response<Body> {
    match refused {
        Forbidden::Unknown(_) => {
            let message = "send a valid token: Authorization: Bearer <token>";
            wire::error(StatusCode::UNAUTHORIZED, message)
        }
        Forbidden::Insufficient => {
            wire::error(StatusCode::FORBIDDEN, "the token does not allow this")
        }
    }
}

fn ok(text: String) -> Response<Body> {
    wire::json(StatusCode::OK, text)
}

async fn bytes(app: &App, body: &mut Incoming) -> Result<Bytes, Refusal> {
    let bytes = body::read(body, &app.limits).await;
    bytes.map_err(|refusal| (refusal.status(), refusal.to_string()))
}

fn bad_request(message: String) -> Refusal {
    (StatusCode::BAD_REQUEST, message)
}
