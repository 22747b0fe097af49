//! A task of the board: what it may hold, what is checked of what is sent, and how it changes.

use registry_core::{Declared, Timestamp, limits};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ulid::Ulid;

use super::convert::{fits, optional, required, tags_fit};
use crate::collection::Moment;
use crate::json::{Json, display};
use crate::limits::TASK_ITEMS_MAX;
use crate::timestamp::push_timestamp;

const STATUSES: [&str; 5] = ["open", "in_progress", "in_review", "blocked", "done"];
const NOTE_TYPES: [&str; 4] = ["finding", "blocker", "question", "update"];
const ARTIFACT_TYPES: [&str; 6] = ["branch", "report", "deploy", "diff", "file", "url"];

/// What a task is until somebody says otherwise.
const OPEN: &str = "open";
/// What a task is while somebody else is to look at it.
pub(super) const IN_REVIEW: &str = "in_review";
/// Who does something without a name.
const UNKNOWN: &str = "unknown";

/// A task, as it rests and as it is answered: the order of the fields is the original's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Task {
    id: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    assignee: Option<String>,
    /// Whatever was sent, mostly an array of strings.
    tags: Box<RawValue>,
    dependencies: Box<RawValue>,
    created_by: String,
    created_at: String,
    updated_at: String,
    notes: Vec<Note>,
    artifacts: Vec<Artifact>,
    score: u64,
}

/// What somebody says about a task.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    id: String,
    author: String,
    content: String,
    #[serde(rename = "type")]
    kind: String,
    created_at: String,
}

/// What came of a task, and where.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    #[serde(rename = "type")]
    kind: String,
    url: String,
    label: String,
    added_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    added_by: Option<String>,
}

/// A checked new task.
pub(super) struct Draft {
    title: String,
    description: Option<String>,
    status: String,
    assignee: Option<String>,
    tags: Box<RawValue>,
    dependencies: Box<RawValue>,
    created_by: String,
}

/// A checked change: what is `Some` is to be changed, what is `Some(None)` is to go.
pub(super) struct Amendment {
    title: Option<String>,
    description: Option<Option<String>>,
    status: Option<String>,
    assignee: Option<Option<String>>,
    tags: Option<Box<RawValue>>,
    dependencies: Option<Box<RawValue>>,
}

/// A checked note.
pub(super) struct NoteDraft {
    author: String,
    content: String,
    kind: String,
}

/// A checked artifact.
pub(super) struct ArtifactDraft {
    kind: String,
    url: String,
    label: String,
    added_by: Option<String>,
}

/// A checked step of a review: the status that it leads to and what it leaves behind.
pub(super) struct Step {
    status: &'static str,
    note: NoteDraft,
    artifacts: Vec<ArtifactDraft>,
}

// === impl Task ===

impl Task {
    /// A new task.
    pub(super) fn new(draft: Draft, id: Ulid, at: Timestamp) -> Self {
        Self {
            id: id.to_string(),
            title: draft.title,
            description: draft.description,
            status: draft.status,
            assignee: draft.assignee,
            tags: draft.tags,
            dependencies: draft.dependencies,
            created_by: draft.created_by,
            created_at: written(at),
            updated_at: written(at),
            notes: Vec::new(),
            artifacts: Vec::new(),
            score: 0,
        }
    }

    /// The task that rests in a record.
    pub(super) fn read(document: Option<&str>) -> Result<Self, serde_json::Error> {
        serde_json::from_str(document.unwrap_or_default())
    }

    /// Writes it back, and beside it what a list is filtered by.
    pub(super) fn declare(&self, declared: &mut Declared) {
        let text = serde_json::to_string(self).expect("there is nothing in it that JSON has not");
        let tags: Vec<Tag> = serde_json::from_str(self.tags.get()).unwrap_or_default();
        let named = tags.into_iter().filter_map(|tag| match tag {
            Tag::Text(text) => Some(text.into_boxed_str()),
            Tag::Other(_) => None,
        });
        declared.role = self.status.as_str().into();
        declared.name = self.assignee.clone().unwrap_or_default().into();
        declared.capabilities = named.collect();
        declared.document = Some(text.into());
    }

    pub(super) fn updated_at(&self) -> &str {
        &self.updated_at
    }

    pub(super) fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Says that it has changed. The time never moves back.
    pub(super) fn touch(&mut self, at: Timestamp) {
        self.updated_at = written(at).max(std::mem::take(&mut self.updated_at));
    }

