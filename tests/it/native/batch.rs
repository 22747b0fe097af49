//! Many at once: what a batch of heartbeats costs, and that each has its own verdict.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use registry_core::store::{
    Capabilities, Loaded, Mark, Outcome, Records, Renewal, Store, StoreError, Stored, Write,
};
use support::inside::{Inside, Making};

/// A store that counts what is asked of it.
#[derive(Debug, Default)]
struct Counting {
    inner: backends::MemoryStore,
    commits: AtomicUsize,
    flushes: AtomicUsize,
    renewals: AtomicUsize,
}

// === impl Counting ===

#[async_trait]
impl Store for Counting {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn load(&self, each: &mut (dyn FnMut(Stored) + Send)) -> Result<Loaded, StoreError> {
        self.inner.load(each).await
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<Vec<Outcome>, StoreError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(writes).await
    }

    async fn renew(&self, renewals: Vec<Renewal>, mark: Option<Mark>) -> Result<(), StoreError> {
        self.flushes.fetch_add(1, Ordering::SeqCst);
        self.renewals.fetch_add(renewals.len(), Ordering::SeqCst);
        self.inner.renew(renewals, mark).await
    }

    async fn restore(&self, records: Records, loaded: Loaded) -> Result<(), StoreError> {
        self.inner.restore(records, loaded).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

const REQUESTS: usize = 100;
const IN_ONE: usize = 1_000;

#[test]
fn a_hundred_thousand_renewals_are_a_hundred_requests_and_no_write_each() {
    let store = Arc::new(Counting::default());
    let server =
        Inside::with(Making { store: Arc::<Counting>::clone(&store), ..Making::default() });
    let mut connection = server.connect();
    let id = |request: usize, place: usize| format!("w-{request}-{place}");
    for request in 0..REQUESTS {
        let all = (0..IN_ONE).map(|place| format!(r#"{{"id":"{}"}}"#, id(request, place)));
        let body = format!(r#"{{"instances":[{}]}}"#, all.collect::<Vec<_>>().join(","));
        let answer = connection.request("POST", "/v1/default/registrations", &body).unwrap();
        assert_eq!(answer.json()["registered"], IN_ONE, "{}", answer.text());
    }
    server.block_on(server.registry.checkpoint()).unwrap();
    let commits = store.commits.load(Ordering::SeqCst);
    assert!(commits <= 2 * REQUESTS, "{commits} commits for {REQUESTS} batches");
    let (flushes, kept) =
        (store.flushes.load(Ordering::SeqCst), store.renewals.load(Ordering::SeqCst));

    server.clock.advance(30_000);
    for request in 0..REQUESTS {
        let ids = (0..IN_ONE).map(|place| format!("\"{}\"", id(request, place)));
        let body = format!(r#"{{"ids":[{}]}}"#, ids.collect::<Vec<_>>().join(","));
        let answer = connection.request("POST", "/v1/heartbeats", &body).unwrap().json();
        assert_eq!(answer["renewed"], IN_ONE);
        let verdicts = answer["verdicts"].as_array().unwrap();
        assert_eq!(verdicts.len(), IN_ONE);
        assert!(verdicts.iter().all(|verdict| verdict == "renewed"), "{answer}");
    }
    server.block_on(server.registry.checkpoint()).unwrap();
    assert_eq!(store.commits.load(Ordering::SeqCst), commits, "a heartbeat is no write");
    assert_eq!(store.renewals.load(Ordering::SeqCst) - kept, REQUESTS * IN_ONE, "all are kept");
    let flushes = store.flushes.load(Ordering::SeqCst) - flushes;
    assert!(flushes < REQUESTS, "{flushes} flushes");
    // The old lease of a minute would be over.
    server.clock.advance(59_000);
    let page = server.request("GET", "/v1/default/instances?standing=live&limit=10000", "");
    assert_eq!(page.json()["count"], 10_000);
}

#[test]
fn a_batch_revives_what_has_lapsed_and_fails_nobody_else() {
    let server = Inside::start(0);
    for id in ["a", "b"] {
        super::register(&server, &format!("default/instances/{id}"), r#"{"ttl_ms":1000}"#);
    }
    server.clock.advance(1_001);
    server.block_on(server.registry.checkpoint()).unwrap();
    assert_eq!(server.request("GET", "/v1/instances?standing=live", "").json()["count"], 0);
    let body = r#"{"ids":["a","nobody","b"]}"#;
    let answer = server.request("POST", "/v1/heartbeats", body).text();
    assert_eq!(answer, r#"{"renewed":2,"verdicts":["revived","not-registered","revived"]}"#);
    assert_eq!(server.request("GET", "/v1/instances?standing=live", "").json()["count"], 2);
}

#[test]
fn more_than_a_request_may_hold_is_refused_whole() {
    let server = Inside::start(0);
    super::register(&server, "default/instances/a", r#"{"ttl_ms":1000}"#);
    server.clock.advance(900);
    let ids = vec!["\"a\""; 10_001].join(",");
    let answer = server.request("POST", "/v1/heartbeats", &format!(r#"{{"ids":[{ids}]}}"#));
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(answer.json()["code"], "too-many");
    let all = vec![r#"{"id":"b"}"#; 1_001].join(",");
    let body = format!(r#"{{"instances":[{all}]}}"#);
    let answer = server.request("POST", "/v1/default/registrations", &body);
    assert_eq!(answer.status, 413, "{}", answer.text());
    server.clock.advance(101);
    let answer = server.request("GET", "/v1/instances", "").json();
    assert_eq!(answer["count"], 1);
    assert_eq!(answer["instances"][0]["standing"], "stale", "nothing was renewed");
}
