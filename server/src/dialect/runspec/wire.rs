//! Instances, tools and hosts as the original writes them.
//!
//! The tools of an instance are taken apart once per change of its record; what a request makes of
//! them is copied together from the parts.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;
use std::sync::Arc;

use hyper::Response;
use indexmap::IndexMap;
use registry_core::{Record, Slot, Tick, Timestamp};

use super::VERSION;
use super::python::{self, Json, Object};
use crate::body::Body;
use crate::dialect::Rendered;
use crate::json::push_string;
use crate::pieces;

/// The tools of one instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tools {
    /// The list, where the document is not it already.
    text: Option<Box<str>>,
    each: Box<[Tool]>,
}

/// One tool of one instance, as parts of the answers that it stands in.
#[derive(Debug, Clone)]
struct Tool {
    /// Its name as JSON. A tool without one is called `""`.
    name: Box<str>,
    /// What is the same on every host: `"name":…,"description":…,"inputSchema":…,` as far as given.
    about: Box<str>,
    /// Where and how it runs: `{"host":…,"x-command":…,…}` as far as given.
    offer: Box<str>,
}

/// The tools of one name: what is said of them first, and who offers them.
struct Group<'a> {
    about: &'a str,
    offers: Vec<&'a str>,
}

/// What is copied from the first tool of its name.
const SHARED: [&str; 3] = ["name", "description", "inputSchema"];

/// What is copied from every tool.
const OFFERED: [&str; 4] = ["x-command", "x-run-as", "x-become-method", "x-become-flags"];

/// `[instance,…]`
pub(super) fn instances(slots: Vec<Arc<Slot>>, now: Tick) -> Response<Body> {
    let push = move |text: &mut String, slot: &Arc<Slot>| push_instance(text, slot, now);
    pieces::list("application/json", "[", slots.into_iter(), push, |text, _| text.push(']'))
}

/// One instance.
pub(super) fn instance(slot: &Slot, now: Tick) -> String {
    let mut text = String::new();
    push_instance(&mut text, slot, now);
    text
}

/// `[tool,…]`, grouped by name in the order of first appearance.
pub(super) fn tools(slots: &[Arc<Slot>]) -> String {
    let all: Vec<_> = slots.iter().map(|slot| tools_of(slot)).collect();
    let mut text = String::from("[");
    for (place, group) in groups(&all, None).values().enumerate() {
        if place > 0 {
            text.push(',');
        }
        group.push(&mut text);
    }
    text.push(']');
    text
}

/// The tools of one name, if there are any.
pub(super) fn tool(slots: &[Arc<Slot>], name: &str) -> Option<String> {
    let all: Vec<_> = slots.iter().map(|slot| tools_of(slot)).collect();
    let mut wanted = String::new();
    push_string(&mut wanted, name);
    let groups = groups(&all, Some(&wanted));
    let mut text = String::new();
    groups.get(&*wanted)?.push(&mut text);
    Some(text)
}

