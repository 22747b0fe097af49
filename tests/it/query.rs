//! Whatever is asked, the views give what a look at every record would give.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::Config;
use registry_core::{
    Claim, Declared, Guard, Key, OnConflict, Query, Record, Registry, Rules, Service, State,
};
use tokio::task::JoinHandle;

const NAMESPACES: [&str; 2] = ["one", "two"];
const WORDS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Debug)]
enum Step {
    Register(usize, usize, Box<Declared>),
    Deregister(usize, usize),
}

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(&WORDS[..]).prop_map(str::to_owned)
}

fn declared() -> impl Strategy<Value = Declared> {
    let states = prop::sample::select(vec![State::Running, State::Running, State::Stopped]);
    let words = || prop::collection::vec(word(), 0..3);
    let labels = prop::collection::btree_map(word(), word(), 0..3);
    (word(), word(), states, words(), words(), labels).prop_map(
        |(name, role, state, services, capabilities, labels)| {
            let services =
                services.into_iter().map(|name| Service { name: name.into(), port: None });
            let (services, labels) = (services.collect(), labels.into_iter().collect());
            Declared {
                name: name.into(),
                role: role.into(),
                state,
                services,
                capabilities: capabilities.into_iter().map(String::into_boxed_str).collect(),
                labels,
                ..Declared::default()
            }
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..NAMESPACES.len(), 0..60_usize);
    prop_oneof![
        6 => (place(), declared())
            .prop_map(|((n, id), declared)| Step::Register(n, id, Box::new(declared))),
        1 => place().prop_map(|(namespace, id)| Step::Deregister(namespace, id)),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let maybe = || prop::option::weighted(0.3, word());
    let namespace = prop::option::weighted(0.7, prop::sample::select(&NAMESPACES[..]));
    let capabilities = prop::collection::vec(word(), 0..3);
    let labels = prop::collection::vec((word(), word()), 0..2);
    (namespace, maybe(), maybe(), maybe(), capabilities, labels, any::<bool>()).prop_map(
        |(namespace, role, name, service, capabilities, labels, all)| {
            let namespace = namespace.map(str::to_owned);
            let query =
                Query { namespace, role, name, service, capabilities, labels, ..Query::any() };
            if all { query.including_stale() } else { query }
        },
    )
}

/// What a look at every record gives, in the order of namespaces and creation.
fn brute(all: &[Record], query: &Query) -> Vec<Key> {
    let live = query.scope == registry_core::Scope::Live;
    let wanted = |record: &&Record| {
        query.matches(record) && (!live || record.declared.state == State::Running)
    };
    let mut found: Vec<_> = all.iter().filter(wanted).collect();
    found.sort_by_key(|record| (record.key.namespace().to_owned(), record.created));
    found.into_iter().map(|record| record.key.clone()).collect()
}

async fn open(store: &backends::MemoryStore) -> (Registry, JoinHandle<()>) {
    // One label is indexed, the others are looked at record by record.
    let rules = Rules {
        on_conflict: OnConflict::Replace,
        indexed_labels: vec!["a".to_owned()],
        ..Rules::default()
    };
    let builder = Registry::builder(Arc::new(store.clone())).default_rules(rules);
    let (registry, driver) = builder.open().await.expect("memory opens");
    let driver = tokio::spawn(async { driver.run(std::future::pending()).await.expect("it runs") });
    (registry, driver)
}

async fn take(registry: &Registry, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Register(namespace, id, declared) => {
                let key = Key::new(NAMESPACES[namespace], &id.to_string()).expect("a plain key");
                let done = registry.register(key, *declared, Claim::default()).await;
                done.expect("a register may replace");
            }
            Step::Deregister(namespace, id) => {
                let (namespace, id) = (NAMESPACES[namespace], id.to_string());
                let _was_there = registry.deregister(namespace, &id, Guard::default()).await;
            }
        }
    }
}

fn compare(registry: &Registry, queries: &[Query]) -> Result<(), TestCaseError> {
    let everything = registry.discover(&Query::any().including_stale());
    let all: Vec<Record> = everything.iter().map(|slot| slot.record().clone()).collect();
    prop_assert_eq!(all.len(), registry.len());
    for query in queries {
        let found = registry.discover(query);
        let keys: Vec<Key> = found.iter().map(|slot| slot.record().key.clone()).collect();
        prop_assert_eq!(found.len(), keys.len());
        prop_assert_eq!(found.is_empty(), keys.is_empty());
        prop_assert_eq!(keys, brute(&all, query), "{:?}", query);
    }
    Ok(())
}

async fn live(
    (first, then): (Vec<Step>, Vec<Step>),
    queries: &[Query],
) -> Result<(), TestCaseError> {
    let store = backends::MemoryStore::new();
    let (registry, driver) = open(&store).await;
    take(&registry, first).await;
    compare(&registry, queries)?;
    let found = |registry: &Registry| {
        let found = registry.discover(&Query::any().including_stale());
        found.iter().map(|slot| slot.record().clone()).collect::<Vec<_>>()
    };
    let before = found(&registry);
    driver.abort();

    // What was opened with everything in it at once is as what grew, and goes on like it.
    let (registry, _driver) = open(&store).await;
    prop_assert_eq!(found(&registry), before);
    compare(&registry, queries)?;
    take(&registry, then).await;
    compare(&registry, queries)
}

proptest! {
    #![proptest_config(Config { cases: 200, ..Config::default() })]

    #[test]
    fn views_give_what_a_look_at_every_record_gives(
        first in prop::collection::vec(step(), 0..150),
        then in prop::collection::vec(step(), 0..40),
        queries in prop::collection::vec(query(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be built").block_on(live((first, then), &queries))?;
    }
}
