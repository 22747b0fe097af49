//! No kill, at whatever moment, takes back what a store in our own process confirmed.
//!
//! A child process writes and says what was confirmed; it is killed, and its store opened here.

#![cfg(all(feature = "fjall", feature = "sled"))]
#![allow(clippy::unwrap_used, reason = "a failing test is what it is for")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use backends::OpenError;
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Action, Outcome, Store, Write};
use registry_core::testkit::fixture::{
    Content, beat, body, content, key, mark, renewal, try_content,
};

const CHILD: &str = "ROLECALL_TEST_CRASH_CHILD";
const KEYS: u64 = 40;

/// By the name of its engine, a store that compacts whenever it can.
#[derive(Clone, Copy)]
struct Engine(&'static str);

const SLED: Engine = Engine("sled");
const FJALL: Engine = Engine("fjall");

/// What the child said it was told: by id, the revision and the length of the latest write.
type Confirmed = BTreeMap<String, (u64, usize)>;

impl Engine {
    fn url(self, path: &Path) -> String {
        let Self(name) = self;
        let restless =
            if name == "sled" { "compact-above-mib=1&compact-ratio=2" } else { "memtable-mib=1" };
        format!("{name}:{}?{restless}", path.display())
    }

    async fn open(self, path: &Path) -> Result<Arc<dyn Store>, OpenError> {
        backends::open(&self.url(path)).await
    }
}

async fn no_kill_takes_back_what_was_confirmed(engine: Engine) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut confirmed = Confirmed::new();
    for kill_after in [1, 3, 10, 60, 150, 151, 200, 333] {
        run_child(engine, &path, kill_after, &mut confirmed);
        let store = engine.open(&path).await.unwrap();
        verify(&confirmed, &content(&*store).await);
        store.close().await.unwrap();
    }
    assert_eq!(confirmed.len() as u64, KEYS);
}

#[tokio::test]
async fn a_kill_takes_back_nothing_that_sled_confirmed() {
    no_kill_takes_back_what_was_confirmed(SLED).await;
}

#[tokio::test]
async fn a_kill_takes_back_nothing_that_fjall_confirmed() {
    no_kill_takes_back_what_was_confirmed(FJALL).await;
}

/// Damages each of these files, of a store that was killed, in so many ways.
async fn damage_is_noticed(engine: Engine, damages: usize, files: impl Fn(&Path) -> Vec<PathBuf>) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let mut confirmed = Confirmed::new();
    run_child(engine, &path, 60, &mut confirmed);
    let intact = home.path().join("intact");
    copy(&path, &intact);
    let store = engine.open(&intact).await.expect("a copy is no damage");
    verify(&confirmed, &content(&*store).await);
    store.close().await.unwrap();

    for file in files(&path) {
        let bytes = fs::read(path.join(&file)).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut noticed = 0;
        for (n, at) in (0..written).rev().step_by((written / damages).max(1)).enumerate() {
            let damaged = home.path().join(format!("{n}"));
            copy(&path, &damaged);
            let mut bytes = bytes[..written].to_vec();
            if n % 2 == 0 {
                bytes[at] ^= 0x10
            } else {
                bytes.truncate(at)
            }
            fs::write(damaged.join(&file), bytes).unwrap();
            noticed += u32::from(!is_whole(engine, &damaged, &confirmed).await);
            fs::remove_dir_all(damaged).unwrap();
        }
        assert!(noticed > 0 || written == 0, "no damage to {} was any", file.display());
    }
}

#[tokio::test]
async fn damage_after_a_kill_takes_back_nothing_from_sled_without_a_word() {
    damage_is_noticed(SLED, 60, |path| {
        let current = fs::read_to_string(path.join("CURRENT")).unwrap();
        vec![Path::new(current.lines().next().unwrap()).join("db")]
    })
    .await;
}

#[tokio::test]
async fn damage_after_a_kill_takes_back_nothing_from_fjall_without_a_word() {
    damage_is_noticed(FJALL, 12, |path| {
        let mut files = Vec::new();
        files_in(&path.join("fjall"), &mut files);
        let inside = |file: &PathBuf| file.strip_prefix(path).unwrap().to_owned();
        files.iter().map(inside).filter(|file| !file.ends_with("lock")).collect()
    })
    .await;
}

fn files_in(path: &Path, files: &mut Vec<PathBuf>) {
    for item in fs::read_dir(path).unwrap().map(Result::unwrap) {
        if item.file_type().unwrap().is_dir() {
            files_in(&item.path(), files);
        } else {
            files.push(item.path());
        }
    }
}

/// Whether the store opens with everything in it; if it opens with less, that is a failure.
async fn is_whole(engine: Engine, path: &Path, confirmed: &Confirmed) -> bool {
    let Ok(store) = engine.open(path).await else { return false };
    let content = try_content(&*store).await;
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
fn run_child(engine: Engine, path: &Path, kill_after: usize, confirmed: &mut Confirmed) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, engine.url(path))
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
    let Ok(url) = std::env::var(CHILD) else { return };
    let store = backends::open(&url).await.unwrap();
    for n in content(&*store).await.1.revision.0.. {
        let id = format!("{}", n % KEYS);
        let length = usize::try_from(n * 773 % 20_000).unwrap();
        let (held, _) = content(&*store).await;
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