    pub(super) fn amend(&mut self, change: Amendment) {
        set(&mut self.title, change.title);
        set(&mut self.description, change.description);
        set(&mut self.status, change.status);
        set(&mut self.assignee, change.assignee);
        set(&mut self.tags, change.tags);
        set(&mut self.dependencies, change.dependencies);
    }

    pub(super) fn bump(&mut self) {
        self.score = self.score.saturating_add(1);
    }

    /// Adds a note, if there is room.
    pub(super) fn note(&mut self, draft: NoteDraft, moment: &Moment) -> Result<(), String> {
        has_room("notes", self.notes.len() + 1)?;
        let (id, created_at) = (moment.id().to_string(), written(moment.at));
        let NoteDraft { author, content, kind } = draft;
        self.notes.push(Note { id, author, content, kind, created_at });
        Ok(())
    }

    /// Adds artifacts, if there is room for all of them.
    pub(super) fn attach(
        &mut self,
        drafts: Vec<ArtifactDraft>,
        moment: &Moment,
    ) -> Result<(), String> {
        has_room("artifacts", self.artifacts.len() + drafts.len())?;
        let added_at = written(moment.at);
        self.artifacts.extend(drafts.into_iter().map(|draft| {
            let ArtifactDraft { kind, url, label, added_by } = draft;
            Artifact { kind, url, label, added_at: added_at.clone(), added_by }
        }));
        Ok(())
    }

    /// Takes a step of a review.
    pub(super) fn step(&mut self, step: Step, moment: &Moment) -> Result<(), String> {
        step.status.clone_into(&mut self.status);
        self.note(step.note, moment)?;
        self.attach(step.artifacts, moment)
    }
}

/// One of the tags; only texts find a task.
#[derive(Deserialize)]
#[serde(untagged)]
enum Tag {
    Text(String),
    Other(serde::de::IgnoredAny),
}

fn set<T>(field: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *field = value;
    }
}

fn has_room(what: &str, count: usize) -> Result<(), String> {
    if count <= TASK_ITEMS_MAX {
        return Ok(());
    }
    Err(format!(
        "the task would have {count} {what}; at most {TASK_ITEMS_MAX} are kept: \
         go on in a new task"
    ))
}

fn written(at: Timestamp) -> String {
    let mut text = String::new();
    push_timestamp(&mut text, at);
    text
}

fn raw(json: &Json<'_>) -> Box<RawValue> {
    RawValue::from_string(json.to_text()).expect("what a JSON value is written as is JSON")
}

// === What is sent ===

/// The [`required`] text of a field, to be kept.
fn owned(body: &Json<'_>, field: &str) -> Result<String, String> {
    required(body, field).map(str::to_owned)
}

impl Draft {
    /// Checks the fields in the original's order.
    pub(super) fn read(body: &Json<'_>) -> Result<Self, String> {
        let title = owned(body, "title")?;
        let created_by = owned(body, "createdBy")?;
        let status = match body.get("status") {
            Some(status) if status.is_truthy() => one_of(Some(status), &STATUSES, "status")?,
            _ => OPEN.to_owned(),
        };
        let (description, assignee) = (optional(body, "description")?, optional(body, "assignee")?);
        let nothing = Json::Array(Vec::new());
        let list = |field| body.get(field).filter(|list| list.is_truthy()).unwrap_or(&nothing);
        findable(assignee.as_deref(), Some(list("tags")))?;
        let [tags, dependencies] = ["tags", "dependencies"].map(|field| raw(list(field)));
        Ok(Self { title, description, status, assignee, tags, dependencies, created_by })
    }
}

impl Amendment {
    /// Checks the fields in the original's order. Nothing is changed unless all are right.
    pub(super) fn read(body: &Json<'_>) -> Result<Self, String> {
        let status = body.get("status").map(|status| one_of(Some(status), &STATUSES, "status"));
        let status = status.transpose()?;
        let title = body.get("title").map(|_| owned(body, "title")).transpose();
        let title = title.map_err(|_| "title cannot be empty")?;
        let text = |field| body.get(field).map(|_| optional(body, field)).transpose();
        let (description, assignee) = (text("description")?, text("assignee")?);
        findable(assignee.as_ref().and_then(Option::as_deref), body.get("tags"))?;
        let [tags, dependencies] = ["tags", "dependencies"].map(|field| body.get(field).map(raw));
        Ok(Self { title, description, status, assignee, tags, dependencies })
    }
}

