//! How long a record may be believed: pure arithmetic on registry time.

use std::time::Duration;

use crate::clock::{Tick, Timestamp};
use crate::error::Invalid;
use crate::limits;

/// How long a record is believed after its last heartbeat, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u64);

/// The lease an owner asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Term {
    /// Whatever the namespace gives.
    #[default]
    Default,
    /// No lease: believed until it is deregistered.
    Endless,
    /// Believed for this long after each heartbeat.
    For(Ttl),
}

/// What a lease says about its record at one instant. Computed at each read, never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Heard of within its lease.
    Live,
    /// Not heard of for longer than its lease.
    Stale,
    /// No lease runs.
    Leaseless,
}

/// When a record was last heard of, on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// For people; never moves back.
    pub last_seen: Timestamp,
    /// For the lease.
    pub renewed: Tick,
}

/// One lease as of its last renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// `None` where no lease runs.
    pub ttl: Option<Ttl>,
    /// When it was last renewed.
    pub renewed: Tick,
}

// === impl Ttl ===

impl Ttl {
    /// A lease of `seconds`.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_ms(seconds.saturating_mul(1_000))
    }

    /// A lease of `ms` milliseconds.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Its length in milliseconds.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// Whether it lies within the [`limits`].
    ///
    /// # Errors
    /// [`Invalid`] says what is allowed.
    pub fn check(self) -> Result<(), Invalid> {
        if (limits::TTL_MS_MIN..=limits::TTL_MS_MAX).contains(&self.0) {
            return Ok(());
        }
        let (min, max) = (limits::TTL_MS_MIN, limits::TTL_MS_MAX);
        Err(Invalid::new("ttl", format!("is {} ms; it must be {min} to {max} ms", self.0)))
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

// === impl Lease ===

impl Lease {
    /// The last instant at which the record is still live: stale when *more* than the TTL passed.
    #[must_use]
    pub fn live_until(self) -> Option<Tick> {
        self.ttl.map(|ttl| self.renewed.after_ms(ttl.as_ms()))
    }

    /// What the lease says at `now`.
    #[must_use]
    pub fn standing(self, now: Tick) -> Standing {
        match self.live_until() {
            None => Standing::Leaseless,
            Some(until) if now <= until => Standing::Live,
            Some(_) => Standing::Stale,
        }
    }

    /// The lease as a registry finds it that stopped at `stopped` and now runs again.
    ///
    /// One that was live then keeps the time it had left, and at least `grace_ms` of it (never more
    /// than its whole TTL): heartbeats sent while nobody listened were lost through no fault of
    /// their sender. One that was stale stays as stale as it was.
    #[must_use]
    pub fn resumed(self, stopped: Tick, grace_ms: u64) -> Self {
        let (Some(ttl), Standing::Live) = (self.ttl, self.standing(stopped)) else {
            return self;
        };
        let spent_ms_max = ttl.as_ms().saturating_sub(grace_ms);
        let renewed = self.renewed.max(Tick(stopped.0.saturating_sub(spent_ms_max)));
        Self { renewed, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Lease = Lease { ttl: Some(Ttl::from_ms(10)), renewed: Tick(100) };

    #[test]
    fn stale_only_when_more_than_the_ttl_has_passed() {
        assert_eq!(TEN.standing(Tick(100)), Standing::Live);
        assert_eq!(TEN.standing(Tick(110)), Standing::Live);
        assert_eq!(TEN.standing(Tick(111)), Standing::Stale);
    }

    #[test]
    fn a_renewal_from_the_future_is_live() {
        assert_eq!(TEN.standing(Tick(0)), Standing::Live);
    }

    #[test]
    fn without_a_ttl_nothing_runs_out() {
        let endless = Lease { ttl: None, ..TEN };
        assert_eq!(endless.standing(Tick(u64::MAX)), Standing::Leaseless);
    }

    #[test]
    fn the_longest_lease_does_not_overflow() {
        let long = Lease { ttl: Some(Ttl::from_ms(u64::MAX)), renewed: Tick(5) };
        assert_eq!(long.standing(Tick(u64::MAX)), Standing::Live);
    }

    #[test]
    fn resuming_gives_a_live_lease_its_grace_and_no_more_than_its_ttl() {
        // (stopped at, grace, live until)
        let cases = [(105, 0, 110), (105, 3, 110), (109, 3, 112), (110, 3, 113), (110, 99, 120)];
        for (stopped, grace, until) in cases {
            let resumed = TEN.resumed(Tick(stopped), grace);
            assert_eq!(resumed.live_until(), Some(Tick(until)), "stopped at {stopped}");
        }
    }

    #[test]
    fn resuming_revives_nothing() {
        assert_eq!(TEN.resumed(Tick(111), 99), TEN);
    }
}
