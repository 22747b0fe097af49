//! Every bound of the server, in one place: a number, its unit, and why it is that number.

use std::time::Duration;

/// Start lines and headers of one request together. Node and nginx stop in the same region, and
/// no client of ours sends a tenth of it.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Headers of one request. At most 100, or hyper allocates a table for each request.
pub const HEADER_COUNT_MAX: usize = 64;

/// What one connection may buffer: several requests in a row (pipelining) and part of a body.
/// hyper's own default of 400 KiB, times ten thousand connections, would be 4 GB.
pub const CONNECTION_BUFFER_BYTES_MAX: usize = 64 * 1024;

/// Path and query of one request. Longer ones are answered 414 instead of hyper's bare 431.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Segments of a path that are told apart. No route is that deep, so that a deeper path, whose
/// last segments are dropped, cannot be mistaken for a shorter one.
pub const PATH_SEGMENTS_MAX: usize = 12;

/// Connections the kernel may queue before we accept them (it also caps this by `somaxconn`).
pub const BACKLOG_CONNECTIONS_MAX: i32 = 4096;

/// Bytes of a refused body that are still read and thrown away. A client that writes its whole
/// body before it reads would otherwise meet a reset connection instead of its 413.
pub const BODY_DISCARD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long data we sent may stay unread by the other side: a client that stopped reading, or
/// vanished without a word, then loses its connection instead of holding it for ever.
pub const UNREAD_ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// After the signal to stop, how long an open connection without a request may still send one.
/// Under load the next request of a client is already on its way: it gets its answer, with
/// `connection: close`. Idle connections delay the end by this much and no more.
pub const DRAIN_IDLE_LINGER: Duration = Duration::from_millis(250);

/// The same for a TLS handshake: it is two round trips, and the request comes after it. Who does
/// not finish it in that time has not sent a request that could be lost.
pub const DRAIN_HANDSHAKE_LINGER: Duration = Duration::from_millis(500);

/// How long dropped connections may take to be gone. They only have to let go; this is a bound on
/// what should take no time at all.
pub const DRAIN_LET_GO: Duration = Duration::from_secs(1);

/// A second SIGTERM or SIGINT that comes sooner after the first is the same wish told twice: a
/// terminal and `timeout` signal a whole group, and each member passes it on. A person who presses
/// twice can press a third time.
pub const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);

/// The pause after `accept` failed for lack of file descriptors or memory. Long enough for
/// connections to end, short enough to be unnoticed.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Requests that may be open at one time on one connection of HTTP/2. RFC 9113 advises against less
/// than 100, and each may hold a body, so that there are no more.
pub const H2_STREAMS_MAX: u32 = 100;

/// Bytes of one body that an HTTP/2 client may send ahead of our reading: the protocol's own
/// beginning, and more than a record. A body of the largest size takes sixteen round trips.
pub const H2_STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// The same for all bodies of a connection: four at full speed. hyper's own 1 MiB, times ten
/// thousand connections, would be 10 GB.
pub const H2_CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;

/// Bytes of one answer that wait in HTTP/2 for a client to make room: as many as for HTTP/1.
pub const H2_SEND_BUFFER_BYTES_MAX: usize = CONNECTION_BUFFER_BYTES_MAX;

/// How often an HTTP/2 connection is asked whether somebody is there. Rarely enough to be nothing
/// beside heartbeats, and often enough for routers that forget silent connections after a minute.
pub const H2_PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the answer to that may take. A slow network takes a second, a dead one for ever.
pub const H2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Requests that an HTTP/2 client may have taken back before we looked at them. Beyond, the
/// connection ends: to send and take back without end costs a client nothing, and us everything.
pub const H2_RESET_STREAMS_MAX: usize = 20;

/// Requests against the protocol for which one HTTP/2 connection is forgiven; then it ends. As
/// many as may be open, so that one mistake in each is no attack.
pub const H2_REFUSED_STREAMS_MAX: usize = H2_STREAMS_MAX as usize;

/// Deepest nesting of a JSON body; serde_json draws the same line. Each level is a stack frame.
pub const JSON_DEPTH_MAX: usize = 128;

/// Deepest nesting in the body of an agent. Its original takes 10,000 levels; a Python client reads
/// back fewer than 1,000, and a stack of two mebibytes holds several times as many as this.
pub const AGENT_JSON_DEPTH_MAX: usize = 500;

