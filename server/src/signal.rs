//! Signals: the first SIGTERM or SIGINT drains, a second one ends at once, SIGHUP reloads.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Stopwatch;
use crate::limits::SECOND_SIGNAL_AFTER;

/// SIGTERM and SIGINT, caught from the moment this exists.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

/// SIGHUP, caught from the moment this exists.
#[derive(Debug)]
pub struct ReloadSignals(Signal);

/// One of the two signals to stop.
#[derive(Debug, Clone, Copy)]
enum Stop {
    Terminate,
    Interrupt,
}

// === impl StopSignals ===

impl StopSignals {
    /// Starts to catch. To be called before anything that takes long.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first signal; from then on a second one ends the process, unless it follows
    /// within [`SECOND_SIGNAL_AFTER`].
    pub async fn first(mut self) {
        let first = self.next().await.name();
        let since = Stopwatch::start();
        tracing::info!(signal = first, "stopping; another signal, after a second, ends at once");
        tokio::spawn(async move {
            let mut second = self.next().await;
            while since.elapsed() < SECOND_SIGNAL_AFTER {
                tracing::debug!(signal = second.name(), "ignored: it came with the first");
                second = self.next().await;
            }
            tracing::warn!(signal = second.name(), "a second signal: ending without draining");
            std::process::exit(second.code());
        });
    }

    async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.terminate.recv() => Stop::Terminate,
            _ = self.interrupt.recv() => Stop::Interrupt,
        }
    }
}

// === impl ReloadSignals ===

impl ReloadSignals {
    /// Starts to catch: without that SIGHUP ends a process.
    pub fn catch() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the first one.
    pub async fn first(mut self) {
        self.0.recv().await;
    }

    /// Calls `reload` for each signal, where it may take its time over files.
    pub async fn each(mut self, reload: impl Fn() + Clone + Send + 'static) {
        while self.0.recv().await.is_some() {
            // If it panics, the panic hook has told, and the next signal tries again.
            let _panicked = tokio::task::spawn_blocking(reload.clone()).await;
        }
    }
}

// === impl Stop ===

impl Stop {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// As a shell reports a process that died of it: 128 and its number.
    fn code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}
