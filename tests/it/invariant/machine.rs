//! The machine: lives through a story with a real registry and the model, and compares.

use std::sync::Arc;

use async_trait::async_trait;
use backends::OpenError;
use proptest::prelude::*;
use registry_core::testkit::{Call, Fault as StoreFault, FaultyStore, ManualClock};
use registry_core::{
    Claim, Declared, Error, Generation, Guard, Key, Query, Registry, Slot, Standing, State, Store,
    Timestamp,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::model::{Ending, Model};
use super::story::{self, Fault, Fence, GRACE_MS, NAMESPACES, ROLES, Step, Who};

type Checked<T = ()> = Result<T, TestCaseError>;

/// Where a story's records rest, across its restarts.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    fn new() -> Self;
    async fn open(&self) -> Arc<dyn Store>;
}

pub(crate) struct Memory(backends::MemoryStore);

pub(crate) struct Sled(tempfile::TempDir);

pub(crate) struct Fjall(tempfile::TempDir);

/// A registry that runs, and what the model says of it.
struct Machine<P> {
    place: P,
    clock: ManualClock,
    store: Arc<FaultyStore>,
    registry: Registry,
    stop: Option<oneshot::Sender<()>>,
    driver: JoinHandle<()>,
    model: Model,
    /// Registry time that the store is sure to know of.
    marked: u64,
    /// How the next commit is to fail, unless the driver has met that by itself.
    fault: Option<Fault>,
}

/// Lives through the story.
pub(crate) async fn live<P: Place>(steps: &[Step]) -> Checked {
    let place = P::new();
    let wall = 1_000_000_000_000;
    let clock = ManualClock::new(Timestamp(wall));
    let model = Model::at(wall);
    let mut machine = Machine::open(place, clock, model).await;
    for step in steps {
        machine.step(step).await?;
        machine.compare()?;
    }
    machine.stop().await;
    Ok(())
}

// === impl Place ===

#[async_trait]
impl Place for Memory {
    fn new() -> Self {
        Self(backends::MemoryStore::new())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

#[async_trait]
impl Place for Sled {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for a test"))
    }

    async fn open(&self) -> Arc<dyn Store> {
        open_at(&format!("sled:{}", self.0.path().join("data").display())).await
    }
}

#[async_trait]
impl Place for Fjall {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory for a test"))
    }

    async fn open(&self) -> Arc<dyn Store> {
        open_at(&format!("fjall:{}", self.0.path().join("data").display())).await
    }
}

