//! Refusals as problem documents (RFC 9457), each with a stable code for programs.

use std::fmt::{Display, Write};

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use registry_core::{Error, Invalid};

use crate::auth::{Denied, Forbidden, Scope};
use crate::body::{self, Body};
use crate::json::push_string;

/// Why a request was not done, and what the caller can do next.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Further members, as JSON.
    members: Vec<(&'static str, String)>,
    /// A header that goes with it, by its lower-case name.
    header: Option<(&'static str, &'static str)>,
}

// === impl Problem ===

impl Problem {
    /// A problem with no more to it than its status, its code and a sentence.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Display) -> Self {
        Self { status, code, detail: detail.to_string(), members: Vec::new(), header: None }
    }

    /// The body is not JSON, or a parameter cannot be read.
    pub(super) fn malformed(code: &'static str, detail: impl Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The request can be read, but a value in it is not allowed.
    pub(super) fn invalid(detail: impl Display) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-value", detail)
    }

    /// The path exists, but not with this method.
    pub(super) fn method(allowed: &'static str) -> Self {
        let detail = format!("this path answers to {allowed}");
        let problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        problem.with_header("allow", allowed)
    }

    /// No such path.
    pub(super) fn no_route() -> Self {
        let detail = "no such path; GET /openapi.json lists them all";
        Self::new(StatusCode::NOT_FOUND, "no-route", detail)
    }

    /// A change that the watcher asks for is no longer kept.
    pub(super) fn compacted(oldest: u64) -> Self {
        let detail = "the changes after this revision cannot be told: they are no longer kept, \
                      or it is no revision of this store; list the instances, then watch from \
                      the `revision` of that list";
        let problem = Self::new(StatusCode::GONE, "compacted", detail);
        problem.with("oldest_revision", oldest.to_string())
    }

    /// What the caller may not do.
    pub(super) fn forbidden(refused: Forbidden, scope: Scope, namespace: Option<&str>) -> Self {
        let place = namespace.map_or("every namespace".to_string(), |name| format!("`{name}`"));
        let unknown = |detail| {
            let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
            problem.with_header("www-authenticate", "Bearer")
        };
        match refused {
            Forbidden::Unknown(Denied::Missing) => {
                unknown("send `Authorization: Bearer` and a token")
            }
            Forbidden::Unknown(Denied::Invalid) => unknown("the token is not known"),
            Forbidden::Insufficient => {
                let detail = format!("the token lacks the scope {scope} for {place}");
                Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
            }
        }
    }

    /// With one more member, whose value is JSON text.
    pub(super) fn with(mut self, name: &'static str, json: String) -> Self {
        self.members.push((name, json));
        self
    }

    /// The stable code.
    pub(super) fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// With this header.
    pub(super) fn with_header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The answer that says so.
    pub(super) fn answer(self) -> Response<Body> {
        let title = self.status.canonical_reason().unwrap_or("Problem");
        let mut text = String::with_capacity(160 + self.detail.len());
        let (code, status) = (self.code, self.status.as_u16());
        let head = write!(
            text,
            r#"{{"type":"urn:rolecall:problem:{code}","title":"{title}","status":{status},"#
        );
        head.expect("a string takes text");
        text.push_str(r#""code":""#);
        text.push_str(code);
        text.push_str(r#"","detail":"#);
        push_string(&mut text, &self.detail);
        for (name, json) in &self.members {
            text.push(',');
            push_string(&mut text, name);
            text.push(':');
            text.push_str(json);
        }
        text.push('}');
        let mut answer = body::json(self.status, text);
        let kind = HeaderValue::from_static("application/problem+json");
        answer.headers_mut().insert(CONTENT_TYPE, kind);
        if let Some((name, value)) = self.header {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let quoted = |text: &str| {
            let mut json = String::new();
            push_string(&mut json, text);
            json
        };
        let later = |code| {
            let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, &error);
            problem.with_header("retry-after", "1")
        };
        match &error {
            Error::Invalid(invalid) => Self::from(invalid.clone()),
            Error::NotFound => {
                let detail = "nothing is registered under this id; register again";
                Self::new(StatusCode::NOT_FOUND, "not-registered", detail)
            }
            Error::Conflict { holder } => {
                let problem = Self::new(StatusCode::CONFLICT, "conflict", &error);
                problem.with("holder_generation", quoted(holder.record().generation.as_str()))
            }
            Error::Fenced { held } => {
                let problem = Self::new(StatusCode::CONFLICT, "fenced", &error);
                problem.with("holder_generation", quoted(held.as_str()))
            }
            Error::Moved { current } => {
                let nothing: &dyn Display = &"nothing is registered under this id";
                let detail = if current.0 == 0 { nothing } else { &error };
                let problem = Self::new(StatusCode::PRECONDITION_FAILED, "moved", detail);
                problem.with("revision", current.0.to_string())
            }
            Error::Busy => later("busy"),
            Error::Unavailable => later("unavailable"),
            Error::Unknown => later("unknown-outcome"),
            _ => later("stopped"),
        }
    }
}

impl From<Invalid> for Problem {
    fn from(mut invalid: Invalid) -> Self {
        // What the registry keeps without reading it, its owner knows by another name.
        if invalid.field == "document" {
            invalid.field = "metadata";
        }
        Self::invalid(&invalid)
    }
}

impl From<body::Refusal> for Problem {
    fn from(refusal: body::Refusal) -> Self {
        let code = match refusal {
            body::Refusal::TooLarge { .. } => "too-large",
            body::Refusal::Timeout => "timeout",
            body::Refusal::Broken => "broken-body",
        };
        Self::new(refusal.status(), code, refusal)
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            serde_json::error::Category::Data => Self::invalid(error),
            _ => Self::malformed("invalid-json", format!("the body is not JSON: {error}")),
        }
    }
}
