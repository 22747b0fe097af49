//! What earlier builds wrote, written anew as [`layout`] says, in a database that then takes the
//! place of the old one. A crash at any point leaves one that counts and has everything.
//!
//! Format 1 had its records in the order of their keys, and a row for each beat:
//!
//! | row | key | value |
//! |---|---|---|
//! | record | `r` namespace `0` id | created, modified: 8 bytes each; body length: 4; short body |
//! | beat | `b` created | last seen, renewed: 8 bytes each |

use std::collections::HashMap;
use std::sync::Arc;

use registry_core::store::Stored;
use registry_core::{Beat, Key, Revision};

use super::engine::Engine;
use super::layout::{self, Damage, Head, Header};
use super::restore::Filling;
use super::scan::body;
use super::writer::Rows;
use crate::embedded::beats::Table;
use crate::embedded::{Directory, Failure};

const BEATS: &[u8] = b"b";
const HEADER_BYTES: usize = 8 + 8 + 4;

/// Writes what is in `old` anew. Gives the new database and its name; it counts from then on.
///
/// After a failure the old one does, and nothing is left of the other.
pub(super) fn upgrade(
    directory: &Arc<Directory>,
    old: &Engine,
    name: &str,
    cache_bytes: u64,
) -> Result<(Arc<Engine>, String), Failure> {
    // Then a crash before the end leaves no doubt which of two counts.
    if directory.current()?.is_none() {
        count(directory, name)?;
    }
    directory.remove_leftovers(name)?;
    let next = Directory::name_after(Some(name));
    let written = Engine::open(directory, &next, cache_bytes).and_then(|new| {
        copy(old, &new, directory)?;
        new.settle()?;
        Ok(new)
    });
    match written {
        Ok(new) => {
            count(directory, &next)?;
            Ok((Arc::new(new), next))
        }
        Err(failure) => {
            // It may be for want of space that it failed.
            if let Err(error) = directory.remove_leftovers(name) {
                let path = directory.path().display();
                tracing::warn!(%path, %error, "a leftover database stays until the next open");
            }
            Err(failure)
        }
    }
}

fn count(directory: &Directory, name: &str) -> Result<(), Failure> {
    directory.stage(name)?;
    Ok(directory.publish()?)
}

fn copy(old: &Engine, new: &Engine, directory: &Directory) -> Result<(), Failure> {
    let head = layout::HEAD_ROW;
    let says = old.get(head)?.ok_or_else(|| Damage::new(head, "is missing"))?;
    let says = Head::read(&says)?;
    tracing::info!(
        path = %directory.path().display(), records = says.records,
        "writing the store anew in this build's format, which earlier builds refuse; until that is \
         done, both are on the disk"
    );
    let write = |rows: &Rows| {
        new.apply(rows.batch(|_| true))?;
        new.flush()
    };
    let beats = beats(old)?;
    let mut filling = Filling::begin(says.revision);
    for item in old.rows(layout::RECORDS) {
        let (row, value) = item?;
        let name = row.strip_prefix(layout::RECORDS).and_then(layout::named);
        let key = name.ok_or_else(|| Damage::new(&row, "names no record"))?;
        if let Some(rows) = filling.add(&stored(old, key, &value, &beats)?) {
            write(&rows)?;
        }
    }
    let (mut rows, filled) = filling.end();
    if filled.records != says.records {
        let reason = format!("says {} records, but there are {}", says.records, filled.records);
        return Err(Damage::new(head, reason).into());
    }
    if let Some(mark) = old.get(layout::MARK_ROW)? {
        rows.put(layout::MARK_ROW, &mark);
    }
    rows.put(layout::FORMAT_ROW, &layout::FORMAT.to_be_bytes());
    write(&rows)
}

fn beats(old: &Engine) -> Result<HashMap<Revision, Beat>, Failure> {
    let beat = |item: Result<_, Failure>| {
        let (row, value): (sled::IVec, sled::IVec) = item?;
        let damage = || Damage::new(&row, "is no beat");
        let created = row[BEATS.len()..].as_array().ok_or_else(damage)?;
        let (numbers, []) = value.as_chunks() else { return Err(damage().into()) };
        let [last_seen, renewed] = *numbers.as_array().ok_or_else(damage)?;
        Ok((Revision(u64::from_be_bytes(*created)), layout::beat_of([last_seen, renewed])))
    };
    old.rows(BEATS).map(beat).collect()
}

fn stored(
    old: &Engine,
    key: Key,
    value: &[u8],
    beats: &HashMap<Revision, Beat>,
) -> Result<Stored, Failure> {
    let damage = |reason| Damage::of_record(&key, reason);
    let parts = value.split_first_chunk::<HEADER_BYTES>();
    let (header, inline) = parts.ok_or_else(|| damage("is too short"))?;
    let (numbers, body_bytes) = header.as_chunks();
    let [created, modified] = [0, 1].map(|at| Revision(u64::from_be_bytes(numbers[at])));
    let body_bytes = u32::from_be_bytes(layout::sized(layout::RECORDS, body_bytes)?) as usize;
    let beat = *beats.get(&created).ok_or_else(|| damage("has no beat"))?;
    let body = body(old, &key, Header { modified, beat, body_bytes }, inline)?;
    Ok(Stored { key, created, modified, body, beat })
}
