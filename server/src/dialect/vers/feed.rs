//! The feed: what agents say they do, as a list of the newest and as a stream.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

use hyper::header::{CONNECTION, HeaderValue};
use hyper::{Method, Response, StatusCode, Version};
use registry_core::{Declared, Error, Query, Slot, limits};

use super::convert::{Words, fits};
use super::routes::{Answer, Sent, bad_request, fields, filter, forbidden};
use super::since::Since;
use super::wire;
use crate::app::App;
use crate::auth::Scope;
use crate::body::{self, Body};
use crate::call::Call;
use crate::journal::{Entry, Follower};
use crate::json::{self, Json};
use crate::limits::STREAM_CHUNK_BYTES;
use crate::sse;

/// What an event may be.
const TYPES: [&str; 13] = [
    "task_started",
    "task_completed",
    "task_failed",
    "blocker_found",
    "question",
    "finding",
    "skill_proposed",
    "file_changed",
    "cost_update",
    "agent_started",
    "agent_stopped",
    "token_update",
    "custom",
];

/// Events in a list, unless the caller says how many.
const LIST_DEFAULT: usize = 50;

/// What is sent in a silence. Readers of events skip it.
const HEARTBEAT: &str = ": heartbeat\n\n";

/// A checked event, as text but for its id and its time.
struct Draft {
    agent: String,
    kind: &'static str,
    before_time: String,
    after_time: String,
}

/// Events for one reader.
struct Frames(Follower);

const WORDS: Words = Words {
    unknown: "Event not found",
    taken: "the event is there already; try again",
    document: "the event",
};

pub(super) async fn answer(app: &App, call: Call<'_>) -> Answer {
    match (call.method, call.segments) {
        (&Method::POST, ["feed", "events"]) => publish(app, call).await,
        (&Method::GET, ["feed", "events"]) => Ok(list(app, &call)),
        (&Method::DELETE, ["feed", "events"]) => clear(app, &call).await,
        (&Method::GET, ["feed", "events", id]) => get(app, id),
        (&Method::GET, ["feed", "stats"]) => Ok(stats(app)),
        (&Method::GET, ["feed", "stream"]) => stream(app, &call),
        _ => Ok(body::not_found()),
    }
}

async fn publish(app: &App, call: Call<'_>) -> Answer {
    // The original has words of its own for it here.
    let own_words = |(status, message)| match status {
        StatusCode::BAD_REQUEST => bad_request("Invalid JSON body".to_owned()),
        _ => (status, message),
    };
    let sent = Sent::read(app, call).await.map_err(own_words)?;
    let draft = Draft::read(&fields(sent.json().map_err(own_words)?)?).map_err(bad_request)?;
    let published = app.rooms.feed.append(|id, at| Entry {
        key: id.to_string(),
        declared: Declared {
            document: Some(wire::stamped(id, &draft.before_time, at, &draft.after_time)),
            role: draft.agent.into(),
            name: draft.kind.into(),
            ..Declared::default()
        },
    });
    let slot = published.await.map_err(|error| WORDS.refusal(&error))?;
    Ok(body::json(StatusCode::CREATED, wire::document(&slot).to_owned()))
}

/// The latest of those that match, oldest first.
fn list(app: &App, call: &Call<'_>) -> Response<Body> {
    let query = Query {
        role: filter(call, "agent").map(Into::into),
        name: filter(call, "type").map(Into::into),
        ..Query::any()
    };
    let since = filter(call, "since").map(|text| Since::of_events(&text));
    let found = app.rooms.feed.list(query);
    let is_after = |slot: &&Arc<Slot>| since.as_ref().is_none_or(|since| since.is_before(slot));
    let slots: Vec<_> = found.iter().filter(is_after).collect();
    let limit = filter(call, "limit").map_or(Some(LIST_DEFAULT), |text| whole_number(&text));
    let from = limit.map_or(0, |limit| slots.len().saturating_sub(limit));
    body::json(StatusCode::OK, wire::array(slots[from..].iter().copied()))
}

fn get(app: &App, id: &str) -> Answer {
    let slot = app.rooms.feed.get(id).ok_or_else(|| WORDS.refusal(&Error::NotFound))?;
    Ok(body::json(StatusCode::OK, wire::document(&slot).to_owned()))
}

