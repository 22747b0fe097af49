//! No kill, at whatever moment, takes back what a sled store confirmed.
//!
//! A child process writes and says what was confirmed; it is killed, and its store opened here.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use backends::sled::{SledConfig, SledStore};
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Action, Outcome, Store, Write};
use registry_core::testkit::fixture::{beat, body, content, key, mark, renewal};

const CHILD: &str = "ROLECALL_TEST_CRASH_CHILD";
const KEYS: u64 = 40;

#[tokio::test]
async fn a_kill_takes_back_nothing_that_was_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut confirmed = BTreeMap::new();
    for kill_after in [1, 3, 10, 60, 150, 151, 200, 333] {
        run_child(&path, kill_after, &mut confirmed);
        let store = SledStore::open(SledConfig::new(&path)).await.unwrap();
        let (records, loaded) = content(&store).await;
        for (key, (revision, length)) in &confirmed {
            let held = records.iter().find(|(held, _)| held.id() == key).expect("it is there").1;
            assert!(held.modified.0 >= *revision, "{held:?} is older than {revision}");
            assert!(loaded.revision >= held.modified);
            assert!(held.beat.renewed >= loaded.mark.unwrap_or_default().tick, "{held:?}");
            if held.modified.0 == *revision {
                assert_eq!(held.body, body(*length));
            }
        }
        store.close().await.unwrap();
    }
    assert_eq!(confirmed.len() as u64, KEYS);
}

/// Runs the child until it has confirmed so many writes, and kills it.
fn run_child(path: &Path, kill_after: usize, confirmed: &mut BTreeMap<String, (u64, usize)>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // What it said before it noticed the kill counts too, so the pipe is read to its end.
    let mut count = 0;
    for line in lines {
        let Some(said) = line.strip_prefix("confirmed ") else { continue };
        let [id, revision, length] = said.split(' ').collect::<Vec<_>>()[..] else { continue };
        let Ok(length) = length.parse() else { continue };
        confirmed.insert(id.to_owned(), (revision.parse().unwrap(), length));
        count += 1;
        if count == kill_after {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(count >= kill_after, "the child ended by itself after {count} writes");
}

/// Not a test by itself: what the child of the test above does.
#[tokio::test]
async fn child() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let config =
        SledConfig { compact_above_bytes: 1 << 20, compact_ratio: 2, ..SledConfig::new(path) };
    let store = SledStore::open(config).await.unwrap();
    for n in content(&store).await.1.revision.0.. {
        let id = format!("{}", n % KEYS);
        let length = usize::try_from(n * 773 % 20_000).unwrap();
        let (held, _) = content(&store).await;
        let expect = held.get(&key(&id)).map_or(Absent, |held| Modified(held.modified));
        let action = Action::Put { body: body(length), beat: beat(n) };
        let outcomes = store.commit(vec![Write { key: key(&id), expect, action }]).await.unwrap();
        let [Outcome::Done(revision)] = outcomes[..] else { panic!("{outcomes:?}") };
        println!("confirmed {id} {} {length}", revision.0);
        std::io::stdout().flush().unwrap();
        let renewals = held.values().map(|held| renewal(&held.key, held.created, n)).collect();
        store.renew(renewals, Some(mark(n))).await.unwrap();
    }
}
