//! Our own shape: what its document says of it, and what it promises beyond single answers.
//!
//! Single answers are conversations in `tests/golden/native`.

mod across;
mod batch;
mod explain;
mod follow;
mod openapi;
mod scope;
mod stream;

use rolecall::auth::{Auth, TokenSources};
use support::bytes::Response;
use support::inside::Inside;
use support::stream::Stream;

/// What the server knows of tokens: lines of a token file.
fn tokens(lines: &[&str]) -> Auth {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tokens");
    std::fs::write(&path, lines.join("\n")).unwrap();
    Auth::open(&TokenSources { files: vec![path], ..TokenSources::default() }).unwrap()
}

/// One request by whoever holds this token.
fn ask(server: &Inside, token: &str, method: &str, path: &str, body: &str) -> Response {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    server.connect().request_with(method, path, &headers, body).unwrap()
}

/// Registers, which must succeed.
fn register(server: &Inside, path: &str, body: &str) {
    let answer = server.request("PUT", &format!("/v1/{path}"), body);
    assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text());
}

/// A stream, which must begin.
fn watch(server: &Inside, query: &str, headers: &[(&str, &str)]) -> Stream {
    let path = format!("/v1/watch{query}");
    Stream::open(server.connect(), &path, headers).unwrap_or_else(|answer| panic!("{answer:?}"))
}

/// The ids on a page.
fn ids(answer: &Response) -> Vec<String> {
    let json = answer.json();
    let list = json["instances"].as_array().unwrap_or_else(|| panic!("no page: {json}"));
    list.iter().map(|one| one["id"].as_str().unwrap_or("?").to_owned()).collect()
}
