//! What stops a deploy: each at the right place, with its code and words, and what ran before
//! serves on or again.

use std::net::TcpListener;

use super::site::{Site, TOKEN, finish};

/// A place where a release serves, and the process that does.
fn serving() -> (Site, String, Option<u32>) {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let (release, pid) = (site.current(), site.pid());
    (site, release, pid)
}

/// Nothing has been touched: the same process serves the same release.
fn assert_untouched(site: &Site, release: &str, pid: Option<u32>) {
    assert_eq!((site.build().as_deref(), site.pid()), (Some(release), pid));
    assert_eq!(site.current(), release);
    assert!(!site.root().join("run/journal").exists());
}

#[test]
fn what_a_build_or_a_test_may_not_know_or_do_it_cannot() {
    let (site, release, pid) = serving();
    site.commit("source", "two");
    let asks = "BUILD_COMMAND=env | grep -c ^ROLECALL_TOKEN; false";
    let mut deploy = site.command(&["--set", asks, "deploy"]);
    let token = site.home().join("token-of-the-caller");
    std::fs::write(&token, TOKEN).unwrap();
    let deploy = deploy.env("ROLECALL_TOKEN", TOKEN).env("ROLECALL_TOKEN_FILE", token);
    let outcome = finish(deploy.spawn().unwrap());
    assert!(outcome.code == 12 && outcome.progress.contains("\n0\n"), "{outcome:#?}");
    let hangs = ["--set", "BUILD_COMMAND=sleep 100", "--set", "BUILD_SECONDS=1", "deploy"];
    site.fail(12, &hangs, "the build failed");
    // A release that lost its marker is not whole any more.
    let marker = site.root().join("releases").join(&release).join(".complete");
    std::fs::rename(&marker, site.home().join("marker")).unwrap();
    site.fail(14, &["restart"], "is not complete");
    std::fs::rename(site.home().join("marker"), marker).unwrap();
    assert_untouched(&site, &release, pid);
}

#[test]
fn preflight_tells_of_everything_at_once() {
    let site = Site::rolecall();
    site.set("TOOLS", "no-such-tool cargo-of-mars");
    site.set("HOLD_COMMAND", "");
    site.set("BUILD_COMMAND", "");
    let told = site.fail(10, &["preflight"], "no-such-tool is not installed");
    let message = told.summary["message"].as_str().unwrap();
    for text in ["cargo-of-mars is not", "SOCKET=held needs", "does not say BUILD_COMMAND"] {
        assert!(message.contains(text), "{text}: {message}");
    }
    // A clock that was set back: the newest release is from tomorrow.
    let (site, release, _) = serving();
    let marker = site.root().join("releases").join(release).join(".complete");
    let tomorrow = std::time::SystemTime::now() + std::time::Duration::from_secs(86_400);
    std::fs::File::options().append(true).open(marker).unwrap().set_modified(tomorrow).unwrap();
    site.fail(10, &["preflight"], "before the newest release was built");
}

#[test]
fn a_broken_build_and_failing_tests_change_nothing_that_runs() {
    let (site, release, pid) = serving();
    let broken = site.commit("broken", "");
    site.fail(12, &["deploy"], "the build failed; nothing that runs was changed");
    assert_untouched(&site, &release, pid);
    assert!(!site.root().join("releases").join(broken).exists());
    site.commit_without("broken");
    site.commit("failing", "");
    site.fail(13, &["deploy"], "the tests failed; nothing that runs was changed");
    assert_untouched(&site, &release, pid);
    site.fail(12, &["deploy", "no-such-branch"], "there is no commit `no-such-branch`");
    let mended = site.commit_without("failing");
    // What a build that was killed has left is no part of the next one.
    let folder = site.root().join("releases").join(&mended);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("leftover"), "").unwrap();
    site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(mended));
    assert!(!folder.join("leftover").exists());
}

#[test]
fn without_a_token_that_others_cannot_read_nothing_is_started() {
    let site = Site::rolecall();
    let token = format!("ROLECALL_TOKEN={TOKEN}\n");
    for (text, mode, expected) in [
        ("", 0o600, "would be open to everybody"),
        ("ROLECALL_TOKEN=\n", 0o600, "would be open to everybody"),
        (&*token, 0o644, "chmod 600"),
    ] {
        site.write_environment(text, mode);
        site.fail(10, &["deploy"], expected);
        assert_eq!(site.build(), None);
    }
    site.write_environment(&token, 0o600);
    site.succeed(&["deploy"]);
    site.write_environment("", 0o600);
    let pid = site.pid();
    site.fail(14, &["restart"], "no token");
    // That the caller has one is no reason to start a server without.
    let file = site.home().join("token");
    std::fs::write(&file, format!("# of the caller\n{TOKEN} name=caller write\n")).unwrap();
    let with_file = |verb| site.command(&[verb]).env("ROLECALL_TOKEN_FILE", &file).spawn().unwrap();
    assert_eq!(finish(with_file("restart")).code, 14);
    assert_eq!(finish(with_file("smoke")).code, 0);
    assert_eq!(site.pid(), pid);
    std::fs::remove_file(site.root().join("environment")).unwrap();
    site.fail(10, &["preflight"], "write ROLECALL_TOKEN=… into it");
}

