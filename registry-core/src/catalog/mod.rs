//! The only mutable structure: every record, and the ready answers to what may be asked.
//!
//! Readers find a slot or a view and hold on to it: a view without any lock, a slot, and what one
//! record alone carries, under a shared one for as long as a look takes. There is one writer, the
//! driver, and one entrance for it, [`Catalog::apply`]. Only before there are readers is it filled
//! at once: see [`fill`].

mod census;
mod chunks;
mod deadline;
mod discovery;
mod drafts;
mod fill;
mod index;
mod members;
mod slot;
mod table;
mod values;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use self::census::Tally;
pub(crate) use self::deadline::{Deadlines, Due};
pub use self::discovery::{Discovery, Iter};
use self::drafts::Drafts;
pub(crate) use self::fill::Filling;
use self::index::Index;
pub use self::slot::{Memo, Pulse, Slot};
use self::values::Values;
use self::view::{Answer, Cell, View};
use crate::change::{Change, Revision};
use crate::clock::Tick;
use crate::error::Invalid;
use crate::lease::Beat;
use crate::limits;
use crate::namespace::Rules;
use crate::query::{Facet, Query, Scope, facets_of, label_text};

/// Every record, and a view for each thing that records are found by.
pub(crate) struct Catalog {
    namespaces: ArcSwap<BTreeMap<Arc<str>, Arc<Namespace>>>,
    /// The rules of namespaces that have none of their own.
    default_rules: Rules,
    /// Up to this instant every deadline has been looked at: see [`Deadlines`].
    horizon: AtomicU64,
    revision: AtomicU64,
    /// How often something came back to life that a reader may have passed over: see
    /// [`Cell::passed`].
    revivals: AtomicU64,
    len: AtomicUsize,
    lanes: [Lane; LANES],
}

/// What heartbeats leave behind, apart from other lanes so that threads do not meet.
#[derive(Default)]
#[repr(align(128))]
struct Lane {
    /// Whose beats are to be kept.
    dirty: Mutex<Vec<Arc<Pulse>>>,
    beats: AtomicU64,
}

/// One collection of records with its own rules and its own views.
pub(crate) struct Namespace {
    pub(crate) name: Arc<str>,
    pub(crate) rules: Rules,
    records: Index,
    all: Arc<Cell>,
    facets: [Values; Facet::ALL.len()],
}

