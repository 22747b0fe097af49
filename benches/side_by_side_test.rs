//! The comparison, tiny: that every row has a figure and every file can be read. Not how fast
//! anything is: that is for a quiet machine.

use std::process::Command;

use serde_json::Value;

/// The works that must be in every table.
const WORKS: [&str; 10] = [
    "health",
    "discover-10",
    "discover-10-v1",
    "discover-1000",
    "get",
    "heartbeat",
    "heartbeat-batch",
    "update",
    "register",
    "discover-10-h2",
];

#[test]
fn every_row_of_a_tiny_comparison_has_a_figure() {
    if !(is_installed("wrk") && is_installed("h2load")) {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let table = out.path().join("table.md");
    let mut program = Command::new(env!("CARGO_BIN_EXE_side-by-side"));
    program.args(["--records", "1000", "--rounds", "1", "--no-peers"]);
    program.args(["--seconds", "0.2", "--warm-up-seconds", "0.05"]);
    program.arg("--out").arg(out.path()).arg("--write-table").arg(&table);
    let output = program.output().unwrap();
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{told}");

    let json = std::fs::read(out.path().join("side-by-side.json")).unwrap();
    let report: Value = serde_json::from_slice(&json).unwrap();
    let rows = report["rows"].as_array().unwrap();
    for work in WORKS {
        for who in ["floor", "rolecall"] {
            let row = rows.iter().find(|row| row["work"] == work && row["who"] == who);
            let row = row.unwrap_or_else(|| panic!("no row of {work}, {who}: {said}"));
            let figures = &row["figures"];
            for figure in ["rate", "p50_us", "p99_us", "cpu_us", "of_floor"] {
                let value = figures[figure].as_f64();
                assert!(value.is_some_and(f64::is_finite), "{work}, {who}, {figure}: {row}");
            }
            assert_eq!(row["samples"].as_array().unwrap().len(), 1, "{row}");
            let title = row["title"].as_str().unwrap();
            assert!(said.contains(title), "no `{title}` in {said}");
        }
    }
    assert!(said.contains("| floor on sled ") && said.contains("of floor on sled, is "), "{said}");
    let written = std::fs::read_to_string(table).unwrap();
    assert!(written.ends_with(&said), "{written}");
    let svg = std::fs::read_to_string(out.path().join("side-by-side.svg")).unwrap();
    well_formed(&svg);
    assert!(svg.matches("<rect").count() > WORKS.len(), "{svg}");
}

#[test]
fn a_mistake_is_told_with_the_way_out() {
    let mistakes: [(&[&str], &str); 10] = [
        (&["--records", "1234"], "multiple of 1,000"),
        (&["--rounds", "0"], "1..=1000"),
        (&["--seconds", "nan"], "say 0.01 to 600"),
        (&["--warm-up-seconds", "inf"], "say 0.01 to 600"),
        (&["--only", "nonsense"], "heartbeat-batch"),
        (&["--peer", "far=vers=http://192.0.2.1:80"], "--yes"),
        (&["--peer", "old=nonsense=http://127.0.0.1:1"], "rolecall, vers, runspec"),
        (&["--peer", "old=vers=https://127.0.0.1:1"], "http://"),
        (&["--server", "/nonexistent"], "--server names no file"),
        (
            &["--server", "/bin/true", "--peer", "old=vers=http://127.0.0.1:1"],
            "whether it is empty",
        ),
    ];
    if !is_installed("wrk") {
        return;
    }
    for (flags, advice) in mistakes {
        let mut program = Command::new(env!("CARGO_BIN_EXE_side-by-side"));
        let output = program.args(flags).output().unwrap();
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains(advice), "{flags:?}: {told}");
    }
}

#[test]
fn growth_is_drawn_from_what_criterion_keeps() {
    let home = tempfile::tempdir().unwrap();
    for (size, ns) in [(1_000, 40.0), (1_000_000, 4_000.0)] {
        let new = home.path().join(format!("criterion/discover/{size}/new"));
        std::fs::create_dir_all(&new).unwrap();
        let what = format!(
            r#"{{"group_id":"discover <10>","function_id":"snapshot","value_str":"{size}"}}"#
        );
        std::fs::write(new.join("benchmark.json"), what).unwrap();
        let figure = format!(r#"{{"median":{{"point_estimate":{ns}}}}}"#);
        std::fs::write(new.join("estimates.json"), figure).unwrap();
    }
    let mut program = Command::new(env!("CARGO_BIN_EXE_side-by-side"));
    program.arg("curves").arg("--criterion").arg(home.path().join("criterion"));
    let output = program.arg("--out").arg(home.path()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let svg = std::fs::read_to_string(home.path().join("discover--10-.svg")).unwrap();
    well_formed(&svg);
    assert!(svg.contains("discover &lt;10&gt;") && svg.contains(">1e6<"), "{svg}");
    // From the middle of the first decade to the middle of the last, upwards.
    let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    let points: Vec<f64> = points.split([' ', ',']).map(|n| n.parse().unwrap()).collect();
    assert!(points[2] > points[0] && points[3] < points[1], "{points:?}");
}

/// Whether a program is there. What must not be missing is named in `ROLECALL_TEST_REQUIRE`.
#[expect(clippy::print_stderr, reason = "a skipped proof must be seen")]
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    let required = std::env::var("ROLECALL_TEST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|name| name == program);
    assert!(is_there || !is_required, "{program} is required and not installed");
    if !is_there {
        eprintln!("SKIPPED: {program} is not installed");
    }
    is_there
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every tag is closed in its order, and no attribute is left open.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("<{tag} does not end"));
        assert!(tag.matches('"').count().is_multiple_of(2), "<{tag}>");
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "<{tag}>");
        let name = tag.split_whitespace().next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "{svg}"),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?} is open at the end");
}
