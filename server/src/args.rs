//! The command line, on one page.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::Styles;
use clap::{Args, Parser, Subcommand};

use crate::app::VERSION_AND_BUILD;
use crate::config::{Environment, Key};
use crate::exit::EXIT_CODES;
use crate::limits::{
    BENCH_CONNECTIONS_MAX, BENCH_RECORDS_DEFAULT, BENCH_RECORDS_MAX, BENCH_SECONDS_MAX,
};

/// The whole command surface.
#[derive(Debug, Parser)]
#[command(
    name = "rolecall",
    about = "A service registry: things that run say where they are, others find them by role.",
    version = VERSION_AND_BUILD,
    after_help = after_help(),
    args_conflicts_with_subcommands = true,
    styles = Styles::plain(),
    max_term_width = 100
)]
struct Surface {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; this is the default command.
    #[command(after_help = after_help())]
    Serve(Box<ServeFlags>),
    /// Open the address, then become COMMAND with the listening socket as its standard input.
    ///
    /// For a launcher that lets servers come and go (LISTEN_FDS) while nobody who connects is
    /// turned away. Where systemd runs, a socket unit does this.
    Hold(HoldFlags),
    /// Look into the file of a snapshot, or check it.
    ///
    /// A running server gives one for POST /v1/admin/snapshot, and saves them by itself where
    /// --snapshot-dir is set.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Fill a new store with a snapshot.
    ///
    /// Every record comes back with its revision, and leases go on as after a restart: whoever was
    /// alive in the snapshot has a minute, or its TTL where that is shorter, to be heard of. A
    /// store that was ever written to is refused.
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreFlags),
    /// Put a bounded load on a server of yours, and print how fast it answers.
    ///
    /// Registers records of its own in the namespace `bench` and removes them, also after Ctrl-C.
    /// Each row is one kind of request, sent by all connections at once, one at a time on each.
    #[command(after_help = BENCH_HELP)]
    Bench(BenchFlags),
}

/// What is done with the file of a snapshot.
#[derive(Debug, Subcommand)]
enum SnapshotCommand {
    /// Show what it is of: revision, instant, and how many records each role has.
    Inspect(InspectFlags),
    /// Check that it can be restored: all of it is there, unaltered, and understood.
    Verify(VerifyFlags),
}

const RESTORE_HELP: &str = "\
Example, after a store could not be opened:
  rolecall restore /var/backups/rolecall/rolecall-20260131T235959000Z-r42.snapshot \\
      --store sled:/var/lib/rolecall/data-restored
  rolecall --store sled:/var/lib/rolecall/data-restored";

/// What the command line asks for.
#[derive(Debug)]
pub enum Order {
    /// Run the server.
    Serve(Box<ServeFlags>),
    /// Hold an address for servers that come and go.
    Hold(HoldFlags),
    /// Look into a snapshot.
    Inspect(InspectFlags),
    /// Check a snapshot.
    Verify(VerifyFlags),
    /// Fill a store with a snapshot.
    Restore(RestoreFlags),
    /// Measure a server.
    Bench(BenchFlags),
}

/// The flags of `snapshot inspect`.
#[derive(Debug, Args)]
pub struct InspectFlags {
    /// The snapshot.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// As JSON, for programs.
    #[arg(long)]
    pub json: bool,
}

/// The flags of `snapshot verify`.
#[derive(Debug, Args)]
pub struct VerifyFlags {
    /// The snapshot.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// The flags of `restore`.
#[derive(Debug, Args)]
pub struct RestoreFlags {
    /// The snapshot.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The store to fill, which must be empty or not there yet.
    #[arg(long, value_name = "URL")]
    pub store: String,
}

/// The flags of `bench`. Values are bounded here; see `limits`.
#[derive(Debug, Args)]
pub struct BenchFlags {
    /// Which server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000")]
    pub url: String,
    /// It is not on this machine, and is mine to put load on.
    #[arg(long)]
    pub yes_not_loopback: bool,
    /// The file whose first token is sent; without it, what ROLECALL_TOKEN or VERS_AUTH_TOKEN says.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How many records there are to work on.
    #[arg(long, value_name = "COUNT", default_value_t = BENCH_RECORDS_DEFAULT,
        value_parser = clap::value_parser!(u64).range(1..=BENCH_RECORDS_MAX))]
    pub records: u64,
    /// How many connections ask at one time.
    #[arg(long, value_name = "COUNT", default_value_t = 32,
        value_parser = clap::value_parser!(u64).range(1..=BENCH_CONNECTIONS_MAX))]
    pub connections: u64,
    /// How long each row may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 5,
        value_parser = clap::value_parser!(u64).range(1..=BENCH_SECONDS_MAX))]
    pub seconds: u64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}

const BENCH_HELP: &str = "\
A row ends when its time is over, or when there is no record left to register or deregister. With
the first wrong answer everything ends; what was registered is removed all the same.

Exit codes:
   0  every answer was right
  64  a flag, the token file or the URL is wrong
  69  an answer was wrong or missing; the row and the answer are told
 130  stopped by a signal";

