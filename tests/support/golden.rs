//! Golden files: a conversation as text, replayed against a server and compared to the letter.
//!
//! A file is a list of exchanges. A line beginning with `>` is sent, one beginning with `<` is
//! expected, `#` comments. The first `>` line of an exchange is method and path; then headers; an
//! empty `>` line; the body. `UPDATE_GOLDEN=1` rewrites the `<` lines with what was answered: read
//! the difference before you commit it.
//!
//! What differs from run to run is written as its kind: `{time}`, and in the answer of `/health`
//! `{number}` and `{build}`. Two requests are at least a millisecond apart, so that times order
//! what they did.

use std::fmt::Write;
use std::path::Path;

use crate::bytes::Response;
use crate::process::Server;
use crate::wait;

/// Headers that belong to the contract. Others may come and go.
const HEADERS: [&str; 5] =
    ["content-type", "connection", "cache-control", "www-authenticate", "allow"];

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
    let mut request: Vec<&str> = Vec::new();
    for line in text.lines().chain([""]) {
        if let Some(sent) = line.strip_prefix('>') {
            request.push(sent.strip_prefix(' ').unwrap_or(sent));
            writeln!(actual, "{line}").expect("a string takes text");
            continue;
        }
        if !request.is_empty() {
            let (method, path, headers, body) = parse(&request);
            wait::next_millisecond();
            let answer = connection.request_with(method, path, &headers, &body);
            let answer = answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
            if answer.header("connection") == Some("close") {
                connection = server.connect();
            }
            actual.push_str(&render(method, &answer));
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

fn render(method: &str, answer: &Response) -> String {
    let mut text = format!("< {}\n", answer.status);
    for (name, value) in &answer.headers {
        // Where there is a body, its length is seen; where there is none, only this tells it.
        if HEADERS.contains(&name.as_str()) || (method == "HEAD" && name == "content-length") {
            writeln!(text, "< {name}: {value}").expect("a string takes text");
        }
    }
    text.push_str("<\n");
    for line in mask(&answer.text()).lines() {
        writeln!(text, "< {line}").expect("a string takes text");
    }
    text
}

/// How the answer of `/health` begins.
const HEALTH: &str = r#"{"status":"ok","uptime":"#;

/// Replaces what differs from run to run by its kind.
fn mask(body: &str) -> String {
    let mut body = body.to_owned();
    if body.starts_with(HEALTH) {
        body = mask_after(&body, "\"uptime\":", "{number}");
        body = mask_after(&body, "\"version\":", "{build}");
        body = mask_after(&body, "\"build\":", "{build}");
    }
    let mut masked = String::new();
    let mut rest = body.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, tail) = rest.split_at(at);
        masked.push_str(before);
        if is_time(tail) {
            masked.push_str("{time}");
            rest = &tail[TIME.len()..];
        } else {
            let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            masked.push_str(&tail[..end]);
            rest = &tail[end..];
        }
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

/// The shape of a time; `d` is a digit.
const TIME: &[u8] = b"dddd-dd-ddTdd:dd:dd.dddZ";

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= TIME.len()
        && TIME.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            _ => byte == shape,
        })
}
