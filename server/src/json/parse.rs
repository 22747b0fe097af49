//! From text to a JSON value, accepting exactly what `JSON.parse` accepts, down to a depth.
//!
//! The grammar is everybody's; what is made of it is not. [`Raw`] is what was written, for those
//! who make something else of it than JavaScript does.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Json, Member, Object};
use crate::limits::JSON_DEPTH_MAX;

/// Why a text is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    /// It is not JSON.
    #[error("not valid JSON at byte {at}")]
    Syntax {
        /// How many bytes of the text were fine; all of them if it ends too early.
        at: usize,
        /// Where in the grammar the next one is wrong.
        place: Place,
    },
    /// It is nested too deeply.
    #[error("nested too deeply: more than {depth_max} levels")]
    TooDeep {
        /// How deep is deep enough.
        depth_max: usize,
    },
}

/// A place in the grammar, in the words that Go has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Place {
    #[error("looking for beginning of value")]
    Value,
    #[error("looking for beginning of object key string")]
    Key,
    #[error("after object key")]
    AfterKey,
    #[error("after object key:value pair")]
    AfterMember,
    #[error("after array element")]
    AfterElement,
    #[error("in string literal")]
    Text,
    #[error("in string escape code")]
    Escape,
    #[error("in \\u hexadecimal character escape")]
    Hexadecimal,
    #[error("in numeric literal")]
    Number,
    #[error("after decimal point in numeric literal")]
    Fraction,
    #[error("in exponent of numeric literal")]
    Exponent,
    #[error("in literal {word} (expecting {expected:?})")]
    Word { word: &'static str, expected: char },
    #[error("after top-level value")]
    End,
}

/// A JSON value as it was written: numbers are text, members stand in order, repeated ones too.
#[derive(Debug)]
pub(crate) enum Raw<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The text of a number.
    Number(&'a str),
    /// A string, decoded.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Raw<'a>>),
    /// An object.
    Object(Vec<(Cow<'a, str>, Raw<'a>)>),
}

/// Reads one value, which must be the whole text.
pub(crate) fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader { text, at: 0, depth_max: JSON_DEPTH_MAX };
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.syntax(Place::End)) } else { Ok(value.into()) }
}

/// Reads the first value of a text and does not look at what follows it.
///
/// A lone surrogate escape (`"\ud800"`) becomes U+FFFD. JavaScript keeps it, but a document with
/// one cannot be read by strict readers, so that one record would break every list it is in.
pub(crate) fn parse_first(text: &str, depth_max: usize) -> Result<Raw<'_>, JsonError> {
    Reader { text, at: 0, depth_max }.value(0)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth_max: usize,
}

/// Members as they arrive. Finding a repeated key among many takes an index; among few, a look.
#[derive(Default)]
struct Members<'a> {
    list: Vec<Member<'a>>,
    index: HashMap<Cow<'a, str>, usize>,
    has_integer_key: bool,
}

const INDEXED_FROM: usize = 32;
/// Few objects have more.
const MEMBERS_USUAL: usize = 8;

// === impl Reader ===

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Result<Raw<'a>, JsonError> {
        if depth > self.depth_max {
            return Err(JsonError::TooDeep { depth_max: self.depth_max });
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Raw::String(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Raw::Bool(true)),
            Some(b'f') => self.word("false", Raw::Bool(false)),
            Some(b'n') => self.word("null", Raw::Null),
            _ => Err(self.syntax(Place::Value)),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Raw<'a>, JsonError> {
        self.at += 1;
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Raw::Object(Vec::new()));
        }
        let mut members = Vec::with_capacity(MEMBERS_USUAL);
        loop {
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.syntax(Place::Key));
            }
            let key = self.string()?;
            self.skip_blanks();
            self.expect(b':', Place::AfterKey)?;
            members.push((key, self.value(depth + 1)?));
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Raw::Object(members));
            }
            self.expect(b',', Place::AfterMember)?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Raw<'a>, JsonError> {
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_blanks();
        if self.take(b']') {
            return Ok(Raw::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(Raw::Array(elements));
            }
            self.expect(b',', Place::AfterElement)?;
        }
    }

    /// Reads a string, at whose opening quote the reader stands.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut decoded = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let is_special = |byte| matches!(byte, b'"' | b'\\' | 0..=0x1F);
            let plain = rest.bytes().position(is_special).unwrap_or(rest.len());
            decoded += &rest[..plain]; // is what lies there, while it is all
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(decoded);
                }
                Some(b'\\') => decoded.to_mut().push(self.escape()?),
                // The end, or a control character that is not escaped.
                _ => return Err(self.syntax(Place::Text)),
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
            _ => return Err(self.syntax(Place::Escape)),
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
        let mut number = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            number = number * 16 + digit.ok_or_else(|| self.syntax(Place::Hexadecimal))?;
            self.at += 1;
        }
        Ok(number)
    }

    fn number(&mut self) -> Result<Raw<'a>, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits(Place::Number)?;
        }
        if self.take(b'.') {
            self.digits(Place::Fraction)?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            self.digits(Place::Exponent)?;
        }
        Ok(Raw::Number(&self.text[start..self.at]))
    }

    /// Passes one digit or more.
    fn digits(&mut self, place: Place) -> Result<(), JsonError> {
        let count = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        if count == 0 { Err(self.syntax(place)) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static str, value: Raw<'a>) -> Result<Raw<'a>, JsonError> {
        for letter in word.bytes() {
            self.expect(letter, Place::Word { word, expected: char::from(letter) })?;
        }
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

    fn expect(&mut self, byte: u8, place: Place) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.syntax(place)) }
    }

    fn syntax(&self, place: Place) -> JsonError {
        JsonError::Syntax { at: self.at, place }
    }
}

// === From Raw for Json ===

impl<'a> From<Raw<'a>> for Json<'a> {
    fn from(raw: Raw<'a>) -> Self {
        match raw {
            Raw::Null => Json::Null,
            Raw::Bool(value) => Json::Bool(value),
            // It rounds correctly and gives infinity beyond the range, as Node does.
            Raw::Number(text) => {
                Json::Number(text.parse().expect("Rust reads whatever is a number in JSON"))
            }
            Raw::String(text) => Json::String(text),
            Raw::Array(elements) => Json::Array(elements.into_iter().map(Json::from).collect()),
            Raw::Object(list) => {
                let mut members = Members::with_room(list.len());
                for (key, value) in list {
                    members.set(key, value.into());
                }
                Json::Object(members.finish())
            }
        }
    }
}

// === impl Members ===

impl<'a> Members<'a> {
    fn with_room(members: usize) -> Self {
        Self { list: Vec::with_capacity(members), ..Self::default() }
    }

    /// A repeated key takes the last value and keeps its first place.
    fn set(&mut self, key: Cow<'a, str>, value: Json<'a>) {
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

    fn finish(mut self) -> Object<'a> {
        if self.has_integer_key {
            order(&mut self.list);
        }
        Object { members: self.list }
    }
}

/// Puts members in JavaScript's order.
pub(crate) fn order<K: AsRef<str>, V>(members: &mut [(K, V)]) {
    // A stable sort: the other keys, all alike here, keep their order behind the integers.
    members.sort_by_key(|(key, _)| integer_key(key.as_ref()).unwrap_or(u32::MAX));
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
