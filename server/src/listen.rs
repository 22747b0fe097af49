//! Accepts connections, and ends without failing a request that was accepted.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Incoming;
use hyper::{Request, Response};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout, timeout_at};
use tower::Service;

use crate::app::App;
use crate::bind::{Gate, Tenure};
use crate::body::Body;
use crate::clock::deadline_after;
use crate::connection::{Protocols, converse};
use crate::lifecycle::Phase;
use crate::limits::{
    ACCEPT_PAUSE, DRAIN_IDLE_LINGER, DRAIN_LET_GO, REFUSAL_LOG_LINES_PER_SECOND_MAX,
    UNREAD_ANSWER_TIMEOUT,
};
use crate::log_budget::LogBudget;

/// How a server ended, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections accepted in its life.
    pub accepted: u64,
    /// Connections that were still open at the deadline and were dropped.
    pub dropped: u64,
}

/// What can answer on a connection: any tower service that has an answer to everything.
pub trait Answering:
    Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

/// The accept loop and what all its connections share.
struct Listening<N> {
    app: Arc<App>,
    new_service: N,
    protocols: Arc<Protocols>,
    free: Arc<Semaphore>,
    accepted: AtomicU64,
    complaints: LogBudget,
}

/// Accepts on the gate until `shutdown`, then drains.
///
/// Each connection is answered by a service of its own, which `new_service` makes for its peer.
///
/// The end, in order: what the kernel has queued is accepted; the address is given up; for a
/// moment ([`DRAIN_IDLE_LINGER`]) open connections may still send the request that is already on
/// its way; from the signal on each answer closes its connection; then idle connections are
/// closed; after `limits.drain` whatever is left is dropped. A socket that is lent to us is only
/// let go: whoever accepts from it after us answers those who wait.
pub async fn listen<S: Answering>(
    gate: Gate,
    app: Arc<App>,
    new_service: impl Fn(SocketAddr) -> S,
    shutdown: impl Future<Output = ()>,
) -> Drained {
    let listening = Listening {
        protocols: Arc::new(Protocols::new(&app.limits)),
        free: Arc::new(Semaphore::new(app.limits.connections_max)),
        accepted: AtomicU64::new(0),
        complaints: LogBudget::per_second(REFUSAL_LOG_LINES_PER_SECOND_MAX),
        new_service,
        app,
    };
    listening.app.lifecycle.advance(Phase::Ready);
    tokio::select! {
        biased;
        () = shutdown => {}
        never = listening.accept_for_ever(&gate.listener) => match never {},
    }
    listening.drain(gate).await
}

// === impl Answering ===

impl<S> Answering for S where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

// === impl Listening ===

impl<S: Answering, N: Fn(SocketAddr) -> S> Listening<N> {
    async fn accept_for_ever(&self, listener: &TcpListener) -> Infallible {
        loop {
            let permit = self.permit().await;
            match listener.accept().await {
                Ok((stream, peer)) => self.begin(stream, peer, permit),
                Err(error) => self.pause_if_exhausted(&error).await,
            }
        }
    }

    /// Waits until there is room for one more connection; the surplus waits in the kernel.
    async fn permit(&self) -> OwnedSemaphorePermit {
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return permit;
        }
        if let Some(withheld) = self.complaints.take() {
            let connections_max = self.app.limits.connections_max;
            tracing::warn!(connections_max, withheld, "all connections in use: new ones wait");
        }
        let waited = Arc::clone(&self.free).acquire_owned().await;
        waited.expect("nobody closes this semaphore")
    }

    fn begin(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        tune(&stream);
        let (protocols, app) = (Arc::clone(&self.protocols), Arc::clone(&self.app));
        let service = (self.new_service)(peer);
        // From here on, not from when the task first runs: a drain counts it.
        let phase = app.lifecycle.watch();
        tokio::spawn(async move {
            converse(&protocols, stream, service, &app, phase).await;
            drop(permit);
        });
    }

    /// Most errors of `accept` belong to one connection that is already gone. Those of the whole
    /// process come back at once, so that a pause must keep them from eating a core.
    async fn pause_if_exhausted(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        let kind = error.kind();
        if matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return;
        }
        if let Some(withheld) = self.complaints.take() {
            tracing::warn!(%error, withheld, "cannot accept a connection; trying again");
        }
        sleep(ACCEPT_PAUSE).await;
    }

    async fn drain(self, gate: Gate) -> Drained {
        let lifecycle = &self.app.lifecycle;
        let deadline = deadline_after(self.app.limits.drain);
        lifecycle.advance(Phase::Draining);
        match gate.tenure {
            Tenure::Own => {
                let _late = timeout_at(deadline, self.accept_queued(gate.listener)).await;
            }
            Tenure::Lent => drop(gate.listener),
        }
        let _late = timeout_at(deadline, lifecycle.unwatched()).await;
        let dropped = lifecycle.watchers() as u64;
        lifecycle.advance(Phase::Over);
        let _late = timeout(DRAIN_LET_GO, lifecycle.unwatched()).await;
        Drained { accepted: self.accepted.load(Ordering::Relaxed), dropped }
    }

    /// Accepts what the kernel has for us, and gives the address up.
    ///
    /// A client that the kernel has greeted believes itself connected and has perhaps sent its
    /// request; closing the listener would reset it. So the kernel is told to greet nobody any
    /// more, those it was greeting get a moment to finish, and then its queue is emptied.
    async fn accept_queued(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        stop_greeting(&listener);
        self.empty_queue(&listener).await;
        sleep(DRAIN_IDLE_LINGER).await;
        self.empty_queue(&listener).await;
    }

    /// Asks the kernel directly, not tokio: only the kernel knows that its queue is empty.
    async fn empty_queue(&self, listener: &std::net::TcpListener) {
        loop {
            let permit = self.permit().await;
            let accepted = listener.accept().and_then(|(stream, peer)| {
                stream.set_nonblocking(true)?;
                Ok((TcpStream::from_std(stream)?, peer))
            });
            match accepted {
                Ok((stream, peer)) => self.begin(stream, peer, permit),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.pause_if_exhausted(&error).await,
            }
        }
    }
}

/// Lets the kernel drop what would open a new connection. Its sender repeats it after a second,
/// and is then refused, or greeted by the server that has taken our place.
///
/// Where this does not work, a client that connects in the very moment of the end sees a reset.
fn stop_greeting(listener: &std::net::TcpListener) {
    #[cfg(target_os = "linux")]
    {
        use socket2::SockFilter;
        const FLAGS: u32 = 13; // where they stand in a TCP header
        const SYN: u32 = 2;
        let filter = [
            SockFilter::new(0x30, 0, 0, FLAGS), // load the byte of the flags
            SockFilter::new(0x45, 0, 1, SYN),   // unless SYN is set, skip the next
            SockFilter::new(0x06, 0, 0, 0),     // drop
            SockFilter::new(0x06, 0, 0, u32::MAX), // pass
        ];
        if let Err(error) = SockRef::from(listener).attach_filter(&filter) {
            tracing::debug!(%error, "the kernel goes on greeting new connections");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = listener;
}

/// Small answers leave at once, and a peer that reads nothing is not waited for for ever.
fn tune(stream: &TcpStream) {
    // Errors mean that the connection is gone; reading will say so.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_user_timeout(Some(UNREAD_ANSWER_TIMEOUT));
}

#[cfg(test)]
#[path = "listen_test.rs"]
mod tests;
