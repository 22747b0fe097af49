//! SIGTERM and SIGINT: the first one drains, the second one ends at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both signals, caught from the moment this exists.
#[derive(Debug)]
pub struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
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

    /// Waits for the first signal; from then on the second one ends the process.
    pub async fn first(mut self) {
        let name = match self.next().await {
            Self::INTERRUPTED => "SIGINT",
            _ => "SIGTERM",
        };
        tracing::info!(signal = name, "stopping; a second signal ends at once");
        tokio::spawn(async move {
            let code = self.next().await;
            std::process::exit(code);
        });
    }

    // As a shell reports a process that died of the signal: 128 and its number.
    const INTERRUPTED: i32 = 130;
    const TERMINATED: i32 = 143;

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.terminate.recv() => Self::TERMINATED,
            _ = self.interrupt.recv() => Self::INTERRUPTED,
        }
    }
}
