//! From a JSON value to compact text, character by character as `JSON.stringify` writes it.

use super::Json;

/// Appends a value.
pub(super) fn push_json(text: &mut String, json: &Json<'_>) {
    match json {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Number(value) if value.is_finite() => {
            text.push_str(ryu_js::Buffer::new().format_finite(*value));
        }
        Json::Number(_) => text.push_str("null"),
        Json::String(value) => push_string(text, value),
        Json::Array(elements) => {
            text.push('[');
            for (place, element) in elements.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_json(text, element);
            }
            text.push(']');
        }
        Json::Object(object) => {
            text.push('{');
            for (place, (key, value)) in object.members().iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                push_string(text, key);
                text.push(':');
                push_json(text, value);
            }
            text.push('}');
        }
    }
}

/// Appends a string in quotes; only quotes, backslashes and control characters are escaped.
pub(crate) fn push_string(text: &mut String, value: &str) {
    text.push('"');
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)) {
        text.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            0x08 => text.push_str("\\b"),
            0x09 => text.push_str("\\t"),
            0x0A => text.push_str("\\n"),
            0x0C => text.push_str("\\f"),
            0x0D => text.push_str("\\r"),
            control => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                text.push_str("\\u00");
                text.push(char::from(DIGITS[usize::from(control >> 4)]));
                text.push(char::from(DIGITS[usize::from(control & 15)]));
            }
        }
        rest = &rest[at + 1..];
    }
    text.push_str(rest);
    text.push('"');
}
