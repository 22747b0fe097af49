//! JSON as Python reads and writes it, so that what comes back is what was sent, to the digit.
//!
//! Python takes `NaN` and its like, keeps integers of any size, and says in words of its own what
//! is no JSON; these words stand in the original's answers.

use indexmap::IndexMap;

use crate::json::push_string;
use crate::limits::{INTEGER_DIGITS_MAX, JSON_DEPTH_MAX};

/// One JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// `null`, and every number that JSON cannot write.
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it is written back: an integer to the digit, another as the nearest double.
    Number(Box<str>),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; a repeated key has its last value in its first place.
    Object(Object),
}

/// The members of an object, in order.
pub(super) type Object = IndexMap<String, Json>;

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is not JSON from this character on; Python says why.
    Syntax { at: usize, why: &'static str },
    /// It is not UTF-8, too deep, or holds an integer that Python readers refuse.
    Hopeless,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// What is written out. What only Python knows is read as the `null` that it would come back as.
const WORDS: [(&str, Json); 6] = [
    ("null", Json::Null),
    ("true", Json::Bool(true)),
    ("false", Json::Bool(false)),
    ("NaN", Json::Null),
    ("Infinity", Json::Null),
    ("-Infinity", Json::Null),
];

/// Reads a body: one value, perhaps behind a byte order mark.
pub(super) fn parse(body: &[u8]) -> Result<Json, Unreadable> {
    let body = body.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(body);
    let text = std::str::from_utf8(body).map_err(|_| Unreadable::Hopeless)?;
    let mut reader = Reader { text, at: 0 };
    reader.skip_blanks();
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(reader.error("Extra data")) } else { Ok(value) }
}

// === impl Json ===

impl Json {
    /// Compact text.
    pub(super) fn to_text(&self) -> String {
        let mut text = String::new();
        self.push(&mut text);
        text
    }

    /// Appends compact text.
    pub(super) fn push(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => text.push_str(number),
            Self::String(value) => push_string(text, value),
            Self::Array(elements) => {
                text.push('[');
                for (place, element) in elements.iter().enumerate() {
                    if place > 0 {
                        text.push(',');
                    }
                    element.push(text);
                }
                text.push(']');
            }
            Self::Object(members) => {
                text.push('{');
                for (place, (name, value)) in members.iter().enumerate() {
                    if place > 0 {
                        text.push(',');
                    }
                    push_string(text, name);
                    text.push(':');
                    value.push(text);
                }
                text.push('}');
            }
        }
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, Unreadable> {
        if depth > JSON_DEPTH_MAX {
            return Err(Unreadable::Hopeless);
        }
        let rest = &self.text[self.at..];
        if let Some((word, value)) = WORDS.into_iter().find(|(word, _)| rest.starts_with(word)) {
            self.at += word.len();
            return Ok(value);
        }
        match self.peek() {
            Some(b'"') => self.string().map(Json::String),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Unreadable> {
        let mut members = Object::new();
        self.at += 1;
        self.skip_blanks();
        if self.take(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error("Expecting property name enclosed in double quotes"));
            }
            let name = self.string()?;
            self.skip_blanks();
            self.expect(b':', "Expecting ':' delimiter")?;
            let value = self.value(depth + 1)?;
            members.insert(name, value);
            self.skip_blanks();
            if self.take(b'}') {
                return Ok(Json::Object(members));
            }
            self.expect(b',', "Expecting ',' delimiter")?;
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, Unreadable> {
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
            self.expect(b',', "Expecting ',' delimiter")?;
        }
    }

    fn string(&mut self) -> Result<String, Unreadable> {
        let begin = self.at;
        let mut decoded = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let is_special = |byte| matches!(byte, b'"' | b'\\' | 0..=0x1F);
            let Some(plain) = rest.bytes().position(is_special) else {
                return Err(self.error_at(begin, "Unterminated string starting at"));
            };
            decoded.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes()[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(decoded);
                }
                b'\\' => decoded.push(self.escape(begin)?),
                _ => return Err(self.error("Invalid control character at")),
            }
        }
    }

    /// Reads one escape of the string that begins at `begin`.
    fn escape(&mut self, begin: usize) -> Result<char, Unreadable> {
        let decoded = match self.text.as_bytes().get(self.at + 1) {
            None => return Err(self.error_at(begin, "Unterminated string starting at")),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) => return Err(self.error("Invalid \\escape")),
        };
        self.at += 2;
        Ok(decoded)
    }

    /// Reads `\uXXXX`, and a second one if the two are a surrogate pair.
    ///
    /// A lone surrogate becomes U+FFFD: Python keeps it, and can then not write it.
    fn unicode_escape(&mut self) -> Result<char, Unreadable> {
        let first = self.four_digits(self.at)?;
        self.at += 6;
        if let Some(decoded) = char::from_u32(first) {
            return Ok(decoded);
        }
        if (0xD800..0xDC00).contains(&first)
            && self.text[self.at..].starts_with("\\u")
            && let Ok(second @ 0xDC00..0xE000) = self.four_digits(self.at)
        {
            self.at += 6;
            let scalar = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    /// The number in the escape at `at`. The quote that ends the string must still follow.
    fn four_digits(&self, at: usize) -> Result<u32, Unreadable> {
        let bytes = self.text.as_bytes();
        let digits = bytes.get(at + 2..at + 6).filter(|_| at + 6 < bytes.len());
        let number = digits.and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
        });
        number.ok_or_else(|| self.error_at(at + 1, "Invalid \\uXXXX escape"))
    }

    fn number(&mut self) -> Result<Json, Unreadable> {
        let rest = &self.text[self.at..];
        let digits = |from: usize| rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let sign = usize::from(rest.starts_with('-'));
        let whole = if rest[sign..].starts_with('0') { 1 } else { digits(sign) };
        if whole == 0 {
            return Err(self.error("Expecting value"));
        }
        let mut end = sign + whole;
        // What does not go on as a number ends it: Python finds the rest in excess.
        if rest[end..].starts_with('.') && digits(end + 1) > 0 {
            end += 1 + digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let signed = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = digits(end + 1 + signed);
            if exponent > 0 {
                end += 1 + signed + exponent;
            }
        }
        self.at += end;
        if end > sign + whole {
            let double = rest[..end].parse().ok().and_then(serde_json::Number::from_f64);
            // Beyond the range it is infinite, which comes back as null.
            return Ok(double.map_or(Json::Null, |double| Json::Number(double.to_string().into())));
        }
        match &rest[..end] {
            _ if whole > INTEGER_DIGITS_MAX => Err(Unreadable::Hopeless),
            "-0" => Ok(Json::Number("0".into())),
            integer => Ok(Json::Number(integer.into())),
        }
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

    /// Takes this byte and the blanks behind it.
    fn expect(&mut self, byte: u8, why: &'static str) -> Result<(), Unreadable> {
        if !self.take(byte) {
            return Err(self.error(why));
        }
        self.skip_blanks();
        Ok(())
    }

    fn error(&self, why: &'static str) -> Unreadable {
        self.error_at(self.at, why)
    }

    /// Python counts characters, not bytes.
    fn error_at(&self, at: usize, why: &'static str) -> Unreadable {
        let before = &self.text.as_bytes()[..at];
        let is_start = |byte: &&u8| !matches!(byte, 0x80..0xC0);
        Unreadable::Syntax { at: before.iter().filter(is_start).count(), why }
    }
}

#[cfg(test)]
#[path = "python_test.rs"]
mod tests;
