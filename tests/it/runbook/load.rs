//! A deploy while callers are at work: none of them is turned away, none is left without an answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use support::bytes::Connection;
use support::wait;

use super::deploy::entry;
use super::record::{assert_in_ledger, assert_newest_event, feed};
use super::site::{Site, TOKEN};

const CALLERS: usize = 8;
/// As in `drain`: an idle connection may be closed, and who was held up has no claim on an answer.
const HELD_UP: Duration = Duration::from_millis(200);

/// Asks until told to stop: half of the callers on one connection for as long as it lasts.
fn call(address: SocketAddr, n: usize, stop: &AtomicBool, answered: &AtomicUsize) {
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let id = format!("caller-{n}");
    let mut connection = Connection::open(address).expect("somebody listens");
    let mut free_since = std::time::Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let (method, path) = [
            ("GET", "/health".to_string()),
            ("POST", format!("/registry/vms/{id}/heartbeat")),
            ("GET", "/registry/discover/worker".to_string()),
        ][answered.load(Ordering::Relaxed) % 3]
            .clone();
        let answer = connection.request_with(method, &path, &headers, "");
        let leave = match answer {
            Ok(answer) => {
                assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
                answered.fetch_add(1, Ordering::Relaxed);
                answer.header("connection") == Some("close")
            }
            Err(error) => {
                let idle = connection.sent_at().saturating_duration_since(free_since);
                assert!(idle >= HELD_UP, "{method} {path}: {error} ({idle:?} after it was free)");
                true
            }
        };
        free_since = std::time::Instant::now();
        if leave || n.is_multiple_of(2) {
            connection = Connection::open(address).expect("somebody listens");
        }
    }
}

#[test]
fn a_deploy_under_load_leaves_no_request_without_its_answer() {
    let site = Site::rolecall();
    site.succeed(&["deploy"]);
    for n in 0..CALLERS {
        assert_eq!(site.ask("POST", "/registry/vms", &entry(&format!("caller-{n}"))).status, 201);
    }
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let address = site.address();
    std::thread::scope(|scope| {
        let (stop, answered) = (&stop, &answered);
        let call = |n| scope.spawn(move || call(address, n, stop, answered));
        let callers: Vec<_> = (0..CALLERS).map(call).collect();
        let deployed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for text in ["two", "three"] {
                let release = site.commit("source", text);
                let deployed = site.succeed(&["deploy"]);
                assert_eq!(site.build().as_ref(), Some(&release));
                assert_in_ledger(&site, &deployed, &["pre-deploy-backup", "post-deploy"]);
                let said = format!("deployed rolecall {release}");
                assert_newest_event(&site, "task_completed", &said, &release);
                more(answered);
            }
            site.succeed(&["rollback"]);
            assert_newest_event(&site, "task_completed", "rolled rolecall", &site.current());
            site.succeed(&["restart"]);
            assert_eq!(feed(&site).len(), 4, "a restart is no deploy");
            more(answered);
        }));
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().unwrap();
        }
        deployed.unwrap();
    });
    assert_eq!(site.processes().len(), 1);
}

fn more(answered: &AtomicUsize) {
    let before = answered.load(Ordering::Relaxed);
    let goes_on = || (answered.load(Ordering::Relaxed) > before + 100).then_some(());
    wait::until("answers of the new release", goes_on);
}
