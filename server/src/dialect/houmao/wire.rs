//! Answers: a record to the byte as the original writes its files, lists of them, and what the
//! original's own server tells of agents.

use std::fmt::Write;

use hyper::{Response, StatusCode};
use registry_core::Slot;
use serde::Serialize;

use super::convert::Refusal;
use super::lookup::Session;
use super::record::{Backend, Phase, Record};
use crate::body::{self, Body};

/// What was found, and whether it answers the question.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<&'static str>,
    agent_ids: Vec<&'a str>,
    records: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    active: bool,
    record: &'a Record,
}

/// An agent as the original's clients read it: exactly these fields.
#[derive(Serialize)]
struct Agent<'a> {
    agent_id: &'a str,
    agent_name: &'a str,
    generation_id: &'a str,
    tool: &'a str,
    backend: Backend,
    tmux_session_name: &'a str,
    manifest_path: &'a str,
    session_root: &'a str,
    has_gateway: bool,
    has_mailbox: bool,
    published_at: &'a str,
    lease_expires_at: &'a str,
}

#[derive(Serialize)]
struct Agents<'a> {
    agents: Vec<Agent<'a>>,
}

/// What a reference comes to; again exactly these fields.
#[derive(Serialize)]
struct Address<'a> {
    status: &'static str,
    detail: String,
    agent_ref: &'a str,
    #[serde(flatten)]
    known: Known<'a>,
    gateway: Option<GatewayAddress<'a>>,
    candidates: Vec<Candidate<'a>>,
}

/// What is told of the one agent that is meant.
#[derive(Serialize, Default)]
struct Known<'a> {
    agent_id: Option<&'a str>,
    agent_name: Option<&'a str>,
    generation_id: Option<&'a str>,
    lifecycle_state: Option<Phase>,
    relaunchable: Option<bool>,
    tool: Option<&'a str>,
    backend: Option<Backend>,
    manifest_path: Option<&'a str>,
    session_root: Option<&'a str>,
}

#[derive(Serialize)]
struct GatewayAddress<'a> {
    host: &'a str,
    port: u64,
    protocol_version: &'a str,
}

/// One of several that may be meant.
#[derive(Serialize)]
struct Candidate<'a> {
    agent_id: &'a str,
    agent_name: &'a str,
    lifecycle_state: Phase,
    relaunchable: bool,
    tool: &'a str,
    backend: Backend,
    manifest_path: &'a str,
    session_root: Option<&'a str>,
}

#[derive(Serialize)]
struct Detail<'a> {
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_ids: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<Holder<'a>>,
}

#[derive(Serialize)]
struct Holder<'a> {
    agent_id: &'a str,
    agent_name: &'a str,
    generation_id: &'a str,
}

// === Records ===

/// One record, to the byte as it would stand in its file.
pub(super) fn record(status: StatusCode, record: &Record) -> Response<Body> {
    body::json(status, canonical(record))
}

/// Indented by two, with everything beyond printable ASCII escaped, and a line's end behind it.
pub(super) fn canonical(record: &Record) -> String {
    let pretty = serde_json::to_string_pretty(record).expect("a record is texts and numbers");
    let mut text = String::with_capacity(pretty.len() + 1);
    // What is not ASCII stands within strings only, where it can be escaped.
    for c in pretty.chars() {
        if c == '\n' || (' '..='~').contains(&c) {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").expect("a string takes text");
        }
    }
    text.push('\n');
    text
}

/// Records by some condition that any number may meet.
pub(super) fn list(sessions: &[Session]) -> Response<Body> {
    found(None, sessions)
}

/// Records that one was to be chosen from. Which, is never guessed.
pub(super) fn resolution(sessions: &[Session]) -> Response<Body> {
    let resolution = match sessions.len() {
        0 => "none",
        1 => "unique",
        _ => "ambiguous",
    };
    found(Some(resolution), sessions)
}

fn found<'a>(resolution: Option<&'static str>, sessions: &'a [Session]) -> Response<Body> {
    let agent_ids = sessions.iter().map(|session| session.record.agent_id.as_str()).collect();
    let entry = |it: &'a Session| Entry { active: it.is_active, record: &it.record };
    let records = sessions.iter().map(entry).collect();
    json(StatusCode::OK, &Found { resolution, agent_ids, records })
}

