//! What a deploy does when all is well, and how to go back from it.

use serde_json::json;

use super::site::{Site, TOKEN, runbook};

fn steps(summary: &serde_json::Value) -> Vec<&str> {
    summary["step"].as_array().unwrap().iter().map(|step| step.as_str().unwrap()).collect()
}

#[test]
fn a_deploy_goes_through_every_step_and_says_what_it_did() {
    let site = Site::rolecall();
    // Here the directory is copied, and the copy is opened before it counts.
    site.set("SNAPSHOT_DATA", "copy");
    site.set("SNAPSHOT_CHECK", "'\"$RUNBOOK/checks/rolecall-data\"'");
    let first = site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(site.current()));
    assert_eq!(first.summary["release"], site.current());
    site.ask("POST", "/registry/vms", &entry("kept"));
    let release = site.commit("source", "two");
    let second = site.succeed(&["deploy"]);
    assert_eq!(
        steps(&second.summary),
        [
            "fetch: done",
            "preflight: done",
            "snapshot: done",
            "build: done",
            "restart: done",
            "smoke: done",
            "snapshot: done"
        ]
    );
    assert_eq!(site.build(), Some(release.clone()));
    assert_eq!(second.summary["release"], release);
    assert_eq!(second.summary["before"], first.summary["release"]);
    assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200);
    // Once more is no deploy: it serves already.
    let pid = site.pid();
    let again = site.succeed(&["deploy"]);
    assert_eq!(again.summary["smoke"], "passed");
    assert_eq!((site.pid(), site.processes().len()), (pid, 1));
}

pub(super) fn entry(id: &str) -> String {
    let entry =
        json!({"id": id, "name": id, "role": "worker", "address": "h", "registeredBy": "t"});
    entry.to_string()
}

#[test]
fn going_back_is_to_the_release_before_to_a_named_one_and_to_the_data_of_a_snapshot() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let one = site.current();
    site.commit("source", "two");
    site.succeed(&["deploy"]);
    let two = site.current();
    site.commit("source", "three");
    site.succeed(&["deploy"]);
    site.succeed(&["rollback"]);
    assert_eq!(site.build(), Some(two.clone()));
    site.succeed(&["rollback"]);
    assert_eq!(site.build(), Some(one.clone()));
    site.fail(17, &["rollback"], "no release before");
    site.fail(17, &["rollback", "0123456789ab"], "no complete release");
    site.succeed(&["rollback", &two]);
    assert_eq!(site.build(), Some(two.clone()));
    // What was left once because it was not so good is no way back from what came after it.
    site.commit("source", "four");
    site.succeed(&["deploy"]);
    site.succeed(&["rollback"]);
    assert_eq!(site.build(), Some(two.clone()));

    site.ask("POST", "/registry/vms", &entry("kept"));
    let taken = site.succeed(&["snapshot", "before-the-mistake"]);
    let online = taken.summary["snapshot"][0].as_str().unwrap();
    let copied = site.succeed(&["snapshot", "--set", "SNAPSHOT_DATA=copy"]);
    let copied = copied.summary["snapshot"][0].as_str().unwrap();
    for (snapshot, kind) in [(online, "data.snapshot"), (copied, "data")] {
        assert!(site.root().join("snapshots").join(snapshot).join(kind).exists(), "{kind}");
        site.ask("DELETE", "/registry/vms/kept", "");
        site.ask("POST", "/registry/vms", &entry("late"));
        let back = site.succeed(&["rollback", "--data", snapshot]);
        assert_eq!(site.build(), Some(two.clone()));
        assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200, "{kind}");
        assert_eq!(site.ask("GET", "/registry/vms/late", "").status, 404, "{kind}");
        let aside = back.summary["data_put_aside"].as_str().unwrap();
        assert!(std::path::Path::new(aside).is_dir(), "{aside}");
    }
    // By the release that is gone back to: it may not read what the one before writes.
    let restore = r#"SNAPSHOT_RESTORE=realpath "$RELEASE_DIR" >"$RESTORE_DIR.by"
        "$RELEASE_DIR/bin/rolecall" restore "$SNAPSHOT_FILE" --store "sled:$RESTORE_DIR""#;
    site.succeed(&["rollback", &one, "--data", online, "--set", restore]);
    assert_eq!(site.build(), Some(one.clone()));
    assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200);
    let by = std::fs::read_to_string(site.root().join("data.restoring.by")).unwrap();
    assert!(by.trim().ends_with(&format!("/releases/{one}")), "{by}");
    site.fail(17, &["rollback", "--data", "snapshot-none"], "there is no snapshot");
}