/// Digits of an integer that is kept to the digit: Python reads no longer one from JSON.
pub const INTEGER_DIGITS_MAX: usize = 4_300;

/// Things wrong with one request that are told one by one. Without a bound, a body of so many
/// wrong elements would have an answer fifty times its size.
pub const FAULTS_MAX: usize = 100;

/// Bytes of a list or a snapshot that are written together. Enough for the socket to be kept busy,
/// and few enough that a piece is still in the processor's cache when it is copied there.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Records of a list whose text is kept together, and of the shortest list that is kept: few enough
/// that one beat is soon written over, and enough that there are not many blocks.
pub const BLOCK_RECORDS: usize = 64;

/// Records of the longest list that is kept: of a longer one nobody waits for the whole.
pub const KEPT_LIST_RECORDS_MAX: usize = 10_000;

/// Bytes of all lists that are kept, and of what they keep: some five of the longest. Beyond, they
/// are forgotten together and kept anew as they are asked for.
pub const KEPT_LISTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Snapshots sent at one time. Each holds what changes while it is sent, and a thread.
pub const SNAPSHOT_STREAMS_MAX: usize = 2;

/// When a regular snapshot could not be saved, how soon it is tried again: a full disk is mended by
/// people, who should not wait an hour to see that they did.
pub const SNAPSHOT_RETRY: Duration = Duration::from_secs(60);

/// Where the rates of the runspec dialect are limited: registrations, lists of tools and
/// deregistrations, each, that one address may do to one path in a minute, as the original has it.
pub const CHANGES_PER_MINUTE_MAX: u32 = 60;

/// Likewise heartbeats: at least four times what the most zealous client sends.
pub const HEARTBEATS_PER_MINUTE_MAX: u32 = 120;

/// How long a rate is counted before it begins anew: the minute of the two above.
pub const RATE_WINDOW_MS: u64 = 60_000;

/// Rates counted at one time: some megabytes. A path is part of what is counted, and whoever
/// may write can make up paths.
pub const RATE_WINDOWS_MAX: usize = 100_000;

/// Longest `x-request-id` that is taken over from a client.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// Log lines per second about refused tokens, and as many about refused connections.
pub const REFUSAL_LOG_LINES_PER_SECOND_MAX: u32 = 5;

/// A token shorter than this many characters earns a warning: it can be guessed.
pub const TOKEN_CHARACTERS_MIN_ADVISED: usize = 16;

/// Instances on one page of a list, unless the caller says how many.
pub const PAGE_INSTANCES_DEFAULT: usize = 1_000;

/// Answers that a thread remembers, in each dialect that does so: two.
pub const ECHOES_MAX: usize = 32;

/// Records of the longest answer that is remembered: longer lists are kept for all threads.
pub const ECHO_RECORDS_MAX: usize = BLOCK_RECORDS - 1;

/// Bytes of the longest answer that is remembered. All texts take two megabytes a thread at most,
/// and the records that they tell of stay in memory with them.
pub const ECHO_BYTES_MAX: usize = 32 * 1024;

/// Instances on one page at most: some megabytes, which are put together in memory.
pub const PAGE_INSTANCES_MAX: usize = 10_000;

/// Bytes of documents on one page: with one that is larger the page ends.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Heartbeats in one request: a thousand is usual, and ten times that still fits a body.
pub const BATCH_HEARTBEATS_MAX: usize = 10_000;

/// Instances registered by one request: as many as the registry commits as one batch.
pub const BATCH_REGISTRATIONS_MAX: usize = 1_000;

/// Changes of one instance that are told when it is to be explained: the latest.
pub const EXPLAIN_CHANGES_MAX: usize = 20;

/// Events in one answer of a long poll.
pub const POLL_EVENTS_MAX: usize = 1_000;

/// How often a publication or a cleanup of one record is decided anew because others were faster.
/// Who loses this often is one of very many, and should come back later.
pub const PUBLISH_TRIES_MAX: usize = 16;

/// Roles of one namespace that metrics tell apart; each makes three series.
pub const METRICS_ROLES_MAX: usize = 200;

/// Bytes of events that are put together before they are sent to one stream.
pub const STREAM_CHUNK_BYTES: usize = 32 * 1024;

