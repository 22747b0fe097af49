//! What is wrong with a request, item by item, in the form of FastAPI: what, where, in which words,
//! and what was sent instead.

use std::fmt::Write;

use registry_core::Invalid;

use super::python::{Json, Object};
use crate::json::push_string;
use crate::limits::FAULTS_MAX;

/// Everything that is wrong with a request, as the elements of a JSON array.
#[derive(Debug, Default)]
pub(super) struct Faults {
    text: String,
    count: usize,
}

/// What can be wrong with a value by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    /// It is not there.
    Missing,
    /// It is no string.
    String,
    /// It is no array.
    List,
    /// It is no object.
    Dict,
    /// It is a whole body, and no object.
    Body,
    /// It is a query parameter, and no boolean.
    Bool,
    /// It is no number.
    Float,
    /// It is a string without a character.
    Short,
}

/// A step on the way to a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// A part of the request, or a member of an object.
    Name(&'a str),
    /// An element of an array.
    Number(usize),
}

// === impl Faults ===

impl Faults {
    /// One fault alone.
    pub(super) fn one(wrong: Wrong, at: &[Place<'_>], sent: &Json) -> Self {
        let mut faults = Self::default();
        faults.add(wrong, at, sent);
        faults
    }

    /// The body is not JSON from this character on.
    pub(super) fn no_json(at: usize, why: &str) -> Self {
        let mut faults = Self::default();
        let place = [Place::Name("body"), Place::Number(at)];
        let nothing = Json::Object(Object::new());
        let context = ("error", Json::String(why.to_owned()));
        faults.push("json_invalid", &place, "JSON decode error", &nothing, Some(context));
        faults
    }

    /// A value that the registry refuses.
    pub(super) fn refused(invalid: &Invalid) -> Self {
        let mut faults = Self::default();
        let place = [Place::Name("body"), Place::Name(field_of(invalid.field))];
        let message = format!("Value error, {}", invalid.reason);
        let context = ("error", Json::String(invalid.reason.clone()));
        // What was sent is too large or too many: it is not sent back.
        faults.push("value_error", &place, &message, &Json::Null, Some(context));
        faults
    }

    /// One more fault.
    pub(super) fn add(&mut self, wrong: Wrong, at: &[Place<'_>], sent: &Json) {
        let (kind, message) = wrong.words();
        let least = ("min_length", Json::Number("1".into()));
        let context = matches!(wrong, Wrong::Short).then_some(least);
        self.push(kind, at, message, sent, context);
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The body of the answer.
    pub(super) fn into_text(self) -> String {
        format!(r#"{{"detail":[{}]}}"#, self.text)
    }

    fn push(
        &mut self,
        kind: &str,
        at: &[Place<'_>],
        message: &str,
        sent: &Json,
        context: Option<(&str, Json)>,
    ) {
        if self.count == FAULTS_MAX {
            return;
        }
        let text = &mut self.text;
        if self.count > 0 {
            text.push(',');
        }
        self.count += 1;
        write!(text, r#"{{"type":"{kind}","loc":["#).expect("a string takes text");
        for (step, place) in at.iter().enumerate() {
            if step > 0 {
                text.push(',');
            }
            match place {
                Place::Name(name) => push_string(text, name),
                Place::Number(number) => write!(text, "{number}").expect("a string takes text"),
            }
        }
        text.push_str(r#"],"msg":"#);
        push_string(text, message);
        text.push_str(r#","input":"#);
        sent.push(text);
        if let Some((name, value)) = context {
            write!(text, r#","ctx":{{"{name}":"#).expect("a string takes text");
            value.push(text);
            text.push('}');
        }
        text.push('}');
    }
}

/// What the original calls a field of ours.
fn field_of(field: &'static str) -> &'static str {
    match field {
        "id" => "instance_id",
        "address" => "host",
        "labels" => "version",
        "document" | "record" | "capabilities" => "tools",
        "ttl" => "heartbeat_interval",
        other => other,
    }
}

// === impl Wrong ===

impl Wrong {
    /// Its name for programs, and its words for people.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing => ("missing", "Field required"),
            Self::String => ("string_type", "Input should be a valid string"),
            Self::List => ("list_type", "Input should be a valid list"),
            Self::Dict => ("dict_type", "Input should be a valid dictionary"),
            Self::Body => (
                "model_attributes_type",
                "Input should be a valid dictionary or object to extract fields from",
            ),
            Self::Bool => {
                ("bool_parsing", "Input should be a valid boolean, unable to interpret input")
            }
            Self::Float => ("float_type", "Input should be a valid number"),
            Self::Short => ("string_too_short", "String should have at least 1 character"),
        }
    }
}