#[test]
fn a_stranger_on_the_port_is_named_and_left_alone() {
    let site = Site::rolecall();
    let stranger = TcpListener::bind(site.address()).unwrap();
    let us = format!("process {} ", std::process::id());
    site.fail(10, &["deploy"], &us);
    site.fail(10, &["preflight"], &us);
    let status = site.run(&["status"]);
    assert!(status.summary["stranger_on_port"].as_str().unwrap().contains(&us), "{status:#?}");
    drop(stranger);
    site.succeed(&["deploy"]);
    // It comes while nothing of ours runs, between two calls.
    let pid = site.pid().unwrap().to_string();
    let holder = std::fs::read_to_string(site.root().join("run/hold.pid")).unwrap();
    for pid in [holder.split(' ').next().unwrap(), &pid] {
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    }
    let stranger = support::wait::until("the port", || TcpListener::bind(site.address()).ok());
    site.fail(14, &["restart"], &us);
    drop(stranger);
    site.succeed(&["restart"]);
}

#[test]
fn a_number_that_now_is_another_process_is_never_killed() {
    let (site, _, pid) = serving();
    let record = site.root().join("run/app.pid");
    let text = std::fs::read_to_string(&record).unwrap();
    let mut bystander = std::process::Command::new("cat");
    let mut bystander = bystander.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let recycled = text.replacen(&pid.unwrap().to_string(), &bystander.id().to_string(), 1);
    let holder = std::fs::read_to_string(site.root().join("run/hold.pid")).unwrap();
    for pid in [holder.split(' ').next().unwrap(), &pid.unwrap().to_string()] {
        assert!(std::process::Command::new("kill").arg(pid).status().unwrap().success());
    }
    support::wait::until("the port", || TcpListener::bind(site.address()).ok());
    std::fs::write(&record, recycled).unwrap();
    site.succeed(&["restart"]);
    assert!(bystander.try_wait().unwrap().is_none(), "a bystander was killed");
    // The same number and the same moment, but of another boot.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", bystander.id())).unwrap();
    let started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap();
    let other_boot = "00000000-0000-0000-0000-000000000000";
    let text = format!("{} {started} {other_boot} {}\n", bystander.id(), site.current());
    std::fs::write(&record, text).unwrap();
    assert!(site.run(&["status"]).summary.get("process").is_none(), "it is not ours");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_full_disk_is_seen_before_anything_is_begun_and_when_it_fills_up_on_the_way() {
    let (site, release, pid) = serving();
    site.commit("source", "two");
    let wanted = ["--set", "DISK_FREE_MB_MIN=900000000"];
    site.fail(10, &[&wanted[..], &["deploy"]].concat(), "MB free of the 900000000 MB wanted");
    let full = ["--set", "BUILD_COMMAND=cat source >/dev/full"];
    let outcome = site.fail(12, &[&full[..], &["deploy"]].concat(), "the build failed");
    assert!(outcome.progress.contains("No space left"), "{outcome:#?}");
    let full = ["--set", "SNAPSHOT_COMMAND=echo id >/dev/full; echo id"];
    site.fail(11, &[&full[..], &["deploy"]].concat(), "No space left");
    assert_untouched(&site, &release, pid);
}

#[test]
fn without_a_snapshot_nothing_goes_on_unless_there_is_a_reason_which_is_kept() {
    let (site, release, pid) = serving();
    let next = site.commit("source", "two");
    let failing = ["--set", "SNAPSHOT_COMMAND=false"];
    site.fail(11, &[&failing[..], &["deploy"]].concat(), "the snapshot command failed");
    let silent = ["--set", "SNAPSHOT_COMMAND=true"];
    site.fail(11, &[&silent[..], &["deploy"]].concat(), "did not say an id");
    let none = ["--set", "SNAPSHOT_DATA=no"];
    site.fail(11, &[&none[..], &["deploy"]].concat(), "--no-snapshot REASON");
    site.fail(64, &["deploy", "--no-snapshot", " "], "needs a reason");
    let unsound = ["--set", "SNAPSHOT_VERIFY=echo bent; false"];
    site.fail(11, &[&unsound[..], &["deploy"]].concat(), "is not sound: bent");
    let unknown = ["--set", "SNAPSHOT_PATH=/v1/admin/snapshot?a=b"];
    site.fail(11, &[&unknown[..], &["deploy"]].concat(), "the service gave no snapshot (400)");
    let unread = ["--set", "SNAPSHOT_DATA=copy", "--set", "SNAPSHOT_CHECK=echo torn; false"];
    site.fail(11, &[&unread[..], &["deploy"]].concat(), "was consistent: torn");
    let unsaid = ["--set", "SNAPSHOT_RESTORE="];
    site.fail(78, &[&unsaid[..], &["deploy"]].concat(), "needs a SNAPSHOT_PATH");
    assert_untouched(&site, &release, pid);
    let outcome = site.succeed(&["deploy", "--no-snapshot", "the disk of the snapshots is away"]);
    assert_eq!(outcome.summary["no_snapshot"], "the disk of the snapshots is away");
    assert!(outcome.summary.get("snapshot").is_none(), "{outcome:#?}");
    let log = std::fs::read_to_string(site.root().join("log/runbook.log")).unwrap();
    assert!(log.contains("no snapshot: the disk of the snapshots is away"), "{log}");
    assert_eq!(site.build(), Some(next));
}

#[test]
fn a_token_that_may_not_take_a_snapshot_stops_a_deploy_before_anything_is_done() {
    let site = Site::rolecall();
    let tokens = site.root().join("tokens");
    std::fs::write(&tokens, format!("{TOKEN} write\n")).unwrap();
    let environment = format!("ROLECALL_TOKEN_FILE={}\n", tokens.display());
    site.write_environment(&environment, 0o600);
    site.succeed(&["deploy"]);
    let (release, pid) = (site.current(), site.pid());
    site.commit("source", "two");
    site.fail(11, &["deploy"], "needs the scope admin");
    assert_untouched(&site, &release, pid);
}

#[test]
fn a_release_that_does_not_come_up_gives_way_to_the_one_before() {
    let (site, release, _) = serving();
    site.commit("source", "two");
    for (command, expected) in [
        ("sh -c 'echo no way; exit 3'", "ended: "),
        ("bin/rolecall --no-such-flag", "ended: "),
        ("sleep 60", "did not answer"),
    ] {
        // Only the new release is started so: the one before must come up again.
        let only_new = format!(
            "START_COMMAND=bash -c \"[ $RELEASE != {release} ] || \
             exec bin/rolecall serve --store \\\"sled:$DATA_DIR\\\"; exec {command}\""
        );
        let line = ["--set", only_new.as_str(), "--set", "START_SECONDS=8", "deploy"];
        let outcome = site.fail(14, &line, expected);
        let message = outcome.summary["message"].as_str().unwrap();
        assert!(message.ends_with(&format!("release {release} serves again")), "{message}");
        assert_eq!(site.build().as_deref(), Some(release.as_str()));
        assert_eq!(site.current(), release);
        assert_eq!(site.processes().len(), 1);
    }
    let stale =
        ["--set", "BUILD_COMMAND=mkdir bin && cp ../../current/bin/rolecall bin/", "deploy"];
    site.commit("source", "three");
    site.fail(
        14,
        &[&stale[..2], &["--set", "START_SECONDS=8", "deploy"]].concat(),
        "a stale artifact?",
    );
    assert_eq!(site.build().as_deref(), Some(release.as_str()));
}

#[test]
fn a_release_that_is_up_but_not_right_gives_way_to_the_one_before() {
    let (site, release, _) = serving();
    let next = site.commit("source", "two");
    // What the old release passes and the new one does not: which build it is.
    let picky = format!("SMOKE=GET /health open 200 .build == \"{release}\"");
    let outcome = site.fail(15, &["--set", &picky, "deploy"], "not as in");
    assert!(outcome.summary["message"].as_str().unwrap().contains("serves again"), "{outcome:#?}");
    assert_eq!(site.build().as_deref(), Some(release.as_str()));
    let log = std::fs::read_to_string(site.root().join("log/runbook.log")).unwrap();
    assert!(log.contains("current -> releases/"), "{log}");
    site.succeed(&["deploy"]);
    assert_eq!(site.build(), Some(next));
    // If the one before is not right either, a person must look.
    site.commit("source", "three");
    site.fail(16, &["--set", "SMOKE=GET /nowhere open 200", "deploy"], "does not pass smoke");
    site.fail(16, &["--set", "START_COMMAND=false", "deploy"], "did not come up again");
}

#[test]
fn a_server_that_is_open_by_mistake_does_not_stay() {
    let (site, release, _) = serving();
    site.commit("source", "two");
    let open = format!(
        "START_COMMAND=bash -c \"[ $RELEASE = {release} ] || unset ROLECALL_TOKEN; \
         exec bin/rolecall serve --store \\\"sled:$DATA_DIR\\\"\""
    );
    let outcome = site.fail(15, &["--set", &open, "deploy"], "answered without a token");
    assert!(outcome.summary["message"].as_str().unwrap().contains("serves again"), "{outcome:#?}");
    assert_eq!(site.build().as_deref(), Some(release.as_str()));
    assert_eq!(site.processes().len(), 1);
    // On the first deploy there is nothing to go back to: better nobody serves.
    let first = Site::rolecall();
    let open =
        "START_COMMAND=env --unset=ROLECALL_TOKEN bin/rolecall serve --store \"sled:$DATA_DIR\"";
    first.fail(15, &["--set", open, "deploy"], "nothing serves now");
    assert_eq!((first.processes(), first.current()), (Vec::new(), String::new()));
    let refused = std::net::TcpStream::connect(first.address()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "nobody answers that queue");
}
