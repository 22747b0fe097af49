//! A registry whose records come, change, beat, lapse and go, for tests of what is kept of lists.

use std::fmt::Write;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::Response;
use proptest::prelude::*;
use registry_core::testkit::ManualClock;
use registry_core::{
    Claim, Declared, Discovery, Guard, Key, Query, Registry, Slot, Term, Timestamp, Ttl,
};

use crate::body::Body;
use crate::timestamp::push_timestamp;

const TTL: Ttl = Ttl::from_secs(60);

pub(crate) struct House {
    pub(crate) registry: Registry,
    pub(crate) clock: ManualClock,
    pub(crate) newest: u64,
}

/// Something that happens between two looks at the list.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Register(usize),
    Deregister(Vec<u64>),
    Update(Vec<u64>),
    Heartbeat(Vec<u64>),
    Wait(u64),
}

/// Writes one record.
pub(crate) fn push(text: &mut String, slot: &Slot, seen: Timestamp) {
    let record = slot.record();
    write!(text, "<{} {} ", record.key.id(), record.declared.address).unwrap();
    push_timestamp(text, seen);
    text.push('>');
}

// === impl House ===

impl House {
    pub(crate) async fn with(records: usize) -> Self {
        let clock = ManualClock::new(Timestamp(0));
        let store = Arc::new(backends::MemoryStore::new());
        let builder = Registry::builder(store).clock(Arc::new(clock.clone()));
        let (registry, driver) = builder.open().await.unwrap();
        tokio::spawn(driver.run(std::future::pending()));
        let mut house = Self { registry, clock, newest: 0 };
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
    pub(crate) async fn take(&mut self, step: &Step) {
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

    pub(crate) fn found(&self) -> Discovery {
        self.registry.discover(&Query::role("r").in_namespace("n"))
    }

    /// The list written anew.
    pub(crate) fn fresh(&self) -> String {
        let found = self.found();
        let entries = found.iter().map(|slot| {
            let mut text = String::new();
            push(&mut text, slot, slot.last_seen());
            text
        });
        let entries: Vec<_> = entries.collect();
        format!("[{}]{}", entries.join(","), entries.len())
    }
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
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

/// The body of an answer.
pub(crate) async fn text(answer: Response<Body>) -> String {
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
