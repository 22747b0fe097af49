//! The directory of a store: who has it, and whether it is still there.
//!
//! ```text
//! PATH/LOCK            held while the store is open; says by which process
//! PATH/REACHED         the revision that was confirmed last: see `reached`
//! ```
//! What else is there is the engine's. Only the user who runs the server can look into what is made
//! here.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use registry_core::{Clock, SystemClock};

use super::reached::REACHED;
use crate::open::OpenError;

const LOCK: &str = "LOCK";

/// The directory of a store that is open: as long as this lives, nobody else has it.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    lock: File,
}

/// Nobody else may look into it.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;

// === impl Directory ===

impl Directory {
    /// Makes the directory if it is missing, and takes it for a store of `engine`.
    pub(crate) fn lock(engine: &'static str, path: &Path) -> Result<Arc<Self>, OpenError> {
        let failed = |doing| move |source| OpenError::io(path, doing, source);
        if let Some(file) = path.ancestors().find(|path| path.is_file()) {
            return Err(OpenError::NotADirectory { path: path.to_owned(), file: file.to_owned() });
        }
        if is_inside(path) {
            return Err(OpenError::Inside { path: path.to_owned() });
        }
        create(path).map_err(failed("making its directory"))?;
        let mut lock = open_private(&path.join(LOCK)).map_err(failed("opening its LOCK"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: path.to_owned(), holder: holder(&mut lock) });
            }
            Err(TryLockError::Error(error)) => return Err(failed("taking its LOCK")(error)),
        }
        let sign = lock.set_len(0).and_then(|()| write!(lock, "{}", std::process::id()));
        sign.map_err(failed("writing its LOCK"))?;
        let other = other_engine(engine, path).map_err(failed("looking what is in it"))?;
        if let Some(holds) = other {
            return Err(OpenError::OtherEngine { path: path.to_owned(), asked: engine, holds });
        }
        Ok(Arc::new(Self { path: path.to_owned(), lock }))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what is at the path is still this directory, not deleted, moved or replaced.
    pub(crate) fn is_in_place(&self) -> io::Result<bool> {
        let ours = self.lock.metadata()?;
        match fs::metadata(self.path.join(LOCK)) {
            Ok(found) => Ok((found.dev(), found.ino()) == (ours.dev(), ours.ino())),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Renames the whole directory; returns where it is now.
    pub(crate) fn move_aside(&self) -> io::Result<PathBuf> {
        // By its components: a trailing slash would put the new name inside the old directory.
        let mut aside = self.path.components().as_path().as_os_str().to_owned();
        aside.push(format!(".unreadable-{}", SystemClock::new().wall().0));
        let aside = PathBuf::from(aside);
        fs::rename(&self.path, &aside)?;
        sync_directory(parent(&self.path))?;
        Ok(aside)
    }
}

/// Whether it is a part of a store, at whatever depth, be it there already or to be made.
fn is_inside(path: &Path) -> bool {
    let real = |above: &Path| {
        let above = if above == Path::new("") { Path::new(".") } else { above };
        fs::canonicalize(above).ok()
    };
    let Some((depth, real)) =
        path.ancestors().enumerate().find_map(|(depth, above)| Some((depth, real(above)?)))
    else {
        return false;
    };
    // The path itself, where it is there, may be a store.
    let mut above = real.ancestors().skip(usize::from(depth == 0));
    is_engines(&real) || above.any(|above| is_engines(above) || is_store(above))
}

/// Whether there are files of an engine's own, which no store has at its top.
fn is_engines(path: &Path) -> bool {
    let is_sled = path.join("conf").is_file() && path.join("db").is_file();
    let is_fjall = path.join("keyspaces").is_dir() && path.join("version").is_file();
    is_sled || is_fjall
}

fn is_store(path: &Path) -> bool {
    path.join(LOCK).is_file() && path.join(REACHED).is_file()
}

/// The engine that has its database in `path`, if it is not `engine`.
fn other_engine(engine: &str, path: &Path) -> io::Result<Option<&'static str>> {
    for item in fs::read_dir(path)? {
        let name = item?.file_name();
        let holds = match name.to_str() {
            Some(name) if name.starts_with("sled-") => "sled",
            Some("fjall") => "fjall",
            _ => continue,
        };
        if holds != engine {
            return Ok(Some(holds));
        }
    }
    Ok(None)
}

/// Puts a directory's list of names to rest.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Opens a file for reading and writing, making it if it is missing.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(path)
}

/// Makes a directory and those above it that are missing, each at rest when this returns.
///
/// One that is there already stays as it is.
pub(crate) fn create(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create(parent(path))?;
    DirBuilder::new().mode(PRIVATE_DIRECTORY).create(path)?;
    sync_directory(parent(path))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    match lock.read_to_string(&mut text).map(|_| text.trim().parse::<u32>()) {
        Ok(Ok(pid)) => format!("process {pid}"),
        _ => "another process".to_owned(),
    }
}