/// `[host,…]`: one for each pair of host and name, the first to have it.
pub(super) fn hosts(slots: &[Arc<Slot>]) -> String {
    let mut text = String::from("[");
    for slot in first_of_each_host(slots) {
        if text.len() > 1 {
            text.push(',');
        }
        let (record, declared) = (slot.record(), &slot.record().declared);
        let mut field = |name: &str, value: &str| {
            text.push_str(name);
            push_string(&mut text, value);
        };
        field(r#"{"host":"#, &declared.address);
        field(r#","name":"#, &declared.name);
        field(r#","instance_id":"#, record.key.id());
        field(r#","version":"#, version(record));
        let count = tools_of(slot).each.len();
        write!(text, r#","tool_count":{count}}}"#).expect("a string takes text");
    }
    text.push(']');
    text
}

/// Without those whose host and name somebody had before.
pub(super) fn first_of_each_host(slots: &[Arc<Slot>]) -> impl Iterator<Item = &Arc<Slot>> {
    let mut seen = HashSet::new();
    slots.iter().filter(move |slot| {
        let declared = &slot.record().declared;
        seen.insert((&declared.address, &declared.name))
    })
}

/// Whether the instance has no tools: then it is asked to send them.
pub(super) fn has_no_tools(slot: &Slot) -> bool {
    tools_of(slot).each.is_empty()
}

fn push_instance(text: &mut String, slot: &Slot, now: Tick) {
    let (record, declared) = (slot.record(), &slot.record().declared);
    let tools = tools_of(slot);
    let list = tools.text.as_deref().or(declared.document.as_deref()).unwrap_or("[]");
    text.reserve(list.len() + 256);
    let mut field = |name: &str, value: &str| {
        text.push_str(name);
        push_string(text, value);
    };
    field(r#"{"instance_id":"#, record.key.id());
    field(r#","name":"#, &declared.name);
    field(r#","version":"#, version(record));
    field(r#","host":"#, &declared.address);
    let active = slot.is_live(now);
    write!(text, r#","active":{active},"last_seen":"#).expect("a string takes text");
    push_seconds(text, slot.last_seen());
    text.push_str(r#","tools":"#);
    text.push_str(list);
    text.push('}');
}

/// Seconds since 1970 with a fraction.
fn push_seconds(text: &mut String, at: Timestamp) {
    let ms = at.0.max(0);
    write!(text, "{}.{:03}", ms / 1_000, ms % 1_000).expect("a string takes text");
}

fn version(record: &Record) -> &str {
    record.declared.labels.get(VERSION).unwrap_or("")
}

fn tools_of(slot: &Slot) -> Cow<'_, Tools> {
    match Rendered::of(slot) {
        Some(rendered) => {
            Cow::Borrowed(rendered.runspec.get_or_init(|| Tools::read(slot.record())))
        }
        None => Cow::Owned(Tools::read(slot.record())),
    }
}

/// The tools by their names, or those of one name.
fn groups<'a>(all: &'a [Cow<'_, Tools>], wanted: Option<&str>) -> IndexMap<&'a str, Group<'a>> {
    let mut groups: IndexMap<&str, Group<'_>> = IndexMap::new();
    for tool in all.iter().flat_map(|tools| &tools.each) {
        if wanted.is_none_or(|wanted| *wanted == *tool.name) {
            let group = Group { about: &tool.about, offers: Vec::new() };
            groups.entry(&tool.name).or_insert(group).offers.push(&tool.offer);
        }
    }
    groups
}

// === impl Tools ===

impl Tools {
    /// Reads the record's document. Whoever has written it elsewhere may have written anything:
    /// what is no list of objects is no tools.
    fn read(record: &Record) -> Self {
        let document = record.declared.document.as_deref().unwrap_or("[]");
        let json = python::parse(document.as_bytes()).unwrap_or(Json::Null);
        let tools = match &json {
            Json::Array(list) => list.iter().map(|tool| Tool::read(tool, record)).collect(),
            _ => None,
        };
        let (text, each) = match tools {
            Some(each) => (json.to_text(), each),
            None => ("[]".to_owned(), Box::default()),
        };
        Self { text: (text != document).then(|| text.into()), each }
    }
}

// === impl Tool ===

impl Tool {
    /// `None` if it is no tool: no answer could show it among the others.
    fn read(tool: &Json, record: &Record) -> Option<Self> {
        let Json::Object(tool) = tool else { return None };
        let name = match tool.get("name") {
            None => r#""""#.to_owned(),
            Some(Json::Array(_) | Json::Object(_)) => return None,
            Some(name) => name.to_text(),
        };
        let mut about = String::new();
        for (name, value) in given(tool, &SHARED) {
            push_string(&mut about, name);
            about.push(':');
            value.push(&mut about);
            about.push(',');
        }
        let mut offer = String::from(r#"{"host":"#);
        push_string(&mut offer, &record.declared.address);
        for (name, value) in given(tool, &OFFERED) {
            offer.push(',');
            push_string(&mut offer, name);
            offer.push(':');
            value.push(&mut offer);
        }
        offer.push('}');
        Some(Self { name: name.into(), about: about.into(), offer: offer.into() })
    }
}

/// Those of these members that are there.
fn given<'a>(tool: &'a Object, names: &[&'static str]) -> Vec<(&'static str, &'a Json)> {
    names.iter().filter_map(|name| Some((*name, tool.get(*name)?))).collect()
}

// === impl Group ===

impl Group<'_> {
    fn push(&self, text: &mut String) {
        text.push('{');
        text.push_str(self.about);
        text.push_str(r#""hosts":["#);
        for (place, offer) in self.offers.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(offer);
        }
        text.push_str("]}");
    }
}