/// One thing that happens to the catalog.
pub(crate) enum Step<'a> {
    /// The store has taken this change.
    Change(&'a Change),
    /// The record's place among live and other records follows its pulse again.
    Relist(&'a Arc<Slot>),
}

/// Heartbeats of many threads spread over so many lanes.
const LANES: usize = 16;

// === impl Catalog: reading ===

impl Catalog {
    pub(crate) fn new(namespaces: HashMap<String, Rules>, default_rules: Rules) -> Self {
        let namespaces = namespaces.into_iter().map(|(name, rules)| {
            let namespace = Namespace::new(Arc::from(name.as_str()), rules);
            (Arc::clone(&namespace.name), namespace)
        });
        Self {
            namespaces: ArcSwap::from_pointee(namespaces.collect()),
            default_rules,
            horizon: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            revivals: AtomicU64::new(0),
            len: AtomicUsize::new(0),
            lanes: std::array::from_fn(|_| Lane::default()),
        }
    }

    pub(crate) fn get(&self, namespace: &str, id: &str) -> Option<Arc<Slot>> {
        self.namespaces.load().get(namespace)?.get(id)
    }

    pub(crate) fn namespace(&self, name: &str) -> Option<Arc<Namespace>> {
        self.namespaces.load().get(name).map(Arc::clone)
    }

    pub(crate) fn namespace_names(&self) -> Vec<Arc<str>> {
        self.namespaces.load().keys().map(Arc::clone).collect()
    }

    pub(crate) fn rules(&self, namespace: &str) -> Rules {
        let known = self.namespace(namespace);
        known.map_or_else(|| self.default_rules.clone(), |namespace| namespace.rules.clone())
    }

    pub(crate) fn revision(&self) -> Revision {
        Revision(self.revision.load(Ordering::Acquire))
    }

    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// What meets the query in the namespaces admitted.
    ///
    /// The caller has read `by` before this call: no lease that runs until then has run out. Only
    /// if that is not enough, `now` is asked for the present.
    pub(crate) fn discover(
        &self,
        query: &Query,
        by: Tick,
        now: impl Fn() -> Tick,
        admits: impl Fn(&str) -> bool,
    ) -> Discovery {
        let horizon = Tick(self.horizon.load(Ordering::SeqCst));
        let revivals = self.revivals.load(Ordering::SeqCst);
        let namespaces = self.namespaces.load();
        let mut found = Discovery::new(query, revivals);
        match &query.namespace {
            Some(name) => {
                if let Some(namespace) = namespaces.get(name.as_str())
                    && admits(name)
                {
                    namespace.collect(query, by, horizon, &mut found);
                }
            }
            None => {
                for namespace in namespaces.values().filter(|namespace| admits(&namespace.name)) {
                    namespace.collect(query, by, horizon, &mut found);
                }
            }
        }
        found.settle(now);
        found
    }

    /// Takes note of a heartbeat, if `permit` says so of the record, and gives what `look` makes of
    /// it. `None` within if it has lapsed: then it must be listed again.
    pub(crate) fn hear<T, E>(
        &self,
        namespace: &str,
        id: &str,
        beat: Beat,
        permit: impl FnOnce(&Slot) -> Result<(), E>,
        look: impl FnOnce(&Arc<Slot>, &Arc<Pulse>) -> T,
    ) -> Option<Result<Option<T>, E>> {
        self.namespaces.load().get(namespace)?.records.look(id, |slot, pulse| {
            permit(slot)?;
            let is_listed = pulse.beat(beat, || self.count_revival());
            self.soil(pulse);
            Ok(is_listed.then(|| look(slot, pulse)))
        })
    }

    /// Says that something is live again, after it has come to be so.
    pub(crate) fn count_revival(&self) {
        self.revivals.fetch_add(1, Ordering::SeqCst);
    }

    /// Takes note of a heartbeat whose beat is to be kept.
    pub(crate) fn soil(&self, pulse: &Arc<Pulse>) {
        let lane = &self.lanes[pulse.created.0 as usize % LANES];
        lane.beats.fetch_add(1, Ordering::Relaxed);
        if pulse.soil() {
            lane.dirty.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(pulse));
        }
    }

    /// Heartbeats since the start.
    pub(crate) fn beats(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.beats.load(Ordering::Relaxed)).sum()
    }
}

// === impl Catalog: writing, by the driver alone ===

impl Catalog {
    /// The namespace, made now if it is new.
    pub(crate) fn namespace_or_new(&self, name: &str) -> Result<Arc<Namespace>, Invalid> {
        if let Some(namespace) = self.namespace(name) {
            return Ok(namespace);
        }
        let mut all = BTreeMap::clone(&self.namespaces.load());
        if all.len() >= limits::NAMESPACES_MAX {
            let reason = format!(
                "would be one more than the {} allowed; empty ones are forgotten at a restart",
                limits::NAMESPACES_MAX
            );
            return Err(Invalid::new("namespace", reason));
        }
        let namespace = Namespace::new(Arc::from(name), self.default_rules.clone());
        all.insert(Arc::clone(&namespace.name), Arc::clone(&namespace));
        self.namespaces.store(Arc::new(all));
        Ok(namespace)
    }

