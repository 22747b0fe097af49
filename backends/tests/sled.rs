//! What is sled's own: its files, its compaction, its lock, and what it does when they are damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::OpenError;
use backends::sled::{IfUnreadable, SledConfig, SledStore};
use registry_core::Revision;
use registry_core::limits;
use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Store, StoreError};
use registry_core::testkit::fixture::{
    awkward_lengths, body, content, delete, done, fill, key, mark, put, renewal, try_content,
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// A directory for one store, gone at the end of the test.
struct Home(TempDir);

// === impl Home ===

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("store")
    }

    fn config(&self) -> SledConfig {
        SledConfig::new(self.path())
    }

    async fn open(&self) -> SledStore {
        SledStore::open(self.config()).await.unwrap()
    }

    async fn refusal(&self) -> OpenError {
        SledStore::open(self.config()).await.err().expect("opening is refused")
    }

    /// Compacts at every opportunity.
    async fn open_restless(&self) -> SledStore {
        let config = SledConfig { compact_above_bytes: 1 << 20, compact_ratio: 2, ..self.config() };
        SledStore::open(config).await.unwrap()
    }

    /// Changes the rows of the closed store behind its back.
    fn tamper(&self, change: impl FnOnce(&sled::Db)) {
        let database = sled::open(self.path().join(self.current())).unwrap();
        change(&database);
        database.flush().unwrap();
    }

    fn current(&self) -> String {
        let current = fs::read_to_string(self.path().join("CURRENT")).unwrap();
        current.lines().next().unwrap().to_owned()
    }

    fn names(&self) -> Vec<String> {
        let items = fs::read_dir(self.path()).unwrap();
        let mut names: Vec<_> =
            items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn moved_aside(&self) -> Vec<PathBuf> {
        let items = fs::read_dir(self.0.path()).unwrap().map(|item| item.unwrap().path());
        items.filter(|path| path.to_string_lossy().contains("store.unreadable-")).collect()
    }
}

fn log_of(home: &Home) -> PathBuf {
    home.path().join(home.current()).join("db")
}

// === files ===

#[tokio::test]
async fn no_record_of_any_size_gets_a_file_of_its_own() {
    let home = Home::new();
    let store = home.open().await;
    // Neighbours with the longest keys and the largest rows: the largest pages sled can get.
    let long = "x".repeat(limits::ID_BYTES_MAX - 4);
    fill(&store, (0..400).map(|n| (key(&format!("{long}{n:04}")), body(3_584)))).await;
    let sizes = awkward_lengths().into_iter().chain([200_000, limits::RECORD_BYTES_MAX]);
    for (n, size) in sizes.enumerate() {
        let key = key(&format!("{n}"));
        let created = done(&store, put(&key, Absent, body(size))).await;
        done(&store, put(&key, Modified(created), body(size / 2))).await;
    }
    store.close().await.unwrap();
    let blobs = fs::read_dir(home.path().join("sled-000001/blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[tokio::test]
async fn nothing_is_left_of_records_that_are_gone() {
    let home = Home::new();
    let store = home.open().await;
    for size in awkward_lengths() {
        let created = done(&store, put(&key("a"), Absent, body(size))).await;
        let large = done(&store, put(&key("a"), Modified(created), body(100_000))).await;
        let small = done(&store, put(&key("a"), Modified(large), body(10))).await;
        done(&store, delete(&key("a"), small)).await;
        let late = vec![renewal(&key("a"), created, 1)];
        store.renew(late, Some(mark(1))).await.unwrap();
    }
    store.close().await.unwrap();
    home.tamper(|database| {
        let rows: Vec<_> = database.iter().keys().map(Result::unwrap).collect();
        assert_eq!(rows, ["mformat", "mhead", "mmark"]);
    });
}

#[tokio::test]
async fn rows_that_belong_to_no_record_are_ignored() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, body(10_000))).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    home.tamper(|database| {
        database.insert([b"b", &99_u64.to_be_bytes()[..]].concat(), &[0; 16]).unwrap();
        database.insert([b"c", &99_u64.to_be_bytes()[..], &[0; 4]].concat(), "lost").unwrap();
    });
    assert_eq!(content(&home.open().await).await, before);
}

