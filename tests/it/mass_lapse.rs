//! Many leases that run out at once: however far the driver is with taking them out of the lists,
//! every list shows exactly what is live, whatever another reader has passed over before.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use proptest::prelude::*;
use proptest::test_runner::Config;
use registry_core::testkit::ManualClock;
use registry_core::{
    Claim, Clock, Declared, Guard, Key, Query, Registry, Rules, State, Timestamp, Ttl, limits,
};
use support::wait::PATIENCE;
use tokio::time::timeout;

const NAMESPACE: &str = "things";
const TTL_MS: u64 = 10_000;
const RECORDS: usize = 400;
const ROLES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    /// Heartbeats of so many records, beginning with this one.
    Beat(usize, usize),
    /// Changes the role of a record, and whether it is at work.
    Update(usize, usize, bool),
    Deregister(usize),
    Register(usize, usize),
    /// Lets the driver do what is due.
    Settle,
}

/// What is known of one record: where it stands in the lists, its role, whether it is at work, and
/// when it was heard of.
struct Model {
    place: u64,
    role: usize,
    runs: bool,
    renewed: u64,
}

fn step() -> impl Strategy<Value = Step> {
    let some = 0..RECORDS;
    prop_oneof![
        3 => (1..15_000_u64).prop_map(Step::Pass),
        4 => (some.clone(), 1..60_usize).prop_map(|(from, count)| Step::Beat(from, count)),
        3 => (some.clone(), 0..2_usize, prop::bool::weighted(0.8))
            .prop_map(|(id, role, runs)| Step::Update(id, role, runs)),
        1 => some.clone().prop_map(Step::Deregister),
        1 => (some, 0..2_usize).prop_map(|(id, role)| Step::Register(id, role)),
        1 => Just(Step::Settle),
    ]
}

fn id(number: usize) -> String {
    format!("id-{number:03}")
}

fn declared(role: usize) -> Declared {
    Declared { role: ROLES[role].into(), ..Declared::default() }
}

async fn open() -> (Registry, ManualClock) {
    let clock = ManualClock::new(Timestamp(1_700_000_000_000));
    let rules = Rules { default_ttl: Some(Ttl::from_ms(TTL_MS)), ..Rules::default() };
    let builder = Registry::builder(Arc::new(backends::MemoryStore::new()));
    let builder = builder.clock(Arc::new(clock.clone()) as Arc<dyn Clock>);
    let (registry, driver) = builder.namespace(NAMESPACE, rules).open().await.unwrap();
    tokio::spawn(driver.run(std::future::pending()));
    (registry, clock)
}

fn shown(registry: &Registry, role: &str) -> Vec<String> {
    let found = registry.discover(&Query::role(role).in_namespace(NAMESPACE));
    found.iter().map(|slot| slot.record().key.id().to_owned()).collect()
}

async fn story(steps: Vec<Step>) {
    let (registry, clock) = open().await;
    let (mut model, mut now, mut places) = (BTreeMap::new(), 0, 0..);
    let mut register = async |number: usize, role, now, model: &mut BTreeMap<_, _>| {
        let key = Key::new(NAMESPACE, &id(number)).unwrap();
        if registry.register(key, declared(role), Claim::default()).await.is_ok() {
            let place = model.get(&number).map(|known: &Model| known.place);
            let place = place.unwrap_or_else(|| places.next().unwrap());
            model.insert(number, Model { place, role, runs: true, renewed: now });
        }
    };
    for number in 0..RECORDS {
        register(number, number % 2, now, &mut model).await;
    }
    for step in steps {
        match step.clone() {
            Step::Pass(ms) => {
                clock.advance(ms);
                now += ms;
            }
            Step::Beat(from, count) => {
                for number in from..(from + count).min(RECORDS) {
                    let beat = registry.heartbeat(NAMESPACE, &id(number), &Guard::default()).await;
                    assert_eq!(beat.is_ok(), model.contains_key(&number));
                    if let Some(known) = model.get_mut(&number) {
                        known.renewed = now;
                    }
                }
            }
            Step::Update(number, role, runs) => {
                let edit = move |declared: &mut Declared| {
                    declared.role = ROLES[role].into();
                    declared.state = if runs { State::Running } else { State::Stopped };
                    Ok(())
                };
                let done = registry.update(NAMESPACE, &id(number), Guard::default(), edit).await;
                if done.is_ok() {
                    let place = model[&number].place;
                    model.insert(number, Model { place, role, runs, renewed: now });
                }
            }
            Step::Deregister(number) => {
                let _done = registry.deregister(NAMESPACE, &id(number), Guard::default()).await;
                model.remove(&number);
            }
            Step::Register(number, role) => register(number, role, now, &mut model).await,
            Step::Settle => registry.checkpoint().await.unwrap(),
        }
        // Twice: the second reader may rely on what the first has passed over.
        for _ in 0..2 {
            for (role, name) in ROLES.iter().enumerate() {
                let query = Query::role(*name).in_namespace(NAMESPACE);
                let found = registry.discover(&query);
                let shown: Vec<_> = found.iter().map(|slot| slot.record().key.id()).collect();
                let mut live: Vec<_> = model
                    .iter()
                    .filter(|(_, known)| known.role == role && known.runs)
                    .filter(|(_, known)| now <= known.renewed + TTL_MS)
                    .map(|(number, known)| (known.place, id(*number)))
                    .collect();
                live.sort();
                let live: Vec<_> = live.iter().map(|(_, id)| id.as_str()).collect();
                assert_eq!(shown, live, "of role {name} at {now}, after {step:?}");
                assert_eq!(found.len(), live.len());
            }
        }
    }
}

