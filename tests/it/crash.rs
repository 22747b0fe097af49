//! `kill -9` in the middle of load, hundreds of times over the same data: what was acknowledged is
//! there, to the letter; what was not is there whole or not at all; the order is the same.
//!
//! `ROLECALL_CRASH_ROUNDS` says how many rounds, `ROLECALL_CRASH_SEED` which ones.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::bytes::Connection;
use support::dice::Dice;
use support::process::{Server, Setup};
use support::wait;
use support::writer::{Writer, id_of};

const WRITERS: [&str; 4] = ["a", "b", "c", "d"];
/// Every so many rounds the server is also killed while it recovers.
const KILLED_IN_RECOVERY_EVERY: usize = 5;

/// A store that takes every opportunity to rewrite itself, so that kills meet that, too.
fn on_sled(data: &Path) -> Setup {
    Setup::stored(&format!("sled:{}?compact-above-mib=1&compact-ratio=2", data.display()))
}

fn on_fjall(data: &Path) -> Setup {
    Setup::stored(&format!("fjall:{}?memtable-mib=1", data.display()))
}

/// The name that a reader saw last under each id.
type Seen = HashMap<String, String>;

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn no_kill_takes_back_what_was_acknowledged_or_leaves_half_of_what_was_not() {
    let (rounds, data) = (number("ROLECALL_CRASH_ROUNDS", 300), tempfile::tempdir().unwrap());
    let acknowledged = kill(on_sled, data.path(), rounds);
    let current = std::fs::read_to_string(data.path().join("CURRENT")).unwrap();
    let rewritten = !current.starts_with("sled-000001");
    assert!(rewritten || rounds < 50, "the store was never rewritten: {current}");
    println!("{rounds} kills, {acknowledged} acknowledged writes, none lost");
}

#[test]
fn no_kill_takes_anything_back_from_fjall_either() {
    let (rounds, data) = (number("ROLECALL_CRASH_ROUNDS", 60), tempfile::tempdir().unwrap());
    let acknowledged = kill(on_fjall, data.path(), rounds);
    println!("{rounds} kills, {acknowledged} acknowledged writes, none lost");
}

/// Kills servers on these data, so many rounds. Says how many writes were acknowledged.
fn kill(setup: fn(&Path) -> Setup, data: &Path, rounds: u64) -> usize {
    let seed = number("ROLECALL_CRASH_SEED", 1);
    let rounds = usize::try_from(rounds).unwrap();
    let mut dice = Dice::new(seed);
    let mut writers: Vec<Writer> =
        WRITERS.iter().map(|name| Writer::new(name, dice.number())).collect();
    let mut server = setup(data).start();
    for round in 0..rounds {
        let moment = Duration::from_millis(20 + dice.below(181) as u64);
        let seen = load_until_killed(server, &mut writers, moment, dice.number());
        if round % KILLED_IN_RECOVERY_EVERY == 0 {
            start_and_kill(setup(data), Duration::from_millis(dice.below(120) as u64));
        }
        server = setup(data).start();
        if let Err(why) = verify(&server, &mut writers, &seen) {
            panic!("round {round} of seed {seed}, killed after {moment:?}: {why}");
        }
    }
    let acknowledged: usize = writers.iter().map(Writer::acknowledged).sum();
    assert!(acknowledged >= 4 * rounds, "only {acknowledged} writes in {rounds} rounds");
    acknowledged
}

/// Lets everybody write until the server is gone; what a reader saw meanwhile.
fn load_until_killed(server: Server, writers: &mut [Writer], moment: Duration, seed: u64) -> Seen {
    let reading = server.connect();
    // All are let in before the time begins to run.
    let writing: Vec<_> = writers.iter().map(|_| server.connect()).collect();
    std::thread::scope(|scope| {
        for (writer, mut connection) in writers.iter_mut().zip(writing) {
            scope.spawn(move || while writer.step(&mut connection).is_ok() {});
        }
        let reader = scope.spawn(move || read(reading, seed));
        wait::elapsed(Instant::now(), moment);
        server.kill();
        reader.join().expect("the reader saw nothing wrong")
    })
}

