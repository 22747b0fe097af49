//! The answer to a query: a snapshot that the caller walks at leisure.

use std::iter::Peekable;
use std::sync::Arc;

use super::members;
use super::slot::Slot;
use super::view::{Answer, Cell, View};
use crate::change::Revision;
use crate::clock::Tick;
use crate::query::{Query, Scope};

/// The records that met a query at one instant, in the order of their creation.
///
/// Nothing that changes later shows in it, but for [`Slot::last_seen`], which stays current.
#[derive(Clone)]
pub struct Discovery {
    /// Mostly there is one, and then nothing is allocated for a list of them.
    view: Option<Arc<View>>,
    further: Vec<Arc<View>>,
    scope: Scope,
    /// Live members of the views may have lapsed: look at each lease,
    check: bool,
    /// as of this instant.
    now: Tick,
    /// Where the view was found, if that is in doubt.
    cell: Option<Arc<Cell>>,
    /// How many revivals had been counted before.
    revivals: u64,
    /// Conditions that the views do not answer.
    filter: Option<Box<Query>>,
}

/// The records of a [`Discovery`], in the order of their creation within each namespace.
pub struct Iter<'a> {
    discovery: &'a Discovery,
    after: Option<Revision>,
    /// How many have been passed over that are not live, as long as nothing else was met.
    passing: Option<usize>,
    views: Views<'a>,
    current: Option<Merged<'a>>,
}

type Views<'a> =
    std::iter::Chain<std::option::Iter<'a, Arc<View>>, std::slice::Iter<'a, Arc<View>>>;

/// Live and other members of one view, merged.
struct Merged<'a> {
    live: Peekable<members::Iter<'a>>,
    rest: Option<Peekable<members::Iter<'a>>>,
}

/// So many slots are passed over at the cost of telling others of it.
const PASSED_MIN: usize = 64;

// === impl Discovery ===

impl Discovery {
    pub(super) fn new(query: &Query, revivals: u64) -> Self {
        Self {
            view: None,
            further: Vec::new(),
            scope: query.scope,
            check: false,
            now: Tick::default(),
            cell: None,
            revivals,
            filter: None,
        }
    }

    pub(super) fn add(&mut self, Answer { view, is_sure, cell }: Answer) {
        self.check |= !is_sure && self.scope == Scope::Live;
        if self.view.is_none() {
            self.view = Some(view);
            self.cell = cell.filter(|_| self.check);
        } else {
            self.further.push(view);
            self.cell = None;
        }
    }

    pub(super) fn filter(&mut self, query: &Query) {
        self.filter = Some(Box::new(query.clone()));
    }

    /// Asks for the present, if a lease has to be looked at.
    pub(super) fn settle(&mut self, now: impl Fn() -> Tick) {
        if self.check {
            self.now = now();
        }
    }

    /// Whether it holds the very same records as `before`, and that can be said without a look at
    /// any.
    #[must_use]
    pub fn is_still(&self, before: &Self) -> bool {
        let is_one_view =
            |found: &Self| found.further.is_empty() && !found.check && found.filter.is_none();
        let same = self.view.as_ref().zip(before.view.as_ref());
        same.is_some_and(|(now, then)| Arc::ptr_eq(now, then))
            && self.scope == before.scope
            && is_one_view(self)
            && is_one_view(before)
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        if self.check || self.filter.is_some() {
            return self.iter().count();
        }
        match self.scope {
            Scope::Live => self.views().map(|view| view.live.len()).sum(),
            Scope::All => self.views().map(|view| view.len()).sum(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The records, namespace by namespace, each in the order of creation.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        self.iter_after(None)
    }

    /// The records created after `after`: the rest of a list whose first part was read before.
    ///
    /// Meant for queries within one namespace, where lists are in the order of creation.
    #[must_use]
    pub fn iter_after(&self, after: Option<Revision>) -> Iter<'_> {
        let passed = self.cell.as_ref().and_then(|cell| cell.passed(self.revivals));
        // Who begins further on does not know what it leaves out.
        let passing = after <= passed && self.cell.is_some();
        let after = after.max(passed);
        Iter {
            discovery: self,
            after,
            passing: passing.then_some(0),
            views: self.views(),
            current: None,
        }
    }

    fn views(&self) -> Views<'_> {
        self.view.iter().chain(&self.further)
    }

    fn is_live(&self, slot: &Slot) -> bool {
        !self.check || slot.is_live(self.now)
    }

    fn meets(&self, slot: &Slot) -> bool {
        self.filter.as_ref().is_none_or(|query| query.matches(slot.record()))
    }
}

impl<'a> IntoIterator for &'a Discovery {
    type Item = &'a Arc<Slot>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|slot| &slot.record().key)).finish()
    }
}

// === impl Iter ===

impl<'a> Iter<'a> {
    /// The next one of the current view.
    fn find(&mut self) -> Option<&'a Arc<Slot>> {
        let discovery = self.discovery;
        let mut dead = None;
        let live = self.current.as_mut()?.find(|slot| {
            let live = discovery.is_live(slot);
            if !live && let Some(passing) = &mut self.passing {
                *passing += 1;
                dead = Some(*slot);
            }
            live
        });
        // Others gain by it if it was many; and what comes after a live one nobody may leave out.
        if let Some(passed) = self.passing.take()
            && passed >= PASSED_MIN
            && let (Some(cell), Some(dead)) = (&discovery.cell, dead)
        {
            cell.pass(dead.record().created, discovery.revivals);
        }
        live
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Arc<Slot>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while let Some(slot) = self.find() {
                if self.discovery.meets(slot) {
                    return Some(slot);
                }
            }
            let view = self.views.next()?;
            let rest =
                (self.discovery.scope == Scope::All).then(|| view.rest.iter_after(self.after));
            self.current = Some(Merged {
                live: view.live.iter_after(self.after).peekable(),
                rest: rest.map(Iterator::peekable),
            });
        }
    }
}

// === impl Merged ===

impl<'a> Iterator for Merged<'a> {
    type Item = &'a Arc<Slot>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(rest) = &mut self.rest else {
            return self.live.next();
        };
        match (self.live.peek(), rest.peek()) {
            (Some(live), Some(other)) if other.record().created < live.record().created => {
                rest.next()
            }
            (None, Some(_)) => rest.next(),
            _ => self.live.next(),
        }
    }
}
