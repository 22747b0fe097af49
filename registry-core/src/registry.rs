//! The five verbs: register, heartbeat, deregister, discover, watch; and `update` and `amend`.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::catalog::{Catalog, Discovery, Pulse, Slot, Tally};
use crate::change::{Cause, Change, Revision};
use crate::clock::{Clock, SystemClock, Tick, Timeline, Timestamp};
use crate::driver::{Driver, Request};
use crate::encoding::DecodeError;
use crate::error::{Error, Invalid};
use crate::key::Key;
use crate::lease::Beat;
use crate::limits;
use crate::namespace::Rules;
use crate::operation::{Claim, Done, Guard, Operation, Ticket};
use crate::query::Query;
use crate::record::Declared;
use crate::recover;
use crate::snapshot::Snapshot;
use crate::store::{Mark, Store, StoreError};
use crate::watch::{Hub, Start, Watcher};

/// A handle on a registry. Cloning it is cheap; all clones are the same registry.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Request>,
}

/// Says how a registry is to be, then opens it.
pub struct Builder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    namespaces: HashMap<String, Rules>,
    default_rules: Rules,
    options: Options,
}

/// Why a registry could not be opened. No record in the store was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds a record that cannot be understood.
    #[error(transparent)]
    Record(#[from] DecodeError),
    /// What the host or the store asks for is over a limit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// What readers, writers and watchers of one registry share.
pub(crate) struct Shared {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) timeline: Timeline,
}

/// What a host may tune.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) flush_ms: u64,
    pub(crate) restart_grace_ms: u64,
}

// === impl Registry: the verbs ===

impl Registry {
    /// Begins to open a registry whose records rest in `store`.
    #[must_use]
    pub fn builder(store: Arc<dyn Store>) -> Builder {
        Builder {
            store,
            clock: Arc::new(SystemClock::new()),
            namespaces: HashMap::new(),
            default_rules: Rules::default(),
            options: Options {
                flush_ms: limits::FLUSH_MS,
                restart_grace_ms: limits::RESTART_GRACE_MS,
            },
        }
    }

    /// Registers a thing under `key`. Durable when it returns.
    ///
    /// If the key is taken, the claim or else the namespace's rule decides.
    ///
    /// It is queued by this call, not when the future is first polled: what one caller registers
    /// first, without waiting in between, comes first in the order of changes.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Conflict`] and [`Error::Moved`] say that it was refused;
    /// [`Error::Busy`] and [`Error::Unavailable`] that it was not done; [`Error::Unknown`] that it
    /// may have been; [`Error::Closed`] that the registry has stopped.
    pub fn register(
        &self,
        key: Key,
        declared: Declared,
        claim: Claim,
    ) -> impl Future<Output = Result<Done, Error>> + Send + use<> {
        let checked = declared.check().map_err(Error::from);
        let declared = Box::new(declared);
        let queued =
            checked.and_then(|()| self.queue(key, Operation::Register { declared, claim }));
        async { answered(queued?).await }
    }

    /// Says that a record's owner is still there: its lease begins anew.
    ///
    /// Writes nothing; the driver keeps beats in bulk. A record whose lease had run out is
    /// discovered again when this returns; watchers learn of it with the next commit.
    ///
    /// # Errors
    /// [`Error::NotFound`]: register again. [`Error::Fenced`] and [`Error::Moved`]: the guard does
    /// not hold. [`Error::Closed`]; and [`Error::Busy`] where a lapsed record finds a full queue:
    /// it has been heard of then, and its next heartbeat lists it.
    pub async fn heartbeat(
        &self,
        namespace: &str,
        id: &str,
        guard: &Guard,
    ) -> Result<Arc<Slot>, Error> {
        match self.hear(namespace, id, guard, |slot, _| Arc::clone(slot))? {
            Some(slot) => Ok(slot),
            None => self.revive(namespace, id).await,
        }
    }

    /// A [`heartbeat`](Self::heartbeat) of one who need not see the record: only when it was last
    /// heard of, which is now. Of very many records it takes less time, since a record lies apart
    /// from what a heartbeat moves.
    ///
    /// # Errors
    /// Those of [`heartbeat`](Self::heartbeat).
    pub async fn renew(&self, namespace: &str, id: &str, guard: &Guard) -> Result<Beat, Error> {
        match self.hear(namespace, id, guard, |_, pulse| pulse.latest())? {
            Some(beat) => Ok(beat),
            None => self.revive(namespace, id).await.map(|slot| slot.pulse().latest()),
        }
    }

    /// Changes what a record declares, as one step: `edit` sees it as it is then, and no other
    /// change comes in between. Renews the lease. Durable when it returns.
    ///
    /// `edit` runs in the commit loop, so it must be quick.
    ///
    /// # Errors
    /// Those of [`register`](Self::register), [`Error::NotFound`], [`Error::Fenced`], and whatever
    /// `edit` refuses: then nothing is changed.
    pub async fn update(
        &self,
        namespace: &str,
        id: &str,
        guard: Guard,
        edit: impl FnOnce(&mut Declared) -> Result<(), Invalid> + Send + 'static,
    ) -> Result<Done, Error> {
        self.change(namespace, id, guard, edit, true).await
    }

