//! From a URL to a store: `memory:`, or `sled:PATH` or `fjall:PATH` with `?name=value&...`.

use std::io;
#[cfg(any(feature = "fjall", feature = "sled"))]
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(any(feature = "fjall", feature = "sled"))]
use registry_core::encoding::{DecodeError, decode};
#[cfg(any(feature = "fjall", feature = "sled"))]
use registry_core::store::Stored;
use registry_core::store::{Reason, Store};

use crate::memory::MemoryStore;

/// Why a store was not opened, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL's scheme names no store.
    #[error("there is no store {scheme:?}; there are memory:, sled:PATH and fjall:PATH")]
    UnknownScheme {
        /// What stood before the colon, or all of it where there is none.
        scheme: String,
    },
    /// The store is known but not part of this build.
    #[error("this build has no {feature} store; build with the feature {feature}")]
    NotBuilt {
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// The part after the scheme is not what this store takes.
    #[error("the store URL {url:?} {problem}")]
    BadUrl {
        /// The whole URL.
        url: String,
        /// What is wrong and what would be right.
        problem: &'static str,
    },
    /// The store has no such parameter.
    #[error("the {store} store has no parameter {name:?}; it has {known}")]
    UnknownParameter {
        /// Which store.
        store: &'static str,
        /// What was given.
        name: String,
        /// What it does have.
        known: &'static str,
    },
    /// A parameter has a value that it cannot take.
    #[error("the store parameter {name}={value:?} is wrong: {expected}")]
    BadParameter {
        /// Which parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
    /// Another handle has the store.
    #[error("the store at {path} is in use by {holder}; stop it or choose another --store")]
    Locked {
        /// Which store.
        path: PathBuf,
        /// Who has it: `process 1234`.
        holder: String,
    },
    /// What is there was written by a newer build.
    #[error(
        "the store at {path} has format {found}; this build reads up to {known}: use the newer \
         build that wrote it, or choose another --store"
    )]
    Newer {
        /// Which store.
        path: PathBuf,
        /// The format it has.
        found: u32,
        /// The newest format this build reads.
        known: u32,
    },
    /// A file stands where its directory should be.
    #[error(
        "the store at {path} needs a directory, but {file} is a file; choose another --store, or \
         move that file away"
    )]
    NotADirectory {
        /// Which store.
        path: PathBuf,
        /// The file, at the path or above it.
        file: PathBuf,
    },
    /// What is there cannot be understood.
    #[error(
        "the store at {path} cannot be read: {reason}; restore a snapshot into another directory \
         (rolecall restore), or start empty by starting once with --store \
         '{engine}:{path}?if-unreadable=move-aside', which keeps what is there beside it"
    )]
    Unreadable {
        /// What its engine is called in a URL.
        engine: String,
        /// Which store.
        path: PathBuf,
        /// What was found.
        reason: Reason,
    },
    /// Another engine's store is there.
    #[error(
        "the store at {path} was written by {holds}, and is asked for as {asked}; open it as \
         --store '{holds}:{path}', or carry it over: start it so, take a snapshot \
         (POST /v1/admin/snapshot), and restore that into another directory (rolecall restore)"
    )]
    OtherEngine {
        /// Which store.
        path: PathBuf,
        /// The engine that the URL names.
        asked: &'static str,
        /// The engine whose files are there.
        holds: &'static str,
    },
    /// It is a part of a store, or would be one.
    #[error(
        "{path} is the inside of a store, not a store; name the store's own directory as \
         --store, or choose another"
    )]
    Inside {
        /// What was named.
        path: PathBuf,
    },
    /// There is no space for it.
    #[error(
        "there is no space left on the disk of the store at {path} ({reason}); free some space and \
         start again"
    )]
    Full {
        /// Which store.
        path: PathBuf,
        /// What came back.
        reason: Reason,
    },
    /// The machine did not do what was asked of it.
    #[error("the store at {path} could not be opened: {doing}: {source}")]
    Io {
        /// Which store.
        path: PathBuf,
        /// What was asked.
        doing: &'static str,
        /// What came back.
        source: io::Error,
    },
}

// === impl OpenError ===

impl OpenError {
    /// Whether the request itself is wrong, so that trying it again is no use.
    #[must_use]
    pub fn is_mistake(&self) -> bool {
        matches!(
            self,
            Self::UnknownScheme { .. }
                | Self::NotBuilt { .. }
                | Self::BadUrl { .. }
                | Self::UnknownParameter { .. }
                | Self::BadParameter { .. }
                | Self::NotADirectory { .. }
                | Self::OtherEngine { .. }
                | Self::Inside { .. }
        )
    }