#[tokio::test]
async fn a_snapshot_that_sled_did_not_finish_is_no_obstacle() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    let torn = home.path().join("sled-000001/snap.00000000FFFFFFFF.generating");
    fs::write(torn, "torn").unwrap();
    assert_eq!(content(&home.open().await).await, before);
}

// === the directory ===

#[tokio::test]
async fn a_store_in_use_is_refused_and_names_its_process() {
    let home = Home::new();
    let _first = home.open().await;
    let refusal = home.refusal().await;
    assert!(matches!(refusal, OpenError::Locked { .. }));
    let (path, pid) = (home.path(), std::process::id());
    let expected = format!(
        "the store at {} is in use by process {pid}; stop it or choose another --store",
        path.display()
    );
    assert_eq!(refusal.to_string(), expected);
}

#[tokio::test]
async fn what_a_crash_in_a_compaction_leaves_is_removed() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    // One crash before the switch, with a half-written copy; one after it, with the old database.
    fs::create_dir_all(home.path().join("sled-000002/blobs")).unwrap();
    fs::write(home.path().join("sled-000002/db"), "half a copy").unwrap();
    fs::create_dir(home.path().join("sled-000000")).unwrap();
    fs::write(home.path().join("CURRENT.next"), "sled-0000").unwrap();
    fs::write(home.path().join("notes.txt"), "not ours").unwrap();
    assert_eq!(content(&home.open().await).await, before);
    assert_eq!(home.names(), ["CURRENT", "LOCK", "notes.txt", "sled-000001"]);
}

#[tokio::test]
async fn a_store_that_was_not_begun_to_the_end_goes_on() {
    let home = Home::new();
    let store = home.open().await;
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    fs::remove_file(home.path().join("CURRENT")).unwrap();
    assert_eq!(content(&home.open().await).await, before);
    assert_eq!(home.current(), "sled-000001");
}

#[tokio::test]
async fn without_current_nobody_guesses_between_two_databases() {
    let home = Home::new();
    home.open().await.close().await.unwrap();
    fs::remove_file(home.path().join("CURRENT")).unwrap();
    fs::create_dir(home.path().join("sled-000002")).unwrap();
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("which one counts: sled-000001, sled-000002"), "{refusal}");
    assert_eq!(home.names(), ["LOCK", "sled-000001", "sled-000002"]);
}

#[tokio::test]
async fn a_current_that_names_nothing_is_refused() {
    let home = Home::new();
    home.open().await.close().await.unwrap();
    fs::write(home.path().join("CURRENT"), "sled-000009\n").unwrap();
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("names \"sled-000009\", which is not there"), "{refusal}");
    assert_eq!(home.names(), ["CURRENT", "LOCK", "sled-000001"]);
}