    /// Changes what a record declares like [`update`](Self::update), but is no sign of life: its
    /// lease, its standing and when it was last seen stay as they are.
    ///
    /// For what is said about a thing, rather than by it.
    ///
    /// # Errors
    /// Those of [`update`](Self::update), and [`Error::Invalid`] if the edit would give the record
    /// another lease.
    pub async fn amend(
        &self,
        namespace: &str,
        id: &str,
        guard: Guard,
        edit: impl FnOnce(&mut Declared) -> Result<(), Invalid> + Send + 'static,
    ) -> Result<Done, Error> {
        self.change(namespace, id, guard, edit, false).await
    }

    /// Removes a record. Durable when it returns. No heartbeat brings it back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was not there, [`Error::Fenced`] and [`Error::Moved`] if the guard
    /// does not hold, and those of a write.
    pub async fn deregister(&self, namespace: &str, id: &str, guard: Guard) -> Result<Done, Error> {
        let key = self.known(namespace, id)?;
        self.submit(key, Operation::Deregister { guard }).await
    }

    /// What meets the query now. Waits for no writer, reads no store, and never shows a record
    /// whose lease has run out, unless the query asks for such.
    #[must_use]
    pub fn discover(&self, query: &Query) -> Discovery {
        self.discover_where(query, |_| true)
    }

    /// The same, only in those namespaces that `admits` takes: it is asked for each by its name.
    #[must_use]
    pub fn discover_where(&self, query: &Query, admits: impl Fn(&str) -> bool) -> Discovery {
        let timeline = &self.shared.timeline;
        self.shared.catalog.discover(query, timeline.ahead(), || timeline.now(), admits)
    }

    /// Follows what the query shows, from where `start` says.
    ///
    /// # Errors
    /// [`Error::Busy`] if there are too many watchers.
    pub fn watch(&self, query: Query, start: Start) -> Result<Watcher, Error> {
        self.shared.hub.watch(&self.shared.catalog, query, start)
    }
}

// === impl Registry: looking ===

impl Registry {
    /// The record under this key, whatever its standing.
    #[must_use]
    pub fn get(&self, namespace: &str, id: &str) -> Option<Arc<Slot>> {
        self.shared.catalog.get(namespace, id)
    }

    /// The present, on the clock that leases run on.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.shared.timeline.now()
    }

    /// The present, for people.
    #[must_use]
    pub fn wall(&self) -> Timestamp {
        self.shared.timeline.wall()
    }

    /// The latest change that readers see.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.shared.catalog.revision()
    }

    /// How many records there are, whatever their standing.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.catalog.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The namespaces that exist: those with rules of their own, and those once registered in.
    #[must_use]
    pub fn namespaces(&self) -> Vec<Arc<str>> {
        self.shared.catalog.namespace_names()
    }

    /// The rules that hold in a namespace, also in one that does not exist yet.
    #[must_use]
    pub fn rules(&self, namespace: &str) -> Rules {
        self.shared.catalog.rules(namespace)
    }

    /// What happened to one key, oldest first, as far as it is kept: after the revision that comes
    /// with it. Removed records have a history, too.
    #[must_use]
    pub fn changes_of(&self, namespace: &str, id: &str) -> (Vec<Arc<Change>>, Revision) {
        self.shared.hub.changes_of(namespace, id)
    }

    /// The oldest revision that a watcher can go on from.
    #[must_use]
    pub fn oldest_revision(&self) -> Revision {
        self.shared.hub.oldest()
    }

    /// How many records each role of each namespace has. Meant for dashboards: the more records are
    /// not live, the longer it takes.
    #[must_use]
    pub fn census(&self) -> Vec<Tally> {
        self.shared.catalog.census(self.shared.timeline.now())
    }

    /// How many heartbeats there were since the registry was opened.
    #[must_use]
    pub fn heartbeats(&self) -> u64 {
        self.shared.catalog.beats()
    }

    /// How many changes there were for each cause since the registry was opened.
    #[must_use]
    pub fn changes(&self) -> [(Cause, u64); Cause::ALL.len()] {
        self.shared.hub.told()
    }

    /// How many changes the watcher that is furthest behind has not taken yet.
    #[must_use]
    pub fn watcher_lag(&self) -> u64 {
        self.shared.hub.lag()
    }

    /// How many watchers there are.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.shared.hub.watchers()
    }

    /// Everything that is registered, as of one revision, for a backup or for another store.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.shared.catalog, &self.shared.hub, &self.shared.timeline)
    }

    /// Whether the registry has stopped, or its driver has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Resolves when the registry has stopped: because it was told to, or because its store failed.
    pub async fn closed(&self) {
        self.queue.closed().await;
    }

    /// Looks at every deadline and keeps every beat now; returns when the beats are at rest.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store did not take them, [`Error::Closed`] if the registry has
    /// stopped.
    pub async fn checkpoint(&self) -> Result<(), Error> {
        let (caller, answer) = oneshot::channel();
        self.queue.send(Request::Checkpoint(caller)).await.map_err(|_| Error::Closed)?;
        answer.await.unwrap_or(Err(Error::Closed))
    }

    /// What `look` makes of the record that has been heard of. `None` if it must be listed again.
    fn hear<T>(
        &self,
        namespace: &str,
        id: &str,
        guard: &Guard,
        look: impl FnOnce(&Arc<Slot>, &Arc<Pulse>) -> T,
    ) -> Result<Option<T>, Error> {
        let timeline = &self.shared.timeline;
        let beat = Beat { last_seen: timeline.wall(), renewed: timeline.now() };
        let permit = |slot: &Slot| {
            guard.permits(slot)?;
            if self.queue.is_closed() { Err(Error::Closed) } else { Ok(()) }
        };
        let heard = self.shared.catalog.hear(namespace, id, beat, permit, look);
        heard.unwrap_or(Err(Error::NotFound))
    }

    async fn revive(&self, namespace: &str, id: &str) -> Result<Arc<Slot>, Error> {
        let key = self.known(namespace, id)?;
        self.submit(key, Operation::Revive).await.map(|done| done.slot)
    }

    async fn change(
        &self,
        namespace: &str,
        id: &str,
        guard: Guard,
        edit: impl FnOnce(&mut Declared) -> Result<(), Invalid> + Send + 'static,
        renews: bool,
    ) -> Result<Done, Error> {
        let key = self.known(namespace, id)?;
        self.submit(key, Operation::Update { guard, edit: Box::new(edit), renews }).await
    }

    fn known(&self, namespace: &str, id: &str) -> Result<Key, Error> {
        if let Some(slot) = self.shared.catalog.get(namespace, id) {
            return Ok(slot.record().key.clone());
        }
        // A register of this key may be on its way: it must be asked in the same queue.
        Key::new(namespace, id).map_err(|_| Error::NotFound)
    }

    async fn submit(&self, key: Key, operation: Operation) -> Result<Done, Error> {
        answered(self.queue(key, operation)?).await
    }

    fn queue(&self, key: Key, operation: Operation) -> Result<Answer, Error> {
        let (reply, answer) = oneshot::channel();
        let ticket = Ticket { key, operation, reply: Some(reply) };
        self.queue.try_send(Request::Operation(ticket)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Error::Closed,
        })?;
        Ok(answer)
    }
}

