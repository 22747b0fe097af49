//! The ledger of commits: which snapshot of which VM was taken, by whom and for what.

use std::cmp::Reverse;

use hyper::{Method, StatusCode};
use registry_core::{Declared, Error, Query, limits};

use super::convert::{Words, fits, optional, required, tags_fit};
use super::page::Page;
use super::routes::{Answer, Sent, bad_request, fields, filter};
use super::since::Since;
use super::wire;
use crate::app::App;
use crate::body;
use crate::call::Call;
use crate::journal::Entry;
use crate::json::{Json, push_string, trim};
use crate::limits::COMMITS_MAX;

/// A checked commit. Its id finds it; what else a list is filtered by stands beside its text.
struct Commit {
    commit_id: String,
    vm_id: String,
    label: Option<String>,
    agent: Option<String>,
    tags: Vec<String>,
    metadata: Option<String>,
}

const WORDS: Words =
    Words { unknown: "Commit not found", taken: "commit already recorded", document: "the commit" };

pub(super) async fn answer(app: &App, call: Call<'_>) -> Answer {
    match (call.method, call.segments) {
        (&Method::POST, ["commits"]) => record(app, call).await,
        (&Method::GET, ["commits"]) => list(app, &call),
        (&Method::GET, ["commits", commit_id]) => get(app, commit_id),
        (&Method::DELETE, ["commits", commit_id]) => delete(app, commit_id).await,
        _ => Ok(body::not_found()),
    }
}

async fn record(app: &App, call: Call<'_>) -> Answer {
    let sent = Sent::read(app, call).await?;
    let commit = {
        let body = fields(sent.json()?)?;
        let commit_id = required(&body, "commitId").map_err(bad_request)?;
        let vm_id = required(&body, "vmId").map_err(bad_request)?;
        // The original looks whether it knows the commit before it looks at the other fields.
        if app.rooms.commits.get(commit_id).is_some() {
            return Err((StatusCode::CONFLICT, WORDS.taken.to_owned()));
        }
        Commit::read(&body, commit_id, vm_id).map_err(bad_request)?
    };
    if app.rooms.commits.len() >= COMMITS_MAX {
        let message = format!(
            "{COMMITS_MAX} commits are recorded, which is all that are kept: \
             delete some with DELETE /commits/:commitId"
        );
        return Err((StatusCode::CONFLICT, message));
    }
    let slot = app.rooms.commits.append(|id, at| {
        let [before, after] = commit.texts();
        commit.into_entry(wire::stamped(id, &before, at, &after))
    });
    let slot = slot.await.map_err(|error| WORDS.refusal(&error))?;
    Ok(body::json(StatusCode::CREATED, wire::document(&slot).to_owned()))
}

fn list(app: &App, call: &Call<'_>) -> Answer {
    let page = Page::read(call)?;
    let query = Query {
        role: filter(call, "agent").map(Into::into),
        name: filter(call, "label").map(Into::into),
        capabilities: filter(call, "tag").map(Into::into).into_iter().collect(),
        ..Query::any()
    };
    let vm_id = filter(call, "vmId");
    let since = filter(call, "since").map(|text| Since::of_commits(&text));
    let found = app.rooms.commits.list(query);
    let slots = found.iter().filter(|slot| {
        vm_id.as_deref().is_none_or(|wanted| *wanted == *slot.record().declared.address)
            && since.as_ref().is_none_or(|since| since.is_before(slot))
    });
    let slots = page.cut(slots, Reverse);
    Ok(body::json(StatusCode::OK, wire::counted("commits", slots.into_iter())))
}

fn get(app: &App, commit_id: &str) -> Answer {
    let slot = app.rooms.commits.get(commit_id).ok_or_else(|| WORDS.refusal(&Error::NotFound))?;
    Ok(body::json(StatusCode::OK, wire::document(&slot).to_owned()))
}

async fn delete(app: &App, commit_id: &str) -> Answer {
    app.rooms.commits.remove(commit_id).await.map_err(|error| WORDS.refusal(&error))?;
    Ok(body::json(StatusCode::OK, r#"{"deleted":true}"#))
}

// === impl Commit ===

impl Commit {
    fn read(body: &Json<'_>, commit_id: &str, vm_id: &str) -> Result<Self, String> {
        let tags = match body.get("tags") {
            None => &[],
            Some(Json::Array(tags)) => tags.as_slice(),
            Some(_) => return Err("tags must be an array".to_owned()),
        };
        let given = |field| Ok::<_, String>(optional(body, field)?.filter(|text| !text.is_empty()));
        let (label, agent) = (given("label")?, given("agent")?);
        let tag = |tag: &Json<'_>| tag.as_str().map(|tag| trim(tag).to_owned());
        let tags: Option<Vec<_>> = tags.iter().map(tag).collect();
        let tags = tags.ok_or("tags must be an array of strings")?;
        fits("commitId", commit_id, limits::ID_BYTES_MAX)?;
        fits("vmId", vm_id, limits::TEXT_BYTES_MAX)?;
        fits("label", label.as_deref().unwrap_or_default(), limits::TEXT_BYTES_MAX)?;
        fits("agent", agent.as_deref().unwrap_or_default(), limits::TEXT_BYTES_MAX)?;
        tags_fit(tags.iter().map(String::as_str))?;
        let metadata = body.get("metadata").map(Json::to_text);
        let (commit_id, vm_id) = (commit_id.to_owned(), vm_id.to_owned());
        Ok(Self { commit_id, vm_id, label, agent, tags, metadata })
    }

    /// Its text before its time and after it.
    fn texts(&self) -> [String; 2] {
        let (mut before, mut after) = (String::new(), String::new());
        wire::push_field(&mut before, "commitId", &self.commit_id);
        wire::push_field(&mut before, "vmId", &self.vm_id);
        for (name, value) in [("label", &self.label), ("agent", &self.agent)] {
            if let Some(value) = value {
                wire::push_field(&mut after, name, value);
            }
        }
        if !self.tags.is_empty() {
            after.push_str(",\"tags\":[");
            for (place, tag) in self.tags.iter().enumerate() {
                if place > 0 {
                    after.push(',');
                }
                push_string(&mut after, tag);
            }
            after.push(']');
        }
        wire::push_json(&mut after, "metadata", self.metadata.as_deref());
        [before, after]
    }

    fn into_entry(self, document: Box<str>) -> Entry {
        let declared = Declared {
            role: self.agent.unwrap_or_default().into(),
            name: self.label.unwrap_or_default().into(),
            address: self.vm_id.into(),
            capabilities: self.tags.into_iter().map(Into::into).collect(),
            document: Some(document),
            ..Declared::default()
        };
        Entry { key: self.commit_id, declared }
    }
}
