//! Whether the documents speak of what is there, and of all of it.

use std::collections::BTreeSet;
use std::path::Path;

use super::{File, files, judge, paths, root};

/// What the architecture's map names: files and folders, from the root.
struct Map {
    named: BTreeSet<String>,
    missing: Vec<String>,
}

// === impl Map ===

impl Map {
    fn read() -> Self {
        let path = "docs/ARCHITECTURE.md";
        let text = std::fs::read_to_string(root().join(path));
        let text = text.unwrap_or_else(|e| panic!("{path}, the map of the code: {e}"));
        let map = text.split_once("\n## The map\n").expect("it has a map").1;
        let map = map.split("\n## ").next().unwrap_or(map);
        let mut read = Self { named: BTreeSet::new(), missing: Vec::new() };
        let mut home = String::new();
        for line in map.lines() {
            if let Some(heading) = line.strip_prefix("### ") {
                home = quoted(heading).next().unwrap_or_default().to_owned();
            }
            read.line(&home, line);
        }
        read
    }

    /// A path in the map is meant from the folder that its line has named before, from the folder
    /// of its section, or from the root.
    fn line(&mut self, home: &str, line: &str) {
        let mut folder = String::new();
        let is_folder = |text: &str| !text.is_empty() && root().join(text).is_dir();
        for path in quoted(line).filter(|text| is_path(text) || is_folder(text)) {
            let path = path.trim_end_matches('/');
            let from = [folder.as_str(), home, ""].map(|from| join(from, path));
            match from.into_iter().find(|path| root().join(path).exists()) {
                None => self.missing.push(format!("docs/ARCHITECTURE.md: `{path}` is not there")),
                Some(found) => {
                    if root().join(&found).is_dir() {
                        folder.clone_from(&found);
                    }
                    self.named.insert(found);
                }
            }
        }
    }

    /// A source file by its name; what stands beside the sources, by its folder.
    fn names(&self, path: &str) -> bool {
        let is_source = path.contains("/src/");
        let mut above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        self.named.contains(path)
            || (!is_source && above.any(|folder| !folder.is_empty() && self.named.contains(folder)))
    }
}

fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") }
}

/// What stands in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn is_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    let is_within = text.contains('/') && !text.starts_with('/');
    text.chars().all(plain) && (text.ends_with(".rs") || is_within)
}

#[test]
fn every_source_file_is_on_the_map() {
    let map = Map::read();
    let unnamed = paths().into_iter().filter(|path| path.ends_with(".rs"));
    let unnamed = unnamed.filter(|path| !path.ends_with("_test.rs") && !map.names(path));
    judge("map", &unnamed.map(|path| format!("{path} is not on the map")).collect::<Vec<_>>());
}

#[test]
fn everything_on_the_map_is_there() {
    judge("map there", &Map::read().missing);
}

fn documents() -> Vec<File> {
    let is_document = |file: &File| !file.path.contains('/') || file.path.starts_with("docs/");
    let documents: Vec<_> = files(".md").into_iter().filter(is_document).collect();
    assert!(documents.iter().any(|file| file.path == "README.md"), "there is a README.md");
    documents
}

#[test]
fn every_link_in_the_documents_leads_somewhere() {
    let mut broken = Vec::new();
    for file in documents() {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, line) in file.text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let is_elsewhere = target.contains("://") || target.starts_with("mailto:");
                let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
                let at = if path.is_empty() {
                    root().join(&file.path)
                } else {
                    root().join(folder).join(path)
                };
                let is_there = at.exists() && (anchor.is_empty() || has_heading(&at, anchor));
                if !is_elsewhere && !is_there {
                    broken.push(format!("{}:{}: {target}", file.path, number + 1));
                }
            }
        }
    }
    judge("links", &broken);
}

/// Whether a document has the heading that this anchor means.
fn has_heading(path: &Path, anchor: &str) -> bool {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let headings = text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    headings.into_iter().any(|heading| {
        let words = heading.to_lowercase().replace(' ', "-");
        let slug: String =
            words.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect();
        slug == anchor
    })
}

/// In the documents a path in backticks is meant from the root, if it begins with a folder there.
#[test]
fn every_path_in_the_documents_is_there() {
    let paths = paths();
    let folders: BTreeSet<&str> =
        paths.iter().filter_map(|path| path.split_once('/')).map(|(folder, _)| folder).collect();
    let mut broken = Vec::new();
    // What was decided stays as it was said, also when files have moved since.
    for file in documents().into_iter().filter(|file| !file.path.starts_with("docs/adr/")) {
        for (number, line) in file.text.lines().enumerate() {
            for path in quoted(line).filter(|text| is_path(text)) {
                let first = path.split('/').next().unwrap_or_default();
                if folders.contains(first) && !root().join(path).exists() {
                    broken.push(format!("{}:{}: `{path}`", file.path, number + 1));
                }
            }
        }
    }
    judge("paths", &broken);
}

#[test]
fn every_guarantee_names_the_test_that_tries_to_refute_it() {
    let text = std::fs::read_to_string(root().join("docs/GUARANTEES.md")).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| **")).collect();
    assert!(rows.len() >= 10, "{} guarantees", rows.len());
    let mut broken = Vec::new();
    for row in rows {
        let tried_by = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let mut tests = quoted(tried_by).peekable();
        let has_none = tests.peek().is_none();
        if has_none || tests.any(|test| !root().join(test).exists()) {
            broken.push(format!("docs/GUARANTEES.md: {row}"));
        }
    }
    judge("guarantees", &broken);
}
