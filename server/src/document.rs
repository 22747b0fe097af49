//! A record's document where several dialects write into it: each changes its own members.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// An object's members, as they were sent.
type Members = BTreeMap<String, Box<RawValue>>;

/// The members of `old`, and over them those of `new`. What is no object has none.
pub(crate) fn merged(old: Option<&str>, new: &str) -> Box<str> {
    let mut members = members(old);
    members.extend(self::members(Some(new)));
    serde_json::to_string(&members).expect("its keys are strings").into_boxed_str()
}

/// The document if it is an object. Fields would otherwise be read from an array by their place.
pub(crate) fn object(text: Option<&str>) -> Option<&str> {
    text.filter(|text| text.trim_start().starts_with('{'))
}

fn members(text: Option<&str>) -> Members {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays() {
        let old = Some(r#"{"k":1,"status":"a","z":[1, 2]}"#);
        let merged = merged(old, r#"{"status":"b","metadata":null}"#);
        assert_eq!(&*merged, r#"{"k":1,"metadata":null,"status":"b","z":[1, 2]}"#);
    }

    #[test]
    fn what_is_no_object_gives_way() {
        for old in [None, Some("[1,2]"), Some("7"), Some("no JSON")] {
            assert_eq!(&*merged(old, r#"{"a":1}"#), r#"{"a":1}"#);
        }
        assert_eq!(object(Some("[1,2]")), None);
        assert_eq!(object(Some(" {}")), Some(" {}"));
    }
}
