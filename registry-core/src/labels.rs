//! The labels of a record: a small map that costs little more than its texts.

use std::ops::Index;

/// Facts by name, in the order of their names; each name once.
///
/// One sorted piece of memory: most records have a few labels, and a tree would take more room than
/// all else that is known about them.
///
/// ```
/// use registry_core::Labels;
///
/// let mut labels = Labels::from([("zone", "eu"), ("rack", "7")]);
/// labels.insert("zone", "us");
/// assert_eq!(labels.get("zone"), Some("us"));
/// assert_eq!(labels.iter().next(), Some(("rack", "7")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Box<[(Box<str>, Box<str>)]>);

// === impl Labels ===

impl Labels {
    /// The value of this label.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|place| &*self.0[place].1)
    }

    /// Gives a label its value, whether it was there or not.
    pub fn insert(&mut self, name: impl Into<Box<str>>, value: impl Into<Box<str>>) {
        let (name, value) = (name.into(), value.into());
        match self.place(&name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => {
                let mut pairs = std::mem::take(&mut self.0).into_vec();
                pairs.insert(place, (name, value));
                self.0 = pairs.into();
            }
        }
    }

    /// Takes a label away. Its value, if it was there.
    pub fn remove(&mut self, name: &str) -> Option<Box<str>> {
        let place = self.place(name).ok()?;
        let mut pairs = std::mem::take(&mut self.0).into_vec();
        let (_, value) = pairs.remove(place);
        self.0 = pairs.into();
        Some(value)
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Where the name is, or where it would be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
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
impl<N: Into<Box<str>>, V: Into<Box<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<(Box<str>, Box<str>)> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(&mut later.1, &mut kept.1);
            }
            same
        });
        Self(pairs.into())
    }
}

impl<N: Into<Box<str>>, V: Into<Box<str>>, const COUNT: usize> From<[(N, V); COUNT]> for Labels {
    fn from(pairs: [(N, V); COUNT]) -> Self {
        pairs.into_iter().collect()
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
            first in prop::collection::vec(("[a-d]{0,2}", "[a-c]"), 0..9),
            steps in prop::collection::vec(("[a-d]{0,2}", prop::option::of("[a-c]")), 0..20)
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
