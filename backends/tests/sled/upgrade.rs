//! A store of an earlier build is written anew, whole, and one that cannot be is left as it is.

use std::fs;

use registry_core::store::Expect::{Absent, Modified};
use registry_core::store::{Loaded, Store, Stored};
use registry_core::testkit::fixture::{
    awkward_keys, awkward_lengths, beat, body, content, done, key, mark, put, try_content,
};
use registry_core::{Key, Revision};

use crate::home::Home;

const CHUNK_BYTES: usize = 3_584;

/// What a store of format 1 held.
fn records() -> Vec<Stored> {
    let long = awkward_lengths().into_iter().enumerate();
    let long = long.map(|(n, length)| (key(&format!("long/{n}")), body(length)));
    let bodies = awkward_keys().into_iter().map(|key| (key, body(20))).chain(long);
    let records = (1_u64..).zip(bodies).map(|(n, (key, body))| Stored {
        key,
        created: Revision(n),
        modified: Revision(n + n % 3 * 1_000),
        body,
        beat: beat(n),
    });
    records.collect()
}

const LATEST: Revision = Revision(3_000);

/// Writes it as that build did: see `backends/src/sled/upgrade.rs`.
fn write_format_1(home: &Home, records: &[Stored]) {
    fs::create_dir_all(home.path().join("sled-000001")).unwrap();
    fs::write(home.path().join("CURRENT"), "sled-000001\n").unwrap();
    home.tamper(|database| {
        let put = |row: &[&[u8]], value: &[&[u8]]| {
            database.insert(row.concat(), value.concat()).unwrap();
        };
        let mut live_bytes = 0;
        for Stored { key, created, modified, body, beat } in records {
            let (created, modified) = (created.0.to_be_bytes(), modified.0.to_be_bytes());
            let name = [key.namespace().as_bytes(), &[0], key.id().as_bytes()].concat();
            let length = u32::try_from(body.len()).unwrap().to_be_bytes();
            let inline = if body.len() > CHUNK_BYTES { &[][..] } else { body };
            put(&[b"r", &name], &[&created, &modified, &length, inline]);
            let chunks = body.chunks(CHUNK_BYTES).filter(|_| inline.len() < body.len());
            for (index, chunk) in (0_u32..).zip(chunks) {
                put(&[b"c", &modified, &index.to_be_bytes()], &[chunk]);
                live_bytes += 13;
            }
            let seen = [beat.last_seen.0.to_be_bytes(), beat.renewed.0.to_be_bytes()];
            put(&[b"b", &created], &[&seen[0], &seen[1]]);
            live_bytes += 1 + name.len() + 20 + body.len() + 25;
        }
        let head = [LATEST.0, records.len() as u64, live_bytes as u64].map(u64::to_be_bytes);
        put(&[b"mhead"], &[&head[0], &head[1], &head[2]]);
        put(&[b"mmark"], &[&mark(9).tick.0.to_be_bytes(), &mark(9).wall.0.to_be_bytes()]);
        put(&[b"mformat"], &[&1_u32.to_be_bytes()]);
    });
}

fn expected(records: &[Stored]) -> (std::collections::BTreeMap<Key, Stored>, Loaded) {
    let records = records.iter().map(|stored| (stored.key.clone(), stored.clone()));
    (records.collect(), Loaded { revision: LATEST, mark: Some(mark(9)) })
}

#[tokio::test]
async fn everything_of_an_earlier_format_is_there_and_goes_on() {
    let home = Home::new();
    let records = records();
    write_format_1(&home, &records);
    let store = home.open().await;
    assert_eq!(content(&store).await, expected(&records));
    assert_eq!(home.names(), ["CURRENT", "LOCK", "REACHED", "sled-000002"]);
    let (old, expect) = (&records[0].key, Modified(records[0].modified));
    done(&store, put(old, expect, "new")).await;
    done(&store, put(&key("another"), Absent, "")).await;
    let before = content(&store).await;
    store.close().await.unwrap();
    assert_eq!(content(&home.open().await).await, before);
    assert_eq!(home.current(), "sled-000002", "it is written anew once");
}

#[tokio::test]
async fn what_a_crash_left_of_writing_it_anew_is_no_obstacle() {
    let home = Home::new();
    let records = records();
    write_format_1(&home, &records);
    // In part filled, and what it has has been deleted since by the earlier build.
    let left = sled::open(home.path().join("sled-000002")).unwrap();
    left.insert([&b"r"[..], &9_999_u64.to_be_bytes(), b"one\0gone"].concat(), &[0; 28]).unwrap();
    drop(left);
    assert_eq!(content(&home.open().await).await, expected(&records));
}

#[tokio::test]
async fn a_damaged_store_of_an_earlier_format_is_refused_and_stays_as_it_is() {
    let damages = [
        (b"rone\0a".to_vec(), Some("short"), "one/a"),
        (b"rone\0a".to_vec(), None, "its summary"),
        ([&b"b"[..], &7_u64.to_be_bytes()].concat(), None, "has no beat"),
        (b"mhead".to_vec(), Some("short"), "its summary"),
    ];
    for (row, value, says) in damages {
        let home = Home::new();
        write_format_1(&home, &records());
        home.tamper(|database| match value {
            Some(value) => drop(database.insert(row, value).unwrap()),
            None => drop(database.remove(row).unwrap().unwrap()),
        });
        for _ in 0..2 {
            let refusal = home.refusal().await.to_string();
            assert!(refusal.contains(says), "{refusal}");
            let databases = home.names().into_iter().filter(|name| name.starts_with("sled-"));
            assert_eq!(databases.collect::<Vec<_>>(), ["sled-000001"], "nothing is left behind");
            assert_eq!(home.current(), "sled-000001");
        }
    }
}

#[tokio::test]
async fn a_store_that_has_lost_the_name_of_its_database_keeps_which_one_counts() {
    let home = Home::new();
    let records = records();
    write_format_1(&home, &records);
    fs::remove_file(home.path().join("CURRENT")).unwrap();
    assert_eq!(content(&home.open().await).await, expected(&records));
    assert_eq!(home.current(), "sled-000002");
}

#[tokio::test]
async fn a_store_without_records_is_written_anew_as_well() {
    let home = Home::new();
    write_format_1(&home, &[]);
    let store = home.open().await;
    assert_eq!(try_content(&store).await.unwrap(), expected(&[]));
    done(&store, put(&key("a"), Absent, "")).await;
}
