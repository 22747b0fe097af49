//! The board: tasks that agents and people share, with notes, artifacts and a review.

use std::cmp::Reverse;
use std::sync::Arc;

use hyper::{Method, Response, StatusCode};
use registry_core::{Declared, Error, Query, Slot, limits};
use ulid::Ulid;

use super::convert::Words;
use super::page::Page;
use super::routes::{Answer, Refusal, Sent, bad_request, fields, filter};
use super::task::{Amendment, ArtifactDraft, Draft, IN_REVIEW, NoteDraft, Step, Task};
use super::wire;
use crate::app::App;
use crate::body::{self, Body};
use crate::call::Call;
use crate::collection::{Moment, Unchanged};
use crate::json::Json;
use crate::limits::BOARD_TASKS_MAX;

const WORDS: Words = Words {
    unknown: "task not found",
    taken: "the task is there already; try again",
    document: "the task",
};

pub(super) async fn answer(app: &App, call: Call<'_>) -> Answer {
    match (call.method, call.segments) {
        (&Method::GET, ["board", "tasks"]) => list(app, &call),
        (&Method::POST, ["board", "tasks"]) => create(app, call).await,
        (&Method::GET, ["board", "review"]) => Ok(in_review(app)),
        (&Method::GET, ["board", id] | ["board", "tasks", id]) => get(app, id),
        (&Method::PATCH, ["board", "tasks", id]) => {
            let id = *id;
            amend(app, id, call).await
        }
        (&Method::DELETE, ["board", "tasks", id]) => delete(app, id).await,
        (&Method::GET, ["board", "tasks", id, "notes"]) => notes(app, id),
        (&Method::POST, ["board", "tasks", id, verb]) => {
            let (id, verb) = (*id, *verb);
            act(app, id, verb, call).await
        }
        _ => Ok(body::not_found()),
    }
}

/// What can be done to a task beside changing its fields.
async fn act(app: &App, id: &str, verb: &str, call: Call<'_>) -> Answer {
    let step = match verb {
        "notes" => return note(app, id, call).await,
        "artifacts" => return attach(app, id, call).await,
        "bump" => {
            let slot = change(app, id, |task, _| {
                task.bump();
                Ok(())
            });
            return slot.await.map(|slot| whole(StatusCode::OK, &slot));
        }
        "review" => Step::review,
        "approve" => Step::approve,
        "reject" => Step::reject,
        _ => return Ok(body::not_found()),
    };
    let sent = Sent::read(app, call).await?;
    let step = step(&fields(sent.json()?)?).map_err(bad_request)?;
    let slot = change(app, id, |task, moment| task.step(step, moment)).await?;
    Ok(whole(StatusCode::OK, &slot))
}

async fn create(app: &App, call: Call<'_>) -> Answer {
    let sent = Sent::read(app, call).await?;
    let draft = Draft::read(&fields(sent.json()?)?).map_err(bad_request)?;
    if app.rooms.board.len() >= BOARD_TASKS_MAX {
        let message = format!(
            "the board has {BOARD_TASKS_MAX} tasks, which is all it keeps: \
             delete some with DELETE /board/tasks/:id"
        );
        return Err((StatusCode::CONFLICT, message));
    }
    let slot = app.rooms.board.create(|id, at| {
        let mut declared = Declared::default();
        Task::new(draft, id, at).declare(&mut declared);
        declared
    });
    let slot = slot.await.map_err(|error| WORDS.refusal(&error))?;
    Ok(whole(StatusCode::CREATED, &slot))
}

fn list(app: &App, call: &Call<'_>) -> Answer {
    let page = Page::read(call)?;
    let query = Query {
        role: filter(call, "status").map(Into::into),
        name: filter(call, "assignee").map(Into::into),
        capabilities: filter(call, "tag").map(Into::into).into_iter().collect(),
        ..Query::any()
    };
    let found = app.rooms.board.list(query);
    let slots = page.cut(found.iter(), place);
    Ok(body::json(StatusCode::OK, wire::counted("tasks", slots.into_iter())))
}

/// The tasks that wait for a review, those first that have changed last.
fn in_review(app: &App) -> Response<Body> {
    let found = app.rooms.board.list(Query::role(IN_REVIEW));
    let mut slots = Page::default().cut(found.iter(), place);
    slots.sort_by_cached_key(|slot| {
        Reverse(task(slot).map(|task| task.updated_at().to_owned()).ok())
    });
    body::json(StatusCode::OK, wire::counted("tasks", slots.into_iter()))
}

