//! Restoring one: into a new place, whole or not at all, with words for what is wrong.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use registry_core::store::{Loaded, Mark, Stored};
use registry_core::{Beat, Key, Revision, Tick, Timestamp};
use support::process::Setup;
use support::wait;

use super::{restore, rolecall, take, verify};

/// A snapshot of so many records, made without a server.
fn write(path: &Path, records: u64) {
    let body = br#"{"v":1,"generation":"g","registered_at":1,"state":"running","role":"worker"}"#;
    let stored = |number| Stored {
        key: Key::new("default", &format!("w-{number}")).unwrap(),
        created: Revision(number),
        modified: Revision(number),
        body: body.to_vec(),
        beat: Beat { last_seen: Timestamp(1_700_000_000_000), renewed: Tick(500) },
    };
    let mark = Mark { tick: Tick(1_000), wall: Timestamp(1_700_000_000_500) };
    let loaded = Loaded { revision: Revision(records), mark: Some(mark) };
    let file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    backends::snapshot::write(file, loaded, (1..=records).map(stored), "a test").unwrap();
}

#[test]
fn what_was_restored_lives_on() {
    let home = tempfile::tempdir().unwrap();
    let server = Setup::new(&home.path().join("data")).start();
    let path = "/v1/default/instances/w-1";
    let body = r#"{"role":"worker","generation":"boot-1","ttl_ms":60000}"#;
    assert_eq!(server.request("PUT", path, body).status, 201);
    let file = home.path().join("a.snapshot");
    std::fs::write(&file, take(&server).body).unwrap();
    server.kill();
    // A directory that is there and empty will do, as one that a service manager has made.
    let data = home.path().join("restored");
    std::fs::create_dir(&data).unwrap();
    let (code, said) = restore(&file, &data);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("restored 1 records as of revision 1"), "{said}");
    assert!(said.contains(&format!("rolecall --store sled:{}", data.display())), "{said}");
    let server = Setup::new(&data).start();
    let found = server.request("GET", "/v1/discover/worker", "").json();
    assert_eq!(found["instances"][0]["id"], "w-1");
    let beat = server.request("POST", &format!("{path}/heartbeat"), r#"{"generation":"boot-1"}"#);
    assert_eq!((beat.status, beat.json()["revision"].as_u64()), (200, Some(1)));
}

#[test]
fn a_store_that_was_ever_used_is_refused_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("a.snapshot"), home.path().join("data"));
    write(&file, 3);
    let server = Setup::new(&data).start();
    assert_eq!(server.request("PUT", "/v1/default/instances/mine", "{}").status, 201);
    // One that is being served is not even looked at.
    let (code, said) = restore(&file, &data);
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("is in use by process"), "{said}");
    assert_eq!(server.request("DELETE", "/v1/default/instances/mine", "").status, 204);
    server.stop();
    let (code, said) = restore(&file, &data);
    assert_eq!(code, 64, "{said}");
    for words in ["nothing was restored", "it is not empty", "choose another --store"] {
        assert!(said.contains(words), "{said}");
    }
    let server = Setup::new(&data).start();
    let list = server.request("GET", "/v1/instances", "").json();
    assert_eq!((list["count"].as_u64(), list["revision"].as_u64()), (Some(0), Some(2)));
}

#[test]
fn a_restore_that_was_killed_is_never_served() {
    for engine in ["fjall", "sled"] {
        let home = tempfile::tempdir().unwrap();
        let (file, data) = (home.path().join("a.snapshot"), home.path().join("data"));
        write(&file, 60_000);
        let store = format!("{engine}:{}", data.display());
        let restore = ["restore", file.to_str().unwrap(), "--store", &store];
        let mut command = Setup::bare().command();
        command.args(restore);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait::until("records are being written", || {
            assert!(child.try_wait().unwrap().is_none(), "it was over before it could be killed");
            (written_bytes(&data) > 2 << 20).then_some(())
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let (code, said) = Setup::stored(&store).run();
        assert_eq!(code, 69, "{said}");
        assert!(said.contains("the restore into it was not finished"), "{said}");
        let (code, said) = rolecall(&restore);
        assert_eq!(code, 69, "{said}");
        assert!(said.contains("remove the directory and restore again"), "{said}");
        std::fs::remove_dir_all(&data).unwrap();
        assert_eq!(rolecall(&restore).0, 0);
        let server = Setup::stored(&store).start();
        let list = server.request("GET", "/v1/instances?limit=1", "").json();
        assert_eq!(list["revision"], 60_000);
    }
}

/// How much was written to the logs of a store, whichever engine's.
fn written_bytes(data: &Path) -> u64 {
    let databases = std::fs::read_dir(data).into_iter().flatten().flatten();
    let logs = databases.flat_map(|entry| ["db", "0.jnl"].map(|name| entry.path().join(name)));
    // A journal has its full length from the beginning.
    logs.filter_map(|log| log.metadata().ok()).map(|log| log.blocks() * 512).sum()
}

#[test]
fn what_is_wrong_with_a_file_is_told() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.snapshot");
    write(&file, 100);
    let whole = std::fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    for (bytes, expected) in [
        (whole[..whole.len() / 2].to_vec(), "it was cut short after "),
        (flipped(whole.len() - 20), "its checksum is not that of its content"),
        (b"PK\x03\x04".to_vec(), "it does not begin as a snapshot does"),
        (Vec::new(), "it does not begin as a snapshot does"),
    ] {
        let damaged = home.path().join("damaged.snapshot");
        std::fs::write(&damaged, bytes).unwrap();
        let data = home.path().join("data");
        for (code, said) in [verify(&damaged), restore(&damaged, &data)] {
            assert_eq!(code, 65, "{said}");
            assert!(said.contains(expected), "{said:?} lacks {expected:?}");
        }
        assert!(!data.exists(), "a store was begun for nothing");
    }
    assert_eq!(verify(&file).0, 0);
    assert_eq!(verify(Path::new("/nowhere")).0, 64);
    let (code, said) = rolecall(&["restore", file.to_str().unwrap(), "--store", "memory:"]);
    assert_eq!(code, 64, "{said}");
}

#[test]
fn what_is_in_a_file_is_told() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.snapshot");
    write(&file, 1_234);
    let file = file.to_str().unwrap();
    let (code, said) = rolecall(&["snapshot", "inspect", file]);
    assert_eq!(code, 0, "{said}");
    for line in [
        "revision    1234\n",
        "taken at    2023-11-14T22:13:20.500Z\n",
        "written by  a test\n",
        "NAMESPACE  ROLE    RECORDS\ndefault    worker     1234\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let (_, said) = rolecall(&["snapshot", "inspect", "--json", file]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(json["roles"][0]["records"], 1_234);
    assert_eq!(json["taken_at"], "2023-11-14T22:13:20.500Z");
}

#[test]
fn an_answer_that_cannot_be_printed_is_no_success() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("a.snapshot");
    write(&file, 3);
    let file = file.to_str().unwrap();
    for args in [&["snapshot", "verify", file][..], &["--print-config"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = Setup::bare().args(args).command();
        let output = command.stdout(full).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(69), "{args:?}: {said}");
        assert!(said.contains("cannot print the answer"), "{args:?}: {said}");
    }
}
