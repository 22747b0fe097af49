//! Snapshots taken by themselves, as often as the operator wants.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_core::Revision;

use super::file;
use crate::app::App;
use crate::limits::SNAPSHOT_RETRY;

/// Where they go, how often one is taken, and how many stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regular {
    /// The directory.
    pub directory: PathBuf,
    /// From one to the next.
    pub every: Duration,
    /// How many files are kept; the oldest goes.
    pub kept: usize,
}

// === impl Regular ===

impl Regular {
    /// Makes the directory and tries it, so that a wrong one is found out at the start.
    pub fn prepare(&self) -> io::Result<()> {
        file::create(&self.directory)?;
        let attempt = self.directory.join("rolecall-may-write-here");
        fs::File::create(&attempt)?;
        fs::remove_file(attempt)
    }

    /// How long to wait for the first: a server that is often restarted takes them as often as
    /// one that is not.
    fn first_after(&self) -> Duration {
        let age = latest_age(&self.directory).unwrap_or(self.every);
        self.every.saturating_sub(age)
    }
}

/// Takes them for as long as the server runs.
pub async fn save_regularly(app: Arc<App>, regular: Regular) {
    let mut pause = regular.first_after();
    loop {
        tokio::time::sleep(pause).await;
        pause = match save(&app, &regular).await {
            Ok(()) => regular.every,
            Err(error) => {
                app.snapshots.failed.fetch_add(1, Ordering::Relaxed);
                let directory = regular.directory.display();
                tracing::error!(%error, %directory, "no snapshot could be saved; trying again");
                regular.every.min(SNAPSHOT_RETRY)
            }
        };
    }
}

async fn save(app: &App, regular: &Regular) -> io::Result<()> {
    let snapshot = app.registry.snapshot();
    if snapshot.loaded().revision == Revision(0) {
        // Nothing was ever registered: it is a store that has just begun, or begun anew.
        return Ok(());
    }
    let taken = snapshot.loaded().mark.unwrap_or_default().wall;
    let Regular { directory, kept, .. } = regular.clone();
    let saving = tokio::task::spawn_blocking(move || file::save(&snapshot, &directory, kept));
    let (path, written) = saving.await.map_err(io::Error::other)??;
    app.snapshots.saved.fetch_add(1, Ordering::Relaxed);
    app.snapshots.latest.store(taken.0, Ordering::Relaxed);
    tracing::info!(path = %path.display(), records = written.records, "saved a snapshot");
    Ok(())
}

fn latest_age(directory: &Path) -> Option<Duration> {
    let written = fs::metadata(file::latest(directory)?).ok()?.modified().ok()?;
    // In the future: as good as now.
    Some(written.elapsed().unwrap_or_default())
}
