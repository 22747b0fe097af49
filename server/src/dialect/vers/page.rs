//! A part of a list: `limit`, `before` and `after`, which the original does not know.

use std::sync::Arc;

use registry_core::Slot;
use ulid::Ulid;

use super::routes::{Refusal, bad_request, filter};
use crate::call::Call;
use crate::sequence::id_of;

/// Which part of a list is wanted. All of it, if nothing is said.
#[derive(Debug, Default)]
pub(super) struct Page {
    limit: Option<usize>,
    /// Only what is older than this one, which need not be there any more.
    before: Option<Ulid>,
    /// Only what is newer.
    after: Option<Ulid>,
}

// === impl Page ===

impl Page {
    /// Reads what was asked for.
    pub(super) fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let limit = filter(call, "limit").map(|text| text.parse::<usize>().ok());
        if matches!(limit, Some(None | Some(0))) {
            return Err(bad_request("limit must be a whole number above 0".to_owned()));
        }
        let id = |name: &str| match filter(call, name).map(|text| Ulid::from_string(&text)) {
            None => Ok(None),
            Some(Ok(id)) => Ok(Some(id)),
            Some(Err(_)) => Err(bad_request(format!("{name} must be an id from the list"))),
        };
        Ok(Self { limit: limit.flatten(), before: id("before")?, after: id("after")? })
    }

    /// Puts a list in order, newest first as `place` says, and takes the part that is wanted.
    pub(super) fn cut<'a, K: Ord>(
        &self,
        slots: impl Iterator<Item = &'a Arc<Slot>>,
        place: impl Fn(Ulid) -> K,
    ) -> Vec<&'a Arc<Slot>> {
        let (from, to) = (self.before.map(&place), self.after.map(&place));
        let mut placed: Vec<_> = slots.map(|slot| (place(id_of(slot)), slot)).collect();
        placed.retain(|(at, _)| {
            from.as_ref().is_none_or(|from| at > from) && to.as_ref().is_none_or(|to| at < to)
        });
        placed.sort_by(|(a, _), (b, _)| a.cmp(b));
        placed.truncate(self.limit.unwrap_or(usize::MAX));
        placed.into_iter().map(|(_, slot)| slot).collect()
    }
}
