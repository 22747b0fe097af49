//! Our own server, and others that speak as it does.

use std::net::SocketAddr;

use super::Ask;
use crate::caller::{self, Outcome, Question, ask_each};
use crate::population::{ANY, NEW, Population, RARE, Role, digits, id, native, vers};
use crate::work::{BATCH, Work};

/// Records in one request that fills: as many as one request may have.
const FILLING_BATCH: usize = 1_000;

/// Where each record of an answer says which it is.
const AN_ID: &str = r#""id":"vm-"#;

/// The same where it may be anybody's.
const AN_ID_OF_ANY: &str = r#""id":"#;

pub(super) fn ask(work: Work, population: Population) -> Option<Ask> {
    let native = match work {
        Work::DiscoverRareNative => {
            let path = format!("/v1/discover/{}", Role::Rare.as_str());
            Ask::finding(Question::get(path), AN_ID, RARE)
        }
        Work::HeartbeatBatch => {
            let id = format!("\"{}\"", id(ANY));
            let body = format!(r#"{{"ids":[{}]}}"#, vec![id; BATCH].join(","));
            Ask::finding(Question::post("/v1/vms/heartbeats", body), "\"renewed\"", BATCH + 1)
        }
        _ => return ask_vers(work, population),
    };
    Some(native)
}

pub(super) fn ask_vers(work: Work, population: Population) -> Option<Ask> {
    let one = || format!("/registry/vms/{}", id(ANY));
    let discover = |role: Role| {
        let question = Question::get(format!("/registry/discover/{}", role.as_str()));
        Ask::finding(question, AN_ID, population.count(role))
    };
    Some(match work {
        Work::Health => Ask::plain(Question::get("/health")),
        Work::DiscoverRare | Work::DiscoverRareEncrypted => discover(Role::Rare),
        Work::DiscoverFrequent => discover(Role::Frequent),
        Work::Get => Ask::finding(Question::get(one()), AN_ID, 1),
        Work::Heartbeat => {
            Ask::finding(Question::post(format!("{}/heartbeat", one()), ""), AN_ID, 1)
        }
        Work::Update => {
            let body = format!(r#"{{"metadata":{{"task":"process invoices","load":"{NEW}"}}}}"#);
            Ask::finding(Question { method: "PATCH", path: one(), body }, AN_ID, 1)
        }
        Work::Register => {
            let question = Question::post("/registry/vms", vers(NEW, Role::Common));
            Ask::finding(question, AN_ID, 1)
        }
        Work::DiscoverRareNative | Work::HeartbeatBatch => return None,
    })
}

pub(super) fn is_empty(address: SocketAddr) -> Outcome<bool> {
    Ok(!caller::ask(address, &Question::get("/registry/vms"))?.body.contains(AN_ID_OF_ANY))
}

pub(super) fn fill(address: SocketAddr, population: Population) -> Outcome<()> {
    let batch = |first: usize| {
        let numbers = first..(first + FILLING_BATCH).min(population.records);
        let records = numbers.map(|number| native(&digits(number), population.role(number)));
        let body = format!(r#"{{"instances":[{}]}}"#, records.collect::<Vec<_>>().join(","));
        Question::post("/v1/vms/registrations", body)
    };
    ask_each(address, (0..population.records).step_by(FILLING_BATCH).map(batch))
}

pub(super) fn fill_vers(address: SocketAddr, population: Population) -> Outcome<()> {
    let register =
        |number| Question::post("/registry/vms", vers(&digits(number), population.role(number)));
    ask_each(address, population.numbers().map(register))
}
