//! What waits for the commit loop, and what each operation comes to, decided against the catalog.
//!
//! Deciding changes nothing: it ends in a refusal, in an answer, or in a [`Draft`] for the store.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::catalog::{Catalog, Due, Slot};
use crate::change::{Cause, Revision};
use crate::clock::Tick;
use crate::clock::Timestamp;
use crate::encoding::UNWRITTEN;
use crate::error::{Error, Invalid};
use crate::key::Key;
use crate::lease::Standing;
use crate::namespace::{OnConflict, OnExpiry};
use crate::record::{Declared, Generation, Record};

/// What a caller claims when it registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// The life it speaks for; the registry makes one up if there is none.
    pub generation: Option<Generation>,
    /// What to do if the key is taken; `None` is the namespace's rule.
    pub on_conflict: Option<OnConflict>,
    /// Only if the record is at this revision.
    pub if_revision: Option<Revision>,
    /// Who says so, in whatever words: [`Change::by`](crate::Change::by).
    pub by: Option<Arc<str>>,
}

/// What a caller knows of the record that it is about to change. Empty: whatever is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Only this life of the key.
    pub generation: Option<Generation>,
    /// Only if the record is at this revision.
    pub if_revision: Option<Revision>,
    /// Who says so, in whatever words: [`Change::by`](crate::Change::by).
    pub by: Option<Arc<str>>,
}

/// What became of an operation that was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The record now or, if it is gone, as it was last.
    pub slot: Arc<Slot>,
    /// What happened to it.
    pub cause: Cause,
}

/// Changes what a record declares.
pub(crate) type Edit = Box<dyn FnOnce(&mut Declared) -> Result<(), Invalid> + Send>;

/// How an operation's caller learns what became of it.
pub(crate) type Reply = oneshot::Sender<Result<Done, Error>>;

/// One operation on one key.
pub(crate) enum Operation {
    Register {
        declared: Box<Declared>,
        claim: Claim,
    },
    Update {
        guard: Guard,
        edit: Edit,
        /// Whether it is a sign of life.
        renews: bool,
    },
    Deregister {
        guard: Guard,
    },
    /// A heartbeat of a record that has lapsed. Its pulse has beaten already.
    Revive,
    /// What the driver found due is to be announced.
    Due(Due),
}

/// An operation in the queue.
pub(crate) struct Ticket {
    pub(crate) key: Key,
    pub(crate) operation: Operation,
    pub(crate) reply: Option<Reply>,
}

/// What an operation comes to.
pub(crate) enum Decision {
    Refuse(Error),
    Write(Draft),
    /// The record is live by its lease but not listed as such: list it. That needs no store.
    Relist(Arc<Slot>),
    /// It has been overtaken by events.
    Nothing,
}

/// A change that the store has not taken yet.
pub(crate) struct Draft {
    pub(crate) cause: Cause,
    pub(crate) at: Timestamp,
    pub(crate) before: Option<Arc<Slot>>,
    /// Its revisions are not known yet. `None` removes the record.
    pub(crate) record: Option<Box<Record>>,
    /// Who asked for it.
    pub(crate) by: Option<Arc<str>>,
    /// Whether the owner has given a sign of life, which renews the lease.
    pub(crate) renews: bool,
}

// === impl Ticket ===

impl Ticket {
    /// Nobody waits for it: the registry itself has found that the record has beaten.
    pub(crate) fn revive(key: Key) -> Self {
        Self { key, operation: Operation::Revive, reply: None }
    }
}

// === impl Operation ===

impl Operation {
    /// What this operation on `key` comes to, at this instant.
    pub(crate) fn decide(self, key: &Key, catalog: &Catalog, now: Tick, at: Timestamp) -> Decision {
        let before = catalog.get(key.namespace(), key.id());
        let decided = match self {
            Self::Register { declared, claim } => {
                register(key, *declared, claim, before, catalog, now, at)
            }
            Self::Update { guard, edit, renews } => {
                update(guard, edit, renews, before, catalog, at)
            }
            Self::Deregister { guard } => guard.check(before).map(|slot| {
                let removal = Draft::removal(Cause::Deregistered, at, slot);
                Decision::Write(Draft { by: guard.by, ..removal })
            }),
            Self::Revive => before.map(Decision::Relist).ok_or(Error::NotFound),
            Self::Due(due) => {
                Ok(before.map_or(Decision::Nothing, |slot| announce(&due, slot, catalog, at)))
            }
        };
        decided.unwrap_or_else(Decision::Refuse)
    }
}