/// The flags of `hold`.
#[derive(Debug, Args)]
pub struct HoldFlags {
    /// Where to listen.
    #[arg(long, value_name = "ADDR")]
    pub listen: SocketAddr,
    /// What to become.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// The flags of `serve`. Values stay text here: flag, environment and file are read by one rule,
/// in `config`. No flag takes a token, since command lines are visible to every user.
#[derive(Debug, Default, Clone, Args)]
pub struct ServeFlags {
    /// Where to listen [default: 127.0.0.1:3000].
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where records rest: `memory:`, `sled:PATH`, the lighter `fjall:PATH` [default: sled:./data].
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// A TOML file with settings; `--print-config` shows their names.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// A file with one token a line; may be given several times.
    #[arg(long, value_name = "FILE")]
    token_file: Vec<String>,
    /// Listen beyond this machine although no token is set.
    #[arg(long)]
    insecure_no_auth: bool,
    /// The server's certificate, PEM; with it and its key the port speaks TLS.
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Certificates that vouch for clients, who then need one of theirs.
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<String>,
    /// Who may call /v1 once a token is set: token, open-reads, open, off [default: token].
    #[arg(long, value_name = "DOOR")]
    dialect_native: Option<String>,
    /// The same for /registry, /commits, /feed and /board [default: token].
    #[arg(long, value_name = "DOOR")]
    dialect_vers: Option<String>,
    /// The same for /instances, /tools, /hosts and /export [default: open-reads].
    #[arg(long, value_name = "DOOR")]
    dialect_runspec: Option<String>,
    /// The same for /agents and /api/v1/agents [default: token].
    #[arg(long, value_name = "DOOR")]
    dialect_optiinfra: Option<String>,
    /// The same for /houmao; on, /health says that this is Houmao's server [default: off].
    #[arg(long, value_name = "DOOR")]
    dialect_houmao: Option<String>,
    /// The same for /metrics [default: token].
    #[arg(long, value_name = "DOOR")]
    metrics: Option<String>,
    /// How log lines look [default: text].
    #[arg(long, value_name = "text|json")]
    log_format: Option<String>,
    /// What is logged, as in RUST_LOG; `info` adds a line per request [default: info,access=warn].
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How long open requests may go on after SIGTERM [default: 10].
    #[arg(long, value_name = "SECONDS")]
    drain_seconds: Option<String>,
    /// How long a request may take until its answer begins [default: 30].
    #[arg(long, value_name = "SECONDS")]
    request_seconds: Option<String>,
    /// How long a connection may wait for its next request [default: 30].
    #[arg(long, value_name = "SECONDS")]
    idle_seconds: Option<String>,
    /// Connections open at one time [default: 10000].
    #[arg(long, value_name = "COUNT")]
    connections_max: Option<String>,
    /// Bytes of one request body [default: 1048576].
    #[arg(long, value_name = "BYTES")]
    body_bytes_max: Option<String>,
    /// How often an address may write to /instances: as runspec-registry has it, or at will
    /// [default: off].
    #[arg(long, value_name = "on|off")]
    runspec_rate_limits: Option<String>,
    /// Where snapshots are saved regularly; without it none are.
    #[arg(long, value_name = "DIRECTORY")]
    snapshot_dir: Option<String>,
    /// How often one is taken [default: 3600].
    #[arg(long, value_name = "SECONDS")]
    snapshot_seconds: Option<String>,
    /// How many are kept [default: 24].
    #[arg(long, value_name = "COUNT")]
    snapshots_kept: Option<String>,
    /// Print every setting in effect and where it came from, then exit.
    #[arg(long)]
    print_config: bool,
}

/// A command line that asks for something else than to serve.
#[derive(Debug)]
pub struct Detour {
    error: clap::Error,
}

/// Reads the command line, the program's name first.
///
/// Fails when it is wrong, or asks for help or for the version.
pub fn parse(line: impl IntoIterator<Item = OsString>) -> Result<Order, Detour> {
    let surface = Surface::try_parse_from(line).map_err(|error| Detour { error })?;
    Ok(match surface.command {
        Some(Command::Serve(flags)) => Order::Serve(flags),
        Some(Command::Hold(flags)) => Order::Hold(flags),
        Some(Command::Snapshot(SnapshotCommand::Inspect(flags))) => Order::Inspect(flags),
        Some(Command::Snapshot(SnapshotCommand::Verify(flags))) => Order::Verify(flags),
        Some(Command::Restore(flags)) => Order::Restore(flags),
        Some(Command::Bench(flags)) => Order::Bench(flags),
        None => Order::Serve(Box::new(surface.serve)),
    })
}

// === impl Detour ===

impl Detour {
    /// Whether the command line is wrong, rather than a question.
    pub fn is_mistake(&self) -> bool {
        self.error.use_stderr()
    }

    /// Prints the mistake to stderr, or the answer to stdout. A closed stdout is no failure.
    pub fn print(&self) {
        let _ = self.error.print();
    }
}

// === impl ServeFlags ===

impl ServeFlags {
    /// The configuration file, by flag or by environment.
    pub fn config_path(&self, environment: &Environment) -> Option<String> {
        let variable = environment.get("ROLECALL_CONFIG").filter(|path| !path.is_empty());
        self.config.as_ref().or(variable).cloned()
    }

