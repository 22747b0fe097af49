//! Tokens in the clear: where they come from, and the file they stand in.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Holder;
use super::scope::{Grant, NoGrant};

/// A token in the clear, as it was configured; it never prints itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where tokens come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenSources {
    /// Tokens given by the environment, with the name of the variable. Each may do everything.
    pub environment: Vec<(&'static str, Secret)>,
    /// Files with one token a line, its name and grants behind it; blank lines and lines that begin
    /// with `#` do not count.
    pub files: Vec<PathBuf>,
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
    /// A token stands there twice, and means something else each time.
    #[error(
        "token file {path}: the token called `{name}` stands there twice; keep one of its lines"
    )]
    Twice {
        /// The file.
        path: PathBuf,
        /// What the token is called.
        name: String,
    },
    /// A line says something about its token that means nothing.
    #[error("token file {path}, line {line}: {source}")]
    NoGrant {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What a line may say.
        source: NoGrant,
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

    /// For an `Authorization` header and nothing else.
    pub(crate) fn in_the_clear(&self) -> &str {
        &self.0
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

/// The tokens of a file and who holds them. A line is `TOKEN [name=NAME] [GRANT…]`.
pub(super) fn read(path: &Path) -> Result<Vec<(Secret, Holder)>, TokenFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| TokenFileError::Unreadable { path: path.to_path_buf(), source })?;
    // What some editors put first is no part of a token.
    let text = text.trim_start_matches('\u{FEFF}');
    let file = path.file_name().unwrap_or_default().display();
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split_whitespace();
        let Some(secret) = words.next().filter(|word| !word.starts_with('#')).and_then(Secret::new)
        else {
            continue;
        };
        let mut holder = Holder { name: format!("line {number} of {file}"), grants: Vec::new() };
        for word in words {
            let no_grant = |source| {
                let path = path.to_path_buf();
                TokenFileError::NoGrant { path, line: number, source }
            };
            match word.strip_prefix("name=") {
                Some(name) => holder.name = name.to_owned(),
                None => holder.grants.push(word.parse().map_err(no_grant)?),
            }
        }
        if holder.grants.is_empty() {
            holder.grants.push(Grant::EVERYTHING);
        }
        tokens.push((secret, holder));
    }
    if tokens.is_empty() {
        return Err(TokenFileError::Empty { path: path.to_path_buf() });
    }
    Ok(tokens)
}

/// The first token of a file: what somebody shows who has only one to choose from.
pub(crate) fn first_secret(path: &Path) -> Result<Secret, TokenFileError> {
    let empty = || TokenFileError::Empty { path: path.to_path_buf() };
    read(path)?.into_iter().next().map(|(secret, _)| secret).ok_or_else(empty)
}

#[cfg(unix)]
pub(crate) fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_readable_by_others(_: &Path) -> bool {
    false
}
