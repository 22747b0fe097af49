//! A snapshot as an answer, written while it is sent.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use tokio::sync::mpsc;

use super::file;
use crate::app::{App, VERSION_AND_BUILD};
use crate::body::{self, Body};
use crate::limits::PIECE_BYTES;

/// Takes a snapshot now and sends it. `None` while too many are being sent.
pub(crate) fn answer(app: &App) -> Option<Response<Body>> {
    let place = Arc::clone(&app.snapshots.streams).try_acquire_owned().ok()?;
    let snapshot = app.registry.snapshot();
    let name = file::name(&snapshot);
    let (pieces, waiting) = mpsc::channel(1);
    // A thread of its own: a million records take seconds, and it waits for a slow reader.
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let out = BufWriter::with_capacity(PIECE_BYTES, Pieces(pieces.clone()));
        let loaded = snapshot.loaded();
        let written = backends::snapshot::write(out, loaded, snapshot.iter(), VERSION_AND_BUILD);
        match written {
            Ok(written) => tracing::info!(
                revision = loaded.revision.0,
                records = written.records,
                bytes = written.bytes,
                "sent a snapshot"
            ),
            Err(error) => {
                tracing::warn!(%error, "a snapshot was not sent to its end");
                // The reader must not take the end of the stream for that of the snapshot.
                let _has_left = pieces.blocking_send(Err(error));
            }
        }
    });
    let mut answer = body::stream("application/x-ndjson", waiting);
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""));
    if let Ok(disposition) = disposition {
        answer.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    }
    Some(answer)
}

/// Sends what is written to it, a piece at a time.
struct Pieces(mpsc::Sender<io::Result<Bytes>>);

// === impl Pieces ===

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        let has_left = |_| io::Error::new(io::ErrorKind::BrokenPipe, "the client hung up");
        sent.map(|()| bytes.len()).map_err(has_left)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
