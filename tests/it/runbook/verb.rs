//! The command line: what is refused, what is only said, what each verb tells of itself.

use std::process::Command;

use support::wait;

use super::site::{Site, runbook};

const VERBS: [&str; 10] = [
    "preflight",
    "snapshot",
    "build",
    "restart",
    "smoke",
    "rollback",
    "deploy",
    "status",
    "releases",
    "logs",
];

fn said(args: &[&str]) -> (i32, String) {
    let output = Command::new(runbook().join("runbook")).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn every_verb_has_its_page_and_the_first_page_names_them_all() {
    let (code, page) = said(&["help"]);
    assert_eq!(code, 0, "{page}");
    for verb in VERBS {
        assert!(page.contains(&format!("\n  {verb} ")), "{verb}: {page}");
        let (code, page) = said(&["help", verb]);
        assert_eq!(code, 0, "{page}");
        assert!(page.starts_with("Summary: "), "{page}");
        assert!(page.contains(&format!("Usage:   runbook {verb}")), "{page}");
        assert_eq!(said(&[verb, "--help"]), (0, page));
    }
    let folder = std::fs::read_dir(runbook().join("verbs")).unwrap();
    assert_eq!(folder.count(), VERBS.len());
}

#[test]
fn what_is_not_understood_is_a_mistake_and_says_where() {
    assert_eq!(said(&["deplyo"]).0, 64);
    assert_eq!(said(&["../lib/say.sh"]).0, 64);
    assert_eq!(said(&["status"]).0, 64, "without a profile");
    assert_eq!(said(&["status", "--profile"]).0, 64);
    assert_eq!(said(&["status", "--profile", "/nowhere.env"]).0, 78);
    let site = Site::rolecall();
    for (line, code, text) in [
        (&["deploy", "--fast"][..], 64, "no option --fast"),
        (&["restart", "now"], 64, "no more than --cold"),
        (&["logs", "app", "many"], 64, "must be a number"),
        (&["--set", "PROT=1", "status"], 78, "`PROT` is no key"),
        (&["--set", "PORT=high", "status"], 78, "PORT must be a number"),
        (&["--set", "ROOT=here", "status"], 78, "an absolute path"),
        (&["--set", "SOCKET=maybe", "status"], 78, "SOCKET must be one of: own held"),
        (&["--set", "SMOKE=POST /x auth 200", "status"], 78, "SMOKE must be"),
        (&["--set", "SMOKE=GET /x auth 200 .a |", "status"], 78, "jq does not understand"),
        (&["--set", "REPOSITORY=https://u:secret@h/r", "status"], 78, "has a password in it"),
    ] {
        let outcome = site.run(line);
        assert_eq!(outcome.code, code, "{outcome:#?}");
        assert!(outcome.progress.contains(text), "{text}: {outcome:#?}");
        assert!(!outcome.progress.contains("secret"), "{outcome:#?}");
    }
}

#[test]
fn a_dry_run_says_everything_and_does_nothing() {
    let site = Site::rolecall();
    let outcome = site.succeed(&["deploy", "--dry-run"]);
    let would = outcome.summary["would"].to_string();
    for text in ["take a snapshot", "build ", "restart as "] {
        assert!(would.contains(text), "{text}: {outcome:#?}");
    }
    let left: Vec<_> = std::fs::read_dir(site.root()).unwrap().collect();
    assert_eq!(left.len(), 1, "only the environment file: {left:?}");
    site.succeed(&["deploy"]);
    let (pid, release) = (site.pid(), site.current());
    site.commit("source", "two");
    for line in [&["deploy"][..], &["restart"], &["snapshot"], &["build"], &["smoke"]] {
        site.succeed(&[line, &["--dry-run"]].concat());
    }
    site.succeed(&["rollback", &release, "--dry-run"]);
    assert_eq!((site.pid(), site.current()), (pid, release));
    assert_eq!(std::fs::read_dir(site.root().join("releases")).unwrap().count(), 1);
}

#[test]
fn one_call_at_a_time() {
    let site = Site::rolecall();
    let gate = site.home().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let wait_there = format!("BUILD_COMMAND=cat {}; false", gate.display());
    let first = site.command(&["--set", &wait_there, "deploy"]).spawn().unwrap();
    let log = site.root().join("log/runbook.log");
    let builds = || std::fs::read_to_string(&log).unwrap_or_default().contains(" build ");
    wait::until("the build", || builds().then_some(()));
    for line in [&["deploy"][..], &["restart"], &["rollback"], &["snapshot"], &["build"]] {
        site.fail(75, line, "another call is at work: deploy (process ");
    }
    let status = site.run(&["status"]);
    assert!(status.summary["at_work"].as_str().unwrap().starts_with("deploy"), "{status:#?}");
    std::fs::write(&gate, "go").unwrap();
    assert_eq!(super::site::finish(first).code, 12);
}

#[test]
fn a_service_that_crashed_is_told_by_status_and_brought_back_by_restart() {
    let site = Site::rolecall();
    site.fail(14, &["status"], "there is no current release");
    site.fail(17, &["restart"], "there is no current release");
    site.succeed(&["deploy"]);
    let pid = site.pid().unwrap().to_string();
    assert!(Command::new("kill").args(["-s", "KILL", &pid]).status().unwrap().success());
    wait::until("its end", || site.processes().is_empty().then_some(()));
    site.fail(14, &["status"], "does not run: runbook restart");
    site.succeed(&["restart"]);
    let status = site.succeed(&["status"]);
    assert_eq!(status.summary["current"], site.current());
    site.succeed(&["restart", "--cold"]);
    assert_eq!(site.build(), Some(site.current()));
    assert_eq!(site.processes().len(), 1);
    // A deploy of what should run brings it back, too, and goes further back if that is not right.
    let first = site.current();
    site.commit("source", "two");
    site.succeed(&["deploy"]);
    let (second, pid) = (site.current(), site.pid().unwrap().to_string());
    assert!(Command::new("kill").args(["-s", "KILL", &pid]).status().unwrap().success());
    wait::until("its end", || site.processes().is_empty().then_some(()));
    let picky = format!("SMOKE=GET /health open 200 .build == \"{first}\"");
    site.fail(15, &["--set", &picky, "deploy"], &format!("release {first} serves again"));
    site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(second));
}

