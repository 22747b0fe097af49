//! Making slots of what a store hands out, on a thread of its own: the store reads on and the
//! catalog is filled meanwhile.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::catalog::{Catalog, Pulse, Slot};
use crate::encoding::decode;
use crate::registry::OpenError;
use crate::store::{StoreError, Stored};

/// The thread and what is on its way there and back.
pub(crate) struct Maker {
    page: Vec<Stored>,
    page_bytes: usize,
    pages: SyncSender<Vec<Stored>>,
    made: Receiver<Made>,
    /// Pages that were given and have not come back.
    under_way: usize,
    failed: Option<OpenError>,
    thread: JoinHandle<()>,
}

type Made = Result<Vec<Arc<Slot>>, OpenError>;

/// A page ends at whichever comes first.
const PAGE_RECORDS_MAX: usize = 512;
const PAGE_BYTES_MAX: usize = 1 << 20;
/// So many never wait for a place in either direction, and there are enough of them that the three
/// who share two cores seldom wait for each other.
const PAGES_MAX: usize = 16;

// === impl Maker ===

impl Maker {
    pub(crate) fn start(catalog: &Arc<Catalog>) -> Result<Self, StoreError> {
        let (pages, incoming) = sync_channel::<Vec<Stored>>(PAGES_MAX);
        let (outgoing, made) = sync_channel(PAGES_MAX);
        let catalog = Arc::clone(catalog);
        let work = move || {
            for page in incoming {
                let slots: Made = page.iter().map(|stored| slot(stored, &catalog)).collect();
                if outgoing.send(slots).is_err() {
                    break; // the load was given up
                }
            }
        };
        let thread = std::thread::Builder::new().name("recover".into()).spawn(work);
        let thread = thread.map_err(|error| StoreError::NotDone(error.into()))?;
        let (page, page_bytes) = (Vec::with_capacity(PAGE_RECORDS_MAX), 0);
        Ok(Self { page, page_bytes, pages, made, under_way: 0, failed: None, thread })
    }

    /// Takes one more, and hands out what has been made of others.
    pub(crate) fn give(&mut self, stored: Stored, take: impl FnMut(Arc<Slot>)) {
        self.page_bytes += stored.body.len();
        self.page.push(stored);
        if self.page.len() == PAGE_RECORDS_MAX || self.page_bytes >= PAGE_BYTES_MAX {
            self.send(take);
        }
    }

    /// Hands out the rest.
    ///
    /// # Errors
    /// The first record that no slot could be made of.
    pub(crate) fn finish(mut self, mut take: impl FnMut(Arc<Slot>)) -> Result<(), OpenError> {
        self.send(&mut take);
        while self.under_way > 0 {
            self.receive(&mut take);
        }
        drop(self.pages);
        match (self.thread.join(), self.failed) {
            (Ok(()), None) => Ok(()),
            (Ok(()), Some(error)) => Err(error),
            (Err(_), _) => {
                let reason = "a record made its reader panic";
                Err(StoreError::Broken(reason.into()).into())
            }
        }
    }

    fn send(&mut self, mut take: impl FnMut(Arc<Slot>)) {
        if self.under_way == PAGES_MAX {
            self.receive(&mut take);
        }
        self.page_bytes = 0;
        let page = std::mem::replace(&mut self.page, Vec::with_capacity(PAGE_RECORDS_MAX));
        if self.pages.send(page).is_ok() {
            self.under_way += 1;
        }
    }

    /// Waits for a page. If none will come any more, the thread has panicked.
    fn receive(&mut self, take: impl FnMut(Arc<Slot>)) {
        let Ok(made) = self.made.recv() else {
            self.under_way = 0;
            return;
        };
        self.under_way -= 1;
        match made {
            Ok(slots) => slots.into_iter().for_each(take),
            Err(error) => self.failed = self.failed.take().or(Some(error)),
        }
    }
}

/// With the lease as it rests.
fn slot(stored: &Stored, catalog: &Catalog) -> Result<Arc<Slot>, OpenError> {
    let mut record = decode(stored)?;
    let namespace = catalog.namespace_or_new(record.key.namespace())?;
    record.key = record.key.interned(&namespace.name);
    let pulse = Pulse::new(record.key.clone(), record.created, stored.beat);
    pulse.set_lease(&record, &namespace.rules);
    Ok(Slot::new(record, pulse))
}
