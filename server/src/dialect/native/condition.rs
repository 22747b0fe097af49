//! What stands beside the body: headers that make a condition, and parameters, of which none may be
//! misspelt.

use hyper::StatusCode;
use hyper::header::{HeaderValue, IF_MATCH, IF_NONE_MATCH};
use hyper::http::request::Parts;
use registry_core::{OnConflict, Registry, Revision};

use super::problem::Problem;
use crate::call::Call;

/// What `If-Match` can ask for.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    /// Whatever is registered.
    Any,
    /// What this revision made.
    Is(Revision),
}

// === impl Tag ===

impl Tag {
    /// The revision asked for. To ask for any adds nothing to what wants a record anyway.
    pub(super) fn revision(self) -> Option<Revision> {
        match self {
            Self::Any => None,
            Self::Is(revision) => Some(revision),
        }
    }
}

/// The parameter of those that register.
pub(super) fn on_conflict(call: &Call<'_>) -> Result<Option<OnConflict>, Problem> {
    let mut on_conflict = None;
    for (name, value) in call.query.pairs() {
        match &*name {
            "on_conflict" => on_conflict = Some(policy(&value)?),
            name => return Err(unknown_parameter(name, "on_conflict")),
        }
    }
    Ok(on_conflict)
}

/// A slip in a name must not go unnoticed, nor one that another path knows.
pub(super) fn without_parameters(call: &Call<'_>) -> Result<(), Problem> {
    match call.query.pairs().next() {
        Some((name, _)) => {
            let detail = format!("`{name}` means nothing here: this path takes no parameter");
            Err(Problem::malformed("unknown-parameter", detail))
        }
        None => Ok(()),
    }
}

pub(super) fn unknown_parameter(name: &str, known: &str) -> Problem {
    let detail = format!("`{name}` means nothing here; known is {known}");
    Problem::malformed("unknown-parameter", detail)
}

pub(super) fn stands_in_the_path(name: &str) -> Problem {
    let detail = format!("the {name} stands in the path: leave the parameter `{name}` out");
    Problem::malformed("unknown-parameter", detail)
}

/// Whether only an id that is free may be registered.
pub(super) fn only_new(head: &Parts) -> Result<bool, Problem> {
    match head.headers.get(IF_NONE_MATCH).map(HeaderValue::as_bytes) {
        None => Ok(false),
        Some(b"*") => Ok(true),
        Some(_) => {
            let detail = "If-None-Match takes * here: refuse if the id is taken";
            Err(Problem::malformed("invalid-header", detail))
        }
    }
}

/// What `If-Match` asks for.
pub(super) fn if_match(head: &Parts) -> Result<Option<Tag>, Problem> {
    let Some(tag) = head.headers.get(IF_MATCH) else { return Ok(None) };
    let tag = tag.to_str().unwrap_or_default().trim();
    if tag == "*" {
        return Ok(Some(Tag::Any));
    }
    let revision = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')?.parse().ok());
    let detail = "If-Match takes one ETag of an instance, as in \"12\"";
    let wrong = || Problem::malformed("invalid-header", detail);
    revision.map(|revision| Some(Tag::Is(Revision(revision)))).ok_or_else(wrong)
}

/// What is registered now, for those who want to register over something only.
pub(super) fn held_revision(
    registry: &Registry,
    namespace: &str,
    id: &str,
) -> Result<Revision, Problem> {
    let slot = registry.get(namespace, id).ok_or_else(|| {
        let detail = "nothing is registered under this id, and If-Match asks for something";
        Problem::new(StatusCode::PRECONDITION_FAILED, "not-registered", detail)
    })?;
    Ok(slot.record().modified)
}

fn policy(text: &str) -> Result<OnConflict, Problem> {
    match text {
        "refuse" => Ok(OnConflict::Refuse),
        "replace" => Ok(OnConflict::Replace),
        "take-over-stale" => Ok(OnConflict::TakeOverStale),
        other => {
            let detail =
                format!("on_conflict is refuse, replace or take-over-stale, not `{other}`");
            Err(Problem::malformed("invalid-parameter", detail))
        }
    }
}
