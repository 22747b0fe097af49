//! Golden files: a conversation as text, replayed against a server and compared to the letter.
//!
//! A file is a list of exchanges. A line beginning with `>` is sent, one beginning with `<` is
//! expected, `#` comments. The first `>` line of an exchange is method and path; then headers; an
//! empty `>` line; the body. `UPDATE_GOLDEN=1` rewrites the `<` lines with what was answered: read
//! the difference before you commit it.
//!
//! What differs from run to run is written as its kind: `{time}`, `{seconds}` where a time is a
//! number, `{number}` of milliseconds, and which `{build}` it is. UUIDs, ULIDs and generations have
//! numbers, `{uuid1}`, `{ulid1}` and `{generation1}` being the first that were answered, and may
//! stand so in what is sent. Two requests are at least a millisecond apart, so that times order
//! what they did.

use std::fmt::Write;
use std::path::Path;

use crate::bytes::Response;
use crate::process::Server;
use crate::wait;

/// Headers that belong to the contract. Others may come and go.
const HEADERS: [&str; 9] = [
    "content-type",
    "content-disposition",
    "connection",
    "cache-control",
    "www-authenticate",
    "allow",
    "etag",
    "location",
    "retry-after",
];

/// The ids that a server has made up, of each kind in the order of their appearance.
#[derive(Default)]
struct Ids([Vec<String>; KINDS.len()]);

const KINDS: [(&str, &[u8]); 3] = [("generation", GENERATION), ("uuid", UUID), ("ulid", ULID)];

/// Lines shown before one that differs.
const CONTEXT: usize = 8;

/// Replays one file.
///
/// # Panics
/// If an answer is not the expected one; shows both.
pub fn replay(path: &Path, server: &Server) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let actual = converse(&text, server);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &actual).expect("a golden file can be written");
        return;
    }
    for (number, (expected, found)) in text.lines().zip(actual.lines()).enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        let before: Vec<&str> = actual.lines().skip(number.saturating_sub(CONTEXT)).collect();
        let context = before[..CONTEXT.min(number).min(before.len())].join("\n");
        assert_eq!(found, expected, "{place}\n{context}");
    }
    assert_eq!(actual, text, "{}", path.display());
}

/// The conversation as it went: what was to be sent, and what was answered.
fn converse(text: &str, server: &Server) -> String {
    let mut actual = String::new();
    let mut connection = server.connect();
    let mut ids = Ids::default();
    let mut request: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if let Some(sent) = line.strip_prefix('>') {
            request.push(sent.strip_prefix(' ').unwrap_or(sent));
            writeln!(actual, "{line}").expect("a string takes text");
            continue;
        }
        if !request.is_empty() {
            let (method, path, headers, body) = parse(&request);
            let (path, body) = (ids.fill(path), ids.fill(&body));
            wait::next_millisecond();
            let answer = connection.request_with(method, &path, &headers, &body);
            let answer = answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
            if answer.header("connection") == Some("close") {
                connection = server.connect();
            }
            actual.push_str(&render(method, &answer, &mut ids));
            request.clear();
        }
        if !line.starts_with('<') {
            writeln!(actual, "{line}").expect("a string takes text");
        }
    }
    format!("{}\n", actual.trim_end())
}

type Request<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, String);

fn parse<'a>(lines: &[&'a str]) -> Request<'a> {
    let (method, path) = lines[0].split_once(' ').expect("a request begins with METHOD PATH");
    let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    let headers = lines[1..end].iter().map(|line| line.split_once(": ").expect("NAME: VALUE"));
    let body = lines.get(end + 1..).unwrap_or_default().join("\n");
    (method, path, headers.collect(), body)
}

fn render(method: &str, answer: &Response, ids: &mut Ids) -> String {
    let mut text = format!("< {}\n", answer.status);
    for (name, value) in &answer.headers {
        // Where there is a body, its length is seen; where there is none, only this tells it.
        if HEADERS.contains(&name.as_str()) || (method == "HEAD" && name == "content-length") {
            writeln!(text, "< {name}: {}", mask(value, ids)).expect("a string takes text");
        }
    }
    text.push_str("<\n");
    for line in mask(&answer.text(), ids).lines() {
        writeln!(text, "< {line}").expect("a string takes text");
    }
    text
}

