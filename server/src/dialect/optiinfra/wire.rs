//! Agents as the original writes them, to the order of their fields.
//!
//! An agent is rendered once per change of its record. Two things move without one: when it was
//! last seen, and whether it has become unreachable. Both are put in where they stand.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode};
use registry_core::{Discovery, Slot, Standing, Tick, Timestamp};

use super::UNREACHABLE_AFTER_MS;
use super::convert::{Document, split};
use super::json::escaped;
use crate::body::{self, Body};
use crate::dialect::Rendered;
use crate::json::push_string;
use crate::pieces::{self, Found};
use crate::timestamp::push_timestamp;

/// The type of every answer that is JSON.
const JSON: &str = "application/json; charset=utf-8";

/// How every list begins.
const AGENTS: &str = r#"{"agents":["#;

/// What an agent is called that has been silent for too long.
const UNREACHABLE: &str = r#""unreachable""#;

/// How often agents are asked to beat, in seconds.
const INTERVAL_S: &str = "30";

/// What is said to an agent that leaves.
const LEFT: &str = r#""Agent unregistered successfully""#;

/// One agent as text, with a gap for when it was last seen.
#[derive(Debug)]
pub(crate) struct Rendering {
    text: Box<str>,
    /// Where its own word for its status stands.
    status: Range<usize>,
    /// Where the gap is.
    last_seen: usize,
}

// === Answers ===

/// An answer of JSON text.
pub(super) fn json(status: StatusCode, text: String) -> Response<Body> {
    body::text(status, JSON, text)
}

/// An answer `{"error":"<message>"}`.
pub(super) fn error(status: StatusCode, message: &str) -> Response<Body> {
    json(status, object(&[("error", &quoted(message))]))
}

/// The answer to a path that is not routed for its method.
pub(super) fn not_found() -> Response<Body> {
    body::text(StatusCode::NOT_FOUND, "text/plain", "404 page not found")
}

