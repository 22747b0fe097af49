//! The labels of a record: a small map that costs little more than its texts.

use std::fmt::{self, Write};
use std::ops::Index;

/// Facts by name, in the order of their names; each name once.
///
/// All in one piece of text: most records have a few labels, and each text for itself would take
/// more room than all else that is known about them.
///
/// ```
/// use registry_core::Labels;
///
/// let mut labels = Labels::from([("zone", "eu"), ("rack", "7")]);
/// labels.insert("zone", "us");
/// assert_eq!(labels.get("zone"), Some("us"));
/// assert_eq!(labels.iter().next(), Some(("rack", "7")));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Labels(
    /// Each label as its name's and its value's length, then both: `4:2:zoneeu`.
    Box<str>,
);

/// What is left of the text to read.
struct Pairs<'a>(&'a str);

// === impl Labels ===

impl Labels {
    /// The value of this label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find_map(|(other, value)| (other == name).then_some(value))
    }

    /// Gives a label its value, whether it was there or not.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        let (name, value) = (name.into(), value.into());
        let mut pairs: Vec<_> = self.iter().collect();
        match pairs.binary_search_by(|(other, _)| (*other).cmp(&name)) {
            Ok(place) => pairs[place].1 = &value,
            Err(place) => pairs.insert(place, (&name, &value)),
        }
        *self = Self::write(&pairs);
    }

    /// Takes a label away. Its value, if it was there.
    pub fn remove(&mut self, name: &str) -> Option<Box<str>> {
        let value = self.get(name)?.into();
        let pairs: Vec<_> = self.iter().filter(|(other, _)| *other != name).collect();
        *self = Self::write(&pairs);
        Some(value)
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        Pairs(&self.0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Pairs that stand in their order, each name once.
    fn write(pairs: &[(&str, &str)]) -> Self {
        let mut text = String::new();
        for (name, value) in pairs {
            write!(text, "{}:{}:{name}{value}", name.len(), value.len())
                .expect("a string takes text");
        }
        Self(text.into())
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Index<&str> for Labels {
    type Output = str;

    /// The value of this label. Panics if there is none.
    fn index(&self, name: &str) -> &str {
        self.get(name).expect("the caller asks for a label that is there")
    }
}

/// Of several values of one name, the last counts.
impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        pairs.sort_by(|one, other| one.0.as_ref().cmp(other.0.as_ref()));
        pairs.dedup_by(|later, kept| {
            let same = later.0.as_ref() == kept.0.as_ref();
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
        let pairs: Vec<_> =
            pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        Self::write(&pairs)
    }
}

impl<N: AsRef<str>, V: AsRef<str>, const COUNT: usize> From<[(N, V); COUNT]> for Labels {
    fn from(pairs: [(N, V); COUNT]) -> Self {
        pairs.into_iter().collect()
    }
}

// === impl Pairs ===

impl<'a> Pairs<'a> {
    fn read(&mut self) -> Option<(&'a str, &'a str)> {
        let (name_len, rest) = self.0.split_once(':')?;
        let (value_len, rest) = rest.split_once(':')?;
        let (name, rest) = rest.split_at_checked(name_len.parse().ok()?)?;
        let (value, rest) = rest.split_at_checked(value_len.parse().ok()?)?;
        self.0 = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| self.read().expect("it was written by `write`"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn is_the_same(labels: &Labels, map: &BTreeMap<String, String>) -> bool {
        let pairs = map.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        labels.iter().eq(pairs) && (labels.len(), labels.is_empty()) == (map.len(), map.is_empty())
    }

    proptest! {
        #[test]
        fn equals_a_plain_map(
            first in prop::collection::vec(("[a-d:9é]{0,3}", "[a-c:1é]{0,3}"), 0..9),
            steps in prop::collection::vec(
                ("[a-d:9é]{0,3}", prop::option::of("[a-c:1é]{0,3}")), 0..20
            )
        ) {
            let mut labels: Labels = first.iter().cloned().collect();
            let mut map: BTreeMap<String, String> = first.into_iter().collect();
            prop_assert!(is_the_same(&labels, &map), "{labels:?} is not {map:?}");
            for (name, value) in steps {
                prop_assert_eq!(labels.get(&name), map.get(&name).map(String::as_str));
                match value {
                    Some(value) => {
                        labels.insert(name.as_str(), value.as_str());
                        map.insert(name, value);
                    }
                    None => {
                        let removed = map.remove(&name).map(String::into_boxed_str);
                        prop_assert_eq!(labels.remove(&name), removed);
                    }
                }
                prop_assert!(is_the_same(&labels, &map), "{labels:?} is not {map:?}");
            }
        }
    }
}
