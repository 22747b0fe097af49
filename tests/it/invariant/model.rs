//! The model: what the registry promises about leases, as plainly as it can be said.

use std::collections::BTreeMap;

use registry_core::{Claim, OnConflict, OnExpiry, State, Term, Ttl};

use super::story::{self, Fence, GRACE_MS, Who};

/// A registry without concurrency, stores, views or time of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) now: u64,
    pub(crate) wall: i64,
    pub(crate) rows: BTreeMap<Who, Row>,
    created: u64,
}

/// What is known of one registered thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) generation: String,
    pub(crate) role: usize,
    pub(crate) state: State,
    pub(crate) term: Term,
    pub(crate) renewed: u64,
    pub(crate) last_seen: i64,
    /// Its place in lists.
    pub(crate) created: u64,
    /// Renewed and last seen as the store is sure to know them.
    pub(crate) kept: (u64, i64),
    /// The store is sure to know that it is stale.
    pub(crate) stale_at_rest: bool,
}

/// How an operation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Done,
    NotFound,
    Conflict,
    Fenced,
    Invalid,
}

// === impl Model ===

impl Model {
    /// An empty registry whose wall clock shows `wall`.
    pub(crate) fn at(wall: i64) -> Self {
        Self { wall, ..Self::default() }
    }

    pub(crate) fn generation(&self, who: Who, fence: Fence) -> Option<String> {
        match fence {
            Fence::Absent => None,
            Fence::Another => Some("another".to_owned()),
            Fence::Current => {
                Some(self.rows.get(&who).map_or("first".to_owned(), |row| row.generation.clone()))
            }
        }
    }

    /// `made_up` is the generation the registry chose, where the caller gave none.
    pub(crate) fn register(
        &mut self,
        who: Who,
        (role, term): (usize, Term),
        claim: &Claim,
        made_up: impl FnOnce() -> String,
    ) -> Ending {
        let given = claim.generation.as_ref().map(|generation| generation.as_str().to_owned());
        let before = self.rows.get(&who);
        if let Some(row) = before {
            let same = given.as_ref() == Some(&row.generation);
            let allowed = match story::rules(who.namespace).on_conflict {
                OnConflict::Refuse => false,
                OnConflict::Replace => true,
                OnConflict::TakeOverStale => same || row.is_stale(who, self.now),
            };
            if !allowed {
                return Ending::Conflict;
            }
        }
        let created = before.map_or(self.created + 1, |row| row.created);
        let last_seen = before.map_or(self.wall, |row| row.last_seen.max(self.wall));
        self.created = self.created.max(created);
        let row = Row {
            generation: given.unwrap_or_else(made_up),
            role,
            state: State::Running,
            term,
            renewed: self.now,
            last_seen,
            created,
            kept: (self.now, last_seen),
            stale_at_rest: false,
        };
        self.rows.insert(who, row);
        Ending::Done
    }

    pub(crate) fn update(&mut self, who: Who, state: State, fence: Fence) -> Ending {
        let (now, wall) = (self.now, self.wall);
        let row = match self.fenced(who, fence) {
            Ok(row) => row,
            Err(ending) => return ending,
        };
        row.state = state;
        row.beat(now, wall);
        row.keep();
        Ending::Done
    }

    pub(crate) fn amend(
        &mut self,
        who: Who,
        (role, state): (usize, State),
        fence: Fence,
    ) -> Ending {
        let row = match self.fenced(who, fence) {
            Ok(row) => row,
            Err(ending) => return ending,
        };
        let amended = Row { role, state, ..row.clone() };
        if amended.ttl(who) != row.ttl(who) {
            return Ending::Invalid;
        }
        *row = amended;
        row.keep();
        Ending::Done
    }

    pub(crate) fn heartbeat(&mut self, who: Who, fence: Fence) -> Ending {
        let (now, wall) = (self.now, self.wall);
        match self.fenced(who, fence) {
            Ok(row) => {
                row.beat(now, wall);
                Ending::Done
            }
            Err(ending) => ending,
        }
    }

