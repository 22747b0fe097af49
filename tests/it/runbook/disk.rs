//! A deploy on a real file system that is full, or becomes so.

use support::disk::SmallDisk;

use super::site::{Site, shown};

/// A place on a disk of its own, where a release serves. Its data are elsewhere.
fn serving_on(disk: &SmallDisk, data: &tempfile::TempDir) -> Site {
    let site = Site::rolecall_in(disk.path());
    site.set("DATA_DIR", &shown(data.path()));
    site.set("SNAPSHOT_DATA", "no");
    site.set("SNAPSHOT_COMMAND", "echo elsewhere-$RANDOM");
    site.succeed(&["deploy"]);
    site
}

#[test]
fn a_full_disk_is_told_by_every_verb_and_nothing_that_runs_is_touched() {
    let test = "runbook::disk::\
                a_full_disk_is_told_by_every_verb_and_nothing_that_runs_is_touched";
    let Some(disk) = SmallDisk::of(test, 160) else { return };
    let data = tempfile::tempdir().unwrap();
    let site = serving_on(&disk, &data);
    for text in ["two", "three"] {
        site.commit("source", text);
        site.succeed(&["deploy"]);
    }
    let (current, pid) = (site.current(), site.pid());
    let next = site.commit("source", "four");
    disk.fill();
    site.fail(10, &["preflight"], "runbook releases prune");
    for verb in ["deploy", "build", "snapshot", "restart", "rollback"] {
        site.fail(10, &[verb], "is full: free space");
        assert_eq!((site.current(), site.pid()), (current.clone(), pid), "{verb}");
    }
    assert_eq!(site.build(), Some(current));
    site.succeed(&["status"]);
    // What it advises can be done, and helps.
    let pruned = site.succeed(&["releases", "prune", "1"]);
    assert_eq!(pruned.summary["removed"].as_array().unwrap().len(), 1, "{pruned:#?}");
    site.succeed(&["preflight"]);
    disk.free();
    site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(next));
}

#[test]
fn a_build_that_fills_the_disk_stops_there_and_what_ran_serves_on() {
    let test = "runbook::disk::a_build_that_fills_the_disk_stops_there_and_what_ran_serves_on";
    let Some(disk) = SmallDisk::of(test, 120) else { return };
    let data = tempfile::tempdir().unwrap();
    let site = serving_on(&disk, &data);
    let (current, pid) = (site.current(), site.pid());
    let next = site.commit("source", "two");
    let greedy = ["--set", "BUILD_COMMAND=head --bytes=1G /dev/zero >grown", "deploy"];
    let failed = site.fail(12, &greedy, "is full: free space");
    let message = failed.summary["message"].as_str().unwrap();
    assert!(message.contains("nothing that runs was changed"), "{message}");
    assert_eq!((site.build(), site.pid()), (Some(current), pid));
    assert!(!site.root().join("run/journal").exists());
    assert!(!site.root().join("releases").join(&next).exists(), "the space is given back");
    site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(next));
}
