//! Redis, in two ways. Bare: a key for each record, which expires; a role is a list of keys that
//! the caller knows. Found: a registry in functions of Redis, where a record is found by what ours
//! is found by.

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

pub(super) const FOUND_DIFFERS: &str = "redis, found: the same work in functions of Redis: a \
    record is found by role, name and service, in sets; an update merges fields and answers with \
    the record; get, heartbeat and health are those of redis";

/// A registry as one would write it in Redis. Whoever lapsed is taken out of a role when that is
/// asked for.
const FUNCTIONS: &str = r#"#!lua name=rolecall_bench
redis.register_function('put', function(keys, args)
  redis.call('SET', keys[1], args[1], 'EX', args[2])
  for i = 2, #keys do redis.call('SADD', keys[i], keys[1]) end
  return args[1]
end)
redis.register_function('amend', function(keys, args)
  local before = redis.call('GET', keys[1])
  if not before then return redis.error_reply('ERR not found') end
  local record = cjson.decode(before)
  for name, value in pairs(cjson.decode(args[1])) do record[name] = value end
  record = cjson.encode(record)
  redis.call('SET', keys[1], record, 'KEEPTTL')
  return record
end)
redis.register_function('find', function(keys, args)
  local ids = redis.call('SMEMBERS', keys[1])
  if #ids == 0 then return ids end
  local found = {}
  for i, record in ipairs(redis.call('MGET', unpack(ids))) do
    if record then found[#found + 1] = record else redis.call('SREM', keys[1], ids[i]) end
  end
  return found
end)
"#;

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

/// The load for the works that are other ones where records are found.
pub(super) fn found_command(work: Work, population: Population) -> Option<Command> {
    let (words, finds) = match work {
        Work::DiscoverRare => (find(Role::Rare), population.count(Role::Rare)),
        Work::DiscoverFrequent => (find(Role::Frequent), population.frequent()),
        Work::Register => (put(RANDOM, &vers(&digits(0), Role::Common), Role::Common), 1),
        Work::Update => {
            let change =
                format!(r#"{{"metadata":{{"task":"process invoices","load":"{RANDOM}"}}}}"#);
            (call("amend", &[&id(RANDOM)], &[&change]), 1)
        }
        _ => return None,
    };
    Some(Command { words, finds, ..command(work, population)? })
}

fn find(role: Role) -> Vec<String> {
    call("find", &[&role_key(role)], &[])
}

fn put(digits: &str, record: &str, role: Role) -> Vec<String> {
    let name = format!("name:worker-{digits}");
    call("put", &[&id(digits), &role_key(role), &name, "service:rpc"], &[record, LEASE_SECONDS])
}

fn role_key(role: Role) -> String {
    format!("role:{}", role.as_str())
}

fn call(function: &str, keys: &[&str], args: &[&str]) -> Vec<String> {
    let count = keys.len().to_string();
    let words = ["FCALL", function, &count].into_iter().chain(keys.iter().chain(args).copied());
    words.map(str::to_owned).collect()
}

/// Whether the server that is installed has functions: since version 7.
pub(crate) fn has_functions() -> bool {
    let said = Program::new("redis-server").arg("--version").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let major = |said: String| said.split_once("v=")?.1.split('.').next()?.parse::<u32>().ok();
    said.ok().and_then(major).is_some_and(|major| major >= 7)
}

pub(super) fn is_empty(address: SocketAddr) -> Outcome<bool> {
    let output = client(address).arg("dbsize").output()?;
    let keys = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>();
    Ok(keys.map_err(|_| String::from_utf8_lossy(&output.stderr).trim().to_owned())? == 0)
}

pub(super) fn fill(address: SocketAddr, population: Population) -> Outcome<()> {
    pipe(address, population, |digits, role| {
        let words = ["SET", &id(digits), &vers(digits, role), "EX", LEASE_SECONDS];
        words.map(str::to_owned).into()
    })
}

pub(super) fn fill_found(address: SocketAddr, population: Population) -> Outcome<()> {
    let output = client(address).args(["function", "load", "replace", FUNCTIONS]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if said != "rolecall_bench" {
        return Err(format!("Redis does not take the functions: {said}").into());
    }
    pipe(address, population, |digits, role| put(digits, &vers(digits, role), role))
}

/// Says something of every record, in bulk, by the way that Redis has for it.
fn pipe(
    address: SocketAddr,
    population: Population,
    words: impl Fn(&str, Role) -> Vec<String>,
) -> Outcome<()> {
    let mut cli = client(address);
    let mut cli = cli.arg("--pipe").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut pipe = std::io::BufWriter::new(cli.stdin.take().ok_or("stdin is piped")?);
    for number in population.numbers() {
        let words = words(&digits(number), population.role(number));
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
