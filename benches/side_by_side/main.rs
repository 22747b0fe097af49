//! Measures our server beside the floor and beside peers: same machine, same run, same work.
//! `benches/README.md` says how to read it.

mod caller;
mod contender;
mod contest;
mod curves;
mod dialect;
mod floor;
mod generator;
mod keeper;
mod lua;
mod outcome;
mod population;
mod process;
mod report;
mod work;

use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use crate::caller::Outcome;
use crate::contender::{Contender, Named, Site};
use crate::contest::{Arena, Pace};
use crate::population::Population;
use crate::report::Report;
use crate::work::Work;

/// Records that are filled in a second, by experience; only for telling how long it will take.
const FILLED_PER_SECOND: f64 = 20_000.0;

/// More rounds, or seconds in each, would be a mistake rather than a measurement.
const ROUNDS_MAX: u64 = 1_000;
const SECONDS_MAX: f64 = 600.0;

/// Measures rolecall beside a floor and beside peers, and tells ratios.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true, max_term_width = 100)]
struct Surface {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Draw how the costs that criterion measured grow.
    Curves {
        /// Where criterion keeps its figures [default: target/criterion].
        #[arg(long)]
        criterion: Option<PathBuf>,
        /// Where the pictures go [default: target/bench].
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Be the floor (the program starts itself so).
    #[command(hide = true)]
    Floor(floor::FloorFlags),
    /// Touch so many bytes of memory (the program starts itself so).
    #[command(hide = true)]
    Warm { bytes: usize },
}

#[derive(Debug, Args)]
struct Flags {
    /// How many records are registered: a multiple of 1,000.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// How often each row is measured.
    #[arg(long, default_value_t = 5, value_parser = rounds())]
    rounds: usize,
    /// How long each round puts load on each server.
    #[arg(long, default_value = "1.5", value_parser = seconds)]
    seconds: f64,
    /// How long there is load on each server before that is measured.
    #[arg(long, default_value = "1", value_parser = seconds)]
    warm_up_seconds: f64,
    /// Only these rows, with commas between.
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    #[arg(value_parser = Work::ALL.map(Work::name))]
    only: Vec<String>,
    /// Another server to measure, by NAME=DIALECT=http://HOST:PORT, where DIALECT is rolecall,
    /// vers, runspec, etcd, redis or redis-found. It must be empty, and is left filled.
    #[arg(long)]
    peer: Vec<Named>,
    /// Measure only ours and the floor.
    #[arg(long, conflicts_with_all = ["peer", "with_pypi"])]
    no_peers: bool,
    /// Put load on peers on other machines, too.
    #[arg(long)]
    yes: bool,
    /// Install runspec-registry from PyPI for this run, and measure it.
    #[arg(long)]
    with_pypi: bool,
    /// Our binary; without it, it is built.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where results go [default: target/bench].
    #[arg(long)]
    out: Option<PathBuf>,
    /// A file to write the table to, too.
    #[arg(long)]
    write_table: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Surface { order, flags } = Surface::parse();
    let done = match order {
        Some(Order::Floor(flags)) => floor::serve(&flags).map(|()| true),
        Some(Order::Warm { bytes }) => {
            std::hint::black_box(vec![1_u8; bytes]);
            Ok(true)
        }
        Some(Order::Curves { criterion, out }) => curves(criterion, out).map(|()| true),
        None => compare(&flags),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            tell("some rows are INVALID: see the reasons below the table");
            ExitCode::FAILURE
        }
        Err(error) => {
            tell(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn curves(criterion: Option<PathBuf>, out: Option<PathBuf>) -> Outcome<()> {
    let criterion = criterion.map_or_else(|| Ok(target()?.join("criterion")), Outcome::Ok)?;
    for picture in curves::draw(&criterion, &results(out)?)? {
        tell(&format!("drawn: {}", picture.display()));
    }
    Ok(())
}

/// The whole comparison; whether every row of it has a figure.
fn compare(flags: &Flags) -> Outcome<bool> {
    let works = works(flags)?;
    let population = Population { records: flags.records };
    let pace = Pace {
        rounds: flags.rounds,
        seconds: flags.seconds,
        warm_up_seconds: flags.warm_up_seconds,
    };
    // Below the results, not in /tmp: that may be memory, where nothing is durable.
    let out = results(flags.out.clone())?;
    let home = tempfile::tempdir_in(&out)?;
    let site = Site { dir: home.path().to_owned(), server: server(flags)? };
    let mut report = Report::new(&site.server, flags.records, pace);
    for peer in &flags.peer {
        peer.must_be_empty()?;
    }
    let mut contenders = site.start()?;
    if !flags.no_peers {
        let (peers, skipped) = site.start_peers(flags.with_pypi)?;
        contenders.extend(peers);
        contenders.extend(flags.peer.iter().cloned().map(Contender::from));
        report.skipped = skipped;
    }
    report.skipped.iter().for_each(|line| tell(line));
    announce(&works, &contenders, population, pace);
    for contender in &contenders {
        tell(&format!("filling {}", contender.name));
        contender.fill(population)?;
        let differs = contender.dialect.differs();
        report.notes.extend(Some(differs).filter(|text| !text.is_empty()));
    }
    let papers = papers(&home.path().join("papers"))?;
    let mut arena = Arena { site: &site, population, pace, papers, runs: 0 };
    for (number, work) in works.iter().enumerate() {
        tell(&format!("{}/{}: {}", number + 1, works.len(), work.title(population)));
        if work.is_encrypted() && !process::is_installed("h2load") {
            report.skipped.push("h2load: not here; apt-get install nghttp2-client".to_owned());
            continue;
        }
        let entries = arena.hold(*work, &mut contenders)?;
        report.rows.extend(outcome::rows(*work, population, entries));
    }
    report.save(&out)?;
    let document = report.document();
    if let Some(path) = &flags.write_table {
        std::fs::write(path, format!("# The last table\n\n{document}"))?;
    }
    stdout().write_all(document.as_bytes())?;
    Ok(report.is_valid())
}

/// What is asked for, if it can be done here.
fn works(flags: &Flags) -> Outcome<Vec<Work>> {
    if flags.records == 0 || !flags.records.is_multiple_of(1_000) {
        return Err(format!("--records {} is no multiple of 1,000", flags.records).into());
    }
    if !process::is_installed("wrk") {
        return Err("wrk makes the load and is not here; apt-get install wrk".into());
    }
    if let Some(far) = flags.peer.iter().find(|peer| !peer.address.ip().is_loopback())
        && !flags.yes
    {
        return Err(format!("{} is another machine; --yes puts load on it", far.address).into());
    }
    let is_wanted =
        |work: &Work| flags.only.is_empty() || flags.only.iter().any(|name| name == work.name());
    Ok(Work::ALL.into_iter().filter(is_wanted).collect())
}

fn rounds() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=ROUNDS_MAX)
}

/// A time that can be measured in.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=SECONDS_MAX).contains(seconds));
    seconds.ok_or_else(|| format!("say 0.01 to {SECONDS_MAX}"))
}

/// Says how long it will take.
fn announce(works: &[Work], contenders: &[Contender], population: Population, pace: Pace) {
    let lanes = |work: &Work| {
        1 + contenders.iter().filter(|one| one.load(*work, population).is_some()).count()
    };
    let lanes: usize = works.iter().map(lanes).sum();
    let each = pace.warm_up_seconds + pace.rounds as f64 * pace.seconds;
    let filling = (population.records * contenders.len()) as f64 / FILLED_PER_SECOND;
    let seconds = Duration::from_secs_f64(lanes as f64 * each + filling);
    let end = chrono::Local::now() + seconds;
    let minutes = seconds.as_secs().div_ceil(60);
    tell(&format!("about {minutes} minutes, until {}", end.format("%H:%M")));
}

/// Our binary, made as this program was made.
fn server(flags: &Flags) -> Outcome<PathBuf> {
    if let Some(server) = &flags.server {
        let is_there = server.is_file();
        return is_there.then(|| server.clone()).ok_or("--server names no file".into());
    }
    tell("building the server");
    let target = target()?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--locked", "--package", "rolecall", "--bin", "rolecall"]);
    build.arg("--target-dir").arg(&target).current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo told this program about its own package would be taken for news by build scripts
    // of dependencies, and they would be built anew each time.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text == "CARGO_MANIFEST_DIR" {
            build.env_remove(&name);
        }
    }
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    build.args(["--profile", profile]);
    if !build.status()?.success() {
        return Err("the server cannot be built; or say --server PATH".into());
    }
    let folder = if cfg!(debug_assertions) { "debug" } else { "release" };
    Ok(target.join(folder).join("rolecall"))
}

