//! Who may depend on whom, and on what.

use std::collections::BTreeMap;

use super::{File, files, judge, root};

/// What each member may use of the other members.
const MAY_USE: [(&str, &[&str]); 5] = [
    ("registry-core", &[]),
    ("backends", &["registry-core"]),
    ("rolecall", &["backends", "registry-core"]),
    ("rolecall-tests", &["backends", "registry-core", "rolecall"]),
    ("rolecall-benches", &["backends", "registry-core", "rolecall"]),
];

/// All that the core stands on. Whoever embeds it takes these along.
const CORE: [&str; 13] = [
    "arc-swap",
    "arrayvec",
    "async-trait",
    "foldhash",
    "imbl",
    "papaya",
    "rustix",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "tracing",
    "uuid",
];

/// Every member by its name: where its manifest is, and what it says.
fn members() -> BTreeMap<String, (String, toml::Table)> {
    let read = |file: File| {
        let table: toml::Table = file.text.parse().unwrap();
        let name = table.get("package")?["name"].as_str().unwrap().to_owned();
        Some((name, (file.path, table)))
    };
    files("Cargo.toml").into_iter().filter_map(read).collect()
}

/// The dependencies in these tables of a manifest.
fn dependencies(manifest: &toml::Table, tables: &[&str]) -> Vec<(String, toml::Value)> {
    let tables = tables.iter().filter_map(|name| manifest.get(*name)?.as_table());
    tables.flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[test]
fn arrows_between_members_point_one_way() {
    let members = members();
    let mut broken = Vec::new();
    for (name, (path, manifest)) in &members {
        let known = MAY_USE.iter().find(|(member, _)| member == name);
        let Some((_, may_use)) = known else {
            broken.push(format!("{path}: say in this test what `{name}` may use"));
            continue;
        };
        for (used, _) in dependencies(manifest, &["dependencies", "build-dependencies"]) {
            if members.contains_key(&used) && !may_use.contains(&used.as_str()) {
                broken.push(format!("{path}: `{name}` uses `{used}`"));
            }
        }
        for (used, _) in dependencies(manifest, &["dev-dependencies"]) {
            if ["rolecall-tests", "rolecall-benches"].contains(&used.as_str()) {
                broken.push(format!("{path}: `{name}` uses `{used}` in its tests"));
            }
        }
    }
    judge("arrows", &broken);
}

#[test]
fn the_core_stands_on_little() {
    let (path, manifest) = &members()["registry-core"];
    let used = dependencies(manifest, &["dependencies", "build-dependencies"]);
    let new = used.iter().filter(|(name, _)| !CORE.contains(&name.as_str()));
    judge("core", &new.map(|(name, _)| format!("{path}: `{name}`")).collect::<Vec<_>>());
    let gone = CORE.iter().filter(|known| !used.iter().any(|(name, _)| name == *known));
    assert_eq!(gone.collect::<Vec<_>>(), Vec::<&&str>::new(), "strike these out of the list");
}

#[test]
fn a_version_is_named_once() {
    let mut broken = Vec::new();
    for (path, manifest) in members().values() {
        let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
        for (name, value) in dependencies(manifest, &tables) {
            let by_itself = value.get("version").is_some() || value.is_str();
            let is_table = value.get("workspace").is_some() || value.get("path").is_some();
            if by_itself || !is_table {
                broken.push(format!("{path}: `{name}` is not taken from the one table"));
            }
        }
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            broken.push(format!("{path}: the lints are not those of the workspace"));
        }
    }
    judge("versions", &broken);
}

#[test]
fn every_dependency_in_the_table_is_used_by_somebody() {
    let root: toml::Table =
        std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let table = root["workspace"]["dependencies"].as_table().unwrap();
    let members = members();
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let used: Vec<_> = members
        .values()
        .flat_map(|(_, manifest)| dependencies(manifest, &tables))
        .map(|(name, _)| name)
        .collect();
    let unused = table.keys().filter(|name| !used.contains(name));
    judge("table", &unused.map(|name| format!("Cargo.toml: `{name}`")).collect::<Vec<_>>());
}