/// How the answers begin that say which build it is: `/health` and `/v1`.
const OF_A_BUILD: [&str; 2] = [r#"{"status":"ok","uptime":"#, r#"{"name":"rolecall","version":"#];

/// What stands before a time that is a number.
const SECONDS: &str = "\"last_seen\":";

/// Replaces what differs from run to run by its kind.
fn mask(body: &str, ids: &mut Ids) -> String {
    let mut body = body.to_owned();
    if OF_A_BUILD.iter().any(|start| body.starts_with(start)) {
        body = mask_after(&body, "\"uptime\":", "{number}");
        body = mask_after(&body, "\"version\":", "{build}");
        body = mask_after(&body, "\"build\":", "{build}");
    }
    if body.contains(SECONDS) {
        let mut parts = body.split(SECONDS);
        let first = parts.next().unwrap_or_default().to_owned();
        body = parts.fold(first, |text, part| {
            let number = part.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.len());
            text + SECONDS + if number > 0 { "{seconds}" } else { "" } + &part[number..]
        });
    }
    body = mask_after(&body, "\"purge_in_ms\":", "{number}");
    let mut masked = String::new();
    let mut rest = body.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_hexdigit()) {
        let (before, tail) = rest.split_at(at);
        masked.push_str(before);
        let end = if let Some(length) = time_length(tail) {
            masked.push_str("{time}");
            length
        } else if let Some((name, length)) = ids.name(tail) {
            masked.push_str(&name);
            length
        } else {
            let end = tail.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(tail.len());
            let is_time = body.contains("\"why\":") && tail[end..].starts_with(" ms");
            masked.push_str(if is_time { "{number}" } else { &tail[..end] });
            end
        };
        rest = &tail[end..];
    }
    masked + rest
}

/// Replaces what stands between this text and the next comma or brace.
fn mask_after(body: &str, text: &str, kind: &str) -> String {
    let Some(at) = body.find(text) else { return body.to_owned() };
    let (before, tail) = body.split_at(at + text.len());
    let end = tail.find([',', '}']).unwrap_or(tail.len());
    format!("{before}{kind}{}", &tail[end..])
}

// === impl Ids ===

impl Ids {
    /// Puts in the ids that stand there by number.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for ((kind, _), known) in KINDS.iter().zip(&self.0) {
            for (id, number) in known.iter().zip(1..) {
                text = text.replace(&format!("{{{kind}{number}}}"), id);
            }
        }
        text
    }

    /// What the id is called that a text begins with, and how long it is.
    fn name(&mut self, text: &str) -> Option<(String, usize)> {
        let kinds = KINDS.iter().zip(&mut self.0);
        let ((kind, shape), known) = kinds.into_iter().find(|((_, s), _)| has_shape(text, s))?;
        let place = known.iter().position(|id| text.starts_with(id)).unwrap_or_else(|| {
            known.push(text[..shape.len()].to_owned());
            known.len() - 1
        });
        Some((format!("{{{kind}{}}}", place + 1), shape.len()))
    }
}

/// The shapes of a time up to its seconds, of a UUID, a generation and a ULID; `d` is a digit, `x`
/// a lower-case hexadecimal one, `u` a digit or an upper-case letter.
const TIME: &[u8] = b"dddd-dd-ddTdd:dd:dd";
const UUID: &[u8] = b"xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
const GENERATION: &[u8] = b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
const ULID: &[u8] = b"0uuuuuuuuuuuuuuuuuuuuuuuuu";

/// How long the time is that a text begins with: its fraction has up to nine digits.
fn time_length(text: &str) -> Option<usize> {
    let rest = has_shape(text, TIME).then(|| &text[TIME.len()..])?;
    let digits = rest
        .strip_prefix('.')
        .map_or(0, |fraction| fraction.bytes().take_while(u8::is_ascii_digit).count());
    let fraction = if digits == 0 { 0 } else { 1 + digits };
    (digits <= 9 && rest[fraction..].starts_with('Z')).then_some(TIME.len() + fraction + 1)
}

fn has_shape(text: &str, shape: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= shape.len()
        && shape.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            b'u' => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            b'x' => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            _ => byte == shape,
        })
}
