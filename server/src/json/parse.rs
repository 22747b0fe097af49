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

/// What is made of a text, from the inside out.
trait Made<'a>: Sized {
    const NULL: Self;
    fn bool(value: bool) -> Self;
    fn number(text: &'a str) -> Self;
    fn string(text: Cow<'a, str>) -> Self;
    fn array(elements: Vec<Self>) -> Self;
    fn object(members: Vec<(Cow<'a, str>, Self)>) -> Self;
}

/// Reads one value, which must be the whole text.
pub(crate) fn parse(text: &str) -> Result<Json<'_>, JsonError> {
    let mut reader = Reader { text, at: 0, depth_max: JSON_DEPTH_MAX };
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.syntax(Place::End)) } else { Ok(value) }
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

/// Among so many members an index finds a repeated key sooner than a look at each.
const INDEXED_FROM: usize = 32;
/// Few objects have more.
const MEMBERS_USUAL: usize = 8;

// === impl Reader ===

impl<'a> Reader<'a> {
    fn value<V: Made<'a>>(&mut self, depth: usize) -> Result<V, JsonError> {
        if depth > self.depth_max {
            return Err(JsonError::TooDeep { depth_max: self.depth_max });
        }
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(V::string),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", V::bool(true)),
            Some(b'f') => self.word("false", V::bool(false)),
            Some(b'n') => self.word("null", V::NULL),
            _ => Err(self.syntax(Place::Value)),
        }
    }

    fn object<V: Made<'a>>(&mut self, depth: usize) -> Result<V, JsonError> {
        self.at += 1;
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(V::object(Vec::new()));
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
                return Ok(V::object(members));
            }
            self.expect(b',', Place::AfterMember)?;
        }
    }

    fn array<V: Made<'a>>(&mut self, depth: usize) -> Result<V, JsonError> {
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_blanks();
        if self.take(b']') {
            return Ok(V::array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.take(b']') {
                return Ok(V::array(elements));
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

    fn number<V: Made<'a>>(&mut self) -> Result<V, JsonError> {
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
        Ok(V::number(&self.text[start..self.at]))
    }

    /// Passes one digit or more.
    fn digits(&mut self, place: Place) -> Result<(), JsonError> {
        let count = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        if count == 0 { Err(self.syntax(place)) } else { Ok(()) }
    }

    fn word<V>(&mut self, word: &'static str, value: V) -> Result<V, JsonError> {
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

// === impl Made ===

impl<'a> Made<'a> for Raw<'a> {
    const NULL: Self = Raw::Null;

    fn bool(value: bool) -> Self {
        Raw::Bool(value)
    }

    fn number(text: &'a str) -> Self {
        Raw::Number(text)
    }

    fn string(text: Cow<'a, str>) -> Self {
        Raw::String(text)
    }

    fn array(elements: Vec<Self>) -> Self {
        Raw::Array(elements)
    }

    fn object(members: Vec<(Cow<'a, str>, Self)>) -> Self {
        Raw::Object(members)
    }
}

impl<'a> Made<'a> for Json<'a> {
    const NULL: Self = Json::Null;

    fn bool(value: bool) -> Self {
        Json::Bool(value)
    }

    fn number(text: &'a str) -> Self {
        // It rounds correctly and gives infinity beyond the range, as Node does.
        Json::Number(text.parse().expect("Rust reads whatever is a number in JSON"))
    }

    fn string(text: Cow<'a, str>) -> Self {
        Json::String(text)
    }

    fn array(elements: Vec<Self>) -> Self {
        Json::Array(elements)
    }

    fn object(mut members: Vec<Member<'a>>) -> Self {
        let is_repeated = |place: usize| {
            let (key, _) = &members[place];
            members[..place].iter().any(|(known, _)| known == key)
        };
        if members.len() >= INDEXED_FROM || (1..members.len()).any(is_repeated) {
            members = told_apart(members);
        }
        if members.iter().any(|(key, _)| integer_key(key).is_some()) {
            order(&mut members);
        }
        Json::Object(Object { members })
    }
}

// === Objects ===

/// Each key once: a repeated one takes the last value and keeps its first place.
fn told_apart(members: Vec<Member<'_>>) -> Vec<Member<'_>> {
    let mut apart = Vec::with_capacity(members.len());
    let mut index = HashMap::with_capacity(members.len());
    for (key, value) in members {
        match index.get(&key) {
            Some(place) => {
                let (_, known): &mut Member<'_> = &mut apart[*place];
                *known = value;
            }
            None => {
                index.insert(key.clone(), apart.len());
                apart.push((key, value));
            }
        }
    }
    apart
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