async fn open_at(url: &str) -> Arc<dyn Store> {
    let opened = tokio::time::timeout(support::wait::PATIENCE, async {
        loop {
            match backends::open(url).await {
                Ok(store) => return store,
                // A crash leaves the last call of the old store to end by itself.
                Err(OpenError::Locked { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    });
    opened.await.expect("the old store lets go")
}

// === impl Machine ===

impl<P: Place> Machine<P> {
    async fn open(place: P, clock: ManualClock, model: Model) -> Self {
        let store = Arc::new(FaultyStore::new(place.open().await));
        let mut builder = Registry::builder(Arc::clone(&store) as Arc<dyn Store>)
            .clock(Arc::new(clock.clone()))
            .restart_grace_ms(GRACE_MS)
            .flush_ms(u64::MAX / 4);
        for (number, name) in NAMESPACES.iter().enumerate() {
            builder = builder.namespace(*name, story::rules(number));
        }
        let (registry, driver) = builder.open().await.expect("a sound store opens");
        let (stop, stopped) = oneshot::channel();
        let driver = driver.run(async { stopped.await.unwrap_or(()) });
        let driver = tokio::spawn(async { driver.await.expect("the store works") });
        let marked = registry.now().0;
        let (stop, fault) = (Some(stop), None);
        Self { place, clock, store, registry, stop, driver, model, marked, fault }
    }

    /// Stops in order.
    async fn stop(mut self) -> (P, ManualClock, Model) {
        let stop = self.stop.take().expect("it runs");
        stop.send(()).expect("the driver runs");
        self.driver.await.expect("the driver ends well");
        (self.place, self.clock, self.model)
    }

    async fn reopen(&mut self, crash: bool) {
        if crash {
            self.driver.abort();
        } else if let Some(stop) = self.stop.take() {
            stop.send(()).expect("the driver runs");
        }
        let ended = (&mut self.driver).await;
        assert!(crash || ended.is_ok(), "the driver ends well: {ended:?}");
        // The old handles must be gone before the store can be opened again.
        let nowhere: Arc<dyn Store> = Arc::new(backends::MemoryStore::new());
        self.store = Arc::new(FaultyStore::new(Arc::clone(&nowhere)));
        self.registry = Registry::builder(nowhere).open().await.expect("memory opens").0;
        let place = std::mem::replace(&mut self.place, P::new());
        let (clock, model) = (self.clock.clone(), std::mem::take(&mut self.model));
        *self = Self::open(place, clock, model).await;
    }

    async fn step(&mut self, step: &Step) -> Checked {
        match step.clone() {
            Step::Register { who, role, term, fence } => {
                self.register(who, role, term, fence).await
            }
            Step::Update { who, state, fence } => {
                let guard = self.guard(who, fence);
                let edit = move |declared: &mut Declared| {
                    declared.state = state;
                    Ok(())
                };
                let (namespace, id) = name(who);
                let done = self.registry.update(namespace, &id, guard, edit).await;
                self.judge(who, done.map(|_| ()), |model| model.update(who, state, fence))
            }
            Step::Amend { who, role, state, fence } => self.amend(who, (role, state), fence).await,
            Step::Heartbeat { who, fence } => self.heartbeat(who, fence).await,
            Step::Deregister { who, fence } => {
                let guard = self.guard(who, fence);
                let (namespace, id) = name(who);
                let done = self.registry.deregister(namespace, &id, guard).await;
                self.judge(who, done.map(|_| ()), |model| model.deregister(who, fence))
            }
            Step::Advance(ms) => {
                self.clock.advance(ms);
                self.model.now += ms;
                self.model.wall += i64::try_from(ms).expect("a short while");
                Ok(())
            }
            Step::JumpWall(ms) => {
                self.clock.jump_wall(ms);
                self.model.wall += ms;
                Ok(())
            }
            Step::Settle => self.settle().await,
            Step::Restart => {
                self.reopen(false).await;
                self.model.restart();
                self.adopt_purges();
                self.marked = self.model.now;
                Ok(())
            }
            Step::Crash => self.crash().await,
            Step::Fault(fault) => {
                let next = match fault {
                    Fault::Refused => StoreFault::Refuse,
                    Fault::AnswerLost => StoreFault::LoseAnswer,
                    Fault::Lost => StoreFault::Cut(0),
                };
                // One at a time; what the driver does by itself may have met the one before.
                if !self.store.is_planned(Call::Commit) {
                    self.store.next(Call::Commit, next);
                    self.fault = Some(fault);
                }
                Ok(())
            }
        }
    }

    async fn register(
        &mut self,
        who: Who,
        role: usize,
        term: registry_core::Term,
        fence: Fence,
    ) -> Checked {
        let generation = self.guard(who, fence).generation;
        let claim = Claim { generation, ..Claim::default() };
        let declared = Declared { role: ROLES[role].into(), term, ..Declared::default() };
        let (namespace, id) = name(who);
        let key = Key::new(namespace, &id).expect("a plain key");
        let done = self.registry.register(key, declared, claim.clone()).await;
        let registry = self.registry.clone();
        let made_up = move || {
            let slot = registry.get(namespace, &id);
            slot.map_or_else(String::new, |slot| slot.record().generation.to_string())
        };
        if !matches!(done, Err(Error::Conflict { .. })) {
            self.adopt_purge(who);
        }
        let registered = |model: &mut Model| model.register(who, (role, term), &claim, made_up);
        self.judge(who, done.map(|_| ()), registered)
    }

    /// One way or the other.
    async fn heartbeat(&mut self, who: Who, fence: Fence) -> Checked {
        let guard = self.guard(who, fence);
        let (namespace, id) = name(who);
        let done = if self.model.now.is_multiple_of(2) {
            let slot = self.registry.heartbeat(namespace, &id, &guard).await;
            slot.map(|slot| slot.last_seen())
        } else {
            let beat = self.registry.renew(namespace, &id, &guard).await;
            beat.map(|beat| beat.last_seen)
        };
        if let (Ok(seen), Some(slot)) = (&done, self.registry.get(namespace, &id)) {
            assert_eq!(*seen, slot.last_seen(), "{id} was heard of just now");
        }
        self.judge(who, done.map(|_| ()), |model| model.heartbeat(who, fence))
    }

    async fn amend(&mut self, who: Who, (role, state): (usize, State), fence: Fence) -> Checked {
        let guard = self.guard(who, fence);
        let edit = move |declared: &mut Declared| {
            declared.state = state;
            declared.role = ROLES[role].into();
            Ok(())
        };
        let (namespace, id) = name(who);
        let done = self.registry.amend(namespace, &id, guard, edit).await;
        self.judge(who, done.map(|_| ()), |model| model.amend(who, (role, state), fence))
    }

    fn guard(&self, who: Who, fence: Fence) -> Guard {
        let generation = self.model.generation(who, fence);
        let generation = generation.map(|text| Generation::new(&text).expect("a plain text"));
        Guard { generation, ..Guard::default() }
    }

    /// Compares how an operation ended with how the model says that it must.
    fn judge(
        &mut self,
        who: Who,
        done: Result<(), Error>,
        act: impl FnOnce(&mut Model) -> Ending,
    ) -> Checked {
        if matches!(done, Err(Error::NotFound)) {
            self.adopt_purge(who);
        }
        let before = self.model.clone();
        let ending = act(&mut self.model);
        let fault = self.fault;
        let same = match (&done, ending) {
            (Ok(()), Ending::Done) => true,
            (Err(Error::NotFound), Ending::NotFound) => true,
            (Err(Error::Conflict { .. }), Ending::Conflict) => true,
            (Err(Error::Invalid(_)), Ending::Invalid) => true,
            (Err(Error::Fenced { held }), Ending::Fenced) => {
                self.model.rows.get(&who).is_some_and(|row| row.generation == held.as_str())
            }
            // The registry looks before it answers, so nobody is left in the dark.
            (Err(Error::Unavailable), Ending::Done) if fault != Some(Fault::AnswerLost) => {
                self.fault = None;
                self.model = before;
                fault.is_some()
            }
            _ => false,
        };
        prop_assert!(same, "{done:?}, but the model says {ending:?}\n{:#?}", self.model);
        Ok(())
    }

    async fn settle(&mut self) -> Checked {
        // What is due may use up the fault that was meant for a caller, and then comes again.
        for _ in 0..4 {
            let kept = self.registry.checkpoint().await;
            prop_assert!(kept.is_ok(), "{kept:?}");
        }
        self.model.settle();
        self.marked = self.model.now;
        Ok(())
    }

    async fn crash(&mut self) -> Checked {
        let (before, marked) = (self.model.clone(), self.marked);
        self.reopen(true).await;
        let now = self.registry.now().0;
        prop_assert!((marked..=before.now).contains(&now), "{marked} {now} {}", before.now);
        self.model.now = now;
        self.adopt_purges();
        for (who, row) in &mut self.model.rows {
            let (namespace, id) = name(*who);
            let slot = self.registry.get(namespace, &id);
            let Some(slot) = slot else { return Err(TestCaseError::fail(format!("lost {who:?}"))) };
            let stale = slot.standing(self.registry.now()) == Standing::Stale;
            prop_assert!(stale || !row.stale_at_rest, "a crash has revived {who:?}: {row:?}");
            let was_live =
                !row.is_stale(*who, before.now) && row.kept == (row.renewed, row.last_seen);
            prop_assert!(!(was_live && stale), "a crash has shortened {who:?}: {row:?}");
            let seen = slot.last_seen().0;
            prop_assert!((row.kept.1..=row.last_seen).contains(&seen), "{who:?} {seen} {row:?}");
            (row.renewed, row.last_seen) = (slot.lease().renewed.0, seen);
            row.kept = (row.renewed, row.last_seen);
            row.stale_at_rest = stale;
        }
        // The mark at rest is the one from before: without one, and without a record that remembers
        // a later time, registry time may begin anew.
        Ok(())
    }

    /// Everything that can be read must be what the model says.
    fn compare(&mut self) -> Checked {
        prop_assert_eq!(self.registry.now().0, self.model.now);
        for (number, namespace) in NAMESPACES.iter().enumerate() {
            for (role, text) in ROLES.iter().enumerate() {
                let query = Query::role(*text).in_namespace(*namespace);
                let live = self.ids(number, &query);
                prop_assert_eq!(live, self.model.live(number, role), "live in {}", namespace);
                let all = self.ids(number, &query.including_stale());
                let expected = self.model.list(number, |_, row| row.role == role);
                prop_assert_eq!(all, expected, "all in {}", namespace);
            }
        }
        let now = self.registry.now();
        for (who, row) in self.model.lasting() {
            let slot = self.slot(who);
            prop_assert!(slot.is_some(), "{who:?} is missing");
            let slot = slot.expect("just checked");
            prop_assert_eq!(slot.record().generation.as_str(), row.generation.as_str());
            prop_assert_eq!(slot.record().declared.state, row.state);
            prop_assert_eq!(slot.last_seen().0, row.last_seen, "last seen of {:?}", who);
            let stale = slot.standing(now) == Standing::Stale;
            prop_assert_eq!(stale, row.is_stale(who, now.0), "standing of {:?}", who);
        }
        let lasting = self.model.lasting().count();
        prop_assert!((lasting..=self.model.rows.len()).contains(&self.registry.len()));
        Ok(())
    }

    /// A record whose time is over may be gone already, or not yet: here it was gone.
    fn adopt_purge(&mut self, who: Who) {
        if !self.model.lasts(who) {
            self.model.rows.remove(&who);
        }
    }

    fn adopt_purges(&mut self) {
        let all: Vec<Who> = self.model.rows.keys().copied().collect();
        for who in all {
            if self.slot(who).is_none() {
                self.adopt_purge(who);
            }
        }
    }

    fn slot(&self, who: Who) -> Option<Arc<Slot>> {
        let (namespace, id) = name(who);
        self.registry.get(namespace, &id)
    }

    /// The ids found, without those that may be purged at any moment.
    fn ids(&self, namespace: usize, query: &Query) -> Vec<usize> {
        let found = self.registry.discover(query);
        let ids = found.iter().map(|slot| slot.record().key.id().parse().expect("a number"));
        let ids: Vec<usize> = ids.collect();
        assert_eq!(found.len(), ids.len(), "a discovery knows its length");
        let lasts = |id: &usize| self.model.lasts(Who { namespace, id: *id });
        ids.into_iter().filter(lasts).collect()
    }
}

fn name(who: Who) -> (&'static str, String) {
    (NAMESPACES[who.namespace], who.id.to_string())
}
