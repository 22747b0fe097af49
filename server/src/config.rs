//! Every setting in effect, and where it came from: flag > environment > file > default.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::args::ServeFlags;
use crate::auth::{Secret, TokenSources};
use crate::dialect::Doors;
use crate::limits::Limits;
pub use crate::settings::Key;
use crate::snapshot::Regular;
use crate::tls::TlsFiles;

/// The environment, handed in from outside so that tests need not change their own.
pub type Environment = BTreeMap<String, String>;

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where records rest, as a URL.
    pub store: String,
    /// Where tokens come from.
    pub tokens: TokenSources,
    /// Whom each dialect lets in without a token.
    pub doors: Doors,
    /// What to encrypt connections with.
    pub tls: Option<TlsFiles>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log: String,
    /// What a request may cost.
    pub limits: Limits,
    /// Where and when snapshots are saved, if they are.
    pub snapshots: Option<Regular>,
    /// What an operator should know, to be logged once logging works.
    pub warnings: Vec<String>,
    /// Whether anybody may call although other machines can.
    insecure: bool,
    /// Each setting as given, for [`crate::print`].
    pub(crate) given: Vec<Given>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

/// One setting: its values as text, and who gave them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) key: Key,
    pub(crate) values: Vec<String>,
    pub(crate) origin: Origin,
}

/// Who gave a setting its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(String),
    Environment(String),
    File,
    Default,
}

/// A configuration that cannot be used; each says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file is not TOML.
    #[error("the configuration file is not TOML: {0}")]
    NotToml(String),
    /// The file has a key that means nothing.
    #[error("the configuration file has an unknown key `{key}`; known keys: {known}")]
    UnknownKey {
        /// The key.
        key: String,
        /// All there are.
        known: String,
    },
    /// A value that cannot be.
    #[error("{origin}: `{value}` is not {wanted}")]
    BadValue {
        /// Who gave it.
        origin: String,
        /// What was given.
        value: String,
        /// What is expected.
        wanted: &'static str,
    },
    /// Half of TLS.
    #[error(
        "{given} is set and {missing} is not: TLS needs a certificate and its key; set both, or \
         none of the tls_… for plain HTTP"
    )]
    HalfOfTls {
        /// Who gave what there is.
        given: String,
        /// What there is not.
        missing: &'static str,
    },
    /// Open to the network without a token.
    #[error(
        "{listen} is open to other machines and no token is set; set one (ROLECALL_TOKEN_FILE, \
         --token-file or VERS_AUTH_TOKEN), or say --insecure-no-auth if you mean it"
    )]
    OpenToAll {
        /// The address.
        listen: SocketAddr,
    },
}

// === impl Config ===

impl Config {
    /// Settles every setting. Reads nothing itself: `file` is the text of the configuration file.
    pub fn resolve(
        flags: &ServeFlags,
        environment: &Environment,
        file: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let file = crate::file::read(file.unwrap_or_default())?;
        let given = Key::ALL.map(|key| find(key, flags, environment, &file));
        let [listen, store, token_file, insecure, cert, key, client_ca, rest @ ..] = &given;
        let [native, vers, runspec, optiinfra, houmao, metrics, log_format, log, rest @ ..] = rest;
        let [limits @ .., snapshot_dir, snapshot_seconds, snapshots_kept] = rest;
        let door =
            |given: &Given| given.one(|text| text.parse().ok(), "token, open-reads, open or off");
        let tokens = TokenSources {
            environment: tokens_of(environment),
            files: token_file.values.iter().map(PathBuf::from).collect(),
        };
        let config = Config {
            listen: listen.one(address_of, "an address like 127.0.0.1:3000 or [::]:3000")?,
            store: store.one(nonempty, "a store like sled:./data")?,
            tokens,
            doors: Doors::new(
                [door(native)?, door(vers)?, door(runspec)?, door(optiinfra)?, door(houmao)?],
                door(metrics)?,
            ),
            tls: tls_of(cert, key, client_ca)?,
            log_format: log_format.one(log_format_of, "text or json")?,
            log: log.one(log_filter_of, "a log filter like info or info,access=warn")?,
            limits: limits_of(limits)?,
            snapshots: snapshots_of(snapshot_dir, snapshot_seconds, snapshots_kept)?,
            warnings: crate::environment::warnings(environment),
            insecure: insecure.one(switch_of, "true or false")?,
            given: given.to_vec(),
        };
        config.guarded().map(Self::warned)
    }

