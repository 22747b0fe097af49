//! JSON as JavaScript reads and writes it, for front ends whose original runs on Node.
//!
//! Who reads otherwise takes [`Raw`], what was written, and makes of it what it must.
//!
//! serde_json is the right tool everywhere else. Here it would refuse `1e400` and lone
//! surrogates, round some numbers differently, and keep another order of keys.

mod parse;
mod text;
mod write;

use std::borrow::Cow;

pub(crate) use parse::{JsonError, Raw, order, parse, parse_first};
pub(crate) use text::{display, trim};
pub(crate) use write::push_string;

/// One JSON value. Every number is a 64-bit float, as in JavaScript. A string lies in the text that
/// was read, unless something in it was escaped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number; infinite where the text exceeds the range, and then written as `null`.
    Number(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Json<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// The members of an object, in JavaScript's order: integer keys ascending, then the others in
/// order of first appearance.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Object<'a> {
    members: Vec<Member<'a>>,
}

/// A member of an object: its key and its value.
pub(crate) type Member<'a> = (Cow<'a, str>, Json<'a>);

// === impl Json ===

impl<'a> Json<'a> {
    /// The member of that name; `None` (JavaScript's `undefined`) if there is none or this is
    /// not an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        match self {
            Json::Object(object) => object.get(name),
            _ => None,
        }
    }

    /// The string, if it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether `if (value)` would hold in JavaScript.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Json::Null => false,
            Json::Bool(value) => *value,
            Json::Number(value) => *value != 0.0 && !value.is_nan(),
            Json::String(text) => !text.is_empty(),
            Json::Array(_) | Json::Object(_) => true,
        }
    }

    /// Compact text, as `JSON.stringify` gives it.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        self.push_to(&mut text);
        text
    }

    /// Appends the same text.
    pub(crate) fn push_to(&self, text: &mut String) {
        write::push_json(text, self);
    }
}

// === impl Object ===

impl<'a> Object<'a> {
    /// The member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members, in order.
    pub(crate) fn members(&self) -> &[Member<'a>] {
        &self.members
    }
}

/// The text of a body: what is not UTF-8 becomes U+FFFD, and one leading byte order mark goes.
pub(crate) fn body_text(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(body);
    String::from_utf8_lossy(body)
}
