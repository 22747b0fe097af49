//! Finds out which build this is: `ROLECALL_BUILD_ID`, else the git commit, else the version.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=ROLECALL_BUILD_ID");
    println!("cargo::rerun-if-changed=build.rs");
    let named = std::env::var("ROLECALL_BUILD_ID").ok().filter(|id| is_plain(id));
    let build = named.or_else(commit).unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_string());
    println!("cargo::rustc-env=ROLECALL_BUILD={build}");
}

/// The commit that is checked out, if this is a checkout of this very project.
fn commit() -> Option<String> {
    // A tarball unpacked inside somebody else's repository must not take over that one's commit.
    let workspace =
        PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR")?).parent()?.canonicalize().ok()?;
    let root = Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if root != workspace {
        return None;
    }
    // Asked of git, because in a worktree these are elsewhere. The log of HEAD changes with every
    // commit and checkout; HEAD itself only with a checkout.
    for file in ["logs/HEAD", "HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            let path = root.join("server").join(path);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// What git says; nothing when there is no git, or it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(answer.stdout).ok()?.trim().to_string();
    (answer.status.success() && is_plain(&text)).then_some(text)
}

/// One line that needs no escaping in JSON.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_control() || c == '"' || c == '\\')
}
