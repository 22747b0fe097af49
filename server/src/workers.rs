//! The threads that answer requests, and how they go to sleep.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;

use tokio::runtime::{Builder, Runtime};

/// How many workers of one runtime neither sleep nor are about to.
#[derive(Debug, Default)]
struct Awake(AtomicIsize);

/// The runtime of a server: tokio's, with as many workers as tokio itself would have.
///
/// A worker that finds nothing more to do gives way before it sleeps. Whoever asks us may be on the
/// same core and have more to send; but the first request of many would wake us, and so the next,
/// each time for the price of a switch or, where the core has stopped meanwhile, of starting it.
/// Given way to, it sends all it has, and then we go on without having slept.
///
/// The last one awake does not: a program that computes would keep its core for milliseconds, and
/// a request would wait as long. Who sleeps is woken, and comes first.
///
/// # Errors
/// The system gives no threads, or no way to wait for sockets.
pub fn runtime() -> io::Result<Runtime> {
    of_workers(&Arc::default())
}

/// That runtime, whose workers count themselves here.
fn of_workers(awake: &Arc<Awake>) -> io::Result<Runtime> {
    let (parking, unparked) = (Arc::clone(awake), Arc::clone(awake));
    let runtime = Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(move || {
            if parking.leave() {
                thread::yield_now();
            }
        })
        .on_thread_unpark(move || unparked.join(1))
        .build()?;
    awake.join(runtime.metrics().num_workers());
    Ok(runtime)
}

// === impl Awake ===

impl Awake {
    fn join(&self, workers: usize) {
        self.0.fetch_add(workers as isize, Ordering::Relaxed);
    }

    /// Whether anybody stays. Until all are counted, nobody seems to.
    fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sleeps_is_counted_again_when_woken() {
        let awake = Arc::new(Awake::default());
        let runtime = of_workers(&awake).unwrap();
        let workers = runtime.metrics().num_workers();
        for _ in 0..100 {
            runtime.block_on(runtime.spawn(tokio::task::yield_now())).unwrap();
        }
        drop(runtime); // wakes all, and waits for their end
        assert_eq!(awake.0.load(Ordering::Relaxed), workers as isize);
    }

    #[test]
    fn all_but_the_last_one_awake_leave_somebody_behind() {
        let awake = Awake::default();
        assert!(!awake.leave(), "one that is not counted yet");
        awake.join(3);
        assert!(awake.leave());
        assert!(!awake.leave());
        awake.join(1);
        assert!(!awake.leave());
    }
}