    /// Whether to print the settings instead of serving.
    pub fn prints_config(&self) -> bool {
        self.print_config
    }

    /// What the flag of a setting was given; nothing if it was not given.
    pub(crate) fn values(&self, key: Key) -> Vec<String> {
        let one = |value: &Option<String>| value.iter().cloned().collect();
        match key {
            Key::Listen => one(&self.listen),
            Key::Store => one(&self.store),
            Key::TokenFile => self.token_file.clone(),
            Key::InsecureNoAuth if self.insecure_no_auth => vec!["true".to_string()],
            Key::InsecureNoAuth => Vec::new(),
            Key::TlsCert => one(&self.tls_cert),
            Key::TlsKey => one(&self.tls_key),
            Key::TlsClientCa => one(&self.tls_client_ca),
            Key::DialectNative => one(&self.dialect_native),
            Key::DialectVers => one(&self.dialect_vers),
            Key::DialectRunspec => one(&self.dialect_runspec),
            Key::DialectOptiinfra => one(&self.dialect_optiinfra),
            Key::DialectHoumao => one(&self.dialect_houmao),
            Key::Metrics => one(&self.metrics),
            Key::LogFormat => one(&self.log_format),
            Key::Log => one(&self.log),
            Key::DrainSeconds => one(&self.drain_seconds),
            Key::RequestSeconds => one(&self.request_seconds),
            Key::IdleSeconds => one(&self.idle_seconds),
            Key::ConnectionsMax => one(&self.connections_max),
            Key::BodyBytesMax => one(&self.body_bytes_max),
            Key::RunspecRateLimits => one(&self.runspec_rate_limits),
            Key::SnapshotDir => one(&self.snapshot_dir),
            Key::SnapshotSeconds => one(&self.snapshot_seconds),
            Key::SnapshotsKept => one(&self.snapshots_kept),
        }
    }
}

fn after_help() -> String {
    format!(
        "\
Each flag has an environment name: --drain-seconds is ROLECALL_DRAIN_SECONDS. A flag wins over the
environment, the environment over the file, the file over the default.

Tokens come from --token-file, from the variable ROLECALL_TOKEN, or from VERS_AUTH_TOKEN; all of
them count. Without any, only this machine may connect.

Examples:
  rolecall
      listens on 127.0.0.1:3000 and keeps its records in ./data
  rolecall --listen 0.0.0.0:3000 --store sled:/var/lib/rolecall --token-file /etc/rolecall/tokens
      serves other machines, which need one of the tokens
  rolecall --listen 0.0.0.0:3443 --token-file tokens --tls-cert cert.pem --tls-key key.pem
      the same, encrypted; SIGHUP reads certificate and key again
  rolecall --store memory: --listen 127.0.0.1:0
      forgets everything at its end; on a free port, which the first line tells
  rolecall --print-config > rolecall.toml
      every setting, as a file to begin with

{EXIT_CODES}"
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn flags(line: &str) -> Result<ServeFlags, Detour> {
        match parse(line.split_whitespace().map(OsString::from))? {
            Order::Serve(flags) => Ok(*flags),
            other => panic!("not to serve: {other:?}"),
        }
    }

    #[test]
    fn the_surface_is_consistent() {
        Surface::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command() {
        for line in [
            "rolecall --listen :1 --token-file a --token-file b",
            "rolecall serve --listen :1 --token-file a --token-file b",
        ] {
            let flags = flags(line).unwrap();
            assert_eq!(flags.values(Key::Listen), [":1"], "{line}");
            assert_eq!(flags.values(Key::TokenFile), ["a", "b"], "{line}");
            assert!(flags.values(Key::Store).is_empty(), "{line}");
        }
    }

    #[test]
    fn questions_are_told_apart_from_mistakes() {
        for (line, mistake) in [
            ("rolecall --help", false),
            ("rolecall serve --help", false),
            ("rolecall --version", false),
            ("rolecall --token abc", true),
            ("rolecall serv", true),
            ("rolecall --listen", true),
            ("rolecall hold --listen 127.0.0.1:1", true),
            ("rolecall hold -- sh", true),
            ("rolecall snapshot", true),
            ("rolecall snapshot verify", true),
            ("rolecall restore a.snapshot", true),
            ("rolecall restore --help", false),
            ("rolecall bench --help", false),
            ("rolecall bench --seconds 61", true),
            ("rolecall bench --connections 0", true),
            ("rolecall bench --token secret", true),
        ] {
            assert_eq!(flags(line).unwrap_err().is_mistake(), mistake, "{line}");
        }
    }

    #[test]
    fn every_setting_has_a_flag_of_its_name() {
        let command = Surface::command();
        for key in Key::ALL {
            let wanted = key.name().replace('_', "-");
            let found = command.get_arguments().any(|arg| arg.get_long() == Some(&wanted));
            assert!(found, "--{wanted}");
        }
    }
}
