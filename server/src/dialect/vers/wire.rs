//! Entries as the original writes them, to the order of their fields.
//!
//! An entry is kept once it is asked for again. Only `lastSeen` moves without a change: it stands
//! last and has a fixed width, so an answer is copied together from what is ready.

use std::fmt::Write;
use std::sync::Arc;

use hyper::Response;
use registry_core::{Record, Slot, State, Timestamp};
use ulid::{ULID_LEN, Ulid};

use super::convert::Document;
use crate::blocks::{Blocks, Style};
use crate::body::Body;
use crate::dialect::Rendered;
use crate::echo::Told;
use crate::json::push_string;
use crate::pieces::{self, Slots};
use crate::timestamp::{TIMESTAMP_BYTES, push_timestamp};

/// What follows the last field's value.
const END: &str = "\"}";

/// What stands before the entries of a list.
const HEAD: &str = r#"{"vms":["#;

/// Roughly what an entry takes beside its texts.
const NAMES_BYTES: usize = 192;

/// What the answer to a heartbeat takes beside its id, unless something in that is escaped.
const HEARD_BYTES: usize = r#"{"id":"","lastSeen":""}"#.len() + TIMESTAMP_BYTES;

/// One entry.
pub(super) fn entry(slot: &Slot) -> String {
    let mut text = String::new();
    push_entry(&mut text, slot, slot.last_seen());
    text
}

/// The same entry of a version that is new. What is made of it is not kept: it may be changed again
/// before anybody asks.
pub(super) fn new_entry(slot: &Slot) -> String {
    let mut text = head(slot);
    push_rest(&mut text, slot.last_seen());
    text
}

/// `{"vms":[…],"count":n}`.
pub(super) fn list(slots: impl Slots) -> Response<Body> {
    short_list(slots).map_or_else(|long| *long, Into::into)
}

/// The text of the same list.
///
/// # Errors
/// The answer, if the list is long.
pub(super) fn short_list(slots: impl Slots) -> Result<Told, Box<Response<Body>>> {
    let push = |text: &mut String, slot: &Arc<Slot>| push_entry(text, slot, slot.last_seen());
    let text = pieces::begin("application/json", HEAD, slots, push, push_tail)?;
    Ok(Told { text: text.into(), etag: None })
}

/// The same list where it is kept.
pub(super) fn blocks() -> Blocks {
    let kind = "application/json";
    Blocks::new(Style { kind, head: HEAD, push: push_entry, behind: END.len(), tail: push_tail })
}

/// The answer to a heartbeat of this id. That of the path: the slot's own is not at hand.
pub(super) fn heard(id: &str, last_seen: Timestamp) -> String {
    let mut text = String::with_capacity(HEARD_BYTES + id.len());
    text.push_str(r#"{"id":"#);
    push_string(&mut text, id);
    text.push_str(r#","lastSeen":""#);
    push_rest(&mut text, last_seen);
    text
}

/// The original's word for what the owner declares. It knows three.
pub(super) fn status(slot: &Slot) -> &'static str {
    match slot.record().declared.state {
        State::Running => "running",
        State::Paused | State::Relaunching => "paused",
        State::Stopped | State::Retired => "stopped",
    }
}

/// A document that begins with its id and has its time in the middle.
pub(super) fn stamped(id: Ulid, before: &str, at: Timestamp, after: &str) -> Box<str> {
    let length = ULID_LEN + before.len() + TIMESTAMP_BYTES + after.len() + 32;
    let mut text = String::with_capacity(length);
    write!(text, r#"{{"id":"{id}"{before},"timestamp":""#).expect("a string takes text");
    push_timestamp(&mut text, at);
    text.push('"');
    text.push_str(after);
    text.push('}');
    text.into()
}

/// `,"name":"text"`.
pub(super) fn push_field(text: &mut String, name: &str, value: &str) {
    push_part(text, name, |text| push_string(text, value));
}

/// `,"name":…`, if there is something: the text of any JSON.
pub(super) fn push_json(text: &mut String, name: &str, json: Option<&str>) {
    if let Some(json) = json {
        push_part(text, name, |text| text.push_str(json));
    }
}

fn push_part(text: &mut String, name: &str, push: impl FnOnce(&mut String)) {
    text.push_str(",\"");
    text.push_str(name);
    text.push_str("\":");
    push(text);
}

/// The document that a record of the server's own holds: what it is answered with.
pub(super) fn document(slot: &Slot) -> &str {
    slot.record().declared.document.as_deref().unwrap_or("null")
}

/// Documents as an array.
pub(super) fn array<'a>(slots: impl Iterator<Item = &'a Arc<Slot>>) -> String {
    let mut text = String::with_capacity(4_096);
    push_array(&mut text, slots);
    text
}

/// `{"<name>":[…],"count":n}`.
pub(super) fn counted<'a>(name: &str, slots: impl Iterator<Item = &'a Arc<Slot>>) -> String {
    let mut text = String::with_capacity(4_096);
    write!(text, "{{\"{name}\":").expect("a string takes text");
    let count = push_array(&mut text, slots);
    write!(text, ",\"count\":{count}}}").expect("a string takes text");
    text
}

fn push_array<'a>(text: &mut String, slots: impl Iterator<Item = &'a Arc<Slot>>) -> usize {
    let mut count = 0;
    text.push('[');
    for slot in slots {
        if count > 0 {
            text.push(',');
        }
        text.push_str(document(slot));
        count += 1;
    }
    text.push(']');
    count
}

/// What stands behind so many entries.
fn push_tail(text: &mut String, count: usize) {
    write!(text, r#"],"count":{count}}}"#).expect("a string takes text");
}

fn push_entry(text: &mut String, slot: &Slot, seen: Timestamp) {
    match Rendered::of(slot) {
        Some(rendered) => {
            let head = rendered.vers.get_or_init(|| head(slot).into());
            text.reserve(head.len() + TIMESTAMP_BYTES + END.len() + 1);
            text.push_str(head);
        }
        None => push_head(text, slot),
    }
    push_rest(text, seen);
}

/// The value of `lastSeen` and what follows.
fn push_rest(text: &mut String, seen: Timestamp) {
    push_timestamp(text, seen);
    text.push_str(END);
}

/// Everything up to the value of `lastSeen`.
fn head(slot: &Slot) -> String {
    let mut text = String::new();
    push_head(&mut text, slot);
    text
}

fn push_head(text: &mut String, slot: &Slot) {
    let record: &Record = slot.record();
    let declared = &record.declared;
    let texts = [&declared.name, &declared.role, &declared.address, &declared.registered_by];
    let bytes = texts.into_iter().chain(&declared.document).map(|text| text.len()).sum::<usize>();
    text.reserve(NAMES_BYTES + record.key.id().len() + bytes);
    let mut field = |name: &str, value: &str| {
        text.push_str(name);
        push_string(text, value);
    };
    field(r#"{"id":"#, record.key.id());
    field(r#","name":"#, &declared.name);
    field(r#","role":"#, &declared.role);
    field(r#","status":"#, status(slot));
    field(r#","address":"#, &declared.address);
    let document = Document::read(declared.document.as_deref());
    for (name, value) in
        [(r#","services":"#, &document.services), (r#","metadata":"#, &document.metadata)]
    {
        if let Some(json) = value {
            text.push_str(name);
            text.push_str(json.get());
        }
    }
    text.push_str(r#","registeredBy":"#);
    push_string(text, &declared.registered_by);
    text.push_str(r#","registeredAt":""#);
    push_timestamp(text, record.registered_at);
    text.push_str(r#"","lastSeen":""#);
}
