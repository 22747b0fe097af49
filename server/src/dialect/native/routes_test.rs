//! The routes and the document that describes them say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

/// A route with a hole for each segment that may be anything: `GET /v1/{}/instances`.
fn holes<'a>(method: &str, segments: impl Iterator<Item = &'a str>) -> String {
    format!("{method} /{}", segments.collect::<Vec<_>>().join("/"))
}

/// The routes of the document.
fn documented() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let ours = |path: &&String| path.starts_with("/v1") || *path == "/openapi.json";
    let mut all = BTreeSet::new();
    for path in document["paths"].as_object().unwrap().keys().filter(ours) {
        let operations = document["paths"][path].as_object().unwrap();
        for method in operations.keys().filter(|name| *name != "parameters") {
            let hole = |part| if str::starts_with(part, '{') { "{}" } else { part };
            let segments = path.split('/').skip(1).map(hole);
            all.insert(holes(&method.to_uppercase(), segments));
        }
    }
    all
}

#[test]
fn every_route_stands_in_the_document_and_every_path_of_it_is_routed() {
    // The patterns of `respond`, as they are written above.
    let routed = include_str!("routes.rs").lines().filter_map(|line| {
        let pattern = line.trim().strip_prefix("(&Method::")?;
        let (method, rest) = pattern.split_once(", [")?;
        let (segments, _) = rest.split_once("]) =>")?;
        let hole = |part: &'static str| {
            part.trim().strip_prefix('"').map_or("{}", |part| part.trim_end_matches('"'))
        };
        Some(holes(method, segments.split(',').map(hole)))
    });
    let routed: BTreeSet<_> = routed.collect();
    assert!(routed.len() > 15, "{routed:?}");
    assert_eq!(routed, documented());
}

#[test]
fn a_405_names_the_methods_that_the_document_does() {
    for route in documented() {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{}", "anything");
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let allowed = allowed(&segments).unwrap_or_else(|| panic!("{route}"));
        let mut allowed: BTreeSet<_> = allowed.split(", ").collect();
        assert!(allowed.contains(method), "{route}: {allowed:?}");
        assert_eq!(allowed.remove("HEAD"), allowed.contains("GET"), "{route}");
        let same = route.split_once(' ').unwrap().1;
        let told = documented().into_iter().filter(|other| other.ends_with(&format!(" {same}")));
        assert_eq!(told.count(), allowed.len(), "{route}");
    }
}