    /// Does every step, then shows the result to readers: each view is published once. Only a value
    /// that nobody carried is shown with the step that brings it.
    pub(crate) fn apply<'a>(&self, steps: impl IntoIterator<Item = Step<'a>>) {
        let horizon = Tick(self.horizon.load(Ordering::SeqCst));
        let namespaces = self.namespaces.load();
        let mut drafts = Drafts::new(horizon);
        for step in steps {
            match step {
                Step::Relist(slot) => {
                    let key = &slot.record().key;
                    if let Some(namespace) = namespaces.get(key.namespace()) {
                        drafts.put(namespace, slot);
                    }
                }
                Step::Change(change) => {
                    let key = change.key();
                    self.revision.fetch_max(change.revision.0, Ordering::AcqRel);
                    if let Some(namespace) = namespaces.get(key.namespace()) {
                        self.change(namespace, change, &mut drafts);
                    }
                }
            }
        }
        if drafts.publish() {
            self.count_revival();
        }
    }

    /// Skips to `revision`: what led there is not told change by change.
    pub(crate) fn skip_to(&self, revision: Revision) {
        self.revision.fetch_max(revision.0, Ordering::AcqRel);
    }

    /// The pulses that have beaten since the last call.
    pub(crate) fn take_dirty(&self) -> Vec<Arc<Pulse>> {
        let take = |lane: &Lane| {
            std::mem::take(&mut *lane.dirty.lock().unwrap_or_else(PoisonError::into_inner))
        };
        self.lanes.iter().flat_map(take).collect()
    }

    /// Every slot of every namespace.
    pub(crate) fn everything(&self) -> Vec<Arc<View>> {
        self.namespaces.load().values().map(|namespace| namespace.all.load()).collect()
    }

    fn change(&self, namespace: &Arc<Namespace>, change: &Change, drafts: &mut Drafts) {
        if let Some(before) = &change.before {
            let gone = change
                .after
                .as_ref()
                .is_none_or(|after| after.record().created != before.record().created);
            if gone {
                before.pulse().remove();
            }
            drafts.remove(namespace, before, change.after.as_deref());
        }
        match &change.after {
            Some(after) => {
                after.pulse().set_lease(after.record(), &namespace.rules);
                if namespace.records.insert(after) {
                    self.len.fetch_add(1, Ordering::Relaxed);
                }
                drafts.put(namespace, after);
            }
            None => {
                if namespace.records.remove(change.key().id()) {
                    self.len.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// The cells that show this record.
    fn cells(&self, slot: &Slot) -> Vec<Arc<Cell>> {
        let namespace = self.namespace(slot.record().key.namespace());
        namespace.map(|namespace| namespace.cells(slot)).unwrap_or_default()
    }

    fn set_horizon(&self, horizon: Tick) {
        self.horizon.store(horizon.0, Ordering::SeqCst);
    }
}

// === impl Namespace ===

impl Namespace {
    fn new(name: Arc<str>, rules: Rules) -> Arc<Self> {
        Arc::new(Self {
            name,
            rules,
            records: Index::new(),
            all: Arc::new(Cell::empty()),
            facets: Facet::ALL.map(Values::of),
        })
    }

    pub(crate) fn get(&self, id: &str) -> Option<Arc<Slot>> {
        self.records.get(id)
    }

    /// Adds the smallest view that holds every match; the query filters what is left to decide.
    fn collect(&self, query: &Query, by: Tick, horizon: Tick, found: &mut Discovery) {
        let mut best = Best { scope: query.scope, answered: 0, view: None };
        let single = [
            (Facet::Role, &query.role),
            (Facet::Name, &query.name),
            (Facet::Service, &query.service),
        ];
        for (facet, text) in single {
            if let Some(text) = text
                && !best.offer(self.view(facet, text, by, horizon))
            {
                return;
            }
        }
        for text in &query.capabilities {
            if !best.offer(self.view(Facet::Capability, text, by, horizon)) {
                return;
            }
        }
        let mut unanswered = 0;
        for (name, value) in &query.labels {
            if !self.rules.indexed_labels.contains(name) {
                unanswered += 1;
            } else if !best.offer(self.view(Facet::Label, &label_text(name, value), by, horizon)) {
                return;
            }
        }
        // One view answers one condition; the others are looked at record by record.
        if best.answered + unanswered > 1 || unanswered > 0 {
            found.filter(query);
        }
        found.add(best.view.unwrap_or_else(|| self.all.load_at(by, horizon)));
    }

    fn view(&self, facet: Facet, text: &str, by: Tick, horizon: Tick) -> Option<Answer> {
        self.facets[facet as usize].load_at(text, by, horizon)
    }

    fn cells(&self, slot: &Slot) -> Vec<Arc<Cell>> {
        let facets = facets_of(slot.record(), &self.rules.indexed_labels);
        let cells = facets.filter_map(|(facet, text)| self.facets[facet as usize].cell(&text));
        std::iter::once(Arc::clone(&self.all)).chain(cells).collect()
    }
}

// === Best: the smallest of the views that answer a part of a query ===

struct Best {
    scope: Scope,
    /// Conditions that have a view.
    answered: usize,
    view: Option<Answer>,
}

impl Best {
    /// Keeps the smaller view. `false` if there is none: then nothing meets the condition.
    fn offer(&mut self, candidate: Option<Answer>) -> bool {
        let Some(candidate) = candidate else { return false };
        let size = |view: &View| match self.scope {
            Scope::Live => view.live.len(),
            Scope::All => view.len(),
        };
        self.answered += 1;
        if self.view.as_ref().is_none_or(|best| size(&candidate.view) < size(&best.view)) {
            self.view = Some(candidate);
        }
        true
    }
}
