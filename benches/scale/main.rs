//! What is one long thing each, at up to a million records, as a table of figures and goals.
//!
//! ```console
//! $ cargo bench --package rolecall-benches --bench scale               # a million, ten minutes
//! $ cargo bench --package rolecall-benches --bench scale -- --quick    # 100,000, two minutes
//! $ cargo bench --package rolecall-benches --bench scale -- expiry     # what has this in its name
//! ```
//! Under `cargo test` everything is measured once, tiny, so that nothing rots. Each measurement
//! runs in a process of its own, so that none finds the memory that another has left.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program for people")]

mod bare;
mod durable;
mod expiry;
mod fan_out;
mod leap;
mod lookup;
mod memory;
mod stopwatch;
mod table;

use std::path::Path;
use std::process::{Command, Stdio};

use self::bare::Engine;
use self::table::Row;

/// That of the server: what a record takes depends on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A directory of this build's own, on a disk rather than in memory.
const WORKPLACE: &str = env!("CARGO_TARGET_TMPDIR");

/// Makes a process do one measurement: its name and what it is to be done with follow.
const ONE: &str = "--one";

/// Fills so many bytes, so that the machine has them: see [`warm`].
const WARM: &str = "warm";
/// More than any measurement takes for each record.
const WARM_BYTES: usize = 3_000;

/// A measurement, and the sizes worth measuring at; the first is for `cargo test`.
struct Plan {
    name: &'static str,
    tiny: usize,
    quick: &'static [usize],
    full: &'static [usize],
}

const RECORDS: (&[usize], &[usize]) = (&[1_000, 100_000], &[1_000, 100_000, 1_000_000]);
const LARGEST: (&[usize], &[usize]) = (&[100_000], &[100_000, 1_000_000]);
const WATCHERS: &[usize] = &[1, 100, 10_000];

const PLANS: [Plan; 8] = [
    Plan { name: "lookup", tiny: 200, quick: RECORDS.0, full: RECORDS.1 },
    Plan { name: "fan-out", tiny: 20, quick: WATCHERS, full: WATCHERS },
    Plan { name: "memory-alone", tiny: 200, quick: LARGEST.0, full: LARGEST.1 },
    Plan { name: "memory-in-memory", tiny: 200, quick: LARGEST.0, full: LARGEST.1 },
    Plan { name: "expiry-in-memory", tiny: 200, quick: LARGEST.0, full: LARGEST.1 },
    Plan { name: "expiry-on-sled", tiny: 200, quick: &[10_000], full: LARGEST.0 },
    Plan { name: "durable-sled", tiny: 200, quick: RECORDS.0, full: RECORDS.1 },
    Plan { name: "durable-fjall", tiny: 200, quick: RECORDS.0, full: RECORDS.1 },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [one, name, with] = &arguments[..]
        && one == ONE
    {
        return println!("{}", table::to_json(&measure(name, with)));
    }
    let is = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let wanted: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let target = Path::new(WORKPLACE).parent().expect("it is inside the target directory");
    let file = target.join("bench/scale.json");
    let mut rows = Vec::new();
    for plan in &PLANS {
        let tiny = [plan.tiny];
        let sizes = match (is("--bench"), is("--quick")) {
            (false, _) => &tiny[..],
            (true, true) => plan.quick,
            (true, false) => plan.full,
        };
        // What `cargo test` is asked for names its own tests, and leaves this one whole.
        let skip = is("--bench") && !wanted.is_empty();
        if skip && !wanted.iter().any(|wanted| plan.name.contains(wanted.as_str())) {
            continue;
        }
        for size in sizes {
            eprintln!("measuring {} at {size}", plan.name);
            warm(*size);
            let measured = apart(plan.name, &size.to_string());
            assert!(!measured.is_empty(), "{} measures something", plan.name);
            rows.extend(measured);
            if is("--bench") {
                // After each, so that a run that is cut short has something to show.
                table::write(&rows, &file);
            }
        }
    }
    if is("--bench") {
        table::print(&rows);
        println!("\nalso in {}", file.display());
    }
}

/// Lets the machine have as much memory as a measurement with so many records takes.
///
/// A virtual machine gets memory from its host when it is first touched, at a fraction of the speed
/// that it has from then on, and gives it back when nobody used it for a while. Who is measured
/// first would pay for that.
fn warm(records: usize) {
    apart(WARM, &(records * WARM_BYTES).to_string());
}

/// Does one measurement in a process of its own.
fn apart(name: &str, with: &str) -> Vec<Row> {
    let myself = std::env::current_exe().expect("this program is a file");
    let mut child = Command::new(myself);
    child.args([ONE, name, with]).stderr(Stdio::inherit());
    let output = child.output().expect("this program can be started again");
    assert!(output.status.success(), "{name} of {with} failed: {}", output.status);
    table::from_json(&output.stdout)
}

fn measure(name: &str, with: &str) -> Vec<Row> {
    let records = || with.parse().expect("a number");
    match name {
        "lookup" => lookup::measure(records()),
        "fan-out" => fan_out::measure(records()),
        "memory-alone" => memory::of_the_catalog_alone(records()),
        "memory-in-memory" => memory::on_the_memory_store(records()),
        "expiry-in-memory" => expiry::in_memory(records()),
        "expiry-on-sled" => expiry::on_sled(records()),
        "durable-sled" => durable::measure(Engine::Sled, records()),
        "durable-fjall" => durable::measure(Engine::Fjall, records()),
        WARM => {
            std::hint::black_box(vec![1_u8; records()]);
            Vec::new()
        }
        durable::RECOVER => durable::recover(Path::new(with)),
        durable::READ_BARE => durable::read_bare(Path::new(with)),
        _ => panic!("there is no measurement {name}"),
    }
}