type Answer = oneshot::Receiver<Result<Done, Error>>;

/// The driver answers everything it takes; if it ends before, nobody knows what was done.
async fn answered(answer: Answer) -> Result<Done, Error> {
    answer.await.unwrap_or(Err(Error::Unknown))
}

// === impl Builder ===

impl Builder {
    /// Gives a namespace rules of its own.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>, rules: Rules) -> Self {
        self.namespaces.insert(name.into(), rules);
        self
    }

    /// The rules of every namespace that has none of its own.
    #[must_use]
    pub fn default_rules(mut self, rules: Rules) -> Self {
        self.default_rules = rules;
        self
    }

    /// Where time comes from; the machine's clocks if nothing is said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How often beats are written to the store, in milliseconds. A crash loses those since.
    #[must_use]
    pub fn flush_ms(mut self, ms: u64) -> Self {
        self.options.flush_ms = ms;
        self
    }

    /// What a lease that was live when the registry stopped has left at least when it is back, in
    /// milliseconds. `0`: nothing is forgiven, and the time it was down counts.
    #[must_use]
    pub fn restart_grace_ms(mut self, ms: u64) -> Self {
        self.options.restart_grace_ms = ms;
        self
    }

    /// Reads the store and gives the registry, and the driver that the host must run.
    ///
    /// Calls that write wait until the driver runs.
    ///
    /// # Errors
    /// [`OpenError`]; what the store holds is then as it was.
    pub async fn open(self) -> Result<(Registry, Driver), OpenError> {
        for (name, rules) in &self.namespaces {
            Key::new(name, "any")?;
            rules.default_ttl.map_or(Ok(()), crate::Ttl::check)?;
        }
        let catalog = Arc::new(Catalog::new(self.namespaces, self.default_rules));
        let contents = recover::load(self.store.as_ref(), &catalog).await?;
        let now = recover::resume_at(&contents, self.clock.as_ref(), &self.options);
        let (revision, mark) = (contents.loaded.revision, contents.loaded.mark);
        let timeline = Timeline::resume(self.clock, now);
        let recovered = recover::fill(&catalog, contents, now, &self.options);
        if mark.is_none() && now > Tick::default() {
            // Only records told the time, and they may be gone at the next start.
            let mark = Mark { tick: now, wall: timeline.wall() };
            self.store.renew(Vec::new(), Some(mark)).await?;
        }
        let shared = Arc::new(Shared { catalog, hub: Hub::new(revision), timeline });
        let (sender, queue) = mpsc::channel(limits::QUEUE_OPERATIONS_MAX);
        let driver = Driver::new(Arc::clone(&shared), self.store, self.options, queue, recovered);
        Ok((Registry { shared, queue: sender }, driver))
    }
}
