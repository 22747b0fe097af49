//! One work, done by everybody in turn: floor, ours, peers, and again, so that whatever else the
//! machine does meanwhile strikes all of them alike.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

use crate::caller::{Answer, Outcome, ask};
use crate::contender::{Contender, Site};
use crate::dialect::{Ask, Load, redis};
use crate::generator::{self, Run};
use crate::lua::{Stamp, example};
use crate::population::Population;
use crate::process::Process;
use crate::work::Work;

/// The name of the floor in the table.
pub(crate) const FLOOR: &str = "floor";
/// The floor with what sled does for durable records, and nothing else of ours.
pub(crate) const FLOOR_ON_SLED: &str = "floor on sled";

/// Several times the memory of the records that any server takes in a second: the machine gives
/// some of what is warmed back at once.
const NEW_BYTES_PER_SECOND: f64 = 1e9;

/// How long and how often everything is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) warm_up_seconds: f64,
}

/// One round of one server.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Sample {
    /// Things done in a second: requests, or what is in them.
    pub(crate) rate: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Processor time for each thing, if it is known.
    pub(crate) cpu_us: Option<f64>,
}

/// What one server made of one work.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) who: String,
    pub(crate) samples: Vec<Sample>,
    /// Why there is no figure.
    pub(crate) invalid: Option<String>,
}

/// Everything that a contest needs and that stays the same in all of them.
pub(crate) struct Arena<'a> {
    pub(crate) site: &'a Site,
    pub(crate) population: Population,
    pub(crate) pace: Pace,
    /// Where `cert.pem` and `key.pem` are.
    pub(crate) papers: PathBuf,
    /// Counts runs, so that no two of them register the same.
    pub(crate) runs: u32,
}

/// Who does the work and how.
struct Lane<'a> {
    entry: Entry,
    address: SocketAddr,
    process: Option<&'a Process>,
    load: Load,
    population: Population,
}

// === impl Arena ===

impl Arena<'_> {
    /// Measures everybody who can do this work. The first of the contenders is ours, from whose
    /// answer the floor is made.
    pub(crate) fn hold(&mut self, work: Work, contenders: &mut [Contender]) -> Outcome<Vec<Entry>> {
        let ours = contenders.first_mut().ok_or("nobody is there")?;
        let (load, _) = ours.load(work, self.population).ok_or("ours does everything")?;
        let Load::Http(asked) = &load else { return Err("ours speaks HTTP".into()) };
        let answer = checked(ours.address, asked, self.stamp())?;
        if work.is_encrypted() {
            ours.encrypt(self.site, &self.papers)?;
        }
        let mut floors = vec![(FLOOR, self.floor(work, &answer, None)?)];
        if work == Work::Register {
            let keeps = self.site.dir.join("records-floor");
            floors.push((FLOOR_ON_SLED, self.floor(work, &answer, Some(&keeps))?));
        }
        let mut lanes: Vec<Lane<'_>> = Vec::new();
        for (name, (process, address)) in &floors {
            lanes.push(Lane {
                entry: Entry::of(name),
                address: *address,
                process: Some(process),
                load: Load::Http(asked.clone()),
                population: self.population,
            });
        }
        for contender in &*contenders {
            let Some((load, population)) = contender.load(work, self.population) else { continue };
            let (address, process) = (contender.address, contender.process.as_ref());
            let entry = Entry::of(&contender.name);
            lanes.push(Lane { entry, address, process, load, population });
        }
        let (warm_up, measured) = (self.pace.warm_up_seconds, self.pace.seconds);
        for round in 0..=self.pace.rounds {
            let seconds = if round == 0 { warm_up } else { measured };
            for lane in &mut lanes {
                self.run(work, lane, Duration::from_secs_f64(seconds), answer.body.len());
            }
            if round == 0 {
                lanes.iter_mut().for_each(|lane| lane.entry.samples.clear());
            }
        }
        Ok(lanes.into_iter().map(|lane| lane.entry).collect())
    }

    fn run(&mut self, work: Work, lane: &mut Lane<'_>, time: Duration, bytes: usize) {
        if lane.entry.invalid.is_some() {
            return;
        }
        if work == Work::Register
            && let Err(error) = warm(time)
        {
            lane.entry.invalid = Some(error.to_string());
            return;
        }
        let stamp = self.stamp();
        match lane.measure(work, &self.site.dir, stamp, time, bytes) {
            Ok(sample) => lane.entry.samples.push(sample),
            Err(error) => lane.entry.invalid = Some(error.to_string()),
        }
    }

    fn stamp(&mut self) -> Stamp {
        self.runs += 1;
        Stamp(self.runs)
    }

    fn floor(
        &self,
        work: Work,
        answer: &Answer,
        keeps: Option<&Path>,
    ) -> Outcome<(Process, SocketAddr)> {
        let path = self.site.dir.join("answer.json");
        std::fs::write(&path, serde_json::to_vec(answer)?)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor").arg("--answer").arg(path);
        command.args(["--reads", work.reads().name()]);
        if work.is_encrypted() {
            command.arg("--tls").arg(&self.papers);
        }
        if let Some(keeps) = keeps {
            command.arg("--keeps").arg(keeps);
            command.args(["--records", &self.population.records.to_string()]);
        }
        Process::greeted(&mut command, &self.site.log(FLOOR))
    }
}

