//! `REACHED`: the revision that was confirmed last, so that its loss is noticed.
//!
//! Engines take damage for the end of their log and open at an earlier state, without a word. So
//! each commit, once it is at rest and before it is confirmed, notes here how far it came, and a
//! store that is not that far when it is opened is refused. The note is not synced: a process that
//! is killed cannot take back what it wrote, and after a loss of power an older note does no harm.
//!
//! ```text
//! 00000000000000000042 00000000000000000042 open
//! ```
//! The revision stands there twice, so that damage to the note itself is not believed. The last
//! word is `shut` after a clean end.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use registry_core::Revision;

use super::directory::{Directory, open_private, sync_directory};
use super::failure::Failure;
use super::row::Damage;

/// The file, open for as long as the store is.
#[derive(Debug)]
pub(crate) struct Reached(File);

/// What the file said when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) revision: Revision,
    pub(crate) end: End,
}

/// How the store was left. Both words have one length, so that each note covers the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Not at all: it is in use, or its process was killed.
    Open,
    Shut,
}

pub(super) const REACHED: &str = "REACHED";

// === impl Reached ===

impl Reached {
    /// Opens the file, making an empty one where there is none, and reads what it says.
    pub(crate) fn open(directory: &Directory) -> Result<(Self, Option<Note>), Failure> {
        let mut file = open_private(&directory.path().join(REACHED))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let note = if text.is_empty() { None } else { Some(Note::parse(&text)?) };
        Ok((Self(file), note))
    }

    /// Keeps the note from the end of this process.
    pub(crate) fn note(&self, revision: Revision, end: End) -> io::Result<()> {
        self.0.write_all_at(Note { revision, end }.text().as_bytes(), 0)
    }

    /// Keeps the note from a loss of power, too.
    pub(crate) fn settle(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_all()?;
        sync_directory(directory)
    }
}

// === impl Note ===

impl Note {
    fn parse(text: &[u8]) -> Result<Self, Damage> {
        let parsed = || {
            let text = std::str::from_utf8(text).ok()?;
            let revision = Revision(text.split(' ').next()?.parse().ok()?);
            let both = [End::Open, End::Shut].map(|end| Self { revision, end });
            both.into_iter().find(|note| note.text() == text)
        };
        parsed().ok_or_else(|| {
            let reason = "is damaged; what the rest of the store has lost cannot be told";
            Damage::of_file(
                REACHED,
                format!("{reason}: to go on without knowing, remove that file"),
            )
        })
    }

    /// Tells how the store in `path` was found, and left.
    pub(crate) fn log(note: Option<Self>, path: &Path, revision: Revision, records: u64) {
        let (path, revision) = (path.display(), revision.0);
        match note.map(|note| note.end) {
            Some(End::Shut) => tracing::info!(%path, revision, records, "opened the store"),
            Some(End::Open) => tracing::warn!(
                %path, revision, records,
                "opened the store; it was not stopped cleanly, but is as far as its file REACHED \
                 says"
            ),
            None if revision == 0 => tracing::info!(%path, "began a new store"),
            None => tracing::warn!(
                %path, revision, records,
                "opened the store; its file REACHED is missing, so whether anything is lost cannot \
                 be told"
            ),
        }
    }

    fn text(self) -> String {
        let (revision, end) = (self.revision.0, self.end.word());
        format!("{revision:020} {revision:020} {end}\n")
    }

    /// Fails if a store that is at `found` has lost something.
    pub(crate) fn check(self, found: Revision) -> Result<(), Damage> {
        if found >= self.revision {
            return Ok(());
        }
        let (found, reached) = (found.0, self.revision.0);
        Err(Damage::of_file(
            REACHED,
            format!(
                "says that revision {reached} was confirmed, but what can be read of the log ends \
                 at {found}: the changes in between are lost or damaged; to go on with what is \
                 left, remove that file"
            ),
        ))
    }
}

// === impl End ===

impl End {
    fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Shut => "shut",
        }
    }
}