    pub(crate) fn deregister(&mut self, who: Who, fence: Fence) -> Ending {
        if let Err(ending) = self.fenced(who, fence) {
            return ending;
        }
        self.rows.remove(&who);
        Ending::Done
    }

    /// Everything due has been announced, every beat is at rest.
    pub(crate) fn settle(&mut self) {
        let now = self.now;
        self.rows.retain(|who, row| !row.is_purged(*who, now));
        for (who, row) in &mut self.rows {
            row.keep();
            row.stale_at_rest = row.is_stale(*who, now);
        }
    }

    /// The registry has stopped in order and is back. No time has passed for it.
    pub(crate) fn restart(&mut self) {
        let now = self.now;
        for (who, row) in &mut self.rows {
            if let Some(ttl) = row.ttl(*who)
                && !row.is_stale(*who, now)
            {
                row.renewed = row.renewed.max(now.saturating_sub(ttl.saturating_sub(GRACE_MS)));
            }
            row.keep();
            row.stale_at_rest = row.is_stale(*who, now);
        }
    }

    /// The ids that discover gives, in order.
    pub(crate) fn live(&self, namespace: usize, role: usize) -> Vec<usize> {
        self.list(namespace, |who, row| {
            row.role == role && row.state == State::Running && !row.is_stale(who, self.now)
        })
    }

    pub(crate) fn list(&self, namespace: usize, wanted: impl Fn(Who, &Row) -> bool) -> Vec<usize> {
        let here = self.lasting().filter(|(who, _)| who.namespace == namespace);
        let mut rows: Vec<_> = here.filter(|(who, row)| wanted(*who, row)).collect();
        rows.sort_by_key(|(_, row)| row.created);
        rows.into_iter().map(|(who, _)| who.id).collect()
    }

    /// Rows that the registry is not about to purge: of the others nothing can be said.
    pub(crate) fn lasting(&self) -> impl Iterator<Item = (Who, &Row)> {
        let rows = self.rows.iter().map(|(who, row)| (*who, row));
        rows.filter(|(who, row)| !row.is_purged(*who, self.now))
    }

    /// Whether it is not about to be purged, be it because it is not there.
    pub(crate) fn lasts(&self, who: Who) -> bool {
        self.rows.get(&who).is_none_or(|row| !row.is_purged(who, self.now))
    }

    fn fenced(&mut self, who: Who, fence: Fence) -> Result<&mut Row, Ending> {
        let given = self.generation(who, fence);
        let row = self.rows.get_mut(&who).ok_or(Ending::NotFound)?;
        if given.is_some_and(|given| given != row.generation) {
            return Err(Ending::Fenced);
        }
        Ok(row)
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn ttl(&self, who: Who) -> Option<u64> {
        let under_lease = match self.state {
            State::Running | State::Relaunching => true,
            State::Paused => false,
            State::Stopped | State::Retired => story::rules(who.namespace).ended_expires,
        };
        let ttl = match self.term {
            Term::Default => story::rules(who.namespace).default_ttl,
            Term::Endless => None,
            Term::For(ttl) => Some(ttl),
        };
        ttl.filter(|_| under_lease).map(Ttl::as_ms)
    }

    pub(crate) fn is_stale(&self, who: Who, now: u64) -> bool {
        self.ttl(who).is_some_and(|ttl| now.saturating_sub(self.renewed) > ttl)
    }

    /// Whether the registry removes it, as soon as it gets to it.
    pub(crate) fn is_purged(&self, who: Who, now: u64) -> bool {
        let OnExpiry::PurgeAfterMs(ms) = story::rules(who.namespace).on_expiry else {
            return false;
        };
        self.ttl(who).is_some_and(|ttl| now.saturating_sub(self.renewed) > ttl + ms)
    }

    fn beat(&mut self, now: u64, wall: i64) {
        self.renewed = now;
        self.last_seen = self.last_seen.max(wall);
        self.stale_at_rest = false;
    }

    fn keep(&mut self) {
        self.kept = (self.renewed, self.last_seen);
    }
}