#[test]
fn a_service_that_does_not_end_is_killed_and_one_that_runs_is_not_started_twice() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let pid = site.pid().unwrap().to_string();
    let mut again = Command::new("bash");
    again.arg(site.root().join("run/launch")).arg(site.root());
    let said = String::from_utf8(again.output().unwrap().stdout).unwrap();
    assert_eq!(said, format!("process {pid} runs already\n"));
    assert_eq!(site.processes(), [site.pid().unwrap()]);

    assert!(Command::new("kill").args(["-s", "STOP", &pid]).status().unwrap().success());
    let outcome = site.succeed(&["restart", "--set", "STOP_SECONDS=1"]);
    let warning = outcome.summary["warning"].to_string();
    assert!(warning.contains(&format!("process {pid} was killed")), "{outcome:#?}");
    assert_eq!(site.processes(), [site.pid().unwrap()]);
}

#[test]
fn a_new_port_is_held_instead_of_the_old_one() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let new = free.local_addr().unwrap().port();
    drop(free);
    let port = format!("PORT={new}");
    site.succeed(&["restart", "--set", &port]);
    assert_eq!(site.build(), None);
    site.succeed(&["status", "--set", &port]);
    site.succeed(&["restart"]);
    assert_eq!(site.build(), Some(site.current()));
    assert!(std::net::TcpStream::connect(("127.0.0.1", new)).is_err(), "nobody is there");
}
