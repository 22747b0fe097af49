//! Snapshots of a running registry: one that is asked for, those taken regularly, and what is done
//! with their files later.
//!
//! What such a file looks like is the affair of [`backends::snapshot`].

mod command;
mod file;
mod regular;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};

use tokio::sync::Semaphore;

pub use command::{inspect, restore, verify, way_back};
pub use regular::{Regular, save_regularly};
pub(crate) use stream::answer;

use crate::limits::SNAPSHOT_STREAMS_MAX;

/// What one server knows of its snapshots.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// Each stream under way has one.
    streams: Arc<Semaphore>,
    /// Files saved since the start.
    pub(crate) saved: AtomicU64,
    /// Attempts at a file that failed.
    pub(crate) failed: AtomicU64,
    /// Wall time of the latest file saved since the start, in milliseconds; 0 before the first.
    pub(crate) latest: AtomicI64,
}

// === impl Snapshots ===

impl Default for Snapshots {
    fn default() -> Self {
        Self {
            streams: Arc::new(Semaphore::new(SNAPSHOT_STREAMS_MAX)),
            saved: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            latest: AtomicI64::new(0),
        }
    }
}
