//! No kill, at whatever moment, takes back what a sled store confirmed.
//!
//! A child process writes and says what was confirmed; it is killed, and its store opened here.

#![cfg(feature = "sled")]
#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use backends::sled::{SledConfig, SledStore};
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Action, Outcome, Store, Write};
use registry_core::testkit::fixture::{
    Content, beat, body, content, key, mark, renewal, try_content,
};

const CHILD: &str = "ROLECALL_TEST_CRASH_CHILD";
const KEYS: u64 = 40;
/// Places in a log at which it is damaged.
const DAMAGES: usize = 60;

/// What the child said it was told: by id, the revision and the length of the latest write.
type Confirmed = BTreeMap<String, (u64, usize)>;

#[tokio::test]
async fn a_kill_takes_back_nothing_that_was_confirmed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut confirmed = Confirmed::new();
    for kill_after in [1, 3, 10, 60, 150, 151, 200, 333] {
        run_child(&path, kill_after, &mut confirmed);
        let store = SledStore::open(SledConfig::new(&path)).await.unwrap();
        verify(&confirmed, &content(&store).await);
        store.close().await.unwrap();
    }
    assert_eq!(confirmed.len() as u64, KEYS);
}

#[tokio::test]
async fn damage_after_a_kill_takes_back_nothing_without_a_word() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut confirmed = Confirmed::new();
    run_child(&path, 60, &mut confirmed);
    let intact = home.path().join("intact");
    copy(&path, &intact);
    let store = SledStore::open(SledConfig::new(&intact)).await.expect("a copy is no damage");
    verify(&confirmed, &content(&store).await);
    store.close().await.unwrap();

    let current = fs::read_to_string(path.join("CURRENT")).unwrap();
    let log_name = Path::new(current.lines().next().unwrap()).join("db");
    let log = fs::read(path.join(&log_name)).unwrap();
    let written = log.iter().rposition(|byte| *byte != 0).expect("there is something") + 1;
    let mut noticed = 0;
    for (n, at) in (0..written).rev().step_by(written / DAMAGES).enumerate() {
        let damaged = home.path().join(format!("{n}"));
        copy(&path, &damaged);
        let mut log = log.clone();
        if n % 2 == 0 {
            log[at] ^= 0x10
        } else {
            log.truncate(at)
        }
        fs::write(damaged.join(&log_name), log).unwrap();
        noticed += u32::from(!is_whole(&damaged, &confirmed).await);
        fs::remove_dir_all(damaged).unwrap();
    }
    assert!(noticed > 0, "none of it was any damage");
}

/// Whether the store opens with everything in it; if it opens with less, that is a failure.
async fn is_whole(path: &Path, confirmed: &Confirmed) -> bool {
    let Ok(store) = SledStore::open(SledConfig::new(path)).await else { return false };
    let content = try_content(&store).await;
    store.close().await.ok();
    content.inspect(|content| verify(confirmed, content)).is_ok()
}

fn verify(confirmed: &Confirmed, (records, loaded): &Content) {
    for (key, (revision, length)) in confirmed {
        let held = records.iter().find(|(held, _)| held.id() == key).expect("it is there").1;
        assert!(held.modified.0 >= *revision, "{held:?} is older than {revision}");
        assert!(loaded.revision >= held.modified);
        assert!(held.beat.renewed >= loaded.mark.unwrap_or_default().tick, "{held:?}");
        if held.modified.0 == *revision {
            assert_eq!(held.body, body(*length));
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for item in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &to);
        } else {
            fs::copy(item.path(), to).unwrap();
        }
    }
}

/// Runs the child until it has confirmed so many writes, and kills it.
fn run_child(path: &Path, kill_after: usize, confirmed: &mut Confirmed) {
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
