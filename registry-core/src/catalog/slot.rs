//! One record as the catalog holds it: an immutable version, and the pulse all versions share.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::change::Revision;
use crate::clock::{Tick, Timestamp};
use crate::key::Key;
use crate::lease::{Beat, Lease, Standing, Ttl};
use crate::namespace::Rules;
use crate::record::{Record, State};

/// One version of a record, shared by everyone who reads it.
///
/// In this order in memory: who looks at its lease touches the count of its holders and the pulse,
/// and nothing of a record's several lines.
#[repr(C)]
pub struct Slot {
    pulse: Arc<Pulse>,
    memo: Memo,
    record: Record,
}

/// What heartbeats move. Shared by all versions of a record, from its creation to its removal.
///
/// In this order in memory: what a heartbeat touches is together.
#[derive(Debug)]
#[repr(C)]
pub struct Pulse {
    pub(crate) key: Key,
    pub(crate) created: Revision,
    last_seen: AtomicI64,
    renewed: AtomicU64,
    /// [`NO_LEASE`] where none runs.
    ttl_ms: AtomicU64,
    /// Set while the record is known to have lapsed. Its heartbeats then go through the commit
    /// loop, because they must put it back where readers look.
    lapsed: AtomicBool,
    /// Set while it waits for the next flush of renewals.
    dirty: AtomicBool,
    /// Set when the record is gone for good.
    removed: AtomicBool,
    /// Set from before a heartbeat revives the record until that is counted.
    reviving: AtomicBool,
    /// Set once somebody has asked what the latest version looks like.
    asked: AtomicBool,
    /// Where the deadlines hold it: see [`Deadlines`](super::deadline::Deadlines).
    pub(super) armed: AtomicU64,
}

/// Room for what a front end makes of a record once per change, such as its rendered form.
///
/// The registry does not know what is in it. It lives and dies with one version of the record.
#[derive(Default)]
pub struct Memo(OnceLock<Box<dyn Any + Send + Sync>>);

const NO_LEASE: u64 = u64::MAX;

// === impl Slot ===

impl Slot {
    pub(crate) fn new(record: Record, pulse: Arc<Pulse>) -> Arc<Self> {
        pulse.asked.store(false, Ordering::Relaxed);
        Arc::new(Self { record, pulse, memo: Memo::default() })
    }

    /// The record as of its latest change.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// When it was last heard of.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        self.pulse.last_seen()
    }

    /// What its lease says at `now`, an instant of [`Registry::now`](crate::Registry::now).
    #[must_use]
    pub fn standing(&self, now: Tick) -> Standing {
        self.pulse.lease().standing(now)
    }

    /// Its lease as of the last renewal.
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.pulse.lease()
    }

    /// Whether it may be used at `now`: running, and heard of within its lease.
    #[must_use]
    pub fn is_live(&self, now: Tick) -> bool {
        self.record.declared.state == State::Running && self.standing(now) != Standing::Stale
    }

    /// Room for what a front end makes of this version.
    #[must_use]
    pub fn memo(&self) -> &Memo {
        &self.memo
    }

    /// Room for the same, unless nobody has called this before: most versions are asked for once
    /// if ever, and a million of what is made of each takes as much memory as the records do.
    ///
    /// Who is given none makes it for this answer alone.
    #[must_use]
    pub fn memo_if_asked_again(&self) -> Option<&Memo> {
        let asked = &self.pulse.asked;
        if asked.load(Ordering::Relaxed) {
            return Some(&self.memo);
        }
        asked.store(true, Ordering::Relaxed);
        None
    }

    /// Whether watchers were told that it is live: the latest announced standing, not the lease.
    #[must_use]
    pub fn is_announced_live(&self) -> bool {
        self.record.declared.state == State::Running && self.record.lapsed_at.is_none()
    }

    /// Whether it stands among the live in every view.
    pub(crate) fn is_listed(&self) -> bool {
        self.record.declared.state == State::Running && !self.pulse.is_lapsed()
    }

    /// What heartbeats move: for those who look at that again and again, and at many.
    #[must_use]
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("record", &self.record)
            .field("last_seen", &self.last_seen())
            .field("lease", &self.lease())
            .finish_non_exhaustive()
    }
}

// === impl Pulse ===

impl Pulse {
    pub(crate) fn new(key: Key, created: Revision, beat: Beat) -> Arc<Self> {
        Arc::new(Self {
            key,
            created,
            last_seen: AtomicI64::new(beat.last_seen.0),
            renewed: AtomicU64::new(beat.renewed.0),
            ttl_ms: AtomicU64::new(NO_LEASE),
            lapsed: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            reviving: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            armed: AtomicU64::new(0),
        })
    }

    /// Heard of now. `false` if the record has lapsed: then the commit loop must hear of it too.
    ///
    /// The two sides of a race with [`lapse`](Self::lapse) each write first and read second, in one
    /// total order, so at least one of them sees the other.
    ///
    /// Calls `revived` if its lease had run out, and then before this heartbeat or any later one is
    /// over.
    pub(crate) fn beat(&self, beat: Beat, revived: impl FnOnce()) -> bool {
        if self.lease().standing(beat.renewed) == Standing::Stale {
            self.reviving.store(true, Ordering::SeqCst);
        }
        self.last_seen.fetch_max(beat.last_seen.0, Ordering::Relaxed);
        self.renewed.fetch_max(beat.renewed.0, Ordering::SeqCst);
        if self.reviving.load(Ordering::SeqCst) {
            revived();
            self.reviving.store(false, Ordering::SeqCst);
        }
        !self.lapsed.load(Ordering::SeqCst)
    }

