//! `kill -9` of the runbook between its steps: the next call finishes or undoes what it finds.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use support::wait;

use super::deploy::entry;
use super::record::assert_newest_event;
use super::site::{Outcome, Site, finish, shown};

/// Who dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// The runbook; what it has started goes on and finds itself without a parent.
    Alone,
    /// And everything it has started, but for what serves.
    WithChildren,
}

/// Stands before each program that the runbook calls, and kills at the wanted one: the first call
/// of `$KILL_AFTER` since the journal tells of `$KILL_STEP`.
const SHIM: &str = r#"#!/bin/bash
while IFS= read -r line; do [[ $line != step=* ]] || step=${line#step=}; done <"$KILL_JOURNAL"
if [[ $step == "$KILL_STEP" ]]; then
    printf x >>"$KILL_COUNT"
    count=$(<"$KILL_COUNT")
    if ((${#count} == KILL_AFTER)); then
        read -r _ _ _ _ group _ </proc/self/stat
        [[ $KILL_VICTIM == Alone ]] || group=-$group
        kill -s KILL -- "$group"
    fi
fi 2>/dev/null
PATH=$KILL_PATH
exec "${0##*/}" "$@"
"#;

const CALLED: [&str; 20] = [
    "awk", "cat", "cp", "curl", "cut", "find", "flock", "git", "grep", "jq", "ln", "mkdir", "mv",
    "rm", "setsid", "sort", "stat", "sync", "tail", "tar",
];

// === impl Site ===

impl Site {
    /// A call that is killed at this point of its journal.
    fn killed(&self, line: &[&str], step: &str, after: usize, victim: Victim) -> Outcome {
        let shims = self.shims();
        let path = std::env::var("PATH").unwrap();
        let count = self.home().join("count");
        std::fs::write(&count, "").unwrap();
        let mut command = self.command(line);
        command.env("PATH", format!("{}:{path}", shown(&shims))).env("KILL_PATH", path);
        command.env("KILL_JOURNAL", self.root().join("run/journal")).env("KILL_COUNT", count);
        command.env("KILL_STEP", step).env("KILL_AFTER", after.to_string());
        command.env("KILL_VICTIM", format!("{victim:?}")).process_group(0);
        let outcome = finish(command.spawn().unwrap());
        assert_eq!(outcome.code, -1, "it was not killed at {step}: {outcome:#?}");
        outcome
    }

    fn shims(&self) -> PathBuf {
        let folder = self.home().join("shims");
        if !folder.exists() {
            std::fs::create_dir(&folder).unwrap();
            for name in CALLED {
                std::fs::write(folder.join(name), SHIM).unwrap();
                let executable = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(folder.join(name), executable).unwrap();
            }
        }
        folder
    }

    /// The next call: what the killed one has left behind may still be at work for a moment.
    fn next(&self, line: &[&str]) -> Outcome {
        wait::until("the lock", || Some(self.run(line)).filter(|outcome| outcome.code != 75))
    }

    fn assert_serves(&self, release: &str, context: &str) {
        assert_eq!(self.build().as_deref(), Some(release), "{context}: {}", self.app_log());
        assert_eq!(self.current(), release, "{context}");
        assert_eq!(self.processes().len(), 1, "{context}");
        assert_eq!(self.processes().first().copied(), self.pid(), "{context}");
        assert!(!self.root().join("run/journal").exists(), "{context}");
    }
}

/// Kills a deploy of a new commit at each of these steps, and deploys again.
fn kill_at_each_step(steps: &[&str], after: usize, victim: Victim) {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    site.ask("POST", "/registry/vms", &entry("kept"));
    for step in steps {
        let context = format!("{step} {after} {victim:?}");
        let release = site.commit("source", step);
        site.killed(&["deploy"], step, after, victim);
        let outcome = site.next(&["deploy"]);
        assert_eq!(outcome.code, 0, "{context}: {outcome:#?}\n{}", site.app_log());
        site.assert_serves(&release, &context);
        assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200, "{context}");
    }
}

#[test]
fn a_deploy_that_is_killed_ends_well_when_it_is_called_again() {
    let all = ["snapshot", "build", "switch", "start", "smoke", "record"];
    kill_at_each_step(&all, 1, Victim::WithChildren);
}

#[test]
fn a_deploy_whose_children_live_on_ends_well_when_it_is_called_again() {
    kill_at_each_step(&["build", "start", "smoke"], 4, Victim::Alone);
}

#[test]
fn what_was_interrupted_is_undone_by_whoever_wants_something_else() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let old = site.current();
    for (line, step) in [("rollback", "start"), ("restart", "smoke"), ("deploy", "build")] {
        site.commit("source", &format!("{line} {step}"));
        site.killed(&["deploy"], step, 2, Victim::WithChildren);
        let status = site.run(&["status"]);
        let told = status.summary["interrupted"].as_str().unwrap_or_default();
        assert!(told.contains(&format!("at step {step}")), "{status:#?}");
        let pid = site.pid();
        let wanted = if step == "build" { vec![line, &old] } else { vec![line] };
        let outcome = site.next(&wanted);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        site.assert_serves(&old, line);
        if step == "build" {
            assert_eq!(site.pid(), pid, "nothing that ran had to be touched");
        }
    }
    // Another commit: first back, then forward.
    let new = site.commit("source", "another");
    site.killed(&["deploy"], "smoke", 1, Victim::WithChildren);
    let newer = site.commit("source", "and another");
    let outcome = site.next(&["deploy"]);
    assert_eq!(outcome.summary["before"], old, "{outcome:#?}");
    site.assert_serves(&newer, &new);
    // It had come to its end but for the records: whoever comes next writes them.
    let newest = site.commit("source", "one more");
    site.killed(&["deploy"], "record", 1, Victim::WithChildren);
    assert_eq!(site.next(&["restart"]).code, 0);
    site.assert_serves(&newest, "restart");
    let said = format!("deployed rolecall {newest}");
    assert_newest_event(&site, "task_completed", &said, &newest);
}

#[test]
fn data_that_somebody_has_made_meanwhile_are_not_replaced() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    site.ask("POST", "/registry/vms", &entry("kept"));
    // As a restore leaves it that was killed between its two moves, before the service was started.
    for name in ["data.before-it", "data.restoring"] {
        std::fs::create_dir(site.root().join(name)).unwrap();
    }
    let (current, aside) = (site.current(), shown(&site.root().join("data.before-it")));
    let journal = format!("verb=rollback\ntarget={current}\naside={aside}\nstep=begin\n");
    std::fs::write(site.root().join("run/journal"), journal).unwrap();
    let outcome = site.succeed(&["restart"]);
    let warning = outcome.summary["warning"].to_string();
    assert!(warning.contains("somebody has made a new"), "{outcome:#?}");
    assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200);
    assert!(site.root().join("data.restoring").exists());
}