    /// The same, but with a socket that somebody else has opened at this address.
    pub fn listening_on(mut self, address: SocketAddr) -> Result<Self, ConfigError> {
        self.listen = address;
        self.guarded()
    }

    /// Refuses to be open to the network by accident.
    fn guarded(mut self) -> Result<Self, ConfigError> {
        let is_local = self.listen.ip().to_canonical().is_loopback();
        match (self.tokens.is_empty(), self.insecure) {
            (true, false) if !is_local => Err(ConfigError::OpenToAll { listen: self.listen }),
            (false, true) => {
                let warning = "insecure_no_auth has no effect: a token is set, and is required";
                if !self.warnings.iter().any(|known| known == warning) {
                    self.warnings.push(warning.to_string());
                }
                Ok(self)
            }
            _ => Ok(self),
        }
    }

    /// Warns of tokens that everybody on the way can read.
    fn warned(mut self) -> Self {
        let is_far = !self.listen.ip().to_canonical().is_loopback();
        if is_far && self.tls.is_none() && !self.tokens.is_empty() {
            self.warnings.push(format!(
                "tokens travel in clear text to {}: set tls_cert and tls_key, or let a proxy \
                 speak TLS in front of it",
                self.listen
            ));
        }
        self
    }
}

/// The value of a setting by precedence. An empty variable counts as absent.
fn find(
    key: Key,
    flags: &ServeFlags,
    environment: &Environment,
    file: &crate::file::File,
) -> Given {
    let given = |values, origin| Given { key, values, origin };
    let from_flag = flags.values(key);
    if !from_flag.is_empty() {
        return given(from_flag, Origin::Flag(key.flag()));
    }
    let variable = |name: &str| environment.get(name).filter(|value| !value.trim().is_empty());
    if let Some(value) = variable(&key.variable()) {
        let values = match key {
            Key::TokenFile => value.split(':').map(str::to_string).collect(),
            _ => vec![value.clone()],
        };
        return given(values, Origin::Environment(key.variable()));
    }
    // Names from elsewhere, which mean less than our own: an explicit address wins over a port.
    if key == Key::Log
        && let Some(value) = variable("RUST_LOG")
    {
        return given(vec![value.clone()], Origin::Environment("RUST_LOG".to_string()));
    }
    if let Some(values) = file.get(key.name()) {
        return given(values.clone(), Origin::File);
    }
    if key == Key::Listen
        && let Some(port) = variable("PORT")
    {
        let address = format!("{}:{}", Ipv4Addr::LOCALHOST, port.trim());
        return given(vec![address], Origin::Environment("PORT".to_string()));
    }
    let default = toml::from_str::<toml::Table>(&format!("it = {}", key.default()));
    let default = default.expect("a default is TOML; a test reads them all").remove("it");
    given(default.as_ref().and_then(crate::file::texts).unwrap_or_default(), Origin::Default)
}

fn tokens_of(environment: &Environment) -> Vec<(&'static str, Secret)> {
    let token = |name| Some((name, Secret::new(environment.get(name)?)?));
    crate::environment::TOKEN_VARIABLES.into_iter().filter_map(token).collect()
}

fn tls_of(cert: &Given, key: &Given, ca: &Given) -> Result<Option<TlsFiles>, ConfigError> {
    let half = |given: &Given, missing: Key| {
        let given = given.origin.of(given.key);
        Err(ConfigError::HalfOfTls { given, missing: missing.name() })
    };
    match (cert.file(), key.file(), ca.file()) {
        (Some(certificate), Some(key), client_ca) => {
            Ok(Some(TlsFiles { certificate, key, client_ca }))
        }
        (Some(_), None, _) => half(cert, Key::TlsKey),
        (None, Some(_), _) => half(key, Key::TlsCert),
        (None, None, Some(_)) => half(ca, Key::TlsCert),
        (None, None, None) => Ok(None),
    }
}

