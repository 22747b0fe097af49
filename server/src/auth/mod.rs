//! Who may call: the only room that sees tokens.

mod door;
mod scope;
mod token;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderName};
use sha2::{Digest, Sha256};
use subtle::{ConditionallySelectable, ConstantTimeEq};

pub use self::door::{Door, NoDoor};
pub use self::scope::{Grant, NoGrant, Scope};
pub use self::token::{Secret, TokenFileError, TokenSources};
pub(crate) use self::token::{first_secret, is_readable_by_others};
use crate::limits::{REFUSAL_LOG_LINES_PER_SECOND_MAX, TOKEN_CHARACTERS_MIN_ADVISED};
use crate::log_budget::LogBudget;

/// The tokens that open doors, as digests; without any, every door is open.
#[derive(Debug)]
pub struct Auth {
    tokens: ArcSwap<Tokens>,
    refusals: LogBudget,
}

/// All tokens of one moment.
#[derive(Debug, Default)]
struct Tokens {
    known: Vec<Token>,
    /// Each source and how many tokens it gave, for people.
    sources: Vec<(String, usize)>,
    warnings: Vec<String>,
}

#[derive(Debug)]
struct Token {
    digest: [u8; 32],
    holder: Arc<Holder>,
}

/// What is known of whoever holds a token.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    /// What the token is called, for people who ask who did something.
    name: String,
    grants: Vec<Grant>,
}

/// Which header carries a caller's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// `Authorization: Bearer <token>`
    Bearer,
    /// `X-API-Key: <token>`
    ApiKey,
}

/// Who is calling, that is: what the caller may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Whose token it has.
    holder: Option<Arc<Holder>>,
    /// What everybody is allowed who comes through this door.
    everybody: Option<Scope>,
    /// What is wrong with its credentials, if no token came out of them.
    denied: Option<Denied>,
}

/// What is wrong with a caller's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// None came along.
    Missing,
    /// Some came along, and they are not right.
    Invalid,
}

/// Why a caller may not do what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// Nobody knows who it is: credentials are needed.
    Unknown(Denied),
    /// Its token does not allow it.
    Insufficient,
}

// === impl Auth ===

impl Auth {
    /// Reads the token files and takes the digest of every token.
    pub fn open(sources: &TokenSources) -> Result<Self, TokenFileError> {
        Ok(Self::with(Tokens::read(sources)?))
    }

    /// No token: everybody may call.
    pub fn anyone() -> Self {
        Self::with(Tokens::default())
    }

    /// Reads every source again. If one cannot be used, the tokens stay as they were.
    pub fn reload(&self, sources: &TokenSources) -> Result<(), TokenFileError> {
        self.tokens.store(Arc::new(Tokens::read(sources)?));
        Ok(())
    }

    /// Each source of tokens and how many it gave.
    pub fn sources(&self) -> Vec<(String, usize)> {
        self.tokens.load().sources.clone()
    }

    /// How many tokens there are.
    pub fn token_count(&self) -> usize {
        self.tokens.load().known.len()
    }

    /// What an operator should know about the tokens.
    pub fn warnings(&self) -> Vec<String> {
        self.tokens.load().warnings.clone()
    }

    /// Who comes through `door` with these headers. Never fails: what the caller may do is asked
    /// where it is known what it wants.
    pub(crate) fn caller(&self, door: Door, credential: Credential, headers: &HeaderMap) -> Caller {
        let tokens = self.tokens.load();
        if tokens.known.is_empty() {
            return Caller { holder: None, everybody: Some(Scope::Admin), denied: None };
        }
        let found = credential.given(headers).and_then(|token| tokens.find_as_sent(token));
        let (holder, denied) = match found {
            Ok(holder) => (Some(holder), None),
            Err(denied) => (None, Some(denied)),
        };
        Caller { holder, everybody: door.allows(), denied }
    }

    /// Notes in the log that a caller was refused.
    pub(crate) fn log(&self, refused: Forbidden) {
        if let Some(withheld) = self.refusals.take() {
            let reason = match refused {
                Forbidden::Unknown(Denied::Missing) => "no token",
                Forbidden::Unknown(Denied::Invalid) => "invalid token",
                Forbidden::Insufficient => "the token does not allow it",
            };
            tracing::warn!(reason, withheld, "refused a caller");
        }
    }

    fn with(tokens: Tokens) -> Self {
        let refusals = LogBudget::per_second(REFUSAL_LOG_LINES_PER_SECOND_MAX);
        Self { tokens: ArcSwap::from_pointee(tokens), refusals }
    }
}

// === impl Tokens ===

impl Tokens {
    fn read(sources: &TokenSources) -> Result<Self, TokenFileError> {
        let mut tokens = Self::default();
        for (name, secret) in &sources.environment {
            let holder = Holder { name: (*name).to_string(), grants: vec![Grant::EVERYTHING] };
            tokens.admit(format!("environment {name}"), vec![(secret.clone(), holder)]);
        }
        for path in &sources.files {
            let read = token::read(path)?;
            if let Some(name) = tokens.contradicted(&read) {
                return Err(TokenFileError::Twice { path: path.clone(), name });
            }
            tokens.admit(format!("file {}", path.display()), read);
            if token::is_readable_by_others(path) {
                let path = path.display();
                let advice = format!("token file {path} is open to other users: chmod 600 {path}");
                tokens.warnings.push(advice);
            }
        }
        Ok(tokens)
    }

