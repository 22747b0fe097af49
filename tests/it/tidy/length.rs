//! How long files, functions and lines may be, and how each file begins.

use super::{files, judge};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;
const SCRIPT_LINES_MAX: usize = 150;
const VERB_LINES_MAX: usize = 80;

#[test]
fn no_file_is_longer_than_its_reader_has_patience() {
    let long = files(".rs").into_iter().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", file.path))
    });
    judge("file length", &long.collect::<Vec<_>>());
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    for file in files(".rs") {
        let lines: Vec<&str> = file.text.lines().collect();
        for (start, name) in functions(&lines) {
            let length = length(&lines[start..]);
            if length > FUNCTION_LINES_MAX {
                long.push(format!("{}:{}: `{name}` has {length} lines", file.path, start + 1));
            }
        }
    }
    judge("function length", &long);
}

/// Where functions begin, and what they are called.
fn functions<'a>(lines: &[&'a str]) -> Vec<(usize, &'a str)> {
    let name = |line: &'a str| {
        let code = line.split("//").next()?;
        let (before, after) = code.split_once("fn ")?;
        let words = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
        let is_item = before.split_whitespace().all(|word| words.contains(&word));
        let end = after.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')?;
        (is_item && end > 0).then(|| &after[..end])
    };
    let starts = lines.iter().enumerate();
    starts.filter_map(|(number, line)| Some((number, name(line)?))).collect()
}

/// Lines of a formatted function: up to the first line that closes at the depth of its first.
fn length(lines: &[&str]) -> usize {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let first = depth(lines[0]);
    let is_last = |line: &&str| {
        let text = line.trim();
        depth(line) == first && (text.ends_with('}') || text.ends_with(';'))
    };
    lines.iter().position(is_last).map_or(lines.len(), |last| last + 1)
}

#[test]
fn no_line_is_wider_than_a_hundred_columns() {
    let mut wide = Vec::new();
    for file in files(".rs") {
        for (number, line) in file.text.lines().enumerate() {
            let columns = line.chars().count();
            if columns > COLUMNS_MAX {
                wide.push(format!("{}:{}: {columns} columns", file.path, number + 1));
            }
        }
    }
    judge("columns", &wide);
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    let silent = files(".rs").into_iter().filter(|file| !file.text.starts_with("//! "));
    judge("first line", &silent.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn a_script_is_short() {
    let mut long = Vec::new();
    let scripts = files("").into_iter().filter(|file| file.text.starts_with("#!"));
    for file in scripts.filter(|file| !file.path.ends_with(".md")) {
        let (path, lines) = (&file.path, file.text.lines().count());
        let is_verb = path.starts_with("deploy-runbook/verbs/");
        if lines > if is_verb { VERB_LINES_MAX } else { SCRIPT_LINES_MAX } {
            long.push(format!("{path}: {lines} lines"));
        }
        let wide = file.text.lines().position(|line| line.chars().count() > COLUMNS_MAX);
        long.extend(wide.map(|number| format!("{path}:{}: a long line", number + 1)));
    }
    judge("scripts", &long);
}

#[test]
fn every_script_says_what_it_does() {
    let mut silent = Vec::new();
    for file in files("").into_iter().filter(|file| file.text.starts_with("#!")) {
        let second = file.text.lines().nth(1).unwrap_or_default();
        if !second.starts_with("# ") {
            silent.push(file.path);
        }
    }
    judge("first line", &silent);
}

#[test]
fn the_measure_of_a_function_is_right() {
    let lines = [
        "    fn a(&self) -> X;",
        "    fn b(",
        "        x: X,",
        "    ) -> X {",
        "        {",
        "        }",
        "    }",
    ];
    let found: Vec<_> =
        functions(&lines).into_iter().map(|(at, name)| (name, length(&lines[at..]))).collect();
    assert_eq!(found, [("a", 1), ("b", 6)]);
}