/// Newest first; those of one millisecond in the order of their creation.
fn place(id: Ulid) -> (Reverse<u64>, Ulid) {
    (Reverse(id.timestamp_ms()), id)
}

fn get(app: &App, id: &str) -> Answer {
    let slot = known(app, id)?;
    Ok(whole(StatusCode::OK, &slot))
}

async fn amend(app: &App, id: &str, call: Call<'_>) -> Answer {
    let sent = Sent::read(app, call).await?;
    let amendment = Amendment::read(&fields_of_known(app, id, &sent)?).map_err(bad_request)?;
    let slot = change(app, id, |task, _| {
        task.amend(amendment);
        Ok(())
    });
    slot.await.map(|slot| whole(StatusCode::OK, &slot))
}

async fn delete(app: &App, id: &str) -> Answer {
    app.rooms.board.remove(id).await.map_err(|error| WORDS.refusal(&error))?;
    Ok(body::json(StatusCode::OK, r#"{"deleted":true}"#))
}

fn notes(app: &App, id: &str) -> Answer {
    let slot = known(app, id)?;
    let task = task(&slot)?;
    let (notes, count) = (to_text(task.notes()), task.notes().len());
    Ok(body::json(StatusCode::OK, format!("{{\"notes\":{notes},\"count\":{count}}}")))
}

async fn note(app: &App, id: &str, call: Call<'_>) -> Answer {
    let sent = Sent::read(app, call).await?;
    let draft = NoteDraft::read(&fields_of_known(app, id, &sent)?).map_err(bad_request)?;
    let slot = change(app, id, |task, moment| task.note(draft, moment)).await?;
    // As of this change: whatever was added since is not in it.
    let task = task(&slot)?;
    Ok(body::json(StatusCode::CREATED, to_text(&task.notes().last())))
}

async fn attach(app: &App, id: &str, call: Call<'_>) -> Answer {
    let sent = Sent::read(app, call).await?;
    let drafts = {
        let body = fields(sent.json()?)?;
        known(app, id)?;
        ArtifactDraft::read_all(body.get("artifacts"), None).map_err(bad_request)?
    };
    let slot = change(app, id, |task, moment| task.attach(drafts, moment)).await?;
    Ok(whole(StatusCode::CREATED, &slot))
}

/// Changes a task as one step, or not at all: `edit` says what does not go.
async fn change(
    app: &App,
    id: &str,
    edit: impl FnOnce(&mut Task, &Moment) -> Result<(), String> + Send + 'static,
) -> Result<Arc<Slot>, Refusal> {
    let conflict = |message| (StatusCode::CONFLICT, message);
    let done = app.rooms.board.update(id, move |declared, moment| {
        let mut task = Task::read(declared.document.as_deref()).map_err(unreadable)?;
        edit(&mut task, moment).map_err(conflict)?;
        task.touch(moment.at);
        task.declare(declared);
        let bytes = declared.document.as_deref().map_or(0, str::len);
        let max = limits::DOCUMENT_BYTES_MAX;
        if bytes <= max {
            return Ok(());
        }
        let message = format!("the task would have {bytes} bytes; at most {max} are kept");
        Err(conflict(message))
    });
    done.await.map_err(|unchanged| match unchanged {
        Unchanged::Refused(refusal) => refusal,
        Unchanged::Failed(error) => WORDS.refusal(&error),
    })
}

/// The fields of a request about a task. The original looks for the task before it looks at them.
fn fields_of_known<'a>(app: &App, id: &str, sent: &'a Sent) -> Result<Json<'a>, Refusal> {
    let body = sent.json()?;
    known(app, id)?;
    fields(body)
}

fn known(app: &App, id: &str) -> Result<Arc<Slot>, Refusal> {
    app.rooms.board.get(id).ok_or_else(|| WORDS.refusal(&Error::NotFound))
}

fn task(slot: &Slot) -> Result<Task, Refusal> {
    Task::read(slot.record().declared.document.as_deref()).map_err(unreadable)
}

fn whole(status: StatusCode, slot: &Slot) -> Response<Body> {
    body::json(status, wire::document(slot).to_owned())
}

fn to_text(part: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(part).expect("there is nothing in it that JSON has not")
}

/// Only a record that another program wrote can come to this.
fn unreadable(error: serde_json::Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("the task at rest cannot be read: {error}"))
}
