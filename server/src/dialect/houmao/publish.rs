//! Publishing: whoever holds an id keeps it while it is active and its lease lasts.

use std::sync::Arc;

use registry_core::{Claim, Done, Error, OnConflict, Registry, Slot, State};

use super::convert::{Publication, Refusal, refusal};
use crate::limits::PUBLISH_TRIES_MAX;

/// Publishes a record, unless another generation is at work under its id.
///
/// An active holder is fenced for as long as its lease lasts, which the registry looks at when it
/// commits. Any other holder gives way: then what was seen of it must still be there, or all is to
/// be decided anew.
pub(super) async fn publish(
    registry: &Registry,
    publication: Publication,
    by: Option<Arc<str>>,
) -> Result<Done, Refusal> {
    let Publication { key, generation, declared } = publication;
    let mut holder = registry.get(key.namespace(), key.id());
    for _ in 0..PUBLISH_TRIES_MAX {
        let at_rest = holder.as_ref().filter(|slot| !is_active(slot));
        let (on_conflict, if_revision) = match at_rest {
            Some(slot) => (OnConflict::Replace, Some(slot.record().modified)),
            None => (OnConflict::TakeOverStale, None),
        };
        let claim = Claim {
            generation: Some(generation.clone()),
            on_conflict: Some(on_conflict),
            if_revision,
            by: by.clone(),
        };
        holder = match registry.register(key.clone(), declared.clone(), claim).await {
            Err(Error::Conflict { holder }) if is_active(&holder) => {
                return Err(Refusal::Held { generation, holder });
            }
            Err(Error::Conflict { holder }) => Some(holder),
            Err(Error::Moved { .. }) => registry.get(key.namespace(), key.id()),
            done => return done.map_err(|error| refusal(&error)),
        };
    }
    Err(refusal(&Error::Busy))
}

/// Whether its owner says that it is at work; how long that is believed is the lease's affair.
fn is_active(slot: &Slot) -> bool {
    slot.record().declared.state == State::Running
}
