//! The one loop: commits what waits, hides what lapses, keeps the beats, stops cleanly.
//!
//! Everything that changes the catalog happens here, one turn after another, so there is one order.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::catalog::{Deadlines, Due};
use crate::clock::Tick;
use crate::commit::Taken;
use crate::error::Error;
use crate::flush::Flush;
use crate::limits::{self, BATCH_OPERATIONS_MAX};
use crate::operation::{Operation, Ticket};
use crate::recover::Recovered;
use crate::registry::{Options, Shared};
use crate::store::{Store, StoreError};

/// The loop that makes a [`Registry`](crate::Registry) go. It does nothing until it is run.
pub struct Driver {
    pub(crate) shared: Arc<Shared>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) options: Options,
    queue: mpsc::Receiver<Request>,
    inbox: Vec<Request>,
    pub(crate) waiting: VecDeque<Ticket>,
    pub(crate) deadlines: Deadlines,
    /// Due, and to be announced once the beats that prove it are at rest up to the given tick.
    pub(crate) due: VecDeque<(Tick, Due)>,
    pub(crate) flush: Flush,
    /// At rest, and to be shown while the store has the next one.
    pub(crate) taken: Option<Taken>,
    next_tick: Tick,
}

/// What comes through the queue.
pub(crate) enum Request {
    Operation(Ticket),
    /// Keep every beat now; answer when they are at rest.
    Checkpoint(oneshot::Sender<Result<(), Error>>),
}

/// Turns after the queue has closed: enough for the beats of a hundred million records.
const LAST_TURNS_MAX: usize = 10_000;

// === impl Driver ===

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        store: Arc<dyn Store>,
        options: Options,
        queue: mpsc::Receiver<Request>,
        recovered: Recovered,
    ) -> Self {
        let now = shared.timeline.now();
        let mut driver = Self {
            shared,
            store,
            options,
            queue,
            inbox: Vec::new(),
            waiting: VecDeque::new(),
            deadlines: Deadlines::default(),
            due: recovered.due.into_iter().map(|due| (now, due)).collect(),
            flush: Flush::begin(now.after_ms(options.flush_ms)),
            taken: None,
            next_tick: now,
        };
        driver.flush.wanted = !driver.due.is_empty();
        driver.waiting.extend(recovered.revived.into_iter().map(Ticket::revive));
        for slot in recovered.slots {
            driver.deadlines.arm(&driver.shared.catalog, &slot);
        }
        driver
    }

    /// Runs until `shutdown` resolves and everything accepted by then is answered and at rest.
    ///
    /// When it ends, whether well or not, every later call on the registry fails as
    /// [`Error::Closed`]; none hangs.
    ///
    /// # Errors
    /// The [`StoreError`] that made it impossible to go on. What was acknowledged is safe.
    pub async fn run(
        mut self,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), StoreError> {
        let ended = self.work(shutdown).await;
        let closed = self.store.close().await;
        ended.and(closed)
    }

    async fn work(&mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), StoreError> {
        let mut shutdown = pin!(shutdown);
        let mut open = true;
        loop {
            let wake = self.next_tick.min(self.flush.next);
            let busy = !self.is_idle();
            tokio::select! {
                biased;
                () = &mut shutdown, if open => {
                    open = false;
                    self.queue.close();
                    // Nobody waits for these, and the next start finds them again.
                    self.due.clear();
                }
                () = std::future::ready(()), if busy => self.receive(),
                count = self.queue.recv_many(&mut self.inbox, BATCH_OPERATIONS_MAX) => {
                    if count == 0 {
                        break;
                    }
                }
                () = self.shared.timeline.reach(wake) => {}
            }
            self.turn().await?;
        }
        // A store that takes nothing must not keep the process from ending.
        self.flush.wanted = true;
        for _ in 0..LAST_TURNS_MAX {
            if self.is_idle() && !self.flush.wanted {
                break;
            }
            self.turn().await?;
        }
        Ok(())
    }

    /// One round of everything there is to do.
    async fn turn(&mut self) -> Result<(), StoreError> {
        self.sort_inbox();
        let now = self.shared.timeline.now();
        if now >= self.next_tick || !self.flush.callers.is_empty() {
            self.tick(now);
        }
        self.announce();
        self.commit().await?;
        self.keep_beats().await
    }

    fn is_idle(&self) -> bool {
        let announceable = self.due.front().is_some_and(|(tick, _)| *tick <= self.flush.marked);
        let flushing = self.flush.mark.is_some() || !self.flush.callers.is_empty();
        let waiting = !self.waiting.is_empty() || !self.inbox.is_empty() || self.taken.is_some();
        !(waiting || announceable || flushing)
    }

    /// Takes what has arrived. Whether anything waits to be committed.
    pub(crate) fn has_more(&mut self) -> bool {
        self.receive();
        self.sort_inbox();
        !self.waiting.is_empty()
    }

    /// Takes what has arrived, without waiting.
    fn receive(&mut self) {
        while self.inbox.len() + self.waiting.len() < BATCH_OPERATIONS_MAX
            && let Ok(request) = self.queue.try_recv()
        {
            self.inbox.push(request);
        }
    }

    fn sort_inbox(&mut self) {
        for request in self.inbox.drain(..) {
            match request {
                Request::Operation(ticket) => self.waiting.push_back(ticket),
                Request::Checkpoint(caller) => self.flush.callers.push(caller),
            }
        }
    }

    /// Hides what has lapsed and looks ahead.
    fn tick(&mut self, now: Tick) {
        let (due, more) = self.deadlines.look(&self.shared.catalog, now);
        self.flush.wanted |= !due.is_empty();
        self.due.extend(due.into_iter().map(|due| (now, due)));
        self.next_tick = if more { now } else { now.after_ms(limits::TICK_MS) };
    }

    /// Queues what is due, behind what callers wait for and never so much as to hold them up.
    fn announce(&mut self) {
        while self.waiting.len() < BATCH_OPERATIONS_MAX / 2
            && let Some((_, due)) = self.due.pop_front_if(|(tick, _)| *tick <= self.flush.marked)
        {
            let key = due.pulse().key.clone();
            self.waiting.push_back(Ticket { key, operation: Operation::Due(due), reply: None });
        }
    }
}

impl Drop for Driver {
    /// However it ends, also by a panic or with its runtime: watchers must not wait for ever.
    fn drop(&mut self) {
        self.shared.hub.end();
    }
}
