//! Which words may stand where.

use std::collections::BTreeMap;

use super::{File, files, judge};

/// Names that say nothing.
const EMPTY_NAMES: [&str; 11] = [
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "handler", "base", "impl",
    "types",
];

/// Words of one product or one protocol.
const FOREIGN: [&str; 12] = [
    "vm",
    "vms",
    "vers",
    "runspec",
    "optiinfra",
    "houmao",
    "superputty",
    "tool",
    "tools",
    "http",
    "hyper",
    "json",
];

/// The rooms that every dialect has; what else it needs has a name of its own.
const ROOMS_OF_A_DIALECT: [&str; 4] = ["mod.rs", "routes.rs", "wire.rs", "convert.rs"];

// In two parts, so that this file does not break the rules that it states.
const INSTANT: &str = concat!("Instant", "::now");
const SYSTEM_TIME: &str = concat!("SystemTime", "::now");
const SLEEP: &str = concat!("sle", "ep(");
const IGNORE: &str = concat!("#[ig", "nore");
const LATER: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("d", "bg!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
];
const UNBOUNDED: [&str; 4] = [
    concat!("unbounded", "_channel"),
    concat!("Unbounded", "Sender"),
    concat!("unbounded", "("),
    concat!("sync::mpsc", "::channel"),
];

/// Where one of these words stands as a word of its own.
fn find_words(file: &File, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let line = line.to_lowercase();
        let mut parts = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = parts.find(|part| words.contains(part)) {
            found.push(format!("{}:{}: `{word}`", file.path, number + 1));
        }
    }
    found
}

/// Where one of these texts stands in the code, from a line on.
fn find_texts(file: &File, texts: &[&str], from: usize) -> Vec<String> {
    let lines = file.code().filter(|(number, _)| *number > from);
    let broken = lines.filter_map(|(number, line)| {
        let text = texts.iter().find(|text| line.contains(**text))?;
        Some(format!("{}:{number}: `{text}`", file.path))
    });
    broken.collect()
}

fn judge_each(rule: &str, find: impl FnMut(&File) -> Vec<String>) {
    judge(rule, &files(".rs").iter().flat_map(find).collect::<Vec<_>>());
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    judge_each("file name", |file| {
        let parts = file.path.trim_end_matches(".rs").split('/');
        let empty = parts.flat_map(|part| part.split('_')).find(|part| EMPTY_NAMES.contains(part));
        empty.map(|part| format!("{}: `{part}`", file.path)).into_iter().collect()
    });
}

#[test]
fn no_type_has_a_name_that_says_nothing() {
    const KINDS: [&str; 5] = ["struct", "enum", "trait", "type", "union"];
    const EMPTY: [&str; 6] = ["Util", "Common", "Helper", "Misc", "Manager", "Handler"];
    judge_each("type name", |file| {
        let mut found = Vec::new();
        for (number, line) in file.code() {
            let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            let named = words.windows(2).filter(|pair| KINDS.contains(&pair[0]));
            for pair in named.filter(|pair| EMPTY.iter().any(|empty| pair[1].contains(empty))) {
                found.push(format!("{}:{number}: `{}`", file.path, pair[1]));
            }
        }
        found
    });
}

#[test]
fn the_core_and_its_backends_know_no_product_and_no_protocol() {
    judge_each("word", |file| {
        let at_home = ["registry-core/src/", "backends/src/"];
        if !at_home.iter().any(|home| file.path.starts_with(home)) {
            return Vec::new();
        }
        find_words(file, &FOREIGN)
    });
}

#[test]
fn clocks_are_read_in_the_rooms_made_for_it() {
    judge_each("clock", |file| {
        let is_clock = file.name() == "clock.rs";
        if is_clock || file.is_test() {
            return Vec::new();
        }
        let before_tests = |finding: &String| {
            let number = finding.split(':').nth(1).and_then(|number| number.parse().ok());
            number.is_some_and(|number: usize| number <= file.tests_begin())
        };
        let found = find_texts(file, &[INSTANT, SYSTEM_TIME], 0);
        found.into_iter().filter(before_tests).collect()
    });
}

#[test]
fn the_library_starts_no_task() {
    judge_each("task", |file| {
        let is_library = file.path.starts_with("registry-core/src/");
        if !is_library || file.path.contains("/testkit/") {
            return Vec::new();
        }
        find_texts(file, &["tokio::spawn", "task::spawn", "thread::spawn", "spawn_blocking"], 0)
    });
}

#[test]
fn every_queue_has_a_bound() {
    judge_each("unbounded", |file| find_texts(file, &UNBOUNDED, 0));
}

#[test]
fn no_test_just_waits() {
    judge_each("waiting", |file| {
        if file.path.starts_with("benches/") {
            return Vec::new();
        }
        find_texts(file, &[SLEEP], file.tests_begin())
    });
}

#[test]
fn no_test_is_left_out_and_nothing_is_left_for_later() {
    judge_each("later", |file| {
        let mut found = find_texts(file, &[IGNORE], 0);
        let later = file.text.lines().enumerate().filter_map(|(number, line)| {
            let text = LATER.iter().find(|text| line.contains(**text))?;
            Some(format!("{}:{}: `{text}`", file.path, number + 1))
        });
        found.extend(later);
        found
    });
}

#[test]
fn a_dialect_has_the_rooms_of_its_siblings_and_does_not_reach_beneath_the_registry() {
    let mut rooms: BTreeMap<String, Vec<String>> = BTreeMap::new();
    judge_each("dialect", |file| {
        let Some(inside) = file.path.strip_prefix("server/src/dialect/") else { return Vec::new() };
        let Some((dialect, room)) = inside.split_once('/') else { return Vec::new() };
        rooms.entry(dialect.to_string()).or_default().push(room.to_string());
        find_texts(file, &["backends::", "Catalog", "dyn Store", "Driver"], 0)
    });
    assert!(!rooms.is_empty(), "there are dialects");
    for (dialect, rooms) in rooms {
        for wanted in ROOMS_OF_A_DIALECT {
            assert!(rooms.iter().any(|room| room == wanted), "{dialect} lacks {wanted}");
        }
    }
}
