//! Snapshots in a directory: their names, how one gets there whole, and how many stay.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use backends::snapshot::{Reader, Written};
use registry_core::{Revision, Snapshot, Timestamp};

use crate::app::VERSION_AND_BUILD;
use crate::limits::PIECE_BYTES;
use crate::timestamp::push_timestamp;

const PREFIX: &str = "rolecall-";
const SUFFIX: &str = ".snapshot";
/// Behind the name of a file that is not whole yet.
const PARTIAL: &str = ".partial";

/// `rolecall-20260131T235959123Z-r42.snapshot`: by name they lie in the order of time.
pub(super) fn name(snapshot: &Snapshot) -> String {
    let loaded = snapshot.loaded();
    let Revision(revision) = loaded.revision;
    let mut at = String::new();
    let taken: Timestamp = loaded.mark.unwrap_or_default().wall;
    push_timestamp(&mut at, taken);
    at.retain(|character| character.is_ascii_alphanumeric());
    format!("{PREFIX}{at}-r{revision}{SUFFIX}")
}

/// The directory, made where it is not there; only its owner may look into it.
pub(super) fn create(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// Puts the snapshot into the directory, at rest when this returns, and keeps `kept` in all, beside
/// those of a later revision: they are from another life of the store, perhaps the only way back.
pub(super) fn save(
    snapshot: &Snapshot,
    directory: &Path,
    kept: usize,
) -> io::Result<(PathBuf, Written)> {
    create(directory)?;
    let path = directory.join(name(snapshot));
    let partial = path.with_extension(format!("{}{PARTIAL}", &SUFFIX[1..]));
    let written = write(snapshot, &partial);
    if written.is_err() {
        let _there_is_none = fs::remove_file(&partial);
    }
    let written = written?;
    fs::rename(&partial, &path)?;
    File::open(directory)?.sync_all()?;
    prune(directory, &path, snapshot.loaded().revision, kept)?;
    Ok((path, written))
}

fn write(snapshot: &Snapshot, path: &Path) -> io::Result<Written> {
    let mut file = OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    let out = BufWriter::with_capacity(PIECE_BYTES, &file);
    let (loaded, records) = (snapshot.loaded(), snapshot.iter());
    let written = backends::snapshot::write(out, loaded, records, VERSION_AND_BUILD)?;
    file.sync_all()?;
    Ok(written)
}

/// Removes the oldest ones, and what was begun and never ended. `newest` stays whatever its name:
/// the clock may have gone back.
fn prune(directory: &Path, newest: &Path, revision: Revision, kept: usize) -> io::Result<()> {
    for name in names(directory)?.iter().filter_map(|name| name.strip_suffix(PARTIAL)) {
        if revision_of(name).is_some() {
            fs::remove_file(directory.join(format!("{name}{PARTIAL}")))?;
        }
    }
    let mut older = whole(directory)?;
    older.retain(|(path, of)| path != newest && *of <= revision);
    let spare = (older.len() + 1).saturating_sub(kept.max(1));
    older.iter().take(spare).try_for_each(|(path, _)| fs::remove_file(path))
}

/// The snapshot in this directory that was taken last; `None` if there is none, or no directory.
pub(super) fn latest(directory: &Path) -> Option<PathBuf> {
    whole(directory).ok()?.pop().map(|(path, _)| path)
}

/// The one that was taken last of those that can be restored.
pub(super) fn latest_sound(directory: &Path) -> Option<PathBuf> {
    let is_sound = |(path, _): &(PathBuf, Revision)| {
        let reader = File::open(path).ok().map(io::BufReader::new).map(Reader::open);
        reader.is_some_and(|reader| reader.and_then(Reader::verify).is_ok())
    };
    whole(directory).ok()?.into_iter().rev().find(is_sound).map(|(path, _)| path)
}

/// All snapshots and their revisions, the oldest first.
fn whole(directory: &Path) -> io::Result<Vec<(PathBuf, Revision)>> {
    let mut names = names(directory)?;
    names.sort();
    let whole = names.iter().filter_map(|name| Some((directory.join(name), revision_of(name)?)));
    Ok(whole.collect())
}

/// The names of all files.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}

/// The revision that a name tells, if it is one that is given here; no other file is touched.
fn revision_of(name: &str) -> Option<Revision> {
    let (at, revision) = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.split_once("Z-r")?;
    let (date, time) = at.split_once('T')?;
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = date.len() == 8 && time.len() == 9 && is_number(date) && is_number(time);
    revision.parse().ok().filter(|_| is_ours && is_number(revision)).map(Revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::registry_for_tests;

    #[tokio::test]
    async fn so_many_are_kept_and_nothing_else_is_touched() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("new/snapshots");
        create(&directory).unwrap();
        let of_others = [
            "notes.txt",
            "rolecall.snapshot.txt",
            "other-1.snapshot",
            "rolecall-before-upgrade.snapshot",
            "rolecall-20260101T000000000Z-r1.snapshot.bak",
            // Of another life of this store: it came further than this one has.
            "rolecall-20250101T000000000Z-r7.snapshot",
        ];
        fs::create_dir(directory.join("rolecall-20250102T000000000Z-r0.snapshot")).unwrap();
        for name in of_others {
            fs::write(directory.join(name), "").unwrap();
        }
        for age in 1..=4 {
            fs::write(directory.join(format!("rolecall-2026010{age}T000000000Z-r0.snapshot")), "")
                .unwrap();
        }
        fs::write(directory.join("rolecall-20260105T000000000Z-r0.snapshot.partial"), "").unwrap();
        let snapshot = registry_for_tests().await.snapshot();
        let (path, written) = save(&snapshot, &directory, 3).unwrap();
        assert_eq!(written.records, 0);
        let mut left: Vec<_> = names(&directory).unwrap();
        left.retain(|name| !of_others.contains(&&**name));
        left.sort();
        let newest = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            left,
            [
                "rolecall-20260103T000000000Z-r0.snapshot",
                "rolecall-20260104T000000000Z-r0.snapshot",
                newest
            ]
        );
        for name in of_others {
            assert!(directory.join(name).exists(), "{name} was removed");
        }
        assert_eq!(latest(&directory), Some(path.clone()));
        // One that cannot be restored is no way back.
        fs::write(directory.join("rolecall-99990101T000000000Z-r9.snapshot"), "torn").unwrap();
        assert_eq!(latest_sound(&directory), Some(path));
    }

    #[tokio::test]
    async fn the_newest_stays_when_the_clock_has_gone_back() {
        let home = tempfile::tempdir().unwrap();
        let later = home.path().join("rolecall-99991231T235959999Z-r0.snapshot");
        fs::write(&later, "").unwrap();
        let snapshot = registry_for_tests().await.snapshot();
        let (path, _) = save(&snapshot, home.path(), 1).unwrap();
        assert!(path.exists() && !later.exists());
    }
}
