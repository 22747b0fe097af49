//! Where records rest: the contract that every backend keeps.
//!
//! # Contract
//!
//! A store holds, for each key, a body (bytes it never reads), the revisions at which the key was
//! created and last modified, and the latest [`Beat`]. Beside them it holds its latest revision and
//! the latest [`Mark`].
//!
//! * **Atomic.** A write happens whole or not at all, for readers and for crashes. A batch need not
//!   be atomic: each write has its own outcome.
//! * **Durable.** When `commit` returns, its writes are as durable as the store ever makes them.
//!   `renew` may be less durable: a crash may take back renewals not yet confirmed by a later call.
//! * **Ordered.** Each write that is done gets a revision greater than every one given before, also
//!   after a crash and through other handles on the same location.
//! * **Honest.** [`StoreError`] says whether a call surely did nothing. What is refused because of
//!   its expectation is an [`Outcome`], not an error.
//! * **Two handles** on one location see each other's committed writes, or the second is refused.
//!
//! `testkit` (a module behind the feature of that name) proves an implementation case by case.

use async_trait::async_trait;

use crate::change::Revision;
use crate::clock::{Tick, Timestamp};
use crate::key::Key;
use crate::lease::Beat;

/// A place where records rest. See the [module](self) for the contract.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// Hands every stored record to `each`, in no particular order, as of one revision.
    ///
    /// # Errors
    /// [`StoreError::NotDone`] if it cannot be read now, [`StoreError::Broken`] if it never will.
    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError>;

    /// Does every write whose expectation holds. The outcomes stand in the order of the writes.
    ///
    /// No two writes of a batch have the same key.
    ///
    /// # Errors
    /// Any [`StoreError`]: it is about the batch as a whole.
    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError>;

    /// Keeps the latest beats of many records, then the mark if one is given.
    ///
    /// A beat of a record that is not there, or was created again since, is ignored.
    ///
    /// # Errors
    /// Any [`StoreError`]; beats may then be kept in part, the mark is not kept before its beats.
    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError>;

    /// Fills a store that was never written to with what another one held: the records with their
    /// revisions and beats, and what [`Loaded`] tells beside them. At rest when it returns.
    ///
    /// One that ends early, by an error among the records or a crash, is never taken for whole:
    /// the store is then as empty as before, or refuses to be opened or loaded.
    ///
    /// # Errors
    /// [`StoreError::NotDone`] if anything was ever written here, or if it could be undone; else
    /// [`StoreError::Broken`].
    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError>;

    /// Puts everything to rest and lets go of the location. Called last.
    ///
    /// # Errors
    /// Any [`StoreError`]; what `commit` confirmed is kept all the same.
    async fn close(&self) -> Result<(), StoreError>;
}

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Committed writes outlive the process.
    pub durable: bool,
}

/// One record as it rests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its key.
    pub key: Key,
    /// The write that put the key there.
    pub created: Revision,
    /// The latest write.
    pub modified: Revision,
    /// The bytes given with that write.
    pub body: Vec<u8>,
    /// The latest beat kept for it.
    pub beat: Beat,
}

/// Records on their way into a store; the one that cannot be had says why.
pub type Records = Box<dyn Iterator<Item = Result<Stored, Reason>> + Send>;

/// What `load` tells besides the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The latest revision ever given.
    pub revision: Revision,
    /// The latest mark, if there is one.
    pub mark: Option<Mark>,
}

/// One write and what it expects to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The key it is about.
    pub key: Key,
    /// What must be true of the key for the write to happen.
    pub expect: Expect,
    /// What to do.
    pub action: Action,
}

/// What must be true of a key for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no record.
    Absent,
    /// The record was last modified at this revision.
    Modified(Revision),
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Keeps this body and this beat.
    Put {
        /// The record's bytes.
        body: Vec<u8>,
        /// Its beat as of this write.
        beat: Beat,
    },
    /// Removes the record and its beat.
    Delete,
}

/// What became of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, at this revision.
    Done(Revision),
    /// Not done: the expectation did not hold.
    Conflict,
}

/// The latest beat of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Which record.
    pub key: Key,
    /// Which life of the key: the write that created it.
    pub created: Revision,
    /// When it was last heard of.
    pub beat: Beat,
}

/// An instant on both clocks up to which every beat is at rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Registry time.
    pub tick: Tick,
    /// Wall time at that tick.
    pub wall: Timestamp,
}

/// Why a store did not answer as asked, by what is known about the effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It surely did nothing; trying again may help.
    #[error("the store did not do it: {0}")]
    NotDone(#[source] Reason),
    /// It may or may not have done it. What is true can be loaded.
    #[error("the store did not say whether it did it: {0}")]
    Unknown(#[source] Reason),
    /// It will do nothing more; what was asked last may or may not be done.
    #[error("the store has failed: {0}")]
    Broken(#[source] Reason),
}

/// The cause of a [`StoreError`], in the store's own words.
pub type Reason = Box<dyn std::error::Error + Send + Sync>;

// === impl Stored ===

impl Stored {
    /// Fails if no store can have held this beside `loaded`.
    ///
    /// # Errors
    /// What is wrong with it, naming its key.
    pub fn check(&self, loaded: &Loaded) -> Result<(), Reason> {
        let is_possible = Revision(0) < self.created
            && self.created <= self.modified
            && self.modified <= loaded.revision;
        if is_possible {
            return Ok(());
        }
        let Self { key, created: Revision(created), modified: Revision(modified), .. } = self;
        let Revision(latest) = loaded.revision;
        Err(format!(
            "{key} says that it was created at revision {created} and modified at {modified}, \
             where {latest} is the latest"
        )
        .into())
    }
}
