//! Route by route: read what the caller sent, say one verb to the registry, answer in its shape.
//!
//! What is checked first shows in the answer, so the order is the original's: the route, the
//! method, whether the body is JSON, who is calling, whether the body is right, how often.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::header::{ALLOW, CONTENT_DISPOSITION, CONTENT_TYPE, HOST, HeaderValue, LOCATION};
use hyper::header::{HeaderName, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use registry_core::{Claim, Declared, Error, Guard, Query, Slot, State};

use super::convert::{Refusal, Registration, Sent, ToolList, read_heartbeat};
use super::fault::{Faults, Place, Wrong};
use super::python::Json;
use super::{NAMESPACE, export, wire};
use crate::app::App;
use crate::auth::Scope;
use crate::body::{self, Body};
use crate::call::Call;
use crate::limits::{CHANGES_PER_MINUTE_MAX, HEARTBEATS_PER_MINUTE_MAX};
use crate::rate;

type Answer = Result<Response<Body>, Refusal>;

/// A path that exists.
#[derive(Debug, Clone, Copy)]
enum Route<'a> {
    Instances,
    Instance(&'a str),
    Heartbeat(&'a str),
    ToolsOf(&'a str),
    Tools,
    Tool(&'a str),
    Hosts,
    SuperPutty,
    MobaXterm,
}

const OK: &str = r#"{"status":"ok"}"#;
const ACK: &str = r#"{"status":"ack"}"#;
const REFRESH: &str = r#"{"status":"refresh"}"#;

/// Answers one call.
pub(crate) async fn answer(app: &App, call: Call<'_>) -> Response<Body> {
    let trailing = call.segments.iter().rev().take_while(|segment| segment.is_empty()).count();
    let Some(route) = Route::of(&call.segments[..call.segments.len() - trailing]) else {
        return refused(no_route());
    };
    if trailing > 0 {
        return without_trailing_slash(app, call.head).unwrap_or_else(|| refused(no_route()));
    }
    // As it came: to the original, HEAD is a method like any other.
    let answer = match (route, &call.head.method) {
        (Route::Instances, &Method::POST) => register(app, call).await,
        (Route::Heartbeat(id), &Method::POST) => heartbeat(app, call, id).await,
        (Route::ToolsOf(id), &Method::POST) => replace_tools(app, call, id).await,
        (Route::Instance(id), &Method::DELETE) => deregister(app, call, id).await,
        (Route::Heartbeat(_) | Route::ToolsOf(_), _) => return not_allowed("POST"),
        (_, &Method::GET) => read(app, &call, route),
        (Route::Instances, _) => return not_allowed("POST"),
        (Route::Instance(_), _) => return not_allowed("DELETE"),
        _ => return not_allowed("GET"),
    };
    answer.unwrap_or_else(refused)
}

// === Writing ===

async fn register(app: &App, call: Call<'_>) -> Answer {
    let (sent, sender) = receive(app, call).await?;
    let Registration { key, declared } = Registration::read(sent)?;
    sender.pace(app, CHANGES_PER_MINUTE_MAX)?;
    let claim = Claim { by: sender.by, ..Claim::default() };
    app.registry.register(key, declared, claim).await?;
    Ok(body::json(StatusCode::CREATED, OK))
}

async fn heartbeat(app: &App, call: Call<'_>, id: &str) -> Answer {
    let (sent, sender) = receive(app, call).await?;
    read_heartbeat(sent)?;
    sender.pace(app, HEARTBEATS_PER_MINUTE_MAX)?;
    let Some(slot) = app.registry.get(NAMESPACE, id) else {
        return Ok(body::json(StatusCode::OK, REFRESH));
    };
    // What was paused or retired through another dialect stays so.
    let beaten = if slot.record().declared.state != State::Stopped {
        app.registry.heartbeat(NAMESPACE, id, &Guard::default()).await
    } else {
        let run = |declared: &mut Declared| {
            if declared.state == State::Stopped {
                declared.state = State::Running;
            }
            Ok(())
        };
        let guard = Guard { by: sender.by, ..Guard::default() };
        app.registry.update(NAMESPACE, id, guard, run).await.map(|done| done.slot)
    };
    let text = match beaten {
        Ok(slot) if !wire::has_no_tools(&slot) => ACK,
        Ok(_) | Err(Error::NotFound) => REFRESH,
        Err(error) => return Err(error.into()),
    };
    Ok(body::json(StatusCode::OK, text))
}

async fn replace_tools(app: &App, call: Call<'_>, id: &str) -> Answer {
    let (sent, sender) = receive(app, call).await?;
    let tools = ToolList::read(sent)?;
    sender.pace(app, CHANGES_PER_MINUTE_MAX)?;
    let replace = |declared: &mut Declared| {
        tools.apply(declared);
        Ok(())
    };
    let guard = Guard { by: sender.by, ..Guard::default() };
    app.registry.amend(NAMESPACE, id, guard, replace).await?;
    Ok(body::json(StatusCode::OK, OK))
}

/// Hides the instance. It stays listed, and a heartbeat brings it back.
async fn deregister(app: &App, call: Call<'_>, id: &str) -> Answer {
    let sender = Sender::of(&call);
    may(app, &call, Scope::Write)?;
    sender.pace(app, CHANGES_PER_MINUTE_MAX)?;
    let is_running = |slot: &Arc<Slot>| slot.record().declared.state == State::Running;
    if app.registry.get(NAMESPACE, id).is_some_and(|slot| is_running(&slot)) {
        let stop = |declared: &mut Declared| {
            if declared.state == State::Running {
                declared.state = State::Stopped;
            }
            Ok(())
        };
        let guard = Guard { by: sender.by, ..Guard::default() };
        match app.registry.amend(NAMESPACE, id, guard, stop).await {
            Ok(_) | Err(Error::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(body::json(StatusCode::OK, OK))
}

/// What is known of a sender when its body has been read.
struct Sender {
    address: IpAddr,
    path: String,
    by: Option<Arc<str>>,
}

/// Reads the body, then asks whether the caller may write at all.
async fn receive(app: &App, call: Call<'_>) -> Result<(Sent, Sender), Refusal> {
    let sender = Sender::of(&call);
    let allowed = may(app, &call, Scope::Write);
    let content_type = call.head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let bytes = body::read(call.body, &app.limits).await?;
    let sent = Sent::read(content_type, &bytes)?;
    allowed?;
    Ok((sent, sender))
}

// === Reading ===

fn read(app: &App, call: &Call<'_>, route: Route<'_>) -> Answer {
    may(app, call, Scope::Read)?;
    let text = match route {
        Route::Instances => {
            let slots = slots(app, asks_for_active(call, false)?);
            return Ok(wire::instances(slots, app.registry.now()));
        }
        Route::Instance(id) => {
            let slot = app.registry.get(NAMESPACE, id).ok_or(Error::NotFound)?;
            wire::instance(&slot, app.registry.now())
        }
        Route::Tools => wire::tools(&live_first(app, asks_for_active(call, true)?)),
        Route::Tool(name) => {
            let found = wire::tool(&live_first(app, asks_for_active(call, true)?), name);
            let not_found = || "Tool not found".to_owned();
            found.ok_or_else(|| Refusal::Plain(StatusCode::NOT_FOUND, not_found()))?
        }
        Route::Hosts => wire::hosts(&live_first(app, asks_for_active(call, true)?)),
        Route::SuperPutty => {
            let file = export::superputty(&slots(app, true), &user(call));
            return Ok(attachment(file, "application/xml", "runspec-sessions.xml"));
        }
        Route::MobaXterm => {
            let file = export::mobaxterm(&slots(app, true), &user(call));
            return Ok(attachment(file, "text/plain; charset=utf-8", "runspec.mxtsessions"));
        }
        // Whoever may only write to a path was told so before.
        Route::Heartbeat(_) | Route::ToolsOf(_) => return Ok(not_allowed("POST")),
    };
    Ok(body::json(StatusCode::OK, text))
}

/// The instances in the order of their first registration.
fn slots(app: &App, only_active: bool) -> Vec<Arc<Slot>> {
    let query = Query::any().in_namespace(NAMESPACE);
    let query = if only_active { query } else { query.including_stale() };
    app.registry.discover(&query).iter().map(Arc::clone).collect()
}

/// The same where the first one speaks for the others: none speaks for a live one unless it lives.
fn live_first(app: &App, only_active: bool) -> Vec<Arc<Slot>> {
    let mut slots = slots(app, only_active);
    let now = app.registry.now();
    slots.sort_by_key(|slot| !slot.is_live(now));
    slots
}

/// The parameter `active`, the last one if there are several.
fn asks_for_active(call: &Call<'_>, default: bool) -> Result<bool, Faults> {
    let Some(text) = call.query.values("active").last() else { return Ok(default) };
    match &*text.to_ascii_lowercase() {
        "1" | "on" | "t" | "true" | "y" | "yes" => Ok(true),
        "0" | "off" | "f" | "false" | "n" | "no" => Ok(false),
        _ => {
            let at = [Place::Name("query"), Place::Name("active")];
            Err(Faults::one(Wrong::Bool, &at, &Json::String(text.into_owned())))
        }
    }
}

fn user(call: &Call<'_>) -> String {
    call.query.values("user").last().unwrap_or_default().into_owned()
}

// === What they share ===

/// Whether the caller may.
fn may(app: &App, call: &Call<'_>, scope: Scope) -> Result<(), Refusal> {
    call.caller.demand(scope, NAMESPACE).map_err(|refused| {
        app.auth.log(refused);
        // One sentence for all: the original knows one key, and it is either right or not.
        Refusal::Plain(StatusCode::FORBIDDEN, "Invalid or missing API key".to_owned())
    })
}

fn attachment(text: String, kind: &'static str, name: &str) -> Response<Body> {
    let mut answer = body::json(StatusCode::OK, text);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    with(answer, CONTENT_DISPOSITION, &format!("attachment; filename={name}"))
}

fn not_allowed(methods: &str) -> Response<Body> {
    let detail = "Method Not Allowed".to_owned();
    with(refused(Refusal::Plain(StatusCode::METHOD_NOT_ALLOWED, detail)), ALLOW, methods)
}

fn no_route() -> Refusal {
    Refusal::Plain(StatusCode::NOT_FOUND, "Not Found".to_owned())
}

/// Sends the caller to the same path without the slash; `None` if its slash is none, as in `/.`
fn without_trailing_slash(app: &App, head: &Parts) -> Option<Response<Body>> {
    let path = head.uri.path().strip_suffix('/')?.trim_end_matches('/');
    let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    let scheme = if app.tls.is_some() { "https" } else { "http" };
    let origin = host.map(|host| format!("{scheme}://{host}")).unwrap_or_default();
    let answer = body::empty(StatusCode::TEMPORARY_REDIRECT);
    Some(with(answer, LOCATION, &format!("{origin}{path}{query}")))
}

fn refused(refusal: Refusal) -> Response<Body> {
    match refusal {
        Refusal::Faults(faults) => body::json(StatusCode::UNPROCESSABLE_ENTITY, faults.into_text()),
        Refusal::Plain(status, detail) => body::json(status, object("detail", detail)),
        Refusal::TooOften { per_minute, seconds } => {
            let error = format!("Rate limit exceeded: {per_minute} per 1 minute");
            let answer = body::json(StatusCode::TOO_MANY_REQUESTS, object("error", error));
            with(answer, RETRY_AFTER, &seconds.to_string())
        }
    }
}

/// `{"name":"text"}`
fn object(name: &str, text: String) -> String {
    Json::Object([(name.to_owned(), Json::String(text))].into()).to_text()
}

fn with(mut answer: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    // Each value is ours, a number, or a part of the request that was a header or a path before.
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
    answer
}

// === impl Route ===

impl<'a> Route<'a> {
    fn of(segments: &[&'a str]) -> Option<Self> {
        if segments.contains(&"") {
            return None;
        }
        Some(match *segments {
            ["instances"] => Self::Instances,
            ["instances", id] => Self::Instance(id),
            ["instances", id, "heartbeat"] => Self::Heartbeat(id),
            ["instances", id, "tools"] => Self::ToolsOf(id),
            ["tools"] => Self::Tools,
            ["tools", name] => Self::Tool(name),
            ["hosts"] => Self::Hosts,
            ["export", "superputty"] => Self::SuperPutty,
            ["export", "mobaxterm"] => Self::MobaXterm,
            _ => return None,
        })
    }
}

// === impl Sender ===

impl Sender {
    fn of(call: &Call<'_>) -> Self {
        let address = rate::client(call.peer.address, &call.head.headers);
        Self { address, path: call.segments.join("/"), by: call.by() }
    }

    /// Refuses what it does too often, where the operator wants that. What is wrong or forbidden
    /// was refused before and does not count.
    fn pace(&self, app: &App, per_minute: u32) -> Result<(), Refusal> {
        if !app.limits.runspec_rates {
            return Ok(());
        }
        let counted = app.rates.count(self.address, &self.path, per_minute, app.registry.now());
        counted.map_err(|often| Refusal::TooOften { per_minute, seconds: often.seconds })
    }
}