    fn admit(&mut self, source: String, secrets: Vec<(Secret, Holder)>) {
        let count = secrets.len();
        for (secret, holder) in secrets {
            let text = secret.in_the_clear();
            if text.chars().count() < TOKEN_CHARACTERS_MIN_ADVISED {
                self.warnings.push(format!(
                    "a token from {source} has fewer than {TOKEN_CHARACTERS_MIN_ADVISED} \
                     characters and can be guessed; make one with `openssl rand -hex 32`"
                ));
            }
            let digest = Sha256::digest(text.as_bytes()).into();
            self.known.push(Token { digest, holder: Arc::new(holder) });
        }
        self.sources.push((source, count));
    }

    /// The name of a token that is known already, or twice among these, with other grants: which
    /// of them counts would be a guess.
    fn contradicted(&self, secrets: &[(Secret, Holder)]) -> Option<String> {
        let mut grants: HashMap<&str, &[Grant]> = HashMap::new();
        secrets.iter().find_map(|(secret, holder)| {
            let text = secret.in_the_clear();
            let before = grants.insert(text, &holder.grants);
            let before = before.map(<[Grant]>::to_vec);
            let known = self.find(text.as_bytes()).ok().map(|holder| holder.grants.clone());
            let differs = before.or(known).is_some_and(|before| before != holder.grants);
            differs.then(|| holder.name.clone())
        })
    }

    /// A header has bytes, and no say in what letters they are: curl sends UTF-8 as it was typed,
    /// clients in Python and JavaScript send Latin-1.
    fn find_as_sent(&self, given: &[u8]) -> Result<Arc<Holder>, Denied> {
        let found = self.find(given);
        if found.is_ok() || given.is_ascii() {
            return found;
        }
        let latin_1: String = given.iter().map(|byte| char::from(*byte)).collect();
        self.find(latin_1.as_bytes())
    }

    fn find(&self, given: &[u8]) -> Result<Arc<Holder>, Denied> {
        let digest: [u8; 32] = Sha256::digest(given).into();
        // Every digest is compared, to the end: the time tells nothing about which one is near.
        let mut found = u32::MAX;
        for (place, token) in (0_u32..).zip(&self.known) {
            found.conditional_assign(&place, token.digest.ct_eq(&digest));
        }
        let token = self.known.get(found as usize).ok_or(Denied::Invalid)?;
        Ok(Arc::clone(&token.holder))
    }
}

// === impl Credential ===

impl Credential {
    const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

    /// The token that a request carries, not looked at yet.
    fn given(self, headers: &HeaderMap) -> Result<&[u8], Denied> {
        match self {
            // The scheme in any case, blanks or tabs, then the exact token. Two such headers are
            // never right, whatever they say.
            Self::Bearer => {
                let mut given = headers.get_all(AUTHORIZATION).iter();
                match (given.next(), given.next()) {
                    (None, _) => Err(Denied::Missing),
                    (Some(only), None) => bearer_token(only.as_bytes()).ok_or(Denied::Invalid),
                    (Some(_), Some(_)) => Err(Denied::Invalid),
                }
            }
            Self::ApiKey => {
                headers.get(Self::API_KEY).map(|key| key.as_bytes()).ok_or(Denied::Missing)
            }
        }
    }
}

// === impl Caller ===

impl Caller {
    /// Whether it may do this in `namespace`; if not, why.
    pub(crate) fn demand(&self, scope: Scope, namespace: &str) -> Result<(), Forbidden> {
        self.allowed(scope, |grant| grant.allows(scope, namespace))
    }

    /// Whether it may do this in every namespace; if not, why.
    pub(crate) fn demand_everywhere(&self, scope: Scope) -> Result<(), Forbidden> {
        self.allowed(scope, |grant| grant.allows_everywhere(scope))
    }

    /// What its token is called.
    pub(crate) fn name(&self) -> &str {
        self.holder.as_ref().map_or("anybody", |holder| &holder.name)
    }

    /// Whether it may do anything at all.
    pub(crate) fn is_somebody(&self) -> Result<(), Forbidden> {
        match self.denied {
            Some(denied) if self.everybody.is_none() => Err(Forbidden::Unknown(denied)),
            _ => Ok(()),
        }
    }

    fn allowed(&self, scope: Scope, granted: impl Fn(&Grant) -> bool) -> Result<(), Forbidden> {
        let mut grants = self.holder.iter().flat_map(|holder| &holder.grants);
        if self.everybody >= Some(scope) || grants.any(granted) {
            return Ok(());
        }
        Err(self.denied.map_or(Forbidden::Insufficient, Forbidden::Unknown))
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

#[cfg(test)]
mod auth_test;
