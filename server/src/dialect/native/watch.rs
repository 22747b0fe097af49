//! What happens: as a stream of events, or a few at a time for those who poll.
//!
//! Both go by one cursor, the revision. Who has seen everything up to a revision goes on after it
//! and sees each later change once, or is told that those changes are no longer kept.

use std::time::Duration;

use hyper::header::ACCEPT;
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use registry_core::{Change, Error, Event, Query, Registry, Revision, Start, Watcher};

use super::is_hidden;
use super::lookup::readable;
use super::problem::Problem;
use super::wanted::Wanted;
use super::wire::{Writer, push_list, push_number, quoted};
use crate::app::App;
use crate::auth::{Caller, Scope};
use crate::body::{self, Body};
use crate::call::Call;
use crate::clock::deadline_after;
use crate::lifecycle::{Phase, reached};
use crate::limits::{POLL_EVENTS_MAX, STREAM_CHUNK_BYTES};
use crate::sse;

/// What a watcher asks for.
struct Asked {
    query: Query,
    /// Only these; none: all that the caller may read, also those that come to be later.
    namespaces: Vec<String>,
    after: Option<Revision>,
    wait: Duration,
    is_stream: bool,
}

/// A watcher that sees what its caller may see.
struct Watching {
    watcher: Watcher,
    registry: Registry,
    caller: Caller,
    namespaces: Vec<String>,
}

/// How long a poll may wait at most: well within the time that a request may take.
pub(super) fn wait_max(app: &App) -> Duration {
    app.limits.request * 2 / 3
}

/// `GET /v1/watch`: a stream for who accepts one, else a poll.
pub(super) async fn watch(app: &App, call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let asked = Asked::read(call, wait_max(app))?;
    // Refuses what the caller may not read before anything is watched.
    readable(&app.registry, &call.caller, &asked.namespaces)?;
    let start = match (asked.after, asked.is_stream) {
        (Some(revision), _) => Start::After(revision),
        (None, true) => Start::Snapshot,
        (None, false) => Start::Now,
    };
    let watching = Watching {
        watcher: app.registry.watch(asked.query, start)?,
        registry: app.registry.clone(),
        caller: call.caller.clone(),
        namespaces: asked.namespaces,
    };
    if asked.is_stream {
        return Ok(sse::answer(app, watching.frames()));
    }
    let wait = if asked.after.is_some() { asked.wait } else { Duration::ZERO };
    poll(app, watching, wait).await
}

// === impl Asked ===

impl Asked {
    fn read(call: &Call<'_>, wait_max: Duration) -> Result<Self, Problem> {
        let mut wanted = Wanted::default();
        let (mut after, mut wait) = (None, wait_max);
        for (name, value) in call.query.pairs() {
            match &*name {
                "after" => after = Some(revision("after", &value)?),
                "wait" => wait = duration(&value)?.min(wait_max),
                "state" | "id" | "fields" | "limit" | "cursor" => {
                    let detail = format!("`{name}` does not go with a watch");
                    return Err(Problem::malformed("unknown-parameter", detail));
                }
                name => wanted.take(name, value.into_owned())?,
            }
        }
        if let Some(last) = call.head.headers.get("last-event-id") {
            after = Some(revision("Last-Event-ID", last.to_str().unwrap_or_default())?);
        }
        let namespaces = std::mem::take(&mut wanted.namespace.0);
        let mut query = wanted.watched()?;
        if let [only] = namespaces.as_slice() {
            query = query.in_namespace(only);
        }
        Ok(Self { query, namespaces, after, wait, is_stream: accepts_stream(call.head) })
    }
}

fn accepts_stream(head: &Parts) -> bool {
    let accepted = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| {
        let kind = kind.split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case("text/event-stream")
    })
}

fn revision(name: &str, text: &str) -> Result<Revision, Problem> {
    let detail = format!("{name} takes a revision, a whole number");
    text.parse().map(Revision).map_err(|_| Problem::malformed("invalid-parameter", detail))
}

/// `500ms`, `30s`, `5m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, Problem> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" | "" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let ms = unit_ms.and_then(|unit_ms| digits.parse::<u64>().ok()?.checked_mul(unit_ms));
    let detail = "wait takes a time such as 500ms, 30s or 5m";
    let ms = ms.ok_or_else(|| Problem::malformed("invalid-parameter", detail))?;
    Ok(Duration::from_millis(ms))
}

// === Polling ===