/// Events that the feed keeps: the newest, as many as its original had in memory.
pub const FEED_EVENTS_MAX: usize = 10_000;

/// Records that a journal removes at a time, so that other writes come in between.
pub const JOURNAL_REMOVALS_MAX: usize = 256;

/// Commits that are recorded at a time. A list without a limit shows them all: some 30 MB.
pub const COMMITS_MAX: usize = 100_000;

/// Tasks on the board at a time: more than people can look through.
pub const BOARD_TASKS_MAX: usize = 10_000;

/// Notes of one task, and as many artifacts: each change of a task writes all of them again.
pub const TASK_ITEMS_MAX: usize = 1_000;

/// Records that `bench` registers unless it is told: enough that no cache of a processor has them
/// all, and a second's work.
pub const BENCH_RECORDS_DEFAULT: u64 = 10_000;

/// Records that `bench` registers at most: as many as the largest fleet, half a gigabyte there.
pub const BENCH_RECORDS_MAX: u64 = 1_000_000;

/// Connections of `bench` at most: a tenth of what a server takes, so that others are not shut out.
pub const BENCH_CONNECTIONS_MAX: u64 = 1_000;

/// Seconds of one row of `bench` at most. All rows together are shorter than [`BENCH_LEASE`].
pub const BENCH_SECONDS_MAX: u64 = 60;

/// Requests of one row of `bench` at most: their times take 40 MB.
pub const BENCH_REQUESTS_MAX: usize = 10_000_000;

/// How long `bench` waits for one answer: longer than a server lets a request take.
pub const BENCH_ANSWER_TIMEOUT: Duration = Duration::from_secs(40);

/// Bytes of an answer that `bench` reads: ten records of the largest size are not asked for.
pub const BENCH_ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Heartbeats in one request of `bench`: what the agent of a host with a hundred things sends.
pub const BENCH_BATCH_HEARTBEATS: usize = 100;

/// The lease of a record of `bench`. If it is killed, nobody finds its records after that.
pub const BENCH_LEASE: Duration = Duration::from_secs(10 * 60);

/// The bounds that an operator or an embedder may move.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one request body. A record is a few hundred bytes; the largest that the registry
    /// takes is smaller than one mebibyte.
    pub body_bytes_max: usize,
    /// Connections open at one time. Each costs some ten kilobytes, and the
    /// answer it has not read yet; more wait in the backlog.
    pub connections_max: usize,
    /// How long a client may take to send a request's headers, and may stay idle between two
    /// requests. Heartbeats every ten seconds keep their connection.
    pub idle: Duration,
    /// How long a client may take for the TLS handshake: two round trips and a signature. Never
    /// longer than `idle`, which is about the same wait.
    pub handshake: Duration,
    /// How long a client may take to send a request's body, then 408. Shorter than `request`, so
    /// that a slow client is told apart from a slow store.
    pub body_read: Duration,
    /// How long a request may take until its answer begins, then 503.
    pub request: Duration,
    /// How long a stream may be silent before it shows that it lives: less than the half minute
    /// after which proxies begin to give up.
    pub stream_silence: Duration,
    /// How long open requests may go on after the signal to stop.
    pub drain: Duration,
    /// Whether the runspec dialect limits how often an address may write.
    pub runspec_rates: bool,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 1024 * 1024,
            connections_max: 10_000,
            idle: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            body_read: Duration::from_secs(20),
            request: Duration::from_secs(30),
            stream_silence: Duration::from_secs(15),
            drain: Duration::from_secs(10),
            runspec_rates: false,
        }
    }
}

// Relations between the bounds, checked when this file is compiled.
const _: () = {
    assert!(TARGET_BYTES_MAX < HEADER_BYTES_MAX, "414 must come before 431");
    assert!(HEADER_BYTES_MAX < CONNECTION_BUFFER_BYTES_MAX, "431 must come before a full buffer");
    assert!(HEADER_COUNT_MAX <= 100, "above 100 hyper allocates for each request");
    assert!(DRAIN_HANDSHAKE_LINGER.as_millis() < DRAIN_LET_GO.as_millis(), "or it is not let go");
    assert!(BENCH_SECONDS_MAX * 8 < BENCH_LEASE.as_secs(), "a lease must outlive its bench");
    assert!(HEADER_BYTES_MAX <= u16::MAX as usize, "segment ends are kept as u16");
};
