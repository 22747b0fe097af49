//! How many records there are of each kind: for dashboards, not for decisions.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Catalog;
use super::slot::Slot;
use super::view::View;
use crate::clock::Tick;
use crate::lease::Standing;
use crate::query::Facet;

/// How many records one role has in one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The role; empty if none was declared.
    pub role: Box<str>,
    /// Those that are running and were heard of within their lease, up to the latest tick.
    pub live: usize,
    /// Those whose lease has run out.
    pub stale: usize,
    /// Those that are paused, stopped, relaunching or retired.
    pub resting: usize,
}

// === impl Catalog ===

impl Catalog {
    /// The tallies of all namespaces and roles, in order. Costs one look at each record that is not
    /// live, and none at those that are.
    pub(crate) fn census(&self, now: Tick) -> Vec<Tally> {
        let mut tallies = Vec::new();
        for namespace in self.namespaces.load().values() {
            let roles = &namespace.facets[Facet::Role as usize];
            // By its lease alone: whether it is marked as lapsed may be undecided just now.
            let single = |slot: Arc<Slot>| {
                let view = View::of_one(&slot, slot.is_live(now));
                (slot.record().declared.role.clone(), Arc::new(view))
            };
            let mut views: BTreeMap<Box<str>, Arc<View>> =
                roles.singles().into_iter().map(single).collect();
            views.extend(roles.shared());
            tallies.extend(views.into_iter().map(|(role, view)| {
                let rest = view.rest.iter_after(None);
                let stale = rest.filter(|slot| slot.standing(now) == Standing::Stale).count();
                let resting = view.rest.len() - stale;
                let namespace = Arc::clone(&namespace.name);
                Tally { namespace, role, live: view.live.len(), stale, resting }
            }));
        }
        tallies
    }
}
