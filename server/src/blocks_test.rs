//! Tests of kept lists: always what a list written anew would be, whatever happened in between.

use std::fmt::Write;

use http_body_util::BodyExt;
use hyper::body::Body as _;
use proptest::prelude::*;
use registry_core::testkit::ManualClock;
use registry_core::{Claim, Declared, Guard, Key, Query, Registry, Term, Ttl};

use super::*;

const TTL: Ttl = Ttl::from_secs(60);

struct House {
    registry: Registry,
    clock: ManualClock,
    blocks: Blocks,
    newest: u64,
}

/// Something that happens between two looks at the list.
#[derive(Debug, Clone)]
enum Step {
    Register(usize),
    Deregister(Vec<u64>),
    Update(Vec<u64>),
    Heartbeat(Vec<u64>),
    Wait(u64),
}

fn push(text: &mut String, slot: &Slot, seen: Timestamp) {
    let record = slot.record();
    write!(text, "<{} {} ", record.key.id(), record.declared.address).unwrap();
    push_timestamp(text, seen);
    text.push('>');
}

fn tail(text: &mut String, count: usize) {
    write!(text, "]{count}").unwrap();
}

fn style() -> Style {
    Style { kind: "text/plain", head: "[", push, behind: 1, tail }
}

// === impl House ===

impl House {
    async fn with(records: usize) -> Self {
        let clock = ManualClock::new(Timestamp(0));
        let store = Arc::new(backends::MemoryStore::new());
        let builder = Registry::builder(store).clock(Arc::new(clock.clone()));
        let (registry, driver) = builder.open().await.unwrap();
        tokio::spawn(driver.run(std::future::pending()));
        let mut house = Self { registry, clock, blocks: Blocks::new(style()), newest: 0 };
        house.register(records).await;
        house
    }

    async fn register(&mut self, records: usize) {
        for _ in 0..records {
            self.newest += 1;
            let key = Key::new("n", &self.newest.to_string()).unwrap();
            let declared =
                Declared { role: "r".into(), term: Term::For(TTL), ..Declared::default() };
            self.registry.register(key, declared, Claim::default()).await.unwrap();
        }
    }

    fn ids(&self, picks: &[u64]) -> Vec<String> {
        picks.iter().map(|pick| (1 + pick % self.newest.max(1)).to_string()).collect()
    }

    /// Does it, as far as it can be done.
    async fn take(&mut self, step: &Step) {
        match step {
            Step::Register(count) => self.register(*count).await,
            Step::Wait(ms) => {
                self.clock.advance(*ms);
                self.registry.checkpoint().await.unwrap();
            }
            Step::Deregister(picks) => {
                for id in self.ids(picks) {
                    let _ = self.registry.deregister("n", &id, Guard::default()).await;
                }
            }
            Step::Update(picks) => {
                for id in self.ids(picks) {
                    let edit = |declared: &mut Declared| {
                        declared.address = format!("{}x", declared.address).into();
                        Ok(())
                    };
                    let _ = self.registry.update("n", &id, Guard::default(), edit).await;
                }
            }
            Step::Heartbeat(picks) => {
                for id in self.ids(picks) {
                    let _ = self.registry.heartbeat("n", &id, &Guard::default()).await;
                }
            }
        }
    }

    fn found(&self) -> Discovery {
        self.registry.discover(&Query::role("r").in_namespace("n"))
    }

    /// The kept list, if it is one that is kept.
    async fn kept(&self) -> Option<String> {
        let body = self.blocks.list("r", &self.found())?.into_body();
        let announced = body.size_hint().exact();
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!(announced, Some(bytes.len() as u64));
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// The list written anew.
    fn fresh(&self) -> String {
        let found = self.found();
        let entries = found.iter().map(|slot| {
            let mut text = String::new();
            push(&mut text, slot, slot.last_seen());
            text
        });
        let entries: Vec<_> = entries.collect();
        format!("[{}]{}", entries.join(","), entries.len())
    }

    fn texts(&self) -> Vec<Bytes> {
        let kept = self.blocks.kept();
        kept.lists["r"].blocks.iter().map(|block| block.text.clone()).collect()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let picks = || prop::collection::vec(any::<u64>(), 0..12);
    let many = prop::collection::vec(any::<u64>(), 0..120);
    let step = prop_oneof![
        (0_usize..90).prop_map(Step::Register),
        picks().prop_map(Step::Deregister),
        many.prop_map(Step::Deregister),
        picks().prop_map(Step::Update),
        picks().prop_map(Step::Heartbeat),
        (1_u64..40_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..25)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_kept_list_is_what_a_fresh_one_would_be(steps in steps()) {
        block_on(async {
            let mut house = House::with(2 * BLOCK_RECORDS + 10).await;
            for step in &steps {
                house.take(step).await;
                for _ in 0..2 {
                    if let Some(kept) = house.kept().await {
                        assert_eq!(kept, house.fresh(), "after {step:?}");
                    }
                }
            }
        });
    }
}

#[test]
fn what_did_not_change_is_the_same_text_not_a_copy() {
    block_on(async {
        let mut house = House::with(4 * BLOCK_RECORDS).await;
        house.kept().await.unwrap();
        let first = house.texts();
        house.clock.advance(5);
        house.take(&Step::Heartbeat(vec![0])).await; // the first record, in the first block
        house.take(&Step::Update(vec![2 * BLOCK_RECORDS as u64])).await; // in the third
        house.kept().await.unwrap();
        let second = house.texts();
        let same = first.iter().zip(&second).map(|(a, b)| a.as_ptr() == b.as_ptr());
        assert_eq!(same.collect::<Vec<_>>(), [false, true, false, true]);
    });
}

#[test]
fn a_list_that_shrinks_and_grows_has_no_more_blocks_than_it_needs() {
    block_on(async {
        let mut house = House::with(8 * BLOCK_RECORDS).await;
        house.kept().await.unwrap();
        // Seven of eight records go, from every block.
        let gone = (0..house.newest).filter(|number| number % 8 != 0).collect();
        house.take(&Step::Deregister(gone)).await;
        house.kept().await.unwrap();
        assert_eq!(house.texts().len(), 1);
        for _ in 0..2 * BLOCK_RECORDS {
            house.take(&Step::Register(1)).await;
            house.kept().await.unwrap();
        }
        assert_eq!(house.texts().len(), 3);
    });
}

#[test]
fn no_more_is_kept_than_its_bound_and_each_list_is_counted_once() {
    block_on(async {
        let house = House::with(BLOCK_RECORDS).await;
        house.kept().await.unwrap();
        let one = house.blocks.kept().bytes;
        house.clock.advance(5);
        house.registry.heartbeat("n", "1", &Guard::default()).await.unwrap();
        house.kept().await.unwrap();
        assert_eq!(house.blocks.kept().bytes, one, "in place of the one before");
        for number in 0..2 * KEPT_LISTS_BYTES_MAX / one {
            house.blocks.list(&number.to_string(), &house.found()).unwrap();
            let kept = house.blocks.kept();
            assert!(kept.bytes <= KEPT_LISTS_BYTES_MAX, "{} are kept", kept.bytes);
            if number % 1_000 == 0 {
                let sum: usize = kept.lists.values().map(|list| list.bytes()).sum();
                assert_eq!(kept.bytes, sum);
            }
        }
    });
}
