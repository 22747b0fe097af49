//! Redis: a key for each record, which expires; a role is a list of keys that the caller knows.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command as Program, Stdio};

use crate::caller::Outcome;
use crate::population::{Population, Role, digits, id, vers};
use crate::work::Work;

/// What redis-benchmark puts twelve random digits for.
pub(crate) const RANDOM: &str = "__rand_int__";

/// A lease: longer than any run.
const LEASE_SECONDS: &str = "86400";

/// As good as new: of so many numbers hardly one comes twice.
const NEW_AMONG: usize = 1_000_000_000;

/// Where each record of an answer says which it is.
const AN_ID: &str = r#""id":"vm-"#;

pub(super) const DIFFERS: &str = "Redis: another protocol, of one thread, asked by \
    redis-benchmark; a role is an MGET of ids that the caller must know; a durable write is one \
    with appendfsync always; a heartbeat is an EXPIRE";

/// A command, again and again.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) words: Vec<String>,
    /// How many numbers [`RANDOM`] stands for.
    pub(crate) among: usize,
    /// Whether its answer has to wait for the disk.
    pub(crate) is_durable: bool,
    /// How many records its answer must hold.
    pub(crate) finds: usize,
}

pub(super) fn command(work: Work, population: Population) -> Option<Command> {
    let all_of = |role: Role| {
        let numbers = population.numbers().filter(move |number| population.role(*number) == role);
        let ids = numbers.map(|number| id(&digits(number)));
        std::iter::once("MGET".to_owned()).chain(ids).collect()
    };
    let say = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let one = id(RANDOM);
    let record = vers(&digits(0), Role::Common);
    let (words, finds): (Vec<String>, usize) = match work {
        Work::Health => (say(&["PING"]), 0),
        Work::DiscoverRare => (all_of(Role::Rare), population.count(Role::Rare)),
        Work::DiscoverFrequent => (all_of(Role::Frequent), population.frequent()),
        Work::Get => (say(&["GET", &one]), 1),
        Work::Heartbeat => (say(&["EXPIRE", &one, LEASE_SECONDS]), 0),
        Work::Update | Work::Register => (say(&["SET", &one, &record, "EX", LEASE_SECONDS]), 0),
        _ => return None,
    };
    let among = if work == Work::Register { NEW_AMONG } else { population.records };
    let is_durable = matches!(work, Work::Update | Work::Register);
    Some(Command { words, among, is_durable, finds })
}

pub(super) fn is_empty(address: SocketAddr) -> Outcome<bool> {
    let output = client(address).arg("dbsize").output()?;
    let keys = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>();
    Ok(keys.map_err(|_| String::from_utf8_lossy(&output.stderr).trim().to_owned())? == 0)
}

/// In bulk, by the way that Redis has for it.
pub(super) fn fill(address: SocketAddr, population: Population) -> Outcome<()> {
    let mut cli = client(address);
    let mut cli = cli.arg("--pipe").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut pipe = std::io::BufWriter::new(cli.stdin.take().ok_or("stdin is piped")?);
    for number in population.numbers() {
        let digits = digits(number);
        let record = vers(&digits, population.role(number));
        let words = ["SET", &id(&digits), &record, "EX", LEASE_SECONDS];
        write!(pipe, "*{}\r\n", words.len())?;
        for word in words {
            write!(pipe, "${}\r\n{word}\r\n", word.len())?;
        }
    }
    drop(pipe.into_inner());
    let said = String::from_utf8(cli.wait_with_output()?.stdout)?;
    if !said.contains(&format!("errors: 0, replies: {}", population.records)) {
        return Err(format!("Redis took not everything: {said}").into());
    }
    Ok(())
}

/// Sets what durable means, and sees whether the command is answered as it should be.
pub(crate) fn settle(address: SocketAddr, command: &Command) -> Outcome<()> {
    let fsync = if command.is_durable { "always" } else { "everysec" };
    client(address).args(["config", "set", "appendfsync", fsync]).output()?;
    let words = command.words.iter().map(|word| word.replace(RANDOM, &digits(0)));
    let answer = client(address).args(words).output()?;
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let found = answer.matches(AN_ID).count();
    if found != command.finds || answer.starts_with("ERR") {
        let wanted = command.finds;
        return Err(format!("Redis answers with {found} records, not {wanted}: {answer}").into());
    }
    Ok(())
}

fn client(address: SocketAddr) -> Program {
    let mut cli = Program::new("redis-cli");
    cli.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string()]);
    cli
}