/// Looks at one record after the other until the server is gone.
fn read(mut connection: Connection, seed: u64) -> Seen {
    let (mut seen, mut dice) = (Seen::new(), Dice::new(seed));
    loop {
        let name = *dice.one(&WRITERS);
        let id = id_of(name, &mut dice);
        let Ok(answer) = connection.request("GET", &format!("/registry/vms/{id}"), "") else {
            return seen;
        };
        if answer.status == 200 {
            let name = answer.json()["name"].as_str().expect("a name").to_owned();
            seen.insert(id, name);
        }
    }
}

/// Kills a server that is perhaps still recovering.
fn start_and_kill(setup: Setup, moment: Duration) {
    let mut command = setup.command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait::elapsed(Instant::now(), moment);
    let ended = child.try_wait().unwrap();
    assert_eq!(ended, None, "the server did not start after a crash");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn verify(server: &Server, writers: &mut [Writer], seen: &Seen) -> Result<(), String> {
    let list = server.request("GET", "/registry/vms", "").json();
    for writer in writers.iter() {
        shown_is_durable(writer, seen, &list)?;
    }
    for writer in writers.iter_mut() {
        writer.check(&list)?;
    }
    let discovered = server.request("GET", "/registry/discover/worker", "").json();
    let running = server.request("GET", "/registry/vms?status=running", "").json();
    for (writer, name) in writers.iter().zip(WRITERS) {
        let found: Vec<_> = ids(&discovered).filter(|id| id.starts_with(name)).collect();
        let expected = writer.running();
        if found != expected {
            return Err(format!("discover shows {found:?}, not {expected:?}"));
        }
    }
    in_order(&list, &discovered, &running)
}

/// What a reader saw cannot be undone, even if its writer was never answered.
fn shown_is_durable(writer: &Writer, seen: &Seen, list: &Value) -> Result<(), String> {
    let Some((id, Some(name))) = writer.unanswered() else { return Ok(()) };
    if seen.get(id).is_none_or(|seen| seen != name) {
        return Ok(());
    }
    let found = list["vms"].as_array().into_iter().flatten().find(|entry| entry["id"] == *id);
    match found {
        Some(entry) if entry["name"] == *name => Ok(()),
        other => Err(format!("{id} was seen as {name:?} before the kill, and is {other:?} after")),
    }
}

/// The list by time, the youngest first and ties in order of registration, which discover shows.
fn in_order(list: &Value, discovered: &Value, running: &Value) -> Result<(), String> {
    let time = |entry: &Value| entry["registeredAt"].as_str().unwrap_or_default().to_owned();
    let entries = |answer: &Value| answer["vms"].as_array().cloned().unwrap_or_default();
    if !entries(discovered).is_sorted_by_key(time) {
        return Err("discover is not in order of registration".to_owned());
    }
    if !entries(list).is_sorted_by(|a, b| time(a) >= time(b)) {
        return Err("the list is not in order of time".to_owned());
    }
    let mut expected = entries(discovered);
    expected.sort_by_key(|entry| std::cmp::Reverse(time(entry)));
    if entries(running) != expected {
        return Err("discover and the list of the running differ".to_owned());
    }
    let listed = entries(list).into_iter().filter(|entry| entry["status"] == "running");
    if listed.collect::<Vec<_>>() != expected {
        return Err("a live record is not shown as running".to_owned());
    }
    Ok(())
}

fn ids(answer: &Value) -> impl Iterator<Item = String> {
    let entries = answer["vms"].as_array().cloned().unwrap_or_default();
    entries.into_iter().map(|entry| entry["id"].as_str().unwrap_or("?").to_owned())
}