/// The two quantities are checked also where no directory makes use of them.
fn snapshots_of(
    directory: &Given,
    every: &Given,
    kept: &Given,
) -> Result<Option<Regular>, ConfigError> {
    let every = every.one(
        |text| text.parse().ok().filter(|seconds| (1..=30 * 24 * 3600).contains(seconds)),
        "a whole number of seconds, at most 2592000 (30 days)",
    )?;
    let kept = kept.one(
        |text| text.parse().ok().filter(|count| (1..=10_000).contains(count)),
        "a whole number from 1 to 10000",
    )?;
    let regular = |directory| Regular { directory, every: Duration::from_secs(every), kept };
    Ok(directory.file().map(regular))
}

fn limits_of(given: &[Given]) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for setting in given {
        match setting.key {
            Key::DrainSeconds => limits.drain = setting.seconds(0..=3600)?,
            Key::RequestSeconds => limits.request = setting.seconds(1..=3600)?,
            Key::IdleSeconds => limits.idle = setting.seconds(1..=3600)?,
            Key::ConnectionsMax => {
                limits.connections_max = setting.one(
                    |text| text.parse().ok().filter(|count| (1..=1_000_000).contains(count)),
                    "a whole number from 1 to 1000000",
                )?;
            }
            Key::BodyBytesMax => {
                limits.body_bytes_max = setting.one(
                    |text| text.parse().ok().filter(|bytes| (1024..=64 << 20).contains(bytes)),
                    "a number of bytes from 1024 to 67108864",
                )?;
            }
            Key::RunspecRateLimits => {
                limits.runspec_rates = setting.one(switch_of, "on or off")?;
            }
            _ => {}
        }
    }
    // A slow client must be told apart from a slow store also when the operator shortens one.
    limits.body_read = limits.body_read.min(limits.request * 2 / 3);
    limits.handshake = limits.handshake.min(limits.idle);
    Ok(limits)
}

fn address_of(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port.parse().ok()?));
    }
    text.parse().ok()
}

fn log_format_of(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}

fn log_filter_of(text: &str) -> Option<String> {
    tracing_subscriber::EnvFilter::try_new(text).ok().map(|_| text.to_string())
}

fn switch_of(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn nonempty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_string())
}

// === impl Given ===

impl Given {
    /// Its one value, understood by `parse`.
    fn one<T>(
        &self,
        parse: impl Fn(&str) -> Option<T>,
        wanted: &'static str,
    ) -> Result<T, ConfigError> {
        let text = self.values.join(",");
        parse(text.trim()).ok_or_else(|| ConfigError::BadValue {
            origin: self.origin.of(self.key),
            value: without_password(&text),
            wanted,
        })
    }

    /// The file it names, if it names any.
    fn file(&self) -> Option<PathBuf> {
        let path = self.values.join(",");
        (!path.is_empty()).then(|| PathBuf::from(path))
    }

    fn seconds(&self, range: std::ops::RangeInclusive<u64>) -> Result<Duration, ConfigError> {
        let in_range = |text: &str| text.parse().ok().filter(|seconds| range.contains(seconds));
        self.one(in_range, "a whole number of seconds, at most 3600").map(Duration::from_secs)
    }
}

// === impl Origin ===

impl Origin {
    fn of(&self, key: Key) -> String {
        match self {
            Origin::Flag(_) | Origin::Environment(_) => self.to_string(),
            Origin::File | Origin::Default => format!("{} ({self})", key.name()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag {name}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File => f.write_str("file"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A URL as it may be shown: `redis://user:secret@host` loses the secret.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_string();
    };
    // Up to the last `@`, wherever it is: rather too much hidden than half a password shown.
    match rest.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{name}:***@{host}")
        }
        None => url.to_string(),
    }
}

#[cfg(test)]
#[path = "config_test.rs"]
mod tests;
