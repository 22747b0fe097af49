//! What can go wrong beneath a store, and what to tell whoever runs it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use registry_core::store::Reason;

use super::row::Damage;
use crate::open::{OpenError, is_full};

/// What went wrong beneath the store. Each is final: see `seat`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{says}")]
    Engine { says: String, fault: Fault },
    #[error("the disk answers: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Damage(#[from] Damage),
    #[error("{engine} gave up: {said}")]
    Panic { engine: &'static str, said: String },
    #[error("the records to restore broke off: {0}; remove its directory and restore again")]
    Source(Reason),
    #[error(
        "its directory was deleted, moved or replaced while it was open; put it back or choose \
         another --store, and start again"
    )]
    Gone,
}

/// What an engine's refusal is about.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The engine passes on what the disk answered.
    Disk(io::Error),
    /// The engine cannot read its own files.
    Damage,
    Other,
}

// === impl Failure ===

impl Failure {
    /// What this means for the opening of the store at `path`: whether it is the store's fault.
    pub(crate) fn into_open_error(self, engine: &str, path: &Path) -> OpenError {
        match self {
            Self::Io(source) | Self::Engine { fault: Fault::Disk(source), .. }
                if !is_damage(&source) =>
            {
                OpenError::io(path, "reading what is there", source)
            }
            failure if failure.is_full() => {
                OpenError::Full { path: path.to_owned(), reason: failure.into() }
            }
            failure => {
                let (engine, path) = (engine.to_owned(), path.to_owned());
                OpenError::Unreadable { engine, path, reason: failure.into() }
            }
        }
    }

    /// What to tell whoever runs the store at `path` when this ends its work.
    pub(crate) fn farewell(self, engine: &str, path: &Path) -> String {
        let store = format!("the store at {}", path.display());
        match self {
            Self::Gone => format!("{store} is gone: {self}"),
            Self::Source(_) => format!("{store}: {self}"),
            Self::Damage(_) | Self::Engine { fault: Fault::Damage, .. } => {
                self.into_open_error(engine, path).to_string()
            }
            failure if failure.is_full() => failure.into_open_error(engine, path).to_string(),
            failure => format!("{store}: {failure}; start again to see what was kept"),
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Io(error) | Self::Engine { fault: Fault::Disk(error), .. } => is_full(error),
            // Engines unwrap some of their writes.
            Self::Panic { said, .. } => {
                said.contains("StorageFull") || said.contains("QuotaExceeded")
            }
            Self::Engine { .. } | Self::Damage(_) | Self::Gone | Self::Source(_) => false,
        }
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData)
}

/// Runs `work`, and makes a failure of its panic.
pub(crate) fn guard<T>(
    engine: &'static str,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Nothing that `work` touched is used after a panic: every failure is final.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(Failure::Panic { engine, said: said(&*panic) }))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_damage_however_it_shows() {
        fn full() -> io::Error {
            io::ErrorKind::StorageFull.into()
        }
        let shows: [fn() -> Failure; 3] = [
            || Failure::Io(full()),
            || Failure::Engine { says: "full".to_owned(), fault: Fault::Disk(full()) },
            || Failure::Panic {
                engine: "sled",
                said: format!("called `Result::unwrap()` on an `Err`: {:?}", full()),
            },
        ];
        for show in shows {
            let path = Path::new("/data/rolecall");
            let refusal = show().into_open_error("sled", path);
            assert!(matches!(refusal, OpenError::Full { .. }), "{refusal}");
            for text in [refusal.to_string(), show().farewell("sled", path)] {
                let begins = "there is no space left on the disk of the store at /data/rolecall";
                assert!(text.starts_with(begins), "{text}");
                assert!(text.ends_with("free some space and start again"), "{text}");
            }
        }
    }
}
