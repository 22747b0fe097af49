//! What sled does by itself: the rows that our store writes for a record, in batches of whatever
//! has come meanwhile, each flushed as the store flushes it.

use std::path::Path;

use hyper::body::Bytes;
use registry_core::limits::BATCH_OPERATIONS_MAX;
use rolecall_benches::sled_alone::SledAlone;
use sled::Batch;
use tokio::sync::{mpsc, oneshot};

use crate::caller::Outcome;
use crate::population;

/// Where records are given to be kept.
#[derive(Debug)]
pub(crate) struct Keeper {
    queue: mpsc::Sender<Record>,
}

#[derive(Debug)]
struct Record {
    id: String,
    body: Bytes,
    kept: oneshot::Sender<()>,
}

/// The one who writes.
struct Writer {
    sled: SledAlone,
    revision: u64,
}

/// What stands in each row before the body; see the layout of the store.
const HEADER: [u8; 28] = [0; 28];
const HEAD: [u8; 24] = [0; 24];

const QUEUE: usize = 4_096;

// === impl Keeper ===

impl Keeper {
    /// Begins with so many records in a new database.
    pub(crate) fn open(dir: &Path, records: usize) -> Outcome<Self> {
        let mut writer = Writer { sled: SledAlone::open(dir)?, revision: 0 };
        for first in (0..records).step_by(BATCH_OPERATIONS_MAX) {
            let some = (first..records).take(BATCH_OPERATIONS_MAX).map(|number| {
                let digits = format!("{number:012}");
                let body = population::vers(&digits, population::Role::Common);
                (population::id(&digits), Bytes::from(body))
            });
            writer.write(some)?;
        }
        let (queue, records) = mpsc::channel(QUEUE);
        std::thread::Builder::new().name("keeper".into()).spawn(move || writer.work(records))?;
        Ok(Self { queue })
    }

    /// Returns once the record is on disk.
    pub(crate) async fn keep(&self, id: String, body: Bytes) -> Outcome<()> {
        let (kept, done) = oneshot::channel();
        self.queue.send(Record { id, body, kept }).await?;
        Ok(done.await?)
    }
}

// === impl Writer ===

impl Writer {
    fn work(mut self, mut records: mpsc::Receiver<Record>) {
        let mut waiting = Vec::new();
        while records.blocking_recv_many(&mut waiting, BATCH_OPERATIONS_MAX) > 0 {
            let rows = waiting
                .iter_mut()
                .map(|record| (std::mem::take(&mut record.id), std::mem::take(&mut record.body)));
            if self.write(rows).is_err() {
                return; // and whoever waits is told that nothing was kept
            }
            for record in waiting.drain(..) {
                let _gone = record.kept.send(());
            }
        }
    }

    fn write(&mut self, records: impl Iterator<Item = (String, Bytes)>) -> Outcome<()> {
        let mut batch = Batch::default();
        for (id, body) in records {
            self.revision += 1;
            let row = [b"r", &self.revision.to_be_bytes()[..], b"vms\0", id.as_bytes()].concat();
            batch.insert(row, [&HEADER[..], &body].concat());
        }
        batch.insert(b"mhead", &HEAD);
        Ok(self.sled.commit(batch)?)
    }
}
