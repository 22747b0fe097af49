//! Snapshots: what is in one that was taken under load, and what becomes of its file.

mod regular;
mod restore;
mod take;

use std::path::Path;

use support::bytes::Response;
use support::process::{Server, Setup};

const TAKE: &str = "/v1/admin/snapshot";

/// Takes a snapshot; panics if there is none.
fn take(server: &Server) -> Response {
    let answer = server.request("POST", TAKE, "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

/// `rolecall` with these arguments: its exit code, and what it said.
fn rolecall(args: &[&str]) -> (i32, String) {
    Setup::bare().args(args).run()
}

/// `rolecall restore`.
fn restore(file: &Path, data: &Path) -> (i32, String) {
    let store = format!("sled:{}", data.display());
    rolecall(&["restore", file.to_str().unwrap(), "--store", &store])
}

/// `rolecall snapshot verify`.
fn verify(file: &Path) -> (i32, String) {
    rolecall(&["snapshot", "verify", file.to_str().unwrap()])
}
