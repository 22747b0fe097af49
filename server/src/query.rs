//! The query string of a request, read on demand.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A query string; asking for a parameter reads it from the start, since it is short.
///
/// Names are case-sensitive, `+` is a space, escapes are decoded in names and values, a malformed
/// escape stays as written, and bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a>(&'a str);

// === impl Query ===

impl<'a> Query<'a> {
    /// Reads what stands after the `?`, if there is one.
    pub(crate) fn new(text: Option<&'a str>) -> Self {
        Self(text.unwrap_or_default())
    }

    /// The value of the parameter where it first appears.
    pub(crate) fn first(&self, name: &str) -> Option<Cow<'a, str>> {
        self.values(name).next()
    }

    /// Every value of the parameter, in order.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = Cow<'a, str>> {
        self.pairs().filter(move |(given, _)| given == name).map(|(_, value)| value)
    }

    /// Every parameter, in order; one without `=` has an empty value.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> + use<'a> {
        self.0.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_parameter_counts() {
        for (query, first) in [
            ("role=a&role=b", Some("a")),
            ("role=", Some("")),
            ("role", Some("")),
            ("ROLE=a", None),
            ("x=1&&role=a%20b+c", Some("a b c")),
            ("r%6Fle=a", Some("a")),
            ("role=%zz%4", Some("%zz%4")),
            ("role=%FF", Some("\u{FFFD}")),
            ("role=a%2Bb", Some("a+b")),
            ("role=a=b", Some("a=b")),
            ("role=%26%3D", Some("&=")),
            ("", None),
        ] {
            let query = Query::new(Some(query));
            assert_eq!(query.first("role").as_deref(), first, "{query:?}");
        }
        assert_eq!(Query::new(None).pairs().count(), 0);
    }
}
