//! Who may call: the only file that sees tokens.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::limits::{REFUSAL_LOG_LINES_PER_SECOND_MAX, TOKEN_CHARACTERS_MIN_ADVISED};
use crate::log_budget::LogBudget;

/// A token in the clear, as it was configured; it never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where tokens come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenSources {
    /// Tokens given by the environment, with the name of the variable.
    pub environment: Vec<(&'static str, Secret)>,
    /// Files with one token a line; blank lines and lines that begin with `#` do not count.
    pub files: Vec<PathBuf>,
}

/// The tokens that open the door, as digests; without any, the door is open.
#[derive(Debug)]
pub struct Auth {
    digests: Vec<[u8; 32]>,
    /// Each source and how many tokens it gave, for people.
    sources: Vec<(String, usize)>,
    warnings: Vec<String>,
    refusals: LogBudget,
}

/// Who is calling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Anybody: no token is configured.
    Anyone,
    /// Somebody who holds one of the tokens. All tokens may do the same.
    Known,
}

/// Why a caller is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No credentials came along.
    Missing,
    /// Credentials came along, and they are not right.
    Invalid,
}

/// A token file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error(
        "cannot read token file {path}: {source}; create it with one token a line, readable \
             by the user that runs rolecall, or point --token-file elsewhere"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds no token. To go on would mean to be open by accident.
    #[error(
        "token file {path} holds no token; write one token a line, for example with \
             `openssl rand -hex 32 > {path}`, or drop --token-file"
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

// === impl Secret ===

impl Secret {
    /// Keeps a token without the blanks around it, which no HTTP header could carry; `None` when
    /// nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_string()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

// === impl TokenSources ===

impl TokenSources {
    /// Whether there is none at all. A file counts, since a file without a token is an error.
    pub fn is_empty(&self) -> bool {
        self.environment.is_empty() && self.files.is_empty()
    }
}

// === impl Auth ===

impl Auth {
    /// Reads the token files and takes the digest of every token.
    pub fn open(sources: &TokenSources) -> Result<Self, TokenFileError> {
        let mut auth = Self::anyone();
        for (name, secret) in &sources.environment {
            auth.admit(format!("environment {name}"), std::slice::from_ref(secret));
        }
        for path in &sources.files {
            let secrets = read_tokens(path)?;
            auth.admit(format!("file {}", path.display()), &secrets);
            if is_readable_by_others(path) {
                let path = path.display();
                let advice = format!("token file {path} is open to other users: chmod 600 {path}");
                auth.warnings.push(advice);
            }
        }
        Ok(auth)
    }

    /// No token: everybody may call.
    pub fn anyone() -> Self {
        Self {
            digests: Vec::new(),
            sources: Vec::new(),
            warnings: Vec::new(),
            refusals: LogBudget::per_second(REFUSAL_LOG_LINES_PER_SECOND_MAX),
        }
    }

    /// Each source of tokens and how many it gave.
    pub fn sources(&self) -> &[(String, usize)] {
        &self.sources
    }

    /// How many tokens there are.
    pub fn token_count(&self) -> usize {
        self.digests.len()
    }

    /// What an operator should know about the tokens.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Checks `Authorization: Bearer <token>`: the scheme in any case, blanks or tabs, then the
    /// exact token. Two such headers are never right, whatever they say.
    pub(crate) fn check_bearer(&self, headers: &HeaderMap) -> Result<Caller, Denied> {
        if self.digests.is_empty() {
            return Ok(Caller::Anyone);
        }
        let mut given = headers.get_all(AUTHORIZATION).iter();
        let (first, second) = (given.next(), given.next());
        let checked = match (first, second) {
            (None, _) => Err(Denied::Missing),
            (Some(only), None) => self.check(bearer_token(only.as_bytes())),
            (Some(_), Some(_)) => Err(Denied::Invalid),
        };
        checked.inspect_err(|denied| self.log(*denied))
    }

    fn check(&self, token: Option<&[u8]>) -> Result<Caller, Denied> {
        let digest: [u8; 32] = Sha256::digest(token.ok_or(Denied::Invalid)?).into();
        // Every digest is compared, to the end: the time tells nothing about which one is near.
        let compared = self.digests.iter().map(|known| known.ct_eq(&digest));
        let is_known = compared.fold(Choice::from(0), |found, equal| found | equal);
        if bool::from(is_known) { Ok(Caller::Known) } else { Err(Denied::Invalid) }
    }

    fn admit(&mut self, source: String, secrets: &[Secret]) {
        for Secret(token) in secrets {
            if token.chars().count() < TOKEN_CHARACTERS_MIN_ADVISED {
                self.warnings.push(format!(
                    "a token from {source} has fewer than {TOKEN_CHARACTERS_MIN_ADVISED} \
                     characters and can be guessed; make one with `openssl rand -hex 32`"
                ));
            }
            self.digests.push(Sha256::digest(token.as_bytes()).into());
        }
        self.sources.push((source, secrets.len()));
    }

    fn log(&self, denied: Denied) {
        if let Some(withheld) = self.refusals.take() {
            tracing::warn!(reason = denied.message(), withheld, "refused a caller");
        }
    }
}

// === impl Denied ===

impl Denied {
    /// The sentence for the caller, in the words of the first original.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Denied::Missing => "Unauthorized — missing Authorization header",
            Denied::Invalid => "Unauthorized — invalid token",
        }
    }
}

/// What follows the scheme, if the scheme is `Bearer` and something follows.
fn bearer_token(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked("Bearer".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return None;
    }
    let token = rest.trim_ascii_start();
    (token.len() < rest.len() && !token.is_empty()).then_some(token)
}

fn read_tokens(path: &Path) -> Result<Vec<Secret>, TokenFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TokenFileError::Unreadable { path: path.to_path_buf(), source })?;
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let secrets: Vec<Secret> = lines.filter_map(Secret::new).collect();
    if secrets.is_empty() {
        return Err(TokenFileError::Empty { path: path.to_path_buf() });
    }
    Ok(secrets)
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
#[path = "auth_test.rs"]
mod tests;
