//! Many at once: heartbeats with a verdict each, and registrations with an outcome each.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::{Response, StatusCode};
use registry_core::{Claim, Done, Error, Guard, Registry};
use serde::Deserialize;

use super::convert::{Registration, generation, no_list, read};
use super::is_hidden;
use super::problem::Problem;
use super::routes::key;
use super::wire::{object, push_list, push_number, quoted};
use crate::auth::{Caller, Scope};
use crate::body::{self, Body};
use crate::json::push_string;
use crate::limits::{BATCH_HEARTBEATS_MAX, BATCH_REGISTRATIONS_MAX};

/// The body of a batch of heartbeats: either or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Heartbeats<'a> {
    /// For those that give no generation.
    #[serde(default)]
    ids: Vec<String>,
    #[serde(borrow, default)]
    heartbeats: Vec<Beat<'a>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Beat<'a> {
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    generation: Option<Cow<'a, str>>,
}

/// The body of a batch of registrations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registrations {
    instances: Vec<Registration>,
}

/// Renews every lease that it names, and says of each what became of it, in the same order.
///
/// `namespace` is that of every heartbeat that names none itself.
pub(super) async fn heartbeats(
    registry: &Registry,
    caller: &Caller,
    namespace: &str,
    body: &[u8],
) -> Result<Response<Body>, Problem> {
    no_list(body)?;
    let batch: Heartbeats<'_> = serde_json::from_slice(body)?;
    let short = batch.ids.iter().map(|id| (namespace, &**id, None));
    let long = batch.heartbeats.iter().map(|beat| {
        (beat.namespace.as_deref().unwrap_or(namespace), &*beat.id, beat.generation.as_deref())
    });
    let beats: Vec<(&str, &str, Option<&str>)> = short.chain(long).collect();
    within(beats.len(), BATCH_HEARTBEATS_MAX, "heartbeats")?;
    let mut guards = Vec::with_capacity(beats.len());
    for (_, _, text) in &beats {
        guards.push(Guard { generation: generation(*text)?, ..Guard::default() });
    }

    let mut verdicts = vec![""; beats.len()];
    let mut waiting: Vec<(usize, Pin<Box<_>>)> = Vec::new();
    for (place, ((namespace, id, _), guard)) in beats.iter().zip(&guards).enumerate() {
        if caller.demand(Scope::Write, namespace).is_err() || is_hidden(namespace) {
            verdicts[place] = "forbidden";
            continue;
        }
        let mut beaten = Box::pin(registry.renew(namespace, id, guard));
        // Mostly done at once. One that has lapsed waits until it is listed again: all together.
        match beaten.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(beaten) => verdicts[place] = verdict(&beaten, "renewed"),
            Poll::Pending => waiting.push((place, beaten)),
        }
    }
    for (place, beaten) in waiting {
        verdicts[place] = verdict(&beaten.await, "revived");
    }

    let renewed = verdicts.iter().filter(|word| matches!(**word, "renewed" | "revived")).count();
    let mut text = String::with_capacity(48 + 12 * verdicts.len());
    text.push_str("{\"renewed\":");
    push_number(&mut text, renewed as u64);
    text.push_str(",\"verdicts\":");
    push_list(&mut text, &verdicts, |text, word| push_string(text, word));
    text.push('}');
    Ok(body::json(StatusCode::OK, text))
}

/// The word for what became of a heartbeat.
fn verdict<T>(beaten: &Result<T, Error>, done: &'static str) -> &'static str {
    match beaten {
        Ok(_) => done,
        Err(Error::NotFound) => "not-registered",
        Err(Error::Fenced { .. }) => "fenced",
        Err(Error::Busy) => "busy",
        Err(_) => "failed",
    }
}

/// Registers every instance that it names, each on the terms of `claim` but with a generation of
/// its own; each one succeeds or fails by itself.
pub(super) async fn registrations(
    registry: &Registry,
    namespace: &str,
    claim: Claim,
    body: &[u8],
) -> Result<Response<Body>, Problem> {
    let batch: Registrations = read(body)?;
    within(batch.instances.len(), BATCH_REGISTRATIONS_MAX, "instances")?;
    // All are queued before the first is waited for, so that they share a commit.
    let queued = batch.instances.into_iter().map(|one| {
        let id = one.id.clone().unwrap_or_default();
        let done = queue(registry, namespace, claim.clone(), one);
        (id, done)
    });
    let queued: Vec<_> = queued.collect();
    let mut outcomes = Vec::with_capacity(queued.len());
    let mut registered = 0_u64;
    for (id, done) in queued {
        let done = match done {
            Ok(done) => done.await.map_err(Problem::from),
            Err(problem) => Err(problem),
        };
        registered += u64::from(done.is_ok());
        outcomes.push(outcome(&id, done));
    }
    let mut text = String::from("{\"registered\":");
    push_number(&mut text, registered);
    text.push_str(",\"outcomes\":");
    push_list(&mut text, &outcomes, |text, outcome| text.push_str(outcome));
    text.push('}');
    Ok(body::json(StatusCode::OK, text))
}

fn queue(
    registry: &Registry,
    namespace: &str,
    claim: Claim,
    one: Registration,
) -> Result<impl Future<Output = Result<Done, Error>> + use<>, Problem> {
    let id = one.id.as_deref().ok_or_else(|| Problem::invalid("id is required"))?;
    let key = key(namespace, id)?;
    let claim = Claim { generation: generation(one.generation.as_deref())?, ..claim };
    Ok(registry.register(key, one.declared()?, claim))
}

fn outcome(id: &str, done: Result<Done, Problem>) -> String {
    let members = match done {
        Ok(Done { slot, cause }) => [
            ("id", quoted(id)),
            ("outcome", quoted(cause.as_str())),
            ("generation", quoted(slot.record().generation.as_str())),
            ("revision", slot.record().modified.0.to_string()),
        ]
        .to_vec(),
        Err(problem) => [
            ("id", quoted(id)),
            ("outcome", quoted(problem.code())),
            ("detail", quoted(problem.detail())),
        ]
        .to_vec(),
    };
    object(&members)
}

fn within(count: usize, max: usize, what: &str) -> Result<(), Problem> {
    if count <= max {
        return Ok(());
    }
    let detail = format!("{count} {what} in one request; at most {max} are allowed: split them");
    Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many", detail))
}
