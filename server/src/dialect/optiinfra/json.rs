//! JSON as Go's `encoding/json` reads it into a struct, and as it writes it.
//!
//! The grammar is that of [`crate::json`]. What Go makes of it is its own: keys have no case,
//! unknown ones do not count, `null` means nothing was said, a repeated object adds to the first,
//! and what has the wrong type is named with the field that it stood in.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::json::{JsonError, Raw, parse_first, push_string};
use crate::limits::AGENT_JSON_DEPTH_MAX;

/// A struct as its fields arrive.
pub(super) trait Fields: Default {
    /// What Go calls it.
    const NAME: &'static str;

    /// Takes the value of one field, named in lower case. Other names than its own are ignored.
    fn set(&mut self, field: &str, value: Raw<'_>) -> Result<(), Mismatch>;
}

/// One field as its values arrive: more than one if its key is repeated.
pub(super) trait Field {
    /// Takes a value.
    fn set(&mut self, value: Raw<'_>) -> Result<(), Mismatch>;
}

/// A value of another type than its field has.
pub(super) struct Mismatch {
    found: String,
    wanted: &'static str,
}

/// Free facts by name: the text of each value, sorted within, so that equal values are equal text.
pub(super) type Metadata = BTreeMap<String, Box<RawValue>>;

/// A body is text: each byte that is not UTF-8 becomes U+FFFD.
fn text_of(body: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(body) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

/// Reads the first value of a body into a struct; what follows that value does not matter.
pub(super) fn read<T: Fields>(body: &[u8]) -> Result<T, String> {
    let text = text_of(body);
    let value = parse_first(&text, AGENT_JSON_DEPTH_MAX).map_err(|error| refusal(&text, error))?;
    let mut fields = T::default();
    let members = match value {
        Raw::Object(members) => members,
        Raw::Null => return Ok(fields),
        other => {
            let (found, name) = (kind(&other), T::NAME);
            return Err(format!(
                "json: cannot unmarshal {found} into Go value of type registry.{name}"
            ));
        }
    };
    for (key, value) in members {
        let field = folded(&key);
        fields.set(&field, value).map_err(|Mismatch { found, wanted }| {
            let name = T::NAME;
            format!(
                "json: cannot unmarshal {found} into Go struct field {name}.{field} \
                 of type {wanted}"
            )
        })?;
    }
    Ok(fields)
}

/// What `encoding/json` writes for this JSON text: none of the characters that it escapes beyond
/// those that must be stands outside of a string.
pub(super) fn escaped(json: String) -> String {
    const ESCAPES: [(char, &str); 5] = [
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ];
    if !json.contains(ESCAPES.map(|(plain, _)| plain)) {
        return json;
    }
    ESCAPES.iter().fold(json, |json, (plain, escape)| json.replace(*plain, escape))
}

/// Keys are compared without case; the long s is an s in another case.
fn folded(key: &str) -> String {
    key.chars().map(|c| if c == 'ſ' { 's' } else { c.to_ascii_lowercase() }).collect()
}

/// Why a body is not JSON, in Go's words.
fn refusal(text: &str, error: JsonError) -> String {
    match error {
        JsonError::TooDeep { depth_max } => format!("exceeded max depth of {depth_max}"),
        JsonError::Syntax { at, place } => match text.as_bytes().get(at) {
            Some(byte) => format!("invalid character {} {place}", quoted(*byte)),
            None if text.trim_matches([' ', '\t', '\n', '\r']).is_empty() => "EOF".to_owned(),
            None => "unexpected EOF".to_owned(),
        },
    }
}

/// A byte as Go quotes it: as the character of that number.
fn quoted(byte: u8) -> String {
    match byte {
        b'"' => r#"'"'"#.to_owned(),
        b'\t' | b'\n' | b'\r' | b'\'' | b'\\' => format!("'{}'", byte.escape_ascii()),
        0..0x20 | 0x7F => format!("'\\x{byte:02x}'"),
        0x80..=0xA0 | 0xAD => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

fn kind(value: &Raw<'_>) -> &'static str {
    match value {
        Raw::Null => "null",
        Raw::Bool(_) => "bool",
        Raw::Number(_) => "number",
        Raw::String(_) => "string",
        Raw::Array(_) => "array",
        Raw::Object(_) => "object",
    }
}

/// Appends a value that may be of any type: numbers as the nearest float, keys sorted, the last of
/// repeated ones.
fn push_value(text: &mut String, value: &Raw<'_>) -> Result<(), Mismatch> {
    match value {
        Raw::Null => text.push_str("null"),
        Raw::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Raw::Number(literal) => match literal.parse::<f64>() {
            Ok(number) if number == 0.0 && number.is_sign_negative() => text.push_str("-0"),
            Ok(number) if number.is_finite() => {
                text.push_str(ryu_js::Buffer::new().format_finite(number));
            }
            _ => return Err(Mismatch { found: format!("number {literal}"), wanted: "float64" }),
        },
        Raw::String(value) => push_string(text, value),
        Raw::Array(elements) => {
            text.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_value(text, element)?;
            }
            text.push(']');
        }
        Raw::Object(members) => {
            let sorted: BTreeMap<_, _> = members.iter().map(|(key, value)| (key, value)).collect();
            text.push('{');
            for (place, (key, value)) in sorted.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_string(text, key);
                text.push(':');
                push_value(text, value)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

// === impl Mismatch ===

impl Mismatch {
    fn new(value: &Raw<'_>, wanted: &'static str) -> Self {
        Self { found: kind(value).to_owned(), wanted }
    }
}

// === impl Field ===

impl Field for String {
    fn set(&mut self, value: Raw<'_>) -> Result<(), Mismatch> {
        match value {
            Raw::Null => {}
            Raw::String(text) => *self = text.into_owned(),
            other => return Err(Mismatch::new(&other, "string")),
        }
        Ok(())
    }
}

impl Field for Option<String> {
    fn set(&mut self, value: Raw<'_>) -> Result<(), Mismatch> {
        match value {
            Raw::Null => Ok(()),
            other => self.get_or_insert_default().set(other),
        }
    }
}

impl Field for i64 {
    fn set(&mut self, value: Raw<'_>) -> Result<(), Mismatch> {
        match value {
            Raw::Null => {}
            Raw::Number(literal) => {
                let integer = literal.parse();
                *self = integer
                    .map_err(|_| Mismatch { found: format!("number {literal}"), wanted: "int" })?;
            }
            other => return Err(Mismatch::new(&other, "int")),
        }
        Ok(())
    }
}

impl Field for Option<Vec<String>> {
    fn set(&mut self, value: Raw<'_>) -> Result<(), Mismatch> {
        let elements = match value {
            Raw::Null => {
                *self = None;
                return Ok(());
            }
            Raw::Array(elements) => elements,
            other => return Err(Mismatch::new(&other, "[]string")),
        };
        let read = |element| {
            let mut text = String::new();
            text.set(element)?;
            Ok(text)
        };
        *self = Some(elements.into_iter().map(read).collect::<Result<_, Mismatch>>()?);
        Ok(())
    }
}

impl Field for Metadata {
    fn set(&mut self, value: Raw<'_>) -> Result<(), Mismatch> {
        let members = match value {
            Raw::Null => {
                self.clear();
                return Ok(());
            }
            Raw::Object(members) => members,
            other => return Err(Mismatch::new(&other, "map[string]interface {}")),
        };
        for (key, value) in members {
            let mut text = String::new();
            push_value(&mut text, &value)?;
            let text = RawValue::from_string(text).expect("what is written here is JSON");
            self.insert(key.into_owned(), text);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "json_test.rs"]
mod tests;