/// Waits for something to happen and tells all that has, up to a bound.
async fn poll(
    app: &App,
    mut watching: Watching,
    wait: Duration,
) -> Result<Response<Body>, Problem> {
    let deadline = deadline_after(wait);
    let mut phase = app.lifecycle.watch();
    let mut events = Vec::new();
    while events.len() < POLL_EVENTS_MAX {
        let happened = if events.is_empty() {
            tokio::select! {
                happened = watching.next() => happened,
                () = tokio::time::sleep_until(deadline) => break,
                () = reached(Phase::Draining, &mut phase) => break,
            }
        } else {
            // Whatever else is there, but nothing more is waited for.
            tokio::select! {
                biased;
                happened = watching.next() => happened,
                () = std::future::ready(()) => break,
            }
        };
        match happened {
            Ok(Event::Compacted { oldest }) if events.is_empty() => {
                return Err(Problem::compacted(oldest.0));
            }
            // The next poll will be told.
            Ok(Event::Compacted { .. }) => break,
            Ok(event) => events.push(event),
            Err(_) if !events.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    let mut writer = Writer::new(&app.registry);
    let mut text = String::from("{\"events\":");
    push_list(&mut text, &events, |text, event| push_event(text, &mut writer, event));
    text.push_str(",\"revision\":");
    push_number(&mut text, watching.watcher.cursor().0);
    text.push('}');
    Ok(body::json(StatusCode::OK, text))
}

// === impl Watching ===

impl Watching {
    /// The next event that the caller may see.
    async fn next(&mut self) -> Result<Event, Error> {
        loop {
            let event = self.watcher.next().await?;
            let key = match &event {
                Event::Put(change) | Event::Gone(change) => change.key(),
                Event::Present(slot) => &slot.record().key,
                Event::Synced(_) | Event::Compacted { .. } => return Ok(event),
            };
            let namespace = key.namespace();
            let is_meant =
                self.namespaces.is_empty() || self.namespaces.iter().any(|name| name == namespace);
            if is_meant
                && !is_hidden(namespace)
                && self.caller.demand(Scope::Read, namespace).is_ok()
            {
                return Ok(event);
            }
        }
    }

    /// Everything as frames of an event stream. After a silence, a bookmark: where to resume from
    /// although nothing was to be told.
    fn frames(self) -> impl sse::Source {
        Frames(self)
    }
}

struct Frames(Watching);

impl sse::Source for Frames {
    async fn next(&mut self) -> Option<String> {
        let Self(watching) = self;
        let mut text = String::new();
        let mut happened = watching.next().await;
        loop {
            push_frame(&mut text, &mut Writer::new(&watching.registry), &happened.ok()?);
            if text.len() >= STREAM_CHUNK_BYTES {
                return Some(text);
            }
            tokio::select! {
                biased;
                next = watching.next() => happened = next,
                () = std::future::ready(()) => return Some(text),
            }
        }
    }

    fn silence(&mut self) -> String {
        let revision = self.0.watcher.cursor().0;
        let (mut text, data) = (String::new(), format!(r#"{{"revision":{revision}}}"#));
        sse::push_frame(&mut text, Some("bookmark"), Some(&revision.to_string()), &data);
        text
    }
}

fn push_frame(text: &mut String, writer: &mut Writer<'_>, event: &Event) {
    let mut data = String::with_capacity(512);
    push_event(&mut data, writer, event);
    let revision = match event {
        Event::Put(change) | Event::Gone(change) => Some(change.revision),
        Event::Synced(revision) => Some(*revision),
        // Who loses the connection in the middle of a snapshot has seen none of it.
        Event::Present(_) | Event::Compacted { .. } => None,
    };
    let id = revision.map(|revision| revision.0.to_string());
    sse::push_frame(text, Some(word(event)), id.as_deref(), &data);
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Present(_) => "present",
        Event::Synced(_) => "synced",
        Event::Put(_) => "put",
        Event::Gone(_) => "gone",
        Event::Compacted { .. } => "compacted",
    }
}

/// One event as an object.
fn push_event(text: &mut String, writer: &mut Writer<'_>, event: &Event) {
    text.push_str("{\"type\":\"");
    text.push_str(word(event));
    text.push('"');
    let number = |text: &mut String, name: &str, revision: Revision| {
        text.push_str(name);
        push_number(text, revision.0);
    };
    match event {
        Event::Present(slot) => {
            text.push_str(",\"instance\":");
            writer.push(text, slot);
        }
        Event::Synced(revision) => number(text, ",\"revision\":", *revision),
        Event::Compacted { oldest } => number(text, ",\"oldest_revision\":", *oldest),
        Event::Put(change) => {
            push_change(text, writer, change);
            text.push_str(",\"instance\":");
            writer.push(text, change.slot());
        }
        Event::Gone(change) => {
            push_change(text, writer, change);
            let record = change.slot().record();
            text.push_str(",\"namespace\":");
            text.push_str(&quoted(record.key.namespace()));
            text.push_str(",\"id\":");
            text.push_str(&quoted(record.key.id()));
            text.push_str(",\"generation\":");
            text.push_str(&quoted(record.generation.as_str()));
        }
    }
    text.push('}');
}

/// Which change, when, why, and by whom: null where nobody said, or the registry did it itself.
pub(super) fn push_change(text: &mut String, writer: &mut Writer<'_>, change: &Change) {
    text.push_str(",\"revision\":");
    push_number(text, change.revision.0);
    text.push_str(",\"at\":");
    writer.push_time(text, Some(change.at));
    text.push_str(",\"cause\":");
    text.push_str(&quoted(change.cause.as_str()));
    text.push_str(",\"by\":");
    let by = change.by.as_deref().map_or_else(|| "null".to_owned(), quoted);
    text.push_str(&by);
}
