//! The table of settings: for each its name, its default, and what it is for.

/// One setting. Its flag, its environment name and its key in the file follow from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says what each is for")]
pub enum Key {
    Listen,
    Store,
    TokenFile,
    InsecureNoAuth,
    TlsCert,
    TlsKey,
    TlsClientCa,
    DialectNative,
    DialectVers,
    DialectRunspec,
    DialectOptiinfra,
    DialectHoumao,
    Metrics,
    LogFormat,
    Log,
    DrainSeconds,
    RequestSeconds,
    IdleSeconds,
    ConnectionsMax,
    BodyBytesMax,
    RunspecRateLimits,
    SnapshotDir,
    SnapshotSeconds,
    SnapshotsKept,
}

/// For each setting, in their order, its name, its default as TOML, and what it is for.
const TABLE: [(Key, &str, &str, &str); Key::ALL.len()] = [
    (
        Key::Listen,
        "listen",
        "\"127.0.0.1:3000\"",
        "Address and port. Beyond this machine it needs a token.",
    ),
    (
        Key::Store,
        "store",
        "\"sled:./data\"",
        "Where records rest: memory: forgets at the end, sled:PATH and fjall:PATH are directories.",
    ),
    (
        Key::TokenFile,
        "token_file",
        "[]",
        "Files with one token a line and what it may do. As a variable: separated by colons.",
    ),
    (
        Key::InsecureNoAuth,
        "insecure_no_auth",
        "false",
        "Listen beyond this machine although no token is set.",
    ),
    (
        Key::TlsCert,
        "tls_cert",
        "\"\"",
        "The server's certificate and those above it, PEM. SIGHUP reads the files again.",
    ),
    (Key::TlsKey, "tls_key", "\"\"", "The key of that certificate, PEM, no passphrase."),
    (
        Key::TlsClientCa,
        "tls_client_ca",
        "\"\"",
        "Who vouches for clients, PEM. With it a client needs a certificate of theirs.",
    ),
    (
        Key::DialectNative,
        "dialect_native",
        "\"token\"",
        "Who may call /v1 once a token is set: token, open-reads, open to all, or off.",
    ),
    (
        Key::DialectVers,
        "dialect_vers",
        "\"token\"",
        "The same for /registry, /commits, /feed and /board.",
    ),
    (
        Key::DialectRunspec,
        "dialect_runspec",
        "\"open-reads\"",
        "The same for /instances, /tools, /hosts, /export; open reads as its users know.",
    ),
    (
        Key::DialectOptiinfra,
        "dialect_optiinfra",
        "\"token\"",
        "The same for /agents and /api/v1/agents; its clients know no token.",
    ),
    (
        Key::DialectHoumao,
        "dialect_houmao",
        "\"off\"",
        "The same for /houmao. Where it is not off, /health says that this is Houmao's server.",
    ),
    (
        Key::Metrics,
        "metrics",
        "\"token\"",
        "The same for /metrics, which tells numbers, namespaces and roles.",
    ),
    (Key::LogFormat, "log_format", "\"text\"", "text for people, json for machines."),
    (
        Key::Log,
        "log",
        "\"info,access=warn\"",
        "What is logged, as in RUST_LOG. Plain info adds a line per request.",
    ),
    (
        Key::DrainSeconds,
        "drain_seconds",
        "10",
        "How long open requests may go on after the signal to stop.",
    ),
    (
        Key::RequestSeconds,
        "request_seconds",
        "30",
        "How long a request may take until its answer begins.",
    ),
    (
        Key::IdleSeconds,
        "idle_seconds",
        "30",
        "How long a connection may wait for its next request, or dawdle over headers.",
    ),
    (
        Key::ConnectionsMax,
        "connections_max",
        "10000",
        "Connections open at one time; more wait until one ends.",
    ),
    (Key::BodyBytesMax, "body_bytes_max", "1048576", "Bytes of one request body."),
    (
        Key::RunspecRateLimits,
        "runspec_rate_limits",
        "\"off\"",
        "on: each address may write 60 times a minute per path there, and beat 120 times.",
    ),
    (
        Key::SnapshotDir,
        "snapshot_dir",
        "\"\"",
        "Where snapshots are saved regularly; a disk of its own is best. Empty: none are.",
    ),
    (Key::SnapshotSeconds, "snapshot_seconds", "3600", "How often one is taken."),
    (Key::SnapshotsKept, "snapshots_kept", "24", "How many are kept; the oldest goes."),
];

// === impl Key ===

impl Key {
    /// Every setting, in the order in which they are printed.
    pub const ALL: [Key; 24] = [
        Key::Listen,
        Key::Store,
        Key::TokenFile,
        Key::InsecureNoAuth,
        Key::TlsCert,
        Key::TlsKey,
        Key::TlsClientCa,
        Key::DialectNative,
        Key::DialectVers,
        Key::DialectRunspec,
        Key::DialectOptiinfra,
        Key::DialectHoumao,
        Key::Metrics,
        Key::LogFormat,
        Key::Log,
        Key::DrainSeconds,
        Key::RequestSeconds,
        Key::IdleSeconds,
        Key::ConnectionsMax,
        Key::BodyBytesMax,
        Key::RunspecRateLimits,
        Key::SnapshotDir,
        Key::SnapshotSeconds,
        Key::SnapshotsKept,
    ];

    /// Its name in the file; quantities end in their unit.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Its value when nobody gives one, as TOML.
    pub fn default(self) -> &'static str {
        self.row().1
    }

    /// What it is for.
    pub fn why(self) -> &'static str {
        self.row().2
    }

    /// Its flag.
    pub fn flag(self) -> String {
        format!("--{}", self.name().replace('_', "-"))
    }

    /// Its name in the environment.
    pub fn variable(self) -> String {
        format!("ROLECALL_{}", self.name().to_ascii_uppercase())
    }

    fn row(self) -> (&'static str, &'static str, &'static str) {
        let (_, name, default, why) = TABLE[self as usize];
        (name, default, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_stands_in_its_row() {
        for (key, row) in Key::ALL.iter().zip(TABLE) {
            assert_eq!((*key, *key as usize), (row.0, row.0 as usize));
            assert_eq!(TABLE[*key as usize].0, *key);
        }
    }
}
