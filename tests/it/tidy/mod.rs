//! The house rules, held against every file of the tree.
//!
//! How long things are is in `length`, what may stand where in `word`, who may depend on whom in
//! `manifest`, and whether the documents speak of what is there in `map`.

mod length;
mod manifest;
mod map;
mod word;

use std::path::{Path, PathBuf};
use std::process::Command;

/// What breaks a rule for a good reason: rule, where, why. This list may only shrink: one that is
/// not needed any more is an error, too.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "word",
    "registry-core/src/encoding.rs",
    "records are kept as JSON: this is the one file that says so",
)];

/// A file under version control, or about to be.
struct File {
    /// Its path from the root.
    path: String,
    text: String,
}

// === impl File ===

impl File {
    /// Its lines with their numbers, without what is said in comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(number, line)| {
            // A `//` within a text ends the line, too: what stands behind is not looked at.
            (number + 1, line.split("//").next().unwrap_or_default())
        })
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether all of it is there for tests.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.starts_with("benches/")
            || self.path.contains("/tests/")
            || self.path.ends_with("_test.rs")
    }

    /// The line at which the tests inside a source file begin.
    fn tests_begin(&self) -> usize {
        let inline = self.text.lines().position(|line| line.trim_start() == "mod tests {");
        if self.is_test() { 0 } else { inline.unwrap_or(usize::MAX) }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests is in the tree").to_owned()
}

/// Every path that is tracked, or new and not ignored.
fn paths() -> Vec<String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let output = git.output().expect("git can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("paths are text");
    let there = |path: &&str| root().join(path).is_file();
    let mut paths: Vec<String> = list.lines().filter(there).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 50, "this is not the tree: {paths:?}");
    paths
}

/// Every file whose name ends so.
fn files(ending: &str) -> Vec<File> {
    let paths = paths().into_iter().filter(|path| path.ends_with(ending));
    let read = |path: String| {
        let text = std::fs::read_to_string(root().join(&path));
        File { text: text.unwrap_or_else(|e| panic!("{path}: {e}")), path }
    };
    paths.map(read).collect()
}

/// Fails if anything was found that is no exception, or an exception that was not found.
fn judge(rule: &str, findings: &[String]) {
    let allowed: Vec<_> = EXCEPTIONS.iter().filter(|(of, ..)| *of == rule).collect();
    let is_allowed = |finding: &&String| allowed.iter().any(|(_, at, _)| finding.starts_with(at));
    let broken: Vec<_> = findings.iter().filter(|finding| !is_allowed(finding)).collect();
    let list = broken.iter().map(|finding| format!("  {finding}\n")).collect::<String>();
    assert!(broken.is_empty(), "the rule `{rule}` is broken in {} places:\n{list}", broken.len());
    for (_, place, why) in allowed {
        let is_needed = findings.iter().any(|finding| finding.starts_with(place));
        assert!(is_needed, "{place} keeps the rule `{rule}` now; strike out: {why}");
    }
}
