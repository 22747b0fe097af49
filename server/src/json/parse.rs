//! From text to a JSON value, accepting exactly what `JSON.parse` accepts, down to a depth.

use std::collections::HashMap;

use super::{Json, Object};
use crate::limits::JSON_DEPTH_MAX;

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// It is not JSON.
    #[error("not valid JSON at byte {at}")]
    Syntax {
        /// How many bytes of the text were fine.
        at: usize,
    },
    /// It is nested deeper than [`JSON_DEPTH_MAX`].
    #[error("nested too deeply: more than {JSON_DEPTH_MAX} levels")]
    TooDeep,
}

/// Reads one value, which must be the whole text.
///
/// A lone surrogate escape (`"\ud800"`) becomes U+FFFD. JavaScript keeps it, but a document with
/// one cannot be read by strict readers, so that one record would break every list it is in.
pub(crate) fn parse(text: &str) -> Result<Json, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.syntax()) } else { Ok(value) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// Members as they arrive. Finding a repeated key among many takes an index; among few, a look.
#[derive(Default)]
struct Members {
    list: Vec<(String, Json)>,
    index: HashMap<String, usize>,
    has_integer_key: bool,
}

const INDEXED_FROM: usize = 32;

// === impl Reader ===

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        if depth > JSON_DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'n') => self.word("null", Json::Null),
            _ => Err(self.syntax()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut members = Members::default();
        self.at += 1;
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members.finish()));
        }
        loop {
            self.skip_blanks();
            let key = self.string()?;
            self.skip_blanks();
            self.expect(b':')?;
            let value = self.value(depth + 1)?;
            members.set(key, value);
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members.finish()));
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Json::Array(elements));
            }
            self.expect(b',')?;
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.expect(b'"')?;
        let mut decoded = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest
                .bytes()
                .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))
                .ok_or_else(|| self.syntax())?;
            decoded.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(decoded);
                }
                Some(b'\\') => decoded.push(self.escape()?),
                _ => return Err(self.syntax()), // a control character must be escaped
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.at += 1;
        let decoded = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.syntax()),
        };
        self.at += 1;
        Ok(decoded)
    }

    /// Reads the digits of `\uXXXX`, and those of a second one if the two are a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let first = self.four_digits()?;
        if let Some(decoded) = char::from_u32(first) {
            return Ok(decoded);
        }
        let is_leading = (0xD800..0xDC00).contains(&first);
        if is_leading && self.text[self.at..].starts_with("\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.four_digits()?;
            if (0xDC00..0xE000).contains(&second) {
                let scalar = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before; // not its partner: a character of its own
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4).ok_or_else(|| self.syntax())?;
        let mut number = 0;
        for digit in digits {
            let value = char::from(*digit).to_digit(16).ok_or_else(|| self.syntax())?;
            number = number * 16 + value;
        }
        self.at += 4;
        Ok(number)
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        // The standard parser rounds correctly and gives infinity beyond the range, as Node does.
        let number = self.text[start..self.at].parse().map_err(|_| self.syntax())?;
        Ok(Json::Number(number))
    }

    /// Passes one digit or more.
    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        if count == 0 { Err(self.syntax()) } else { Ok(()) }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    fn syntax(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }
}

// === impl Members ===

impl Members {
    /// A repeated key takes the last value and keeps its first place.
    fn set(&mut self, key: String, value: Json) {
        if let Some(place) = self.place_of(&key) {
            self.list[place].1 = value;
            return;
        }
        self.has_integer_key |= integer_key(&key).is_some();
        if !self.index.is_empty() {
            self.index.insert(key.clone(), self.list.len());
        }
        self.list.push((key, value));
        if self.list.len() == INDEXED_FROM {
            let keys = self.list.iter().enumerate();
            self.index = keys.map(|(place, (key, _))| (key.clone(), place)).collect();
        }
    }

    fn place_of(&self, key: &str) -> Option<usize> {
        if self.index.is_empty() {
            return self.list.iter().position(|(known, _)| known == key);
        }
        self.index.get(key).copied()
    }

    fn finish(mut self) -> Object {
        if self.has_integer_key {
            // A stable sort: the other keys, all alike here, keep their order behind the integers.
            self.list.sort_by_key(|(key, _)| integer_key(key).unwrap_or(u32::MAX));
        }
        Object { members: self.list }
    }
}

/// The key as an array index: decimal, without leading zeros, below 2^32 - 1.
fn integer_key(key: &str) -> Option<u32> {
    let bytes = key.as_bytes();
    let is_canonical = key == "0" || matches!(bytes.first(), Some(b'1'..=b'9'));
    if !is_canonical || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    key.parse().ok().filter(|index| *index < u32::MAX)
}

#[cfg(test)]
#[path = "parse_test.rs"]
mod tests;