/// Refuses what is too long or too much for a list to be filtered by.
fn findable(assignee: Option<&str>, tags: Option<&Json<'_>>) -> Result<(), String> {
    fits("assignee", assignee.unwrap_or_default(), limits::TEXT_BYTES_MAX)?;
    let Some(Json::Array(tags)) = tags else { return Ok(()) };
    let tags: Vec<_> = tags.iter().filter_map(Json::as_str).collect();
    tags_fit(tags.into_iter())
}

impl NoteDraft {
    /// Checks the fields in the original's order.
    pub(super) fn read(body: &Json<'_>) -> Result<Self, String> {
        let (author, content) = (owned(body, "author")?, owned(body, "content")?);
        let kind = one_of(body.get("type"), &NOTE_TYPES, "note type")?;
        Ok(Self { author, content, kind })
    }

    fn update(author: String, content: String) -> Self {
        Self { author, content, kind: "update".to_owned() }
    }
}

impl ArtifactDraft {
    /// Checks a list of artifacts; each is checked before any is taken. Whoever is not named as
    /// having added one is `author`.
    pub(super) fn read_all(
        list: Option<&Json<'_>>,
        author: Option<&str>,
    ) -> Result<Vec<Self>, String> {
        let list = match list {
            Some(Json::Array(list)) if !list.is_empty() => list,
            _ => return Err("artifacts array is required and must not be empty".to_owned()),
        };
        list.iter().map(|sent| Self::read(sent, author)).collect()
    }

    fn read(sent: &Json<'_>, author: Option<&str>) -> Result<Self, String> {
        let kind = one_of(sent.get("type"), &ARTIFACT_TYPES, "artifact type")?;
        let text = |field| owned(sent, field).map_err(|message| format!("artifact {message}"));
        let (url, label) = (text("url")?, text("label")?);
        let added_by = match sent.get("addedBy") {
            Some(name) if author.is_some() && !name.is_truthy() => None,
            _ => optional(sent, "addedBy").map_err(|message| format!("artifact {message}"))?,
        };
        Ok(Self { kind, url, label, added_by: added_by.or_else(|| author.map(str::to_owned)) })
    }
}

impl Step {
    /// Hands a task in: what was done, and what came of it.
    pub(super) fn review(body: &Json<'_>) -> Result<Self, String> {
        let summary = owned(body, "summary")?;
        let author = name(body, "reviewedBy")?;
        let artifacts = match body.get("artifacts") {
            Some(Json::Array(list)) if !list.is_empty() => {
                ArtifactDraft::read_all(body.get("artifacts"), Some(&author))?
            }
            _ => Vec::new(),
        };
        Ok(Self { status: IN_REVIEW, note: NoteDraft::update(author, summary), artifacts })
    }

    /// Takes a task as done.
    pub(super) fn approve(body: &Json<'_>) -> Result<Self, String> {
        let author = name(body, "approvedBy")?;
        let content = match optional(body, "comment")?.filter(|text| !text.is_empty()) {
            Some(comment) => format!("Approved by {author}: {comment}"),
            None => format!("Approved by {author}"),
        };
        let note = NoteDraft::update(author, content);
        Ok(Self { status: "done", note, artifacts: Vec::new() })
    }

    /// Gives a task back.
    pub(super) fn reject(body: &Json<'_>) -> Result<Self, String> {
        let reason = owned(body, "reason")?;
        let author = name(body, "rejectedBy")?;
        let content = format!("Rejected by {author}: {reason}");
        let note = NoteDraft::update(author, content);
        Ok(Self { status: OPEN, note, artifacts: Vec::new() })
    }
}

fn name(body: &Json<'_>, field: &str) -> Result<String, String> {
    let name = optional(body, field)?.filter(|name| !name.is_empty());
    Ok(name.unwrap_or_else(|| UNKNOWN.to_owned()))
}

fn one_of(sent: Option<&Json<'_>>, known: &[&str], what: &str) -> Result<String, String> {
    let found = sent.and_then(Json::as_str).filter(|sent| known.contains(sent));
    found.map(str::to_owned).ok_or_else(|| format!("invalid {what}: {}", display(sent)))
}