/// Whether something was removed.
pub(super) fn removed(removed: bool) -> Response<Body> {
    body::json(StatusCode::OK, format!(r#"{{"removed":{removed}}}"#))
}

// === Agents ===

/// Every active agent, by name.
pub(super) fn agents(mut sessions: Vec<Session>) -> Response<Body> {
    sessions.sort_by(|a, b| a.record.agent_name.cmp(&b.record.agent_name));
    json(StatusCode::OK, &Agents { agents: sessions.iter().map(summary).collect() })
}

/// One active agent.
pub(super) fn agent(session: &Session) -> Response<Body> {
    json(StatusCode::OK, &summary(session))
}

fn summary(session: &Session) -> Agent<'_> {
    let record = &session.record;
    let liveness = record.liveness.as_ref();
    Agent {
        agent_id: &record.agent_id,
        agent_name: &record.agent_name,
        generation_id: &record.generation_id,
        tool: &record.identity.tool,
        backend: record.identity.backend,
        tmux_session_name: record.terminal.current_session_name.as_deref().unwrap_or_default(),
        manifest_path: &record.runtime.manifest_path,
        session_root: record.runtime.session_root.as_deref().unwrap_or_default(),
        has_gateway: record.gateway.is_some(),
        has_mailbox: record.mailbox.is_some(),
        published_at: liveness.map_or("", |liveness| &liveness.published_at),
        lease_expires_at: liveness.map_or("", |liveness| &liveness.lease_expires_at),
    }
}

/// What a reference comes to, given what it may mean.
pub(super) fn address(agent_ref: &str, sessions: &[Session]) -> Response<Body> {
    let said = |status, detail: &str| {
        let detail = format!("`{agent_ref}` {detail}");
        Address {
            status,
            detail,
            agent_ref,
            known: Known::default(),
            gateway: None,
            candidates: Vec::new(),
        }
    };
    let address = match sessions {
        [] => said("unknown", "is no known agent"),
        [session] => {
            let gateway = session.record.gateway.as_ref().map(|gateway| GatewayAddress {
                host: &gateway.host,
                port: gateway.port,
                protocol_version: &gateway.protocol_version,
            });
            let answer = match (session.is_active, &gateway) {
                (false, _) => said("offline", "is known, but not active now"),
                (true, None) => said("live_without_gateway", "is active and has no gateway"),
                (true, Some(_)) => said("live_with_gateway", "is active and has a gateway"),
            };
            let gateway = gateway.filter(|_| session.is_active);
            Address { known: known(&session.record), gateway, ..answer }
        }
        several => Address {
            candidates: several.iter().map(|session| candidate(&session.record)).collect(),
            ..said("ambiguous", "is the name of several known agents; choose one by its id")
        },
    };
    json(StatusCode::OK, &address)
}

fn known(record: &Record) -> Known<'_> {
    Known {
        agent_id: Some(&record.agent_id),
        agent_name: Some(&record.agent_name),
        generation_id: Some(&record.generation_id),
        lifecycle_state: Some(record.lifecycle.state),
        relaunchable: Some(record.lifecycle.relaunchable),
        tool: Some(&record.identity.tool),
        backend: Some(record.identity.backend),
        manifest_path: Some(&record.runtime.manifest_path),
        session_root: record.runtime.session_root.as_deref(),
    }
}

fn candidate(record: &Record) -> Candidate<'_> {
    Candidate {
        agent_id: &record.agent_id,
        agent_name: &record.agent_name,
        lifecycle_state: record.lifecycle.state,
        relaunchable: record.lifecycle.relaunchable,
        tool: &record.identity.tool,
        backend: record.identity.backend,
        manifest_path: &record.runtime.manifest_path,
        session_root: record.runtime.session_root.as_deref(),
    }
}

// === Refusals ===

/// `{"detail":…}`, and what else the caller needs to go on.
pub(super) fn refused(refusal: &Refusal) -> Response<Body> {
    match refusal {
        Refusal::Plain(status, detail) => {
            json(*status, &Detail { detail, agent_ids: None, holder: None })
        }
        Refusal::Held { generation, holder } => held(generation.as_str(), holder),
        Refusal::Ambiguous { reference, agent_ids } => {
            let detail = format!("`{reference}` names several agents; choose one by its id");
            let detail = Detail { detail: &detail, agent_ids: Some(agent_ids), holder: None };
            json(StatusCode::CONFLICT, &detail)
        }
    }
}

fn held(generation: &str, holder: &Slot) -> Response<Body> {
    let record = holder.record();
    let (id, held) = (record.key.id(), record.generation.as_str());
    let detail = format!(
        "agent `{id}` is active under generation `{held}`, and its lease lasts; generation \
         `{generation}` has to stand down"
    );
    let holder = Holder { agent_id: id, agent_name: &record.declared.name, generation_id: held };
    json(StatusCode::CONFLICT, &Detail { detail: &detail, agent_ids: None, holder: Some(holder) })
}

/// An answer of some shape.
pub(super) fn json(status: StatusCode, shape: &impl Serialize) -> Response<Body> {
    body::json(status, serde_json::to_vec(shape).expect("these shapes are texts and numbers"))
}
