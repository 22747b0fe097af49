//! Cleaning up: what its lease left long ago goes, everything else stays, and each is told why.
//!
//! Reasons are in the original's words where it has any. It also looks for terminal sessions, which
//! only their own host can do.

use std::sync::Arc;

use registry_core::{Error, Guard, Query, Registry, Slot};
use serde::{Deserialize, Serialize};

use super::NAMESPACE;
use crate::limits::PUBLISH_TRIES_MAX;

/// What is to be cleaned up.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cleanup {
    dry_run: bool,
    grace_seconds: u32,
}

/// What became of everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    dry_run: bool,
    grace_seconds: u32,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct Entry {
    agent_id: String,
    outcome: Outcome,
    reason: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Preserved,
    Planned,
    Removed,
    Failed,
}

const FRESH: &str = "lease remains fresh and local tmux checking was disabled";
const IN_GRACE: &str = "registry lease expired within the cleanup grace period";
const EXPIRED: &str = "registry lease expired beyond the cleanup grace period";

// === impl Cleanup ===

impl Cleanup {
    /// Looks at every record, one after the other; what goes wrong with one does not stop it.
    pub(super) async fn run(self, registry: &Registry, by: Option<Arc<str>>) -> Report {
        let everything = registry.discover(&Query::any().in_namespace(NAMESPACE).including_stale());
        let mut slots: Vec<_> = everything.iter().cloned().collect();
        slots.sort_by(|a, b| a.record().key.id().cmp(b.record().key.id()));
        let mut entries = Vec::with_capacity(slots.len());
        for slot in slots {
            let agent_id = slot.record().key.id().to_string();
            let (outcome, reason) = self.settle(registry, slot, by.clone()).await;
            entries.push(Entry { agent_id, outcome, reason });
        }
        Report { dry_run: self.dry_run, grace_seconds: self.grace_seconds, entries }
    }

    /// Removes one record if it must go, exactly as it was when that was decided.
    async fn settle(
        self,
        registry: &Registry,
        mut slot: Arc<Slot>,
        by: Option<Arc<str>>,
    ) -> (Outcome, String) {
        for _ in 0..PUBLISH_TRIES_MAX {
            if let Err(reason) = self.judge(registry, &slot) {
                return (Outcome::Preserved, reason);
            }
            if self.dry_run {
                return (Outcome::Planned, EXPIRED.to_string());
            }
            let record = slot.record();
            let (generation, if_revision) = (record.generation.clone(), record.modified);
            let guard = Guard {
                generation: Some(generation),
                if_revision: Some(if_revision),
                by: by.clone(),
            };
            match registry.deregister(NAMESPACE, record.key.id(), guard).await {
                Ok(_) | Err(Error::NotFound) => return (Outcome::Removed, EXPIRED.to_string()),
                Err(Error::Moved { .. } | Error::Fenced { .. }) => {}
                Err(error) => return failed(&error),
            }
            match registry.get(NAMESPACE, record.key.id()) {
                Some(changed) => slot = changed,
                None => return (Outcome::Removed, EXPIRED.to_string()),
            }
        }
        failed(&Error::Busy)
    }

    /// Whether a record must go; if not, why not.
    fn judge(self, registry: &Registry, slot: &Slot) -> Result<(), String> {
        let state = slot.record().declared.state;
        if !state.is_under_lease() {
            return Err(format!("lifecycle state `{}` is durable", state.as_str()));
        }
        let now = registry.now();
        let Some(until) = slot.lease().live_until().filter(|until| *until < now) else {
            return Err(FRESH.to_string());
        };
        let is_over = now.ms_since(until) > u64::from(self.grace_seconds) * 1_000;
        if is_over { Ok(()) } else { Err(IN_GRACE.to_string()) }
    }
}

impl Default for Cleanup {
    /// The original's grace.
    fn default() -> Self {
        Self { dry_run: false, grace_seconds: 300 }
    }
}

fn failed(error: &Error) -> (Outcome, String) {
    (Outcome::Failed, format!("{EXPIRED}; removal failed: {error}"))
}