#[test]
fn a_way_back_that_is_killed_is_gone_to_its_end() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let old = site.current();
    let new = site.commit("source", "two");
    let line = ["--set", "SMOKE=GET /nowhere open 200", "deploy"];
    site.killed(&line, "undo", 2, Victim::WithChildren);
    let outcome = site.next(&["deploy"]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    site.assert_serves(&new, "deploy after an undo");
    site.killed(&["rollback"], "begin", 2, Victim::WithChildren);
    assert_eq!(site.next(&["restart"]).code, 0);
    site.assert_serves(&old, "rollback");

    site.ask("POST", "/registry/vms", &entry("kept"));
    let taken = site.succeed(&["snapshot"]);
    let snapshot = taken.summary["snapshot"][0].as_str().unwrap();
    site.ask("DELETE", "/registry/vms/kept", "");
    for (step, after) in [("begin", 1), ("begin", 6), ("begin", 12), ("start", 3)] {
        site.killed(&["rollback", "--data", snapshot], step, after, Victim::WithChildren);
        assert_eq!(site.next(&["restart"]).code, 0, "{step} {after}");
        site.assert_serves(&old, "restore");
        let answer = site.ask("GET", "/registry/vms/kept", "");
        assert_eq!(answer.status, 200, "{step} {after}");
        site.ask("DELETE", "/registry/vms/kept", "");
    }
}