/// The answer to a path with a broken escape.
pub(super) fn bad_path() -> Response<Body> {
    let kind = "text/plain; charset=utf-8";
    let mut answer = body::text(StatusCode::BAD_REQUEST, kind, "400 Bad Request");
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// The answer that sends the caller to `place`.
pub(super) fn moved(method: &Method, place: &str) -> Response<Body> {
    // A query may have bytes that a header must not.
    let Ok(place) = HeaderValue::from_bytes(place.as_bytes()) else { return not_found() };
    let mut answer = body::empty(match *method {
        Method::GET => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::TEMPORARY_REDIRECT,
    });
    answer.headers_mut().insert(LOCATION, place);
    answer
}

/// One agent.
pub(super) fn agent(slot: &Slot, now: Tick) -> String {
    let mut text = String::new();
    push_agent(&mut text, slot, now);
    text
}

/// `{"agents":[…],"count":n}`, of what was found no earlier than `now`.
pub(super) fn all(found: Discovery, now: Tick) -> Response<Body> {
    pieces::list(
        JSON,
        AGENTS,
        Found::from(found),
        move |text, slot| push_agent(text, slot, now),
        |text, count| write!(text, r#"],"count":{count}}}"#).expect("a string takes text"),
    )
}

/// The same of those that are left of it.
pub(super) fn list<'a>(slots: impl Iterator<Item = &'a Arc<Slot>>, now: Tick) -> String {
    let mut text = String::with_capacity(4_096);
    text.push_str(AGENTS);
    let mut count = 0_usize;
    for slot in slots {
        if count > 0 {
            text.push(',');
        }
        push_agent(&mut text, slot, now);
        count += 1;
    }
    write!(text, r#"],"count":{count}}}"#).expect("a string takes text");
    text
}

/// A list, and the one of it that is chosen.
pub(super) fn choice(slots: &[&Arc<Slot>], chosen: Option<&Slot>, now: Tick) -> String {
    let mut text = list(slots.iter().copied(), now);
    text.pop();
    text.push_str(r#","agent":"#);
    match chosen {
        Some(slot) => push_agent(&mut text, slot, now),
        None => text.push_str("null"),
    }
    text.push('}');
    text
}

/// The answer to a register.
pub(super) fn registered(slot: &Slot) -> String {
    let record = slot.record();
    object(&[
        ("agent_id", &quoted(record.key.id())),
        ("registered_at", &time(record.registered_at)),
        ("heartbeat_url", &quoted(&format!("/agents/{}/heartbeat", record.key.id()))),
        ("heartbeat_interval_seconds", INTERVAL_S),
    ])
}

/// The answer to a register below `/api/v1`.
pub(super) fn named_registered(slot: &Slot) -> String {
    object(&[
        ("agent_id", &quoted(slot.record().key.id())),
        ("status", &quoted(&said(slot))),
        ("registered_at", &time(slot.record().registered_at)),
        ("heartbeat_interval_seconds", INTERVAL_S),
    ])
}

/// The answer to a heartbeat.
pub(super) fn heard(slot: &Slot) -> String {
    object(&[
        ("received", "true"),
        ("next_interval_seconds", INTERVAL_S),
        ("timestamp", &time(slot.last_seen())),
    ])
}

/// The answer to a heartbeat below `/api/v1`.
pub(super) fn named_heard(slot: &Slot) -> String {
    object(&[
        ("agent_id", &quoted(slot.record().key.id())),
        ("status", &quoted(&said(slot))),
        ("received", "true"),
        ("next_interval_seconds", INTERVAL_S),
        ("timestamp", &time(slot.last_seen())),
    ])
}

/// The answer to an unregister.
pub(super) fn unregistered() -> String {
    object(&[("message", LEFT)])
}

/// The answer to an unregister below `/api/v1`.
pub(super) fn named_unregistered(id: &str) -> String {
    object(&[("agent_id", &quoted(id)), ("message", LEFT)])
}

/// Whether an agent is shown with one of these statuses, each [`quoted`].
pub(super) fn is_any_of(statuses: &[String], slot: &Slot, now: Tick) -> bool {
    with_rendering(slot, |agent| statuses.iter().any(|status| status == agent.status(slot, now)))
}

/// A text as JSON.
pub(super) fn quoted(value: &str) -> String {
    let mut json = String::with_capacity(value.len() + 2);
    push_string(&mut json, value);
    escaped(json)
}

/// How an agent is by its own word.
fn said(slot: &Slot) -> String {
    Document::read(slot.record().declared.document.as_deref()).status().to_owned()
}

/// One without a lease is not expected to beat.
fn is_unreachable(slot: &Slot, now: Tick) -> bool {
    slot.standing(now) != Standing::Leaseless
        && now.ms_since(slot.lease().renewed) > UNREACHABLE_AFTER_MS
}

/// An object of these fields, whose values are JSON already.
fn object(fields: &[(&str, &str)]) -> String {
    let fields = fields.iter().map(|(name, json)| format!("\"{name}\":{json}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn time(at: Timestamp) -> String {
    let mut text = String::from('"');
    push_time(&mut text, at);
    text.push('"');
    text
}

/// Appends a time without the zeros at the end of its fraction, nor the point if nothing is left.
fn push_time(text: &mut String, at: Timestamp) {
    push_timestamp(text, at);
    text.truncate(text.trim_end_matches('Z').trim_end_matches('0').trim_end_matches('.').len());
    text.push('Z');
}

// === Rendering ===

fn push_agent(text: &mut String, slot: &Slot, now: Tick) {
    with_rendering(slot, |agent| agent.push(text, slot, now));
}

fn with_rendering<T>(slot: &Slot, look: impl FnOnce(&Rendering) -> T) -> T {
    match Rendered::of(slot) {
        Some(rendered) => look(rendered.optiinfra.get_or_init(|| render(slot))),
        None => look(&render(slot)),
    }
}

fn render(slot: &Slot) -> Rendering {
    let record = slot.record();
    let declared = &record.declared;
    let document = Document::read(declared.document.as_deref());
    let (host, port) = split(&declared.address);
    let mut text = String::with_capacity(512);
    let mut push = |name: &str, value: &str| {
        text.push_str(name);
        text.push_str(value);
        text.len()
    };
    push(r#"{"id":"#, &quoted(record.key.id()));
    push(r#","name":"#, &quoted(&declared.name));
    push(r#","type":"#, &quoted(&declared.role));
    push(r#","host":"#, &quoted(host));
    push(r#","port":"#, &port.to_string());
    push(r#","capabilities":"#, &capabilities(&declared.capabilities, &document));
    let status = push(r#","status":"#, "");
    let status = status..push("", &quoted(document.status()));
    push(r#","version":"#, &quoted(&document.version));
    push(r#","registered_at":"#, &time(record.registered_at));
    let last_seen = push(r#","last_seen":""#, "");
    push("\"", "");
    if !document.metadata.is_empty() {
        let json = serde_json::to_string(&document.metadata).expect("its keys are strings");
        push(r#","metadata":"#, &escaped(json));
    }
    push("}", "");
    Rendering { text: text.into_boxed_str(), status, last_seen }
}

fn capabilities(list: &[Box<str>], document: &Document) -> String {
    if list.is_empty() && document.without_capabilities {
        return "null".to_owned();
    }
    let quoted: Vec<_> = list.iter().map(|capability| quoted(capability)).collect();
    format!("[{}]", quoted.join(","))
}

// === impl Rendering ===

impl Rendering {
    /// How the agent is now, as JSON: as it said last, unless it has been silent for too long.
    fn status(&self, slot: &Slot, now: Tick) -> &str {
        if is_unreachable(slot, now) { UNREACHABLE } else { &self.text[self.status.clone()] }
    }

    fn push(&self, text: &mut String, slot: &Slot, now: Tick) {
        text.push_str(&self.text[..self.status.start]);
        text.push_str(self.status(slot, now));
        text.push_str(&self.text[self.status.end..self.last_seen]);
        push_time(text, slot.last_seen());
        text.push_str(&self.text[self.last_seen..]);
    }
}
