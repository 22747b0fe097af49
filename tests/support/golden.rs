//! Golden files: a conversation as text, replayed against a server and compared to the letter.
//!
//! A file is a list of exchanges. A line beginning with `>` is sent, one beginning with `<` is
//! expected, `#` comments. The first `>` line of an exchange is method and path; then headers; an
//! empty `>` line; the body. `UPDATE_GOLDEN=1` rewrites the `<` lines with what was answered: read
//! the difference before you commit it. Times and ids that the server makes are written `{time}`
//! and `{number}`.

use std::fmt::Write;
use std::path::Path;

use crate::bytes::Response;
use crate::process::Server;

/// Headers that belong to the contract. Others may come and go.
const HEADERS: [&str; 4] = ["content-type", "content-length", "connection", "cache-control"];

/// Replays one file.
///
/// # Panics
/// If an answer is not the expected one; shows both.
pub fn replay(path: &Path, server: &Server) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
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
            let answer = connection.request_with(method, path, &headers, &body);
            let answer = answer.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
            if answer.header("connection") == Some("close") {
                connection = server.connect();
            }
            actual.push_str(&render(&answer));
            request.clear();
        }
        if !line.starts_with('<') {
            writeln!(actual, "{line}").expect("a string takes text");
        }
    }
    let actual = format!("{}\n", actual.trim_end());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &actual).expect("a golden file can be written");
        return;
    }
    for (number, (expected, found)) in text.lines().zip(actual.lines()).enumerate() {
        let place = format!("{}:{}", path.display(), number + 1);
        assert_eq!(found, expected, "{place}\nwhole conversation:\n{actual}");
    }
    assert_eq!(actual, text, "{}", path.display());
}

type Request<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>, String);

fn parse<'a>(lines: &[&'a str]) -> Request<'a> {
    let (method, path) = lines[0].split_once(' ').expect("a request begins with METHOD PATH");
    let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    let headers = lines[1..end].iter().map(|line| line.split_once(": ").expect("NAME: VALUE"));
    let body = lines.get(end + 1..).unwrap_or_default().join("\n");
    (method, path, headers.collect(), body)
}

fn render(answer: &Response) -> String {
    let mut text = format!("< {}\n", answer.status);
    for (name, value) in &answer.headers {
        if HEADERS.contains(&name.as_str()) && name != "content-length" {
            writeln!(text, "< {name}: {value}").expect("a string takes text");
        }
    }
    text.push_str("<\n");
    let body = mask(&answer.text());
    for line in body.lines() {
        writeln!(text, "< {line}").expect("a string takes text");
    }
    text
}

/// Replaces times, and the numbers of `/health`, by their kind.
fn mask(body: &str) -> String {
    let mut masked = String::new();
    let mut rest = body;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, tail) = rest.split_at(at);
        masked.push_str(before);
        let taken = if is_time(tail) { 24 } else { 0 };
        if taken > 0 {
            masked.push_str("{time}");
            rest = &tail[taken..];
        } else {
            let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            masked.push_str(&tail[..end]);
            rest = &tail[end..];
        }
    }
    masked + rest
}

/// `2026-01-31T23:59:59.123Z`
fn is_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"dddd-dd-ddTdd:dd:dd.dddZ";
    let bytes = text.as_bytes();
    bytes.len() >= SHAPE.len()
        && SHAPE.iter().zip(bytes).all(|(shape, byte)| match shape {
            b'd' => byte.is_ascii_digit(),
            _ => byte == shape,
        })
}