/// Lets the machine have as much memory as records take that come for so long.
///
/// A virtual machine gets memory from its host when it is first touched, at a fraction of the speed
/// that it has from then on, and gives it back when nobody used it for a while. Who is measured at
/// such a moment would pay for that.
fn warm(time: Duration) -> Outcome<()> {
    let bytes = (time.as_secs_f64() * NEW_BYTES_PER_SECOND).ceil();
    let done =
        Command::new(std::env::current_exe()?).args(["warm", &bytes.to_string()]).status()?;
    if done.success() { Ok(()) } else { Err(format!("cannot touch {bytes} bytes: {done}").into()) }
}

// === impl Lane ===

impl Lane<'_> {
    fn measure(
        &self,
        work: Work,
        dir: &Path,
        stamp: Stamp,
        time: Duration,
        bytes: usize,
    ) -> Outcome<Sample> {
        let count = match &self.load {
            Load::Http(asked) if !work.is_encrypted() => {
                checked(self.address, asked, stamp)?;
                0
            }
            Load::Http(_) => 0,
            Load::Redis(command) => {
                redis::settle(self.address, command)?;
                generator::redis_count(self.address, command, time)?
            }
        };
        let used = || self.process.map(Process::used).transpose();
        let before = used()?;
        let run = match &self.load {
            Load::Http(Ask { question, .. }) if work.is_encrypted() => {
                generator::h2load(self.address, &question.path, bytes, time, dir)
            }
            Load::Http(Ask { question, among, .. }) => {
                let records = self.population.records.min(*among);
                generator::wrk(self.address, question, (records, stamp), time, dir)
            }
            Load::Redis(command) => generator::redis_benchmark(self.address, command, count),
        }?;
        let cpu = used()?.zip(before).map(|(after, before)| after - before);
        Ok(Sample::of(&run, work.items(), cpu))
    }
}

// === impl Entry ===

impl Entry {
    fn of(who: &str) -> Self {
        Self { who: who.to_owned(), samples: Vec::new(), invalid: None }
    }
}

// === impl Sample ===

impl Sample {
    fn of(run: &Run, items: usize, cpu: Option<Duration>) -> Self {
        let done = run.requests as f64 * items as f64;
        Self {
            rate: done / run.seconds,
            p50_us: run.p50_us,
            p99_us: run.p99_us,
            cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / done),
        }
    }
}

/// The answer to an example of what will be asked, if it is as it should be.
fn checked(address: SocketAddr, asked: &Ask, stamp: Stamp) -> Outcome<Answer> {
    let question = example(&asked.question, stamp);
    let answer = ask(address, &question)?;
    if let Some((text, times)) = asked.finds {
        let found = answer.body.matches(text).count();
        if found != times {
            let start: String = answer.body.chars().take(200).collect();
            let path = question.path;
            return Err(format!("{path}: {found} times {text} instead of {times}: {start}").into());
        }
    }
    Ok(answer)
}