/// Where cargo has put this program: `target/PROFILE/`.
fn target() -> Outcome<PathBuf> {
    let here = std::env::current_exe()?;
    Ok(here.ancestors().nth(2).ok_or("cargo puts a program into target/PROFILE")?.to_owned())
}

/// The folder for results, made if it is not there.
fn results(out: Option<PathBuf>) -> Outcome<PathBuf> {
    let out = out.map_or_else(|| Ok(target()?.join("bench")), Outcome::Ok)?;
    std::fs::create_dir_all(&out)?;
    Ok(std::path::absolute(out)?)
}

/// A certificate for this machine, made for this run.
fn papers(folder: &Path) -> Outcome<PathBuf> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let signed = rcgen::generate_simple_self_signed(names)?;
    std::fs::create_dir(folder)?;
    std::fs::write(folder.join("cert.pem"), signed.cert.pem())?;
    std::fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem())?;
    Ok(folder.to_owned())
}

/// Says something to people, with the time that has passed.
fn tell(line: &str) {
    static BEGUN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let passed = BEGUN.get_or_init(Instant::now).elapsed().as_secs();
    // stderr may be closed, and then nobody wanted to know.
    let _ = writeln!(stderr(), "[{:3}:{:02}] {line}", passed / 60, passed % 60);
}