/// Takes the history away from everybody, so it takes a token that may write everywhere.
async fn clear(app: &App, call: &Call<'_>) -> Answer {
    call.caller.demand_everywhere(Scope::Write).map_err(|refused| {
        app.auth.log(refused);
        forbidden(refused)
    })?;
    app.rooms.feed.clear().await.map_err(|error| WORDS.refusal(&error))?;
    Ok(body::json(StatusCode::OK, r#"{"ok":true}"#))
}

/// How many events there are, of whom and of which type, and the latest of each agent.
fn stats(app: &App) -> Response<Body> {
    let found = app.rooms.feed.list(Query::any());
    let (mut agents, mut types) = (Counts::default(), Counts::default());
    let mut total = 0_usize;
    for slot in &found {
        agents.count(&slot.record().declared.role, slot);
        types.count(&slot.record().declared.name, slot);
        total += 1;
    }
    let number = |text: &mut String, (count, _): (usize, &Slot)| {
        write!(text, "{count}").expect("a string takes text");
    };
    let mut text = format!("{{\"total\":{total},\"byAgent\":");
    agents.push(&mut text, number);
    text.push_str(",\"byType\":");
    types.push(&mut text, number);
    text.push_str(",\"latestPerAgent\":");
    agents.push(&mut text, |text, (_, latest)| text.push_str(wire::document(latest)));
    text.push('}');
    body::json(StatusCode::OK, text)
}

/// The events of one agent or of all, from now on or from after an id.
fn stream(app: &App, call: &Call<'_>) -> Answer {
    let query = Query { role: filter(call, "agent").map(Into::into), ..Query::any() };
    // A reader that lost its connection asks as before, and says in the header how far it came.
    let last = call.head.headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.filter(|id| !id.is_empty()).map(str::to_owned);
    let since = last.or_else(|| filter(call, "since").map(Into::into));
    let follower = app.rooms.feed.follow(query, since).map_err(|error| WORDS.refusal(&error))?;
    let mut answer = sse::answer(app, Frames(follower));
    // As the original says it. HTTP/2 has no such header.
    if call.head.version <= Version::HTTP_11 {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("keep-alive"));
    }
    Ok(answer)
}

/// What JavaScript's `parseInt` makes of a text, if that is more than zero.
fn whole_number(text: &str) -> Option<usize> {
    let text = json::trim(text);
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = &text[..end];
    if digits.is_empty() {
        return None;
    }
    // More than can be counted is more than there are.
    Some(digits.parse().unwrap_or(usize::MAX)).filter(|number| *number > 0)
}

// === impl Draft ===

impl Draft {
    /// Checks the fields in the original's order.
    fn read(body: &Json<'_>) -> Result<Self, String> {
        let text = |field: &str| {
            let sent = body.get(field).and_then(Json::as_str).filter(|text| !text.is_empty());
            sent.ok_or_else(|| format!("Missing or invalid '{field}' field"))
        };
        let agent = text("agent")?;
        let sent = body.get("type").and_then(Json::as_str);
        let kind = TYPES.into_iter().find(|known| Some(*known) == sent);
        let kind =
            kind.ok_or_else(|| format!("Invalid 'type'. Must be one of: {}", TYPES.join(", ")))?;
        let summary = text("summary")?;
        fits("agent", agent, limits::TEXT_BYTES_MAX)?;
        let (mut before_time, mut after_time) = (String::new(), String::new());
        wire::push_field(&mut before_time, "agent", agent);
        wire::push_field(&mut before_time, "type", kind);
        wire::push_field(&mut before_time, "summary", summary);
        for field in ["detail", "metadata"] {
            let json = body.get(field).map(Json::to_text);
            wire::push_json(&mut after_time, field, json.as_deref());
        }
        Ok(Self { agent: agent.to_owned(), kind, before_time, after_time })
    }
}

// === Counts: of events by name, with the latest of each ===

#[derive(Default)]
struct Counts<'a> {
    /// In the order of first appearance.
    list: Vec<(&'a str, (usize, &'a Slot))>,
    places: HashMap<&'a str, usize>,
}

impl<'a> Counts<'a> {
    fn count(&mut self, name: &'a str, slot: &'a Slot) {
        let place = *self.places.entry(name).or_insert(self.list.len());
        match self.list.get_mut(place) {
            Some((_, (count, latest))) => (*count, *latest) = (*count + 1, slot),
            None => self.list.push((name, (1, slot))),
        }
    }

    /// Appends an object with a member for each name.
    fn push(&self, text: &mut String, push: impl Fn(&mut String, (usize, &'a Slot))) {
        let mut list = self.list.clone();
        json::order(&mut list);
        text.push('{');
        for (place, (name, counted)) in list.into_iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            json::push_string(text, name);
            text.push(':');
            push(text, counted);
        }
        text.push('}');
    }
}

// === impl Frames ===

impl sse::Source for Frames {
    async fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut next = self.0.next().await.ok();
        while let Some(slot) = next {
            let id = slot.record().key.id();
            sse::push_frame(&mut text, None, Some(id), wire::document(&slot));
            if text.len() >= STREAM_CHUNK_BYTES {
                break;
            }
            // Whatever else is there, but nothing more is waited for.
            tokio::select! {
                biased;
                more = self.0.next() => next = more.ok(),
                () = std::future::ready(()) => break,
            }
        }
        (!text.is_empty()).then_some(text)
    }

    fn silence(&mut self) -> String {
        HEARTBEAT.to_owned()
    }
}
