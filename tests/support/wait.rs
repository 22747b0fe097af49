//! Waiting for something to become true, with a deadline: tests never just sleep.

use std::time::{Duration, Instant, SystemTime};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until the answer is there.
///
/// # Panics
/// If there is none within [`PATIENCE`]; says what was waited for.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Waits until the wall clock shows another millisecond: what is stamped from now on is later than
/// what was stamped before.
pub fn next_millisecond() {
    let ms = || SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    let before = ms();
    until("the next millisecond", || (ms() > before).then_some(()));
}

/// Waits until so much time has passed since `start`: for what must *not* have happened by then.
pub fn elapsed(start: Instant, wanted: Duration) {
    until("time to pass", || (start.elapsed() >= wanted).then_some(()));
}