    /// Says when it was renewed, whatever it was before: nobody hears of it yet.
    pub(crate) fn resume(&self, renewed: Tick) {
        self.renewed.store(renewed.0, Ordering::SeqCst);
    }

    /// Marks it as lapsed, unless a heartbeat came in between.
    pub(crate) fn lapse(&self, now: Tick) -> bool {
        self.lapsed.store(true, Ordering::SeqCst);
        if self.lease().standing(now) == Standing::Stale {
            return true;
        }
        self.lapsed.store(false, Ordering::SeqCst);
        false
    }

    pub(crate) fn revive(&self) {
        self.lapsed.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_lapsed(&self) -> bool {
        self.lapsed.load(Ordering::SeqCst)
    }

    /// When the record was last heard of.
    #[must_use]
    pub fn last_seen(&self) -> Timestamp {
        Timestamp(self.last_seen.load(Ordering::Relaxed))
    }

    /// Its lease as of the last renewal.
    #[must_use]
    pub fn lease(&self) -> Lease {
        let ttl_ms = self.ttl_ms.load(Ordering::SeqCst);
        Lease {
            ttl: (ttl_ms != NO_LEASE).then_some(Ttl::from_ms(ttl_ms)),
            renewed: Tick(self.renewed.load(Ordering::SeqCst)),
        }
    }

    pub(crate) fn latest(&self) -> Beat {
        Beat { last_seen: self.last_seen(), renewed: self.lease().renewed }
    }

    /// Takes over what a new version of the record says about its lease.
    pub(crate) fn set_lease(&self, record: &Record, rules: &Rules) {
        let ttl = rules.lease(record.declared.state, record.declared.term);
        self.ttl_ms.store(ttl.map_or(NO_LEASE, Ttl::as_ms), Ordering::SeqCst);
    }

    /// Whether it was clean until now.
    pub(crate) fn soil(&self) -> bool {
        !self.dirty.load(Ordering::SeqCst) && !self.dirty.swap(true, Ordering::SeqCst)
    }

    /// Before its beat is read for the store: a later heartbeat makes it dirty again.
    pub(crate) fn clean(&self) {
        self.dirty.store(false, Ordering::SeqCst);
    }

    pub(crate) fn remove(&self) {
        self.removed.store(true, Ordering::Release);
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }
}

// === impl Memo ===

impl Memo {
    /// What was made before, or `make`'s result, which is then kept.
    ///
    /// `None` if something of another type is kept already: make your own and keep it elsewhere.
    pub fn get_or_init<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        self.0.get_or_init(|| Box::new(make())).downcast_ref()
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() { "Memo(made)" } else { "Memo" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Declared;
    use crate::{Generation, Term};

    fn pulse() -> Arc<Pulse> {
        let key = Key::new("n", "i").unwrap();
        let pulse = Pulse::new(key.clone(), Revision(1), Beat::default());
        let record = Record {
            key,
            declared: Declared { term: Term::For(Ttl::from_ms(10)), ..Declared::default() },
            generation: Generation::new("g").unwrap(),
            registered_at: Timestamp(0),
            lapsed_at: None,
            created: Revision(1),
            modified: Revision(1),
        };
        pulse.set_lease(&record, &Rules::default());
        pulse
    }

    fn at(ms: u64) -> Beat {
        Beat { last_seen: Timestamp(0), renewed: Tick(ms) }
    }

    #[test]
    fn a_beat_just_before_the_lapse_prevents_it() {
        let pulse = pulse();
        assert!(pulse.beat(at(20), || ()), "it is listed");
        assert!(!pulse.lapse(Tick(20)), "it has beaten");
        assert!(!pulse.is_lapsed());
    }

    #[test]
    fn a_beat_just_after_the_lapse_is_told_of_it() {
        let pulse = pulse();
        assert!(pulse.lapse(Tick(20)));
        assert!(!pulse.beat(at(20), || ()), "it must be listed again");
    }

    #[test]
    fn what_revives_is_counted_and_what_renews_is_not() {
        let pulse = pulse();
        let revived = |ms| {
            let mut count = 0;
            pulse.beat(at(ms), || count += 1);
            count
        };
        assert_eq!([5, 15, 25, 36, 40, 51].map(revived), [0, 0, 0, 1, 0, 1]);
    }

    #[test]
    fn a_pulse_waits_for_the_store_once_however_often_it_beats() {
        let pulse = pulse();
        assert!(pulse.soil());
        assert!(!pulse.soil());
        pulse.clean();
        assert!(pulse.soil());
    }

    #[test]
    fn each_version_has_room_when_it_is_asked_for_again() {
        let pulse = pulse();
        let record = Record {
            key: pulse.key.clone(),
            declared: Declared::default(),
            generation: Generation::new("g").unwrap(),
            registered_at: Timestamp(0),
            lapsed_at: None,
            created: Revision(1),
            modified: Revision(1),
        };
        for _ in 0..2 {
            let version = Slot::new(record.clone(), Arc::clone(&pulse));
            let has_room = || version.memo_if_asked_again().is_some();
            assert_eq!([has_room(), has_room(), has_room()], [false, true, true]);
        }
    }

    #[test]
    fn a_memo_keeps_the_first_of_its_type() {
        let memo = Memo::default();
        assert_eq!(memo.get_or_init(|| 1), Some(&1));
        assert_eq!(memo.get_or_init(|| 2), Some(&1));
        assert_eq!(memo.get_or_init(String::new), None);
    }
}
