//! Those that are taken by themselves.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use support::process::Setup;
use support::wait;

use super::verify;

fn snapshots(directory: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut found: Vec<_> = found.map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|kind| kind == "snapshot"));
    found.sort();
    found
}

/// Every second, keeping two.
fn often(data: &Path, saved: &Path) -> Setup {
    let saved = saved.to_str().unwrap();
    let flags = ["--snapshot-dir", saved, "--snapshot-seconds", "1", "--snapshots-kept", "2"];
    Setup::new(data).args(&flags)
}

#[test]
fn they_are_taken_and_only_the_latest_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let saved = home.path().join("saved/here");
    let server = often(&home.path().join("data"), &saved).start();
    assert_eq!(server.request("PUT", "/v1/default/instances/w-1", "{}").status, 201);
    let first = wait::until("the first", || snapshots(&saved).first().cloned());
    let rest = wait::until("the first to go", || {
        let found = snapshots(&saved);
        (!found.contains(&first) && found.len() == 2).then_some(found)
    });
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&saved), 0o700);
    assert_eq!(mode(&rest[0]), 0o600);
    let page = server.request("GET", "/metrics", "").text();
    let number = |name: &str| -> f64 {
        let line = page.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("rolecall_snapshots_total") >= 3.0);
    assert!(number("rolecall_snapshot_timestamp_seconds") > 1.7e9);
    assert_eq!(number("rolecall_snapshot_failures_total"), 0.0);
    server.stop();
    let (code, said) = verify(snapshots(&saved).last().unwrap());
    assert_eq!(code, 0);
    assert!(said.starts_with("sound: 1 records as of revision 1, taken at 20"), "{said}");
}

#[test]
fn a_failure_is_logged_and_counted_and_does_not_end_the_server() {
    let home = tempfile::tempdir().unwrap();
    let saved = home.path().join("saved");
    let server = often(&home.path().join("data"), &saved).start();
    assert_eq!(server.request("PUT", "/v1/default/instances/w-1", "{}").status, 201);
    wait::until("the first", || snapshots(&saved).first().cloned());
    std::fs::remove_dir_all(&saved).unwrap();
    std::fs::write(&saved, "in the way").unwrap();
    wait::until("a failure", || server.log().contains("no snapshot could be saved").then_some(()));
    let page = server.request("GET", "/metrics", "").text();
    assert!(!page.contains("rolecall_snapshot_failures_total 0\n"), "{page}");
    std::fs::remove_file(&saved).unwrap();
    wait::until("it works again", || snapshots(&saved).first().cloned());
}

#[test]
fn a_directory_that_cannot_be_is_found_out_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let saved = home.path().join("saved");
    std::fs::write(&saved, "in the way").unwrap();
    let (code, said) = often(&home.path().join("data"), &saved).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("cannot save snapshots in"), "{said}");
}

#[test]
fn what_an_earlier_life_of_the_store_left_stays() {
    let home = tempfile::tempdir().unwrap();
    let saved = home.path().join("saved");
    let server = often(&home.path().join("first"), &saved).start();
    for id in ["a", "b", "c"] {
        let path = format!("/v1/default/instances/{id}");
        assert_eq!(server.request("PUT", &path, "{}").status, 201);
    }
    let of_all = |path: &PathBuf| path.to_str().unwrap().contains("-r3.");
    wait::until("one with all of them", || snapshots(&saved).into_iter().find(of_all));
    server.stop();
    let before: Vec<_> = snapshots(&saved).into_iter().filter(of_all).collect();
    // An empty store takes the place of the first one, by mistake or by `if-unreadable`.
    let server = often(&home.path().join("second"), &saved).start();
    assert_eq!(server.request("PUT", "/v1/default/instances/d", "{}").status, 201);
    let of_one = |path: &&PathBuf| path.to_str().unwrap().contains("-r1.");
    wait::until("as many new ones as are kept", || {
        (snapshots(&saved).iter().filter(of_one).count() == 2).then_some(())
    });
    assert!(before.iter().all(|path| path.exists()), "{:?}", snapshots(&saved));
}

#[test]
fn a_store_that_does_not_open_says_which_one_to_restore_and_how() {
    let home = tempfile::tempdir().unwrap();
    let (data, saved) = (home.path().join("data"), home.path().join("saved one's"));
    let server = often(&data, &saved).start();
    assert_eq!(server.request("PUT", "/v1/default/instances/w-1", "{}").status, 201);
    wait::until("one with the record", || {
        snapshots(&saved).into_iter().find(|path| path.to_str().unwrap().contains("-r1."))
    });
    server.kill();
    std::fs::write(data.join("CURRENT"), "nothing\n").unwrap();
    let (code, said) = often(&data, &saved).run();
    assert_eq!(code, 69, "{said}");
    // The command is there to be copied.
    let command = said.lines().find_map(|line| line.trim().strip_prefix("rolecall ")).unwrap();
    let binary = Setup::bare().command().get_program().to_owned();
    let line = format!("\"$0\" {command}");
    let mut shell = std::process::Command::new("sh");
    let done = shell.args(["-c", &line]).arg(binary).output().unwrap();
    assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    let restored = command.split_whitespace().last().unwrap();
    let server = Setup::stored(restored).start();
    assert_eq!(server.request("GET", "/v1/instances", "").json()["instances"][0]["id"], "w-1");
}
