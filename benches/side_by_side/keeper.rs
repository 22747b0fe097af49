//! What sled does by itself: the rows that our store writes for a record, in batches of whatever
//! has come meanwhile, each flushed as the store flushes it.

use std::fs::File;
use std::path::Path;

use hyper::body::Bytes;
use registry_core::limits::BATCH_OPERATIONS_MAX;
use sled::{Batch, Db};
use tokio::sync::{mpsc, oneshot};

use crate::caller::Outcome;
use crate::population;

/// Where records are given to be kept.
#[derive(Debug, Clone)]
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
    db: Db,
    /// Sled's own flush does not reach the disk.
    log: File,
    revision: u64,
}

/// What stands in each row beside the body and the id; see the layout of the store.
const HEADER: [u8; 20] = [0; 20];
const BEAT: [u8; 16] = [0; 16];
const HEAD: [u8; 24] = [0; 24];

const QUEUE: usize = 4_096;

// === impl Keeper ===

impl Keeper {
    /// Begins with so many records in a new database.
    pub(crate) fn open(dir: &Path, records: usize) -> Outcome<Self> {
        let backends::sled::SledConfig { cache_bytes, .. } = backends::sled::SledConfig::new(dir);
        let config = sled::Config::new().path(dir).cache_capacity(cache_bytes);
        let db = config.flush_every_ms(Some(500)).open()?;
        let log = File::options().write(true).open(dir.join("db"))?;
        let mut writer = Writer { db, log, revision: 0 };
        let numbers: Vec<usize> = (0..records).collect();
        for some in numbers.chunks(BATCH_OPERATIONS_MAX) {
            let some = some.iter().map(|number| {
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
            batch.insert([b"rvms\0", id.as_bytes()].concat(), [&HEADER[..], &body].concat());
            batch.insert([b"b", &self.revision.to_be_bytes()[..]].concat(), &BEAT);
        }
        batch.insert(b"mhead", &HEAD);
        self.db.apply_batch(batch)?;
        self.db.flush()?;
        Ok(self.log.sync_data()?)
    }
}