/// More than the driver takes out of the lists in one round have just lapsed, all of role `a`, and
/// a reader has passed over them. Only the first record is left: it has role `b`.
async fn just_lapsed() -> Registry {
    let (registry, clock) = open().await;
    let lapsing = 2 * limits::DEADLINES_PER_TICK_MAX;
    for part in (0..lapsing).collect::<Vec<_>>().chunks(1_000) {
        let queued: Vec<_> = part
            .iter()
            .map(|number| {
                let key = Key::new(NAMESPACE, &id(*number)).unwrap();
                registry.register(key, declared(usize::from(*number == 0)), Claim::default())
            })
            .collect();
        for registered in queued {
            registered.await.unwrap();
        }
    }
    clock.advance(TTL_MS - 1);
    registry.heartbeat(NAMESPACE, &id(0), &Guard::default()).await.unwrap();
    clock.advance(2);
    assert_eq!(shown(&registry, "a"), [""; 0]);
    registry
}

#[tokio::test]
async fn what_comes_into_a_list_among_the_lapsed_is_shown() {
    let registry = just_lapsed().await;
    let edit = |declared: &mut Declared| {
        declared.role = "a".into();
        Ok(())
    };
    registry.update(NAMESPACE, &id(0), Guard::default(), edit).await.unwrap();
    assert_eq!(shown(&registry, "a"), [id(0)]);
}

#[tokio::test]
async fn what_an_update_revives_before_it_was_hidden_is_shown() {
    let registry = just_lapsed().await;
    let last = id(2 * limits::DEADLINES_PER_TICK_MAX - 1);
    registry.update(NAMESPACE, &last, Guard::default(), |_| Ok(())).await.unwrap();
    assert_eq!(shown(&registry, "a"), [last]);
}

#[tokio::test]
async fn what_comes_back_while_others_read_is_shown() {
    let registry = just_lapsed().await;
    // Lets the driver hide the first of them; the rest is still to come.
    tokio::task::yield_now().await;
    assert_eq!(shown(&registry, "a"), [""; 0]);
    let (number, guard) = (id(1), Guard::default());
    let mut beating = pin!(registry.heartbeat(NAMESPACE, &number, &guard));
    let mut context = Context::from_waker(Waker::noop());
    let is_waiting = beating.as_mut().poll(&mut context).is_pending();
    assert!(is_waiting, "it has been hidden, and waits for the driver to list it");
    assert_eq!(shown(&registry, "a"), [""; 0], "not yet");
    beating.await.unwrap();
    assert_eq!(shown(&registry, "a"), [id(1)]);
}

proptest! {
    #![proptest_config(Config { cases: 48, ..Config::default() })]

    #[test]
    fn lists_show_what_is_live_and_nothing_else(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = runtime.block_on(async { timeout(PATIENCE, story(steps)).await });
        prop_assert!(told.is_ok(), "it took too long");
    }
}
