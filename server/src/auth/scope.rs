//! What a token allows: scopes, the namespaces they hold for, and how grants are written.

use std::fmt;
use std::str::FromStr;

use registry_core::Key;

/// How much a caller may do. Each one includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look: discover, get, list, watch.
    Read,
    /// Change records: register, heartbeat, update, deregister.
    Write,
    /// Run the server: snapshots, and what concerns everybody at once.
    Admin,
}

/// A scope, in some namespaces or in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub(crate) scope: Scope,
    /// `None`: in every namespace.
    pub(crate) namespaces: Option<Vec<Box<str>>>,
}

/// A grant that cannot be understood. Does not quote it: it may be a part of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "after the token come its name, as in name=ci, and its grants: read, write or admin, each for \
     some namespaces as in write@vms,tools or for all; without a grant it may do everything"
)]
pub struct NoGrant;

// === impl Scope ===

impl Scope {
    /// Every scope, from the least to the most.
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// Its name, in token files and in refusals.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Grant ===

impl Grant {
    /// Everything, everywhere.
    pub(crate) const EVERYTHING: Self = Self { scope: Scope::Admin, namespaces: None };

    /// Whether it allows `scope` in `namespace`.
    pub(crate) fn allows(&self, scope: Scope, namespace: &str) -> bool {
        let is_in = |names: &Vec<Box<str>>| names.iter().any(|name| **name == *namespace);
        self.scope >= scope && self.namespaces.as_ref().is_none_or(is_in)
    }

    /// Whether it allows `scope` in every namespace.
    pub(crate) fn allows_everywhere(&self, scope: Scope) -> bool {
        self.scope >= scope && self.namespaces.is_none()
    }
}

impl FromStr for Grant {
    type Err = NoGrant;

    fn from_str(text: &str) -> Result<Self, NoGrant> {
        let (scope, names) = match text.split_once('@') {
            Some((scope, names)) => (scope, Some(names)),
            None => (text, None),
        };
        let scope = Scope::ALL.into_iter().find(|known| known.as_str() == scope).ok_or(NoGrant)?;
        let names = names.map(|names| names.split(',').map(Box::from).collect::<Vec<Box<str>>>());
        // A slip must not look like a grant: a list that ends too early, a name that cannot be.
        let can_be = |name: &str| !name.starts_with('.') && Key::new(name, "any").is_ok();
        if names.as_ref().is_some_and(|names| !names.iter().all(|name| can_be(name))) {
            return Err(NoGrant);
        }
        Ok(Self { scope, namespaces: names })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_a_scope_and_its_namespaces() {
        for (text, scope, namespace, allowed) in [
            ("read", Scope::Read, "any", true),
            ("read", Scope::Write, "any", false),
            ("write", Scope::Read, "any", true),
            ("admin", Scope::Admin, "any", true),
            ("write@vms,tools", Scope::Write, "tools", true),
            ("write@vms,tools", Scope::Write, "tool", false),
            ("write@vms", Scope::Admin, "vms", false),
        ] {
            let grant: Grant = text.parse().unwrap();
            assert_eq!(grant.allows(scope, namespace), allowed, "{text} {scope} {namespace}");
        }
        assert!("write".parse::<Grant>().unwrap().allows_everywhere(Scope::Write));
        assert!(!"write@vms".parse::<Grant>().unwrap().allows_everywhere(Scope::Read));
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for text in [
            "",
            "reed",
            "READ",
            "read@",
            "read@vms,",
            "@vms",
            "read,write",
            "write@,vms",
            "read@Vms",
            "read@.feed",
        ] {
            assert_eq!(text.parse::<Grant>(), Err(NoGrant), "{text}");
        }
    }
}