#[test]
fn smoke_asks_from_outside_too_and_leaves_no_record_behind() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    site.succeed(&["smoke", "--set", "EXTERNAL_URL=http://localhost:${PORT}/"]);
    // The way to the service itself leads through no proxy.
    let mut smoke = site.command(&["smoke"]);
    let smoke =
        smoke.env("http_proxy", "http://127.0.0.1:1").env("ALL_PROXY", "http://127.0.0.1:1");
    assert_eq!(super::site::finish(smoke.spawn().unwrap()).code, 0);
    site.succeed(&["smoke", "--set", "SMOKE=HEAD /health open 200"]);
    site.fail(15, &["smoke", "--set", "EXTERNAL_URL=http://127.0.0.1:1"], "127.0.0.1:1/health: no");
    site.fail(15, &["smoke", "--set", "SMOKE=GET /readyz auth 200"], "open to everybody");
    site.fail(15, &["smoke", "--set", "SMOKE=GET /health open 200 .status == 1"], "not as in");
    assert_eq!(site.ask("GET", "/registry/vms", "").json()["count"], 0);
    // The service does not take the token that is in the file by now.
    site.write_environment("ROLECALL_TOKEN=another-token-0123456789\n", 0o600);
    site.fail(15, &["smoke"], "started with another token");
}

#[test]
fn a_damaged_snapshot_is_not_restored_and_what_runs_goes_on() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    site.ask("POST", "/registry/vms", &entry("kept"));
    let taken = site.succeed(&["snapshot"]);
    let snapshot = taken.summary["snapshot"][0].as_str().unwrap();
    let sums = site.root().join("snapshots").join(snapshot).join("SHA256SUMS");
    let text = std::fs::read_to_string(&sums).unwrap();
    std::fs::write(&sums, format!("{}{}", "0".repeat(64), &text[64..])).unwrap();
    let pid = site.pid();
    site.fail(16, &["rollback", "--data", snapshot], "is damaged");
    assert_eq!(site.pid(), pid);
    assert_eq!(site.ask("GET", "/registry/vms/kept", "").status, 200);
}

#[test]
fn the_service_gets_its_own_environment_and_no_command_line_has_the_token() {
    let site = Site::rolecall();
    site.set("SMOKE", "GET /registry/vms auth 200");
    let mut command = site.command(&["deploy"]);
    let outcome = super::site::finish(command.env("STRAY", "from outside").spawn().unwrap());
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let environment = std::fs::read(format!("/proc/{}/environ", site.pid().unwrap())).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains(TOKEN) && !environment.contains("STRAY"), "{environment}");
    let line = std::fs::read(format!("/proc/{}/cmdline", site.pid().unwrap())).unwrap();
    assert!(!String::from_utf8_lossy(&line).contains(TOKEN));
    // What shows its token is not shown with it.
    let talks = "START_COMMAND=bash -c \"echo mine is $ROLECALL_TOKEN; exec bin/rolecall serve \
                 --store \\\"sled:$DATA_DIR\\\"\"";
    site.succeed(&["restart", "--set", talks]);
    assert!(site.app_log().contains(TOKEN));
    let logs = site.succeed(&["logs"]);
    assert!(logs.progress.contains("mine is …"), "{logs:#?}");
    let logs = site.succeed(&["logs", "runbook"]);
    assert!(logs.progress.contains("smoke: all is well"), "{logs:#?}");
}

#[test]
fn the_check_of_a_copy_tells_what_can_be_opened_from_what_cannot() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let taken = site.succeed(&["snapshot"]);
    let snapshot = taken.summary["snapshot"][0].as_str().unwrap();
    let data = site.root().join("snapshots").join(snapshot).join("data");
    let check = |data: &std::path::Path| {
        let mut check = std::process::Command::new(runbook().join("checks/rolecall-data"));
        check.env("RELEASE_DIR", site.root().join("current")).env("SNAPSHOT_DIR", data);
        check.output().unwrap()
    };
    let good = check(&data);
    assert!(good.status.success(), "{good:?}");
    let torn = site.home().join("torn");
    std::fs::write(&torn, "this is no directory").unwrap();
    let bad = check(&torn);
    assert_eq!(bad.status.code(), Some(1), "{bad:?}");
    assert!(String::from_utf8_lossy(&bad.stdout).contains("rolecall: "), "{bad:?}");
}

#[test]
fn a_way_back_leads_past_a_release_that_is_not_there_any_more() {
    let site = Site::rolecall();
    let mut releases = Vec::new();
    for text in ["a", "b", "c"] {
        releases.push(site.commit("source", text));
        site.succeed(&["deploy"]);
    }
    std::fs::remove_dir_all(site.root().join("releases").join(&releases[1])).unwrap();
    site.succeed(&["rollback"]);
    assert_eq!(site.build().as_ref(), releases.first());
}

#[test]
fn old_releases_and_snapshots_are_removed_but_never_those_that_are_needed() {
    let site = Site::rolecall();
    for (key, value) in [("KEEP_RELEASES", "2"), ("KEEP_SNAPSHOTS", "3")] {
        site.set(key, value);
    }
    let mut releases = Vec::new();
    for text in ["a", "b", "c", "d"] {
        releases.push(site.commit("source", text));
        site.succeed(&["deploy"]);
    }
    let list = site.succeed(&["releases"]);
    let listed = list.summary["release_list"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{list:#?}");
    assert!(listed[1].as_str().unwrap().ends_with("current good"), "{list:#?}");
    assert_eq!(std::fs::read_dir(site.root().join("snapshots")).unwrap().count(), 3);
    site.succeed(&["releases", "prune", "0"]);
    site.succeed(&["rollback"]);
    assert_eq!(site.build().as_deref(), Some(releases[2].as_str()));
}
