//! What a deploy of Rolecall leaves in Rolecall's own ledger and feed, however it ended.

use serde_json::{Value, json};

use super::site::{Outcome, Site};

/// The ledger, the oldest entry first: what each is, and whose.
pub(super) fn ledger(site: &Site) -> Vec<Value> {
    let list = site.ask("GET", "/commits", "").json();
    let mut commits = list["commits"].as_array().unwrap().clone();
    commits.reverse();
    commits
}

/// The feed, the oldest event first.
pub(super) fn feed(site: &Site) -> Vec<Value> {
    site.ask("GET", "/feed/events", "").json().as_array().unwrap().clone()
}

/// Each snapshot that this call took stands in the ledger, once, as what it is.
pub(super) fn assert_in_ledger(site: &Site, call: &Outcome, labels: &[&str]) {
    let taken = call.summary["snapshot"].as_array().expect("a call that took snapshots");
    assert_eq!(taken.len(), labels.len(), "{call:#?}");
    let ledger = ledger(site);
    for (id, label) in taken.iter().zip(labels) {
        let entries: Vec<_> = ledger.iter().filter(|entry| entry["commitId"] == *id).collect();
        let [entry] = entries.as_slice() else { panic!("{id}: {ledger:#?}") };
        let when = if *label == "post-deploy" { "post-deploy" } else { "pre-deploy" };
        assert_eq!(entry["label"], *label, "{entry}");
        assert_eq!(entry["agent"], "deploy-runbook", "{entry}");
        assert_eq!(entry["tags"], json!(["backup", "infra", when]), "{entry}");
        assert!(!entry["vmId"].as_str().unwrap().is_empty(), "{entry}");
        let about = std::fs::read_to_string(
            site.root().join("snapshots").join(id.as_str().unwrap()).join("about"),
        );
        assert!(about.unwrap().contains(&format!("label={label}\n")), "{entry}");
    }
}

/// The newest event: what became of it, what it says, and which release serves.
pub(super) fn assert_newest_event(site: &Site, kind: &str, summary: &str, release: &str) {
    let feed = feed(site);
    let newest = feed.last().expect("an event");
    assert_eq!(newest["agent"], "deploy-runbook", "{newest}");
    assert_eq!(newest["type"], kind, "{newest}");
    assert!(newest["summary"].as_str().unwrap().contains(summary), "{summary}: {newest}");
    assert_eq!(newest["metadata"]["app"], "rolecall", "{newest}");
    assert_eq!(newest["metadata"]["release"], release, "{newest}");
}

/// Nothing waits to be recorded.
fn assert_nothing_waits(site: &Site) {
    let waiting = std::fs::read_dir(site.root().join("outbox")).unwrap().count();
    assert_eq!(waiting, 0, "{:#?}", site.run(&["status"]));
}

#[test]
fn ledger_and_feed_tell_of_each_deploy_and_each_way_back() {
    let site = Site::rolecall();
    // Nothing ran before: what is recorded first has waited for the service that it is about.
    let first = site.succeed(&["deploy"]);
    let one = site.current();
    assert_in_ledger(&site, &first, &["pre-deploy-backup", "post-deploy"]);
    assert_newest_event(&site, "task_completed", &format!("deployed rolecall {one}"), &one);
    assert_nothing_waits(&site);

    let two = site.commit("source", "two");
    let second = site.succeed(&["deploy"]);
    assert_in_ledger(&site, &second, &["pre-deploy-backup", "post-deploy"]);
    assert_newest_event(&site, "task_completed", &format!("deployed rolecall {two}"), &two);
    site.succeed(&["rollback"]);
    assert_newest_event(&site, "task_completed", &format!("rolled rolecall back to {one}"), &one);
    let taken = site.succeed(&["snapshot", "before-the-audit"]);
    assert_in_ledger(&site, &taken, &["before-the-audit"]);
    assert_eq!((ledger(&site).len(), feed(&site).len()), (5, 3));

    let deploys: Vec<_> = feed(&site).iter().map(|event| event["metadata"].clone()).collect();
    assert!(deploys[0]["deploy"].as_str().unwrap().starts_with("deploy-"), "{deploys:?}");
    assert!(deploys[2]["deploy"].as_str().unwrap().starts_with("rollback-"), "{deploys:?}");
    assert_nothing_waits(&site);
}

#[test]
fn the_feed_says_that_a_release_gave_way_to_the_one_before() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    let one = site.current();
    let two = site.commit("source", "two");
    let picky = format!("SMOKE=GET /health open 200 .build == \"{one}\"");
    let failed = site.fail(15, &["--set", &picky, "deploy"], "serves again");
    assert_in_ledger(&site, &failed, &["pre-deploy-backup"]);
    let said = format!("deploy of rolecall {two} failed: ");
    assert_newest_event(&site, "task_failed", &said, &one);
    assert_newest_event(&site, "task_failed", &format!("release {one} serves again"), &one);

    site.commit("broken", "");
    site.fail(12, &["deploy"], "the build failed");
    assert_newest_event(&site, "task_failed", "nothing that runs was changed", &one);
    assert_nothing_waits(&site);
}

#[test]
fn what_cannot_be_recorded_waits_and_is_recorded_once() {
    let site = Site::rolecall();
    site.set("SOCKET", "own");
    site.succeed(&["deploy"]);
    let [published] = feed(&site).try_into().unwrap();
    let pid = site.pid().unwrap().to_string();
    assert!(std::process::Command::new("kill").arg(&pid).status().unwrap().success());
    support::wait::until("its end", || site.processes().is_empty().then_some(()));
    let taken = site.succeed(&["snapshot"]);
    assert_eq!(
        taken.summary["ledger"],
        json!(["1 records wait: the service does not take them now"])
    );
    assert_eq!(site.run(&["status"]).summary["records_waiting"], "1");
    // A service that never takes them does not fill the disk.
    let outbox = site.root().join("outbox");
    let fillers: Vec<_> = (0..99).map(|n| outbox.join(format!("feed-{n}.json"))).collect();
    for filler in &fillers {
        std::fs::write(filler, "{}").unwrap();
    }
    let oldest = std::fs::File::options().append(true).open(&fillers[50]).unwrap();
    oldest.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    site.succeed(&["snapshot"]);
    assert_eq!(site.run(&["status"]).summary["records_waiting"], "100");
    assert!(!fillers[50].exists(), "the oldest gives way, not the first by name");
    for filler in fillers.iter().filter(|filler| filler.exists()) {
        std::fs::remove_file(filler).unwrap();
    }
    // Its sender was killed before it knew that the first had been taken; nobody wants the second.
    std::fs::write(outbox.join("feed-again.json"), published.to_string()).unwrap();
    std::fs::write(outbox.join("feed-strange.json"), r#"{"agent":"a"}"#).unwrap();
    let restarted = site.succeed(&["restart"]);
    assert!(restarted.summary["ledger"].to_string().contains("feed-strange is refused"));
    assert_in_ledger(&site, &taken, &["manual"]);
    assert_eq!(feed(&site), [published]);
    assert_nothing_waits(&site);
    // A service without a ledger says so, and a place that wants none is not asked.
    let quiet = site.succeed(&["snapshot", "--set", "LEDGER=no"]);
    assert_eq!(quiet.summary["ledger"], json!(["not recorded: the profile says LEDGER=no"]));
    assert_eq!(ledger(&site).len(), 4);
}