    /// What to say of the store at `url` if what it holds cannot be understood by its reader.
    #[must_use]
    pub fn unreadable(url: &str, reason: Reason) -> Self {
        let (engine, path) = url.split_once(':').unwrap_or(("sled", url));
        let path = path.split('?').next().unwrap_or_default().into();
        Self::Unreadable { engine: engine.to_owned(), path, reason }
    }

    /// What to say when the machine refuses something that opening asks of it.
    #[cfg(any(feature = "fjall", feature = "sled"))]
    pub(crate) fn io(path: &Path, doing: &'static str, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&source) {
            Self::Full { path, reason: source.into() }
        } else {
            Self::Io { path, doing, source }
        }
    }
}

#[cfg(any(feature = "fjall", feature = "sled"))]
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Opens the store that `url` names, creating it where nothing is yet.
///
/// # Errors
/// [`OpenError`]; nothing at the location was changed, but where its parameters ask for it.
pub async fn open(url: &str) -> Result<Arc<dyn Store>, OpenError> {
    let unknown = || OpenError::UnknownScheme { scheme: url.to_owned() };
    let (scheme, rest) = url.split_once(':').ok_or_else(unknown)?;
    match scheme {
        "memory" if rest.is_empty() => Ok(Arc::new(MemoryStore::new())),
        "memory" => Err(bad_url(url, "has something after `memory:`; it takes nothing there")),
        "sled" => open_sled(url, rest).await,
        "fjall" => open_fjall(url, rest).await,
        _ => Err(OpenError::UnknownScheme { scheme: format!("{scheme}:") }),
    }
}

#[cfg(feature = "sled")]
async fn open_sled(url: &str, rest: &str) -> Result<Arc<dyn Store>, OpenError> {
    use crate::sled::{SledConfig, SledStore};

    let hint = "names no directory; write sled:./data or sled:/var/lib/rolecall";
    let (path, parameters) = directory_of(url, rest, hint)?;
    let mut config = SledConfig::new(path);
    config.check = check;
    for (name, value) in each_of(parameters) {
        config.set(name, value)?;
    }
    Ok(Arc::new(SledStore::open(config).await?))
}

#[cfg(feature = "fjall")]
async fn open_fjall(url: &str, rest: &str) -> Result<Arc<dyn Store>, OpenError> {
    use crate::fjall::{FjallConfig, FjallStore};

    let hint = "names no directory; write fjall:./data or fjall:/var/lib/rolecall";
    let (path, parameters) = directory_of(url, rest, hint)?;
    let mut config = FjallConfig::new(path);
    config.check = check;
    for (name, value) in each_of(parameters) {
        config.set(name, value)?;
    }
    Ok(Arc::new(FjallStore::open(config).await?))
}

/// The directory in a URL, and what is said beside it.
#[cfg(any(feature = "fjall", feature = "sled"))]
fn directory_of<'a>(
    url: &str,
    rest: &'a str,
    hint: &'static str,
) -> Result<(&'a str, &'a str), OpenError> {
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() || path.starts_with("//") {
        return Err(bad_url(url, hint));
    }
    Ok((path, parameters))
}

/// Names and values.
#[cfg(any(feature = "fjall", feature = "sled"))]
fn each_of(parameters: &str) -> impl Iterator<Item = (&str, &str)> {
    let each = parameters.split('&').filter(|parameter| !parameter.is_empty());
    each.map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
}

/// Whether a registry can read the record. What a newer build wrote is no damage: it must not be
/// moved out of that build's sight.
#[cfg(any(feature = "fjall", feature = "sled"))]
fn check(stored: &Stored) -> Result<(), String> {
    match decode(stored) {
        Err(DecodeError::Damaged { reason, .. }) => Err(format!("is damaged: {reason}")),
        Ok(_) | Err(_) => Ok(()),
    }
}

#[cfg(not(feature = "fjall"))]
async fn open_fjall(_url: &str, _rest: &str) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::NotBuilt { feature: "fjall" })
}

#[cfg(not(feature = "sled"))]
async fn open_sled(_url: &str, _rest: &str) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::NotBuilt { feature: "sled" })
}

fn bad_url(url: &str, problem: &'static str) -> OpenError {
    OpenError::BadUrl { url: url.to_owned(), problem }
}