// === compaction ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_under_writes_loses_nothing_and_shrinks_the_disk() {
    const WRITERS: usize = 3;
    let home = Home::new();
    let store = Arc::new(home.open_restless().await);
    let deadline = Instant::now() + DEADLINE;
    let writers = (0..WRITERS).map(|writer| {
        let (store, current) = (Arc::clone(&store), home.path().join("CURRENT"));
        tokio::spawn(async move {
            let mut model = BTreeMap::new();
            let mut round = 0;
            // Until three compactions were survived, and on for a while.
            let is_third = || fs::read_to_string(&current).unwrap() >= "sled-000004".to_owned();
            while round < 20 || !is_third() {
                assert!(Instant::now() < deadline, "compaction does not come");
                overwrite(&store, writer, round, &mut model).await;
                round += 1;
            }
            model
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut model = BTreeMap::new();
    for writer in writers {
        model.extend(writer.await.unwrap());
    }
    let (records, loaded) = content(&*store).await;
    assert_eq!(records, model);
    store.close().await.unwrap();
    let live: u64 = model.values().map(|held| held.body.len() as u64 + 100).sum();
    let disk = fs::metadata(log_of(&home)).unwrap().len();
    // Untamed it grows without end; tamed it may have doubled twice since the last compaction.
    assert!(disk < 16 * live.max(1 << 20), "{disk} bytes on disk for {live}");
    assert_eq!(content(&home.open().await).await, (records, loaded));
    assert_eq!(home.names(), ["CURRENT".to_owned(), "LOCK".to_owned(), home.current()]);
}

/// Puts, overwrites, renews and deletes the keys of one writer, in one batch each.
async fn overwrite(
    store: &SledStore,
    writer: usize,
    round: usize,
    model: &mut BTreeMap<registry_core::Key, registry_core::store::Stored>,
) {
    use registry_core::store::{Outcome, Stored};
    use registry_core::testkit::fixture::beat;

    let keys: Vec<_> = (0..100).map(|n| key(&format!("{writer}/{n}"))).collect();
    let body = |n: usize| body(500 + (n * 97 + round * 31) % 7_000);
    let writes = keys.iter().enumerate().map(|(n, key)| match model.get(key) {
        None => put(key, Absent, body(n)),
        Some(held) if (n + round) % 10 == 0 => delete(key, held.modified),
        Some(held) => put(key, Modified(held.modified), body(n)),
    });
    let outcomes = store.commit(writes.collect()).await.unwrap();
    for (n, (key, outcome)) in keys.iter().zip(outcomes).enumerate() {
        let Outcome::Done(modified) = outcome else { panic!("a right expectation holds") };
        let held = model.get(key);
        if held.is_some() && (n + round) % 10 == 0 {
            model.remove(key);
            continue;
        }
        let created = held.map_or(modified, |held| held.created);
        let (key, body, beat) = (key.clone(), body(n), beat(0));
        model.insert(key.clone(), Stored { key, created, modified, body, beat });
    }
    let n = round as u64;
    let renewals = model.values().map(|held| renewal(&held.key, held.created, n)).collect();
    store.renew(renewals, Some(mark(n))).await.unwrap();
    model.values_mut().for_each(|held| held.beat = beat(n));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_a_compaction_and_lets_go() {
    let home = Home::new();
    for round in 0..5 {
        let store = home.open_restless().await;
        let mut before = content(&store).await;
        let mut n = 0;
        let current = home.current();
        // The next database appears while the compaction is on its way, or has just ended.
        while home.names().iter().all(|name| *name <= current || !name.starts_with("sled-")) {
            let keys = (0..100).map(|i| (key(&format!("{round}/{n}/{i}")), body(3_000)));
            fill(&store, keys).await;
            n += 1;
            before = content(&store).await;
        }
        store.close().await.unwrap();
        let store = home.open().await;
        assert_eq!(content(&store).await, before);
        store.close().await.unwrap();
    }
}

// === damage ===

/// Breaks a closed store with one long record in some way; returns how opening or loading fails.
async fn broken(damage: impl FnOnce(&Home)) -> (Home, String) {
    let home = Home::new();
    let store = home.open().await;
    fill(&store, (0..200).map(|n| (key(&format!("{n:03}")), body(n * 50)))).await;
    store.close().await.unwrap();
    damage(&home);
    let reason = match SledStore::open(home.config()).await {
        Err(refusal) => {
            assert!(matches!(refusal, OpenError::Unreadable { .. }), "{refusal}");
            let text = refusal.to_string();
            assert!(text.contains("if-unreadable=move-aside"), "says how to go on: {text}");
            text
        }
        Ok(store) => {
            let failure = try_content(&store).await.expect_err("it cannot be loaded");
            assert!(matches!(failure, StoreError::Broken(_)), "{failure}");
            let again = store.commit(vec![put(&key("new"), Absent, "")]).await;
            assert!(matches!(again, Err(StoreError::Broken(_))), "broken for good");
            store.close().await.unwrap();
            failure.to_string()
        }
    };
    assert!(home.moved_aside().is_empty(), "nothing is moved unless asked for");
    (home, reason)
}

/// Every kind of damage is kept beside an empty store, once that is asked for.
async fn gives_way(home: Home) {
    let config = SledConfig { if_unreadable: IfUnreadable::MoveAside, ..home.config() };
    let store = SledStore::open(config.clone()).await.unwrap();
    assert!(content(&store).await.0.is_empty());
    let aside = home.moved_aside();
    assert_eq!(aside.len(), 1);
    assert!(aside[0].join("sled-000001/db").is_file(), "what was there is kept");
    done(&store, put(&key("a"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    // The empty one is sound, so it stays where it is.
    assert_eq!(content(&SledStore::open(config).await.unwrap()).await, before);
    assert_eq!(home.moved_aside(), aside);
}

#[tokio::test]
async fn an_overwritten_log_is_refused() {
    let (home, _) = broken(|home| scribble(&log_of(home))).await;
    gives_way(home).await;
}

#[tokio::test]
async fn a_log_cut_short_is_refused() {
    let (home, _) = broken(|home| {
        let log = fs::File::options().write(true).open(log_of(home)).unwrap();
        log.set_len(log.metadata().unwrap().len() / 2).unwrap();
    })
    .await;
    gives_way(home).await;
}

#[tokio::test]
async fn a_log_that_is_gone_is_refused() {
    let (home, _) = broken(|home| {
        for item in fs::read_dir(home.path().join("sled-000001")).unwrap() {
            let path = item.unwrap().path();
            if path.is_file() {
                fs::remove_file(path).unwrap();
            }
        }
        fs::File::create(log_of(home)).unwrap();
    })
    .await;
    gives_way(home).await;
}

#[tokio::test]
async fn a_record_that_is_gone_is_missed() {
    let row = [&b"rvms\0"[..], b"007"].concat();
    let (home, reason) = broken(|home| {
        home.tamper(|database| drop(database.remove(row).unwrap().unwrap()));
    })
    .await;
    assert!(reason.contains("mhead"), "{reason}");
    gives_way(home).await;
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_is_named() {
    let damages: [(&str, &[u8]); 3] = [("007", b"short"), ("150", &[0; 21]), ("199", &[0xff; 30])];
    for (id, value) in damages {
        let row = [&b"rvms\0"[..], id.as_bytes()].concat();
        let (home, reason) = broken(|home| {
            home.tamper(|database| drop(database.insert(row, value).unwrap()));
        })
        .await;
        assert!(reason.contains(&format!("vms/{id}")), "{reason}");
        gives_way(home).await;
    }
}

#[tokio::test]
async fn a_lost_part_of_a_record_is_missed() {
    for prefix in [b"c", b"b"] {
        let (home, reason) = broken(|home| {
            home.tamper(|database| {
                let row = database.scan_prefix(prefix).keys().last().unwrap().unwrap();
                database.remove(row).unwrap();
            });
        })
        .await;
        assert!(reason.contains("vms/199"), "{reason}");
        gives_way(home).await;
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_and_never_moved_aside() {
    let home = Home::new();
    let store = home.open().await;
    store.close().await.unwrap();
    home.tamper(|database| drop(database.insert("mformat", &2_u32.to_be_bytes()).unwrap()));
    for if_unreadable in [IfUnreadable::Refuse, IfUnreadable::MoveAside] {
        let config = SledConfig { if_unreadable, ..home.config() };
        let refusal = SledStore::open(config).await.err().unwrap();
        assert!(matches!(refusal, OpenError::Newer { found: 2, known: 1, .. }), "{refusal}");
        assert!(home.moved_aside().is_empty());
    }
    let refusal = home.refusal().await.to_string();
    assert!(refusal.contains("has format 2; this build reads up to 1"), "{refusal}");
}

#[tokio::test]
async fn what_the_machine_refuses_is_not_taken_for_damage() {
    let home = Home::new();
    fs::write(home.path(), "a file where a directory should be").unwrap();
    let config = SledConfig { if_unreadable: IfUnreadable::MoveAside, ..home.config() };
    let refusal = SledStore::open(config).await.err().unwrap();
    assert!(matches!(refusal, OpenError::Io { .. }), "{refusal}");
    assert!(home.moved_aside().is_empty());
}

#[tokio::test]
async fn a_closed_store_does_nothing_more() {
    let home = Home::new();
    let store = home.open().await;
    store.close().await.unwrap();
    store.close().await.expect("closing twice is closing once");
    let refused = store.commit(vec![put(&key("a"), Absent, "")]).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))));
    assert_eq!(content(&home.open().await).await.1.revision, Revision(0));
}

/// Overwrites the middle half of a file.
fn scribble(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let (from, to) = (bytes.len() / 4, bytes.len() * 3 / 4);
    bytes[from..to].fill(0x5a);
    fs::write(path, bytes).unwrap();
}
