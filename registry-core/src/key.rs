//! What a record is called.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrayvec::ArrayString;

use crate::error::Invalid;
use crate::limits;
use crate::record::fits;

/// A record's unique name: a namespace and an id within it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    namespace: Arc<str>,
    id: Id,
}

/// Text that lies where its owner does, if it is short: whoever looks a record up by its id then
/// finds both in one place.
#[derive(Clone)]
enum Id {
    Short(ArrayString<SHORT_BYTES>),
    Long(Arc<str>),
}

/// A UUID has 36, and names of machines are seldom longer.
const SHORT_BYTES: usize = 40;

// === impl Key ===

impl Key {
    /// A key of `namespace` (lower-case letters, digits, `.`, `_`, `-`) and `id` (any text).
    ///
    /// # Errors
    /// [`Invalid`] if a part is empty, too long, or the namespace has another character.
    pub fn new(namespace: &str, id: &str) -> Result<Self, Invalid> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if namespace.is_empty() || !namespace.bytes().all(plain) {
            let reason = "must be lower-case letters, digits, '.', '_' or '-'";
            return Err(Invalid::new("namespace", reason));
        }
        fits("namespace", namespace, limits::NAMESPACE_BYTES_MAX)?;
        if id.is_empty() {
            return Err(Invalid::new("id", "is required"));
        }
        fits("id", id, limits::ID_BYTES_MAX)?;
        Ok(Self { namespace: namespace.into(), id: Id::from(id) })
    }

    /// The collection the record belongs to.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name within the namespace.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// The same id in the registry's own copy of the namespace's name.
    pub(crate) fn interned(self, namespace: &Arc<str>) -> Self {
        Self { namespace: Arc::clone(namespace), id: self.id }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id().escape_debug())
    }
}

// === impl Id ===

impl Id {
    fn as_str(&self) -> &str {
        match self {
            Self::Short(text) => text,
            Self::Long(text) => text,
        }
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        ArrayString::from(text).map_or_else(|_| Self::Long(text.into()), Self::Short)
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Id {}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_any_length_are_kept_and_ordered_as_text() {
        let mut keys: Vec<Key> = [SHORT_BYTES + 1, 1, SHORT_BYTES, SHORT_BYTES - 1]
            .map(|bytes| Key::new("n", &"x".repeat(bytes)).unwrap())
            .into();
        keys.sort();
        let lengths: Vec<usize> = keys.iter().map(|key| key.id().len()).collect();
        assert_eq!(lengths, [1, SHORT_BYTES - 1, SHORT_BYTES, SHORT_BYTES + 1]);
        assert!(keys.iter().all(|key| *key == Key::new("n", key.id()).unwrap()));
    }
}