fn register(
    key: &Key,
    declared: Declared,
    claim: Claim,
    before: Option<Arc<Slot>>,
    catalog: &Catalog,
    now: Tick,
    at: Timestamp,
) -> Result<Decision, Error> {
    let namespace = catalog.namespace_or_new(key.namespace())?;
    let mut cause = Cause::Registered;
    let mut same_life = None;
    if let Some(holder) = &before {
        let held = holder.record();
        let same = claim.generation.as_ref() == Some(&held.generation);
        let stale = holder.standing(now) == Standing::Stale;
        let allowed = match claim.on_conflict.unwrap_or(namespace.rules.on_conflict) {
            OnConflict::Refuse => false,
            OnConflict::Replace => true,
            OnConflict::TakeOverStale => same || stale,
        };
        if !allowed {
            return Err(Error::Conflict { holder: Arc::clone(holder) });
        }
        cause = if stale && !same { Cause::TakenOver } else { Cause::Replaced };
        same_life = same.then_some(held.registered_at);
    }
    if let Some(expected) = claim.if_revision {
        let current = before.as_ref().map_or(UNWRITTEN, |slot| slot.record().modified);
        if current != expected {
            return Err(Error::Moved { current });
        }
    }
    let record = Record {
        key: key.clone().interned(&namespace.name),
        declared,
        generation: claim.generation.unwrap_or_else(Generation::unique),
        registered_at: same_life.unwrap_or(at),
        lapsed_at: None,
        created: before.as_ref().map_or(UNWRITTEN, |slot| slot.record().created),
        modified: UNWRITTEN,
    };
    let record = Some(Box::new(record));
    Ok(Decision::Write(Draft { cause, at, before, record, by: claim.by, renews: true }))
}

fn update(
    guard: Guard,
    edit: Edit,
    renews: bool,
    before: Option<Arc<Slot>>,
    catalog: &Catalog,
    at: Timestamp,
) -> Result<Decision, Error> {
    let before = guard.check(before)?;
    let mut record = before.record().clone();
    edit(&mut record.declared)?;
    record.declared.check()?;
    if renews {
        record.lapsed_at = None;
    } else {
        let rules = catalog.rules(record.key.namespace());
        let lease = |declared: &Declared| rules.lease(declared.state, declared.term);
        // Another lease would have to begin now, and then somebody must have been heard of.
        if lease(&record.declared) != lease(&before.record().declared) {
            let reason = "another lease takes a sign of life: update, not amend";
            return Err(Invalid::new("ttl", reason).into());
        }
    }
    let (before, record) = (Some(before), Some(Box::new(record)));
    let (cause, by) = (Cause::Updated, guard.by);
    Ok(Decision::Write(Draft { cause, at, before, record, by, renews }))
}

/// What was due when it was queued may have been overtaken by a heartbeat or another life since.
fn announce(due: &Due, slot: Arc<Slot>, catalog: &Catalog, at: Timestamp) -> Decision {
    let pulse = due.pulse();
    let (lapsed, announced) = (pulse.is_lapsed(), slot.record().lapsed_at.is_some());
    if !Arc::ptr_eq(slot.pulse(), pulse) {
        return Decision::Nothing;
    }
    let rules = catalog.namespace(pulse.key.namespace()).map(|namespace| namespace.rules.on_expiry);
    let (cause, lapsed_at) = match due {
        Due::Revived(_) if !lapsed && announced => (Cause::Revived, None),
        Due::Lapsed(_) if lapsed && rules == Some(OnExpiry::PurgeAfterMs(0)) => {
            return Decision::Write(Draft::removal(Cause::Purged, at, slot));
        }
        Due::Lapsed(_) if lapsed && !announced => (Cause::Lapsed, Some(at)),
        Due::Purge(_) if lapsed => {
            return Decision::Write(Draft::removal(Cause::Purged, at, slot));
        }
        _ => return Decision::Nothing,
    };
    let record = Some(Box::new(Record { lapsed_at, ..slot.record().clone() }));
    Decision::Write(Draft { cause, at, before: Some(slot), record, by: None, renews: false })
}

// === impl Guard ===

impl Guard {
    /// The record, if it is the one that the caller means.
    pub(crate) fn check(&self, slot: Option<Arc<Slot>>) -> Result<Arc<Slot>, Error> {
        let slot = slot.ok_or(Error::NotFound)?;
        self.permits(&slot)?;
        Ok(slot)
    }

    /// Fails if it is not the record that the caller means.
    pub(crate) fn permits(&self, slot: &Slot) -> Result<(), Error> {
        let held = slot.record();
        if self.generation.as_ref().is_some_and(|wanted| *wanted != held.generation) {
            return Err(Error::Fenced { held: held.generation.clone() });
        }
        if self.if_revision.is_some_and(|expected| expected != held.modified) {
            return Err(Error::Moved { current: held.modified });
        }
        Ok(())
    }
}

// === impl Draft ===

impl Draft {
    fn removal(cause: Cause, at: Timestamp, slot: Arc<Slot>) -> Self {
        Self { cause, at, before: Some(slot), record: None, by: None, renews: false }
    }
}
