//! The registry of tool hosts from PyPI, by its own paths.

use std::net::SocketAddr;

use super::Ask;
use crate::caller::{self, Outcome, Question, ask_each};
use crate::population::{ANY, NEW, Population, Role, digits, id};
use crate::work::Work;

/// It groups all tools anew for each question: with more, it would answer none in time.
const RECORDS_MAX: usize = 1_000;

/// Where a tool's answer names each of its hosts.
const A_HOST: &str = r#""host":"vm-"#;

pub(super) const DIFFERS: &str = "runspec-registry: keeps all in memory and nothing after its end; \
    has only 1,000 records here; discover is its GET /tools/NAME";

pub(super) fn share(population: Population) -> Population {
    Population { records: population.records.min(RECORDS_MAX) }
}

pub(super) fn ask(work: Work) -> Option<Ask> {
    let one = format!("/instances/{}", id(ANY));
    Some(match work {
        Work::Health => Ask::plain(Question::get("/health")),
        Work::DiscoverRare => {
            let question = Question::get(format!("/tools/{}", Role::Rare.as_str()));
            Ask::finding(question, A_HOST, crate::population::RARE)
        }
        Work::Get => Ask::plain(Question::get(one)),
        Work::Heartbeat => Ask::plain(Question::post(format!("{one}/heartbeat"), "{}")),
        Work::Register => Ask::plain(Question::post("/instances", instance(NEW))),
        _ => return None,
    })
}

pub(super) fn is_empty(address: SocketAddr) -> Outcome<bool> {
    Ok(!caller::ask(address, &Question::get("/instances"))?.body.contains("\"instance_id\""))
}

pub(super) fn fill(address: SocketAddr, population: Population) -> Outcome<()> {
    let register = |number| Question::post("/instances", instance(&digits(number)));
    ask_each(address, population.numbers().map(register))?;
    let tools = |number| {
        let (path, role) =
            (format!("/instances/{}/tools", id(&digits(number))), population.role(number));
        let tool = format!(r#"{{"tools":[{{"name":"{}","description":"d"}}]}}"#, role.as_str());
        Question::post(path, tool)
    };
    ask_each(address, population.numbers().map(tools))
}

fn instance(digits: &str) -> String {
    let id = id(digits);
    let who = format!(r#""instance_id":"{id}","name":"worker-{digits}""#);
    format!(r#"{{{who},"version":"1","host":"{id}.vm.example.net"}}"#)
}
