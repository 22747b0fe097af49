//! Every bound of the registry and the reason for it, in one place.
//!
//! A value over a bound is refused with [`Invalid`](crate::Invalid) and nothing is changed.

/// Bytes of a namespace's name: it is repeated in every key of a store.
pub const NAMESPACE_BYTES_MAX: usize = 64;
/// Namespaces one registry holds: each has its own indexes.
pub const NAMESPACES_MAX: usize = 1_000;
/// Bytes of an id: long enough for a URL, short enough for a key of any store.
pub const ID_BYTES_MAX: usize = 512;
/// Bytes of a name, a role, an address, a registrant or a service's name.
pub const TEXT_BYTES_MAX: usize = 1_024;
/// Bytes of a generation.
pub const GENERATION_BYTES_MAX: usize = 128;
/// Services one record declares.
pub const SERVICES_MAX: usize = 64;
/// Capabilities one record declares: each is an index entry.
pub const CAPABILITIES_MAX: usize = 256;
/// Labels one record carries.
pub const LABELS_MAX: usize = 64;
/// Bytes of the opaque document.
pub const DOCUMENT_BYTES_MAX: usize = 512 * 1024;
/// Bytes of one record as a store keeps it: every part above at a usual size, not all at their top.
pub const RECORD_BYTES_MAX: usize = 768 * 1024;

/// Shortest lease: below this a heartbeat cannot arrive in time.
pub const TTL_MS_MIN: u64 = 1;
/// Longest lease: one year. What should live longer has no lease.
pub const TTL_MS_MAX: u64 = 366 * 24 * 3_600 * 1_000;

/// Operations waiting for the commit loop; one more is refused as busy.
pub const QUEUE_OPERATIONS_MAX: usize = 16_384;
/// Operations committed as one batch: enough to share a sync, small enough to answer soon.
pub const BATCH_OPERATIONS_MAX: usize = 1_000;
/// Bytes committed as one batch.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Renewals written to the store in one call.
pub const RENEWALS_MAX: usize = 10_000;

/// How often a store that could not say what it did is asked again before the registry gives up.
pub const RELOAD_TRIES_MAX: u32 = 100;
/// Between two such questions.
pub const RELOAD_PAUSE_MS: u64 = 100;
/// How often beats are written to the store, unless the host says otherwise.
pub const FLUSH_MS: u64 = 1_000;
/// After a round of beats the store rests from them this many times as long as the round took: with
/// very many beats, writing them takes a tenth of its time at most, as long as [`MARK_MS`] allows.
pub const FLUSH_REST: u64 = 9;
/// While a lease runs, how long at most until the store learns that time has passed. A crash may
/// lengthen a lease by this much.
pub const MARK_MS: u64 = 5_000;
/// What a lease that was live when the registry stopped has left at least when it is back.
pub const RESTART_GRACE_MS: u64 = 60_000;

/// Changes kept for watchers that resume.
pub const HISTORY_CHANGES_MAX: usize = 65_536;
/// Bytes of records that those changes may keep alive.
pub const HISTORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Watchers at a time.
pub const WATCHERS_MAX: usize = 100_000;
/// Changes a watcher takes from the history at a time, so that it holds the lock shortly.
pub const WATCH_FETCH_MAX: usize = 256;

/// How often the driver looks at deadlines.
pub const TICK_MS: u64 = 250;
/// How far ahead the driver looks, so that reads between two ticks need not check each lease.
pub const LOOKAHEAD_MS: u64 = 1_000;
/// Deadlines examined in one tick, so that a mass expiry does not hold up writes.
pub const DEADLINES_PER_TICK_MAX: usize = 16_384;

const _: () = {
    assert!(LOOKAHEAD_MS > 2 * TICK_MS, "the horizon must outlive a late tick");
    assert!(DOCUMENT_BYTES_MAX < RECORD_BYTES_MAX);
    assert!(RECORD_BYTES_MAX < BATCH_BYTES_MAX);
    assert!(BATCH_OPERATIONS_MAX <= QUEUE_OPERATIONS_MAX);
    assert!(WATCH_FETCH_MAX < HISTORY_CHANGES_MAX);
};
