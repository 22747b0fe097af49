//! A full disk under the server: what it says, what it keeps, and how it comes back.

use std::net::SocketAddr;

use support::bytes::{Connection, Response};
use support::disk::SmallDisk;
use support::process::{Server, Setup};

/// Registers until it is refused, or nobody answers; the ids that were acknowledged, and the
/// refusal.
fn register_until_refused(address: SocketAddr) -> (Vec<String>, Option<Response>) {
    let mut connection = Connection::open(address).unwrap();
    let mut acknowledged = Vec::new();
    let body = format!(r#"{{"metadata":{{"filler":"{}"}},"ttl_ms":0}}"#, "x".repeat(4 * 1024));
    loop {
        let path = format!("/v1/default/instances/w-{}", acknowledged.len());
        match connection.request("PUT", &path, &body) {
            Ok(answer) if answer.status == 201 => acknowledged.push(path),
            Ok(answer) => return (acknowledged, Some(answer)),
            Err(_) => return (acknowledged, None),
        }
    }
}

#[test]
fn a_full_disk_stops_the_server_with_clear_words_and_takes_nothing_back() {
    let test = "disk::a_full_disk_stops_the_server_with_clear_words_and_takes_nothing_back";
    let Some(disk) = SmallDisk::of(test, 16) else { return };
    let data = disk.path().join("data");
    let server = Server::start(&data);
    assert_eq!(server.request("PUT", "/v1/default/instances/first", "{}").status, 201);
    disk.fill();
    let (acknowledged, refusal) = register_until_refused(server.address());
    if let Some(refusal) = refusal {
        let code = refusal.json()["code"].clone();
        assert!(refusal.status == 503 && code == "unknown-outcome", "{}", refusal.text());
    }
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(70), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("rolecall: the store has failed: there is no space left"), "{said}");
    assert!(last.ends_with("free some space and start again"), "{said}");

    let (code, said) = Setup::new(&data).run();
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("there is no space left on the disk of the store"), "{said}");
    assert!(said.contains("free some space and start again"), "{said}");

    disk.free();
    has_all(&Server::start(&data), &acknowledged);
}

/// Fjall has its files at their size from the beginning: it may find the disk full only later.
#[test]
fn a_full_disk_stops_a_server_on_fjall_and_takes_nothing_back() {
    let test = "disk::a_full_disk_stops_a_server_on_fjall_and_takes_nothing_back";
    let Some(disk) = SmallDisk::of(test, 16) else { return };
    let store = format!("fjall:{}", disk.path().join("data").display());
    let server = Setup::stored(&store).start();
    assert_eq!(server.request("PUT", "/v1/default/instances/first", "{}").status, 201);
    disk.fill();
    let (acknowledged, _) = register_until_refused(server.address());
    let (status, said) = server.wait();
    assert_eq!(status.code(), Some(70), "{said}");
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("rolecall: the store has failed: there is no space left"), "{said}");
    disk.free();
    has_all(&Setup::stored(&store).start(), &acknowledged);
}

fn has_all(server: &Server, acknowledged: &[String]) {
    let mut connection = server.connect();
    let first = "/v1/default/instances/first".to_owned();
    for path in acknowledged.iter().chain([&first]) {
        assert_eq!(connection.request("GET", path, "").unwrap().status, 200, "{path}");
    }
    assert_eq!(server.request("PUT", "/v1/default/instances/late", "{}").status, 201);
}
