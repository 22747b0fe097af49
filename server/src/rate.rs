//! How often a caller may do one thing: fixed windows, counted in memory.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;
use registry_core::Tick;

use crate::limits::{RATE_WINDOW_MS, RATE_WINDOWS_MAX};

/// What was done lately, by whom and how often.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    names: RandomState,
    /// By the hash of who and what: two that share one share a count, and nobody can choose to.
    windows: Mutex<HashMap<u64, Window>>,
}

/// What one caller did to one thing since the window was opened by the first time.
#[derive(Debug)]
struct Window {
    opened: Tick,
    count: u32,
}

/// It was too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// Until it is allowed again.
    pub(crate) seconds: u64,
}

// === impl Rates ===

impl Rates {
    /// Counts that `who` does `what`, unless it has done so `max` times in this window.
    pub(crate) fn count(
        &self,
        who: IpAddr,
        what: &str,
        max: u32,
        now: Tick,
    ) -> Result<(), TooOften> {
        // Each count stands for itself: whoever panicked left none of them half done.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = |window: &Window| now.ms_since(window.opened) < RATE_WINDOW_MS;
        let key = self.names.hash_one((who, what));
        if windows.len() >= RATE_WINDOWS_MAX && !windows.contains_key(&key) {
            windows.retain(|_, window| is_open(window));
            // Rather let some do too much than keep count of everything for everybody.
            if windows.len() >= RATE_WINDOWS_MAX {
                windows.clear();
            }
        }
        let window = windows.entry(key).or_insert(Window { opened: now, count: 0 });
        if !is_open(window) {
            *window = Window { opened: now, count: 0 };
        }
        if window.count < max {
            window.count += 1;
            return Ok(());
        }
        let left_ms = RATE_WINDOW_MS.saturating_sub(now.ms_since(window.opened));
        Err(TooOften { seconds: left_ms.div_ceil(1_000) })
    }
}

/// Who is calling: the peer or, if that is a proxy on this machine, whom it says it calls for.
pub(crate) fn client(peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.ip().to_canonical();
    if !peer.is_loopback() {
        return peer;
    }
    let forwarded = headers.get_all("x-forwarded-for").iter();
    let named: Vec<&str> =
        forwarded.filter_map(|text| text.to_str().ok()).flat_map(|text| text.split(',')).collect();
    // The last one was written by the nearest proxy; what stands before it, by anybody.
    let addresses = named.iter().rev().filter_map(|text| text.trim().parse::<IpAddr>().ok());
    let mut addresses = addresses.map(|address| address.to_canonical());
    addresses.find(|address| !address.is_loopback()).unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_window_opens_with_the_first_time_and_counts_to_its_limit() {
        let rates = Rates::default();
        let at = |ms| rates.count(HERE, "a", 2, Tick(ms));
        assert_eq!((at(5), at(10), at(10)), (Ok(()), Ok(()), Err(TooOften { seconds: 60 })));
        assert_eq!(at(5 + RATE_WINDOW_MS - 1), Err(TooOften { seconds: 1 }));
        assert_eq!(rates.count(HERE, "b", 2, Tick(10)), Ok(()), "another thing");
        assert_eq!(at(5 + RATE_WINDOW_MS), Ok(()), "another window");
    }

    #[test]
    fn it_never_keeps_more_than_its_bound() {
        let rates = Rates::default();
        for number in 0..RATE_WINDOWS_MAX + 10 {
            assert_eq!(rates.count(HERE, &number.to_string(), 1, Tick(0)), Ok(()));
        }
        assert!(rates.windows.lock().unwrap().len() <= RATE_WINDOWS_MAX);
    }

    #[test]
    fn only_a_proxy_on_this_machine_is_believed() {
        let far: SocketAddr = "192.0.2.1:80".parse().unwrap();
        let near: SocketAddr = "127.0.0.1:80".parse().unwrap();
        for (peer, header, expected) in [
            (far, "198.51.100.7", "192.0.2.1"),
            (near, "198.51.100.7", "198.51.100.7"),
            (near, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
            (near, "198.51.100.7, 127.0.0.1", "198.51.100.7"),
            (near, "nonsense", "127.0.0.1"),
            (near, "", "127.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", header.parse().unwrap());
            assert_eq!(client(peer, &headers).to_string(), expected, "{peer} {header}");
        }
    }
}
