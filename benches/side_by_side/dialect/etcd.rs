//! etcd by its JSON gateway: a key for each record, a folder for a role, leases for heartbeats.

use std::net::SocketAddr;

use super::Ask;
use crate::caller::{self, Outcome, Question, ask_each};
use crate::population::{ANY, ANY_CODED, NEW_CODED, Population, RARE, Role, digits, id, vers};
use crate::work::Work;

/// Records in one transaction: etcd takes 128 puts, and some records are put twice.
const FILLING_BATCH: usize = 60;

/// What each record's key begins with: three letters or six, so that the digits behind them can be
/// coded by themselves.
const HOME: &str = "id/vm-";

/// Leases that heartbeats keep alive. A lease for each record is what etcd itself advises against.
const LEASES: usize = 1_000;

/// How long they last: longer than any run.
const LEASE_SECONDS: u64 = 24 * 3_600;

/// Where an answer names each key that it found.
const A_KEY: &str = r#""key":""#;

pub(super) const DIFFERS: &str = "etcd: every write and heartbeat is agreed on by a log, here of \
    one member; asked over its JSON gateway, which costs more than gRPC; reads are linearizable; \
    heartbeats keep alive one of 1,000 leases";

pub(super) fn ask(work: Work) -> Option<Ask> {
    Some(match work {
        Work::Health => Ask::plain(Question::get("/health")),
        Work::DiscoverRare => discover(Role::Rare, RARE),
        Work::Get => {
            let body = format!(r#"{{"key":"{}{ANY_CODED}"}}"#, coded(HOME));
            Ask::finding(Question::post("/v3/kv/range", body), A_KEY, 1)
        }
        Work::Heartbeat => {
            let body = format!(r#"{{"ID":"1{ANY}"}}"#);
            let question = Question::post("/v3/lease/keepalive", body);
            Ask { among: LEASES, ..Ask::finding(question, "\"TTL\"", 1) }
        }
        Work::Register => {
            let value = coded(&vers(&digits(0), Role::Common));
            let body = format!(r#"{{"key":"{}{NEW_CODED}","value":"{value}"}}"#, coded(HOME));
            Ask::plain(Question::post("/v3/kv/put", body))
        }
        _ => return None,
    })
}

pub(super) fn is_empty(address: SocketAddr) -> Outcome<bool> {
    // From the first key to the last, which both are a zero byte here.
    let any = r#"{"key":"AA==","range_end":"AA==","limit":"1"}"#;
    Ok(!caller::ask(address, &Question::post("/v3/kv/range", any))?.body.contains(A_KEY))
}

pub(super) fn fill(address: SocketAddr, population: Population) -> Outcome<()> {
    let batch = |first: usize| {
        let numbers = first..(first + FILLING_BATCH).min(population.records);
        let puts: Vec<_> = numbers.flat_map(|number| puts(population, number)).collect();
        Question::post("/v3/kv/txn", format!(r#"{{"success":[{}]}}"#, puts.join(",")))
    };
    ask_each(address, (0..population.records).step_by(FILLING_BATCH).map(batch))?;
    let grant = |number: usize| {
        let body = format!(r#"{{"ID":"1{}","TTL":"{LEASE_SECONDS}"}}"#, digits(number));
        Question::post("/v3/lease/grant", body)
    };
    ask_each(address, (0..LEASES).map(grant))
}

/// All that is below the folder of a role.
fn discover(role: Role, count: usize) -> Ask {
    let (from, to) = (format!("{}/", role.as_str()), format!("{}0", role.as_str()));
    let body = format!(r#"{{"key":"{}","range_end":"{}"}}"#, coded(&from), coded(&to));
    Ask::finding(Question::post("/v3/kv/range", body), A_KEY, count)
}

/// A record by its id, and again below its role, unless that is everybody's.
fn puts(population: Population, number: usize) -> Vec<String> {
    let (digits, role) = (digits(number), population.role(number));
    let value = coded(&vers(&digits, role));
    let put =
        |key: String| format!(r#"{{"request_put":{{"key":"{}","value":"{value}"}}}}"#, coded(&key));
    let mut puts = vec![put(format!("{HOME}{digits}"))];
    if role != Role::Common {
        puts.push(put(format!("{}/{}", role.as_str(), id(&digits))));
    }
    puts
}

/// Base64, as etcd wants keys and values.
fn coded(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut coded = String::new();
    for three in text.as_bytes().chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]);
            coded.push(if at <= three.len() { letter } else { '=' });
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::{HOME, coded};

    #[test]
    fn keys_are_coded_as_etcd_wants_them() {
        let texts = ["", "a", "ab", "abc", "vm-000000000007"].map(coded);
        assert_eq!(texts, ["", "YQ==", "YWI=", "YWJj", "dm0tMDAwMDAwMDAwMDA3"]);
    }

    #[test]
    fn digits_behind_a_key_can_be_coded_by_themselves() {
        assert_eq!(coded("id/vm-000000000007"), coded(HOME) + &coded("000000000007"));
    }
}
