//! Records worth storing, and the few words in which the cases speak of them.

use std::collections::BTreeMap;

use crate::change::Revision;
use crate::clock::{Tick, Timestamp};
use crate::key::Key;
use crate::lease::Beat;
use crate::limits;
use crate::store::{
    Action, Expect, Loaded, Mark, Outcome, Renewal, Store, StoreError, Stored, Write,
};

/// Everything a store holds.
pub type Content = (BTreeMap<Key, Stored>, Loaded);

/// A key in the namespace `one`.
#[must_use]
pub fn key(id: &str) -> Key {
    key_in("one", id)
}

/// A key in any namespace.
///
/// # Panics
/// If it is not a key.
#[must_use]
pub fn key_in(namespace: &str, id: &str) -> Key {
    Key::new(namespace, id).expect("a case uses keys that are keys")
}

/// A beat unlike that of any other `n`.
#[must_use]
pub fn beat(n: u64) -> Beat {
    let wall = i64::try_from(n).expect("a case uses small numbers");
    Beat { last_seen: Timestamp(1_700_000_000_000 + wall), renewed: Tick(n) }
}

/// A mark unlike that of any other `n`.
#[must_use]
pub fn mark(n: u64) -> Mark {
    Mark { tick: beat(n).renewed, wall: beat(n).last_seen }
}

/// `length` bytes of every value, in no period that a chunk could have.
#[must_use]
pub fn body(length: usize) -> Vec<u8> {
    (0_u8..=250).cycle().take(length).collect()
}

/// A put, with the beat of number 0.
#[must_use]
pub fn put(key: &Key, expect: Expect, body: impl Into<Vec<u8>>) -> Write {
    let action = Action::Put { body: body.into(), beat: beat(0) };
    Write { key: key.clone(), expect, action }
}

/// A delete.
#[must_use]
pub fn delete(key: &Key, modified: Revision) -> Write {
    Write { key: key.clone(), expect: Expect::Modified(modified), action: Action::Delete }
}

/// A renewal with the beat of number `n`.
#[must_use]
pub fn renewal(key: &Key, created: Revision, n: u64) -> Renewal {
    Renewal { key: key.clone(), created, beat: beat(n) }
}

/// Commits one write.
///
/// # Panics
/// If the store fails.
pub async fn commit(store: &dyn Store, write: Write) -> Outcome {
    let outcomes = store.commit(vec![write]).await.expect("a healthy store commits");
    let [outcome] = outcomes[..] else { panic!("one write has one outcome, not {outcomes:?}") };
    outcome
}

/// Commits one write that must be done; returns its revision.
///
/// # Panics
/// If it is not done.
pub async fn done(store: &dyn Store, write: Write) -> Revision {
    let shown = format!("{write:.100?}");
    match commit(store, write).await {
        Outcome::Done(revision) => revision,
        Outcome::Conflict => panic!("{shown} conflicts, and should not"),
    }
}

/// Puts each of `bodies` under a key of its own in one batch; returns the revisions.
///
/// # Panics
/// If one is not done.
pub async fn fill(
    store: &dyn Store,
    bodies: impl IntoIterator<Item = (Key, Vec<u8>)>,
) -> Vec<Revision> {
    let puts = bodies.into_iter().map(|(key, body)| put(&key, Expect::Absent, body));
    let outcomes = store.commit(puts.collect()).await.expect("a healthy store commits");
    let revisions = outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Done(revision) => revision,
        Outcome::Conflict => panic!("a put on a free key conflicts"),
    });
    revisions.collect()
}

/// Loads everything.
///
/// # Errors
/// Whatever the store answers.
///
/// # Panics
/// If a key comes twice.
pub async fn try_content(store: &dyn Store) -> Result<Content, StoreError> {
    let mut records = BTreeMap::new();
    let mut each = |stored: Stored| {
        let twice = records.insert(stored.key.clone(), stored);
        assert!(twice.is_none(), "loaded twice: {twice:?}");
    };
    let loaded = store.load(&mut each).await?;
    Ok((records, loaded))
}

/// Loads everything from a healthy store.
///
/// # Panics
/// If it fails or a key comes twice.
pub async fn content(store: &dyn Store) -> Content {
    try_content(store).await.expect("a healthy store loads")
}

/// Loads everything and takes one record from it.
///
/// # Panics
/// If the store fails.
pub async fn stored(store: &dyn Store, key: &Key) -> Option<Stored> {
    content(store).await.0.remove(key)
}

/// Keys that a careless layout would mix up, cut short or refuse.
#[must_use]
pub fn awkward_keys() -> Vec<Key> {
    let ids = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "ab",
        "a b",
        " a",
        "a ",
        "A",
        "á",
        "a\u{301}",
        "名前",
        "🦀",
        "a\0",
        "a\0b",
        "\0",
        "\0\0\0\0",
        "\0\0\0\u{1}",
        "\u{ff}",
        "\u{10ffff}",
        "a\n",
        "%2F",
        "..",
        ".",
        "/",
        "//",
        "\\",
        "\"",
        "'",
        "*",
        "?",
        "[a]",
        "{a}",
        "a:b",
        "one",
        "0",
    ];
    let mut keys: Vec<Key> = ids.into_iter().map(key).collect();
    keys.extend(
        ["on", "o", "one.a", "one-a", "one_a", "0", "m", "r", "c", "b"]
            .map(|namespace| key_in(namespace, "a")),
    );
    // One namespace followed by an id must not read as another one.
    keys.extend([key_in("a", "bc"), key_in("ab", "c"), key_in("abc", "abc")]);
    let longest = "x".repeat(limits::ID_BYTES_MAX);
    keys.push(key(&longest));
    keys.push(key(&longest[1..]));
    keys.push(key_in(&"n".repeat(limits::NAMESPACE_BYTES_MAX), &longest));
    keys
}

/// Lengths at which something could change: rows, pages, chunks, files of their own.
#[must_use]
pub fn awkward_lengths() -> Vec<usize> {
    let mut lengths = vec![0, 1, 2, 100, 1_000];
    for boundary in [1_024, 3_584, 4_096, 2 * 3_584, 8_192, 65_536, 131_072] {
        lengths.extend([boundary - 1, boundary, boundary + 1]);
    }
    lengths
}
