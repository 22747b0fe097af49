//! What a run leaves behind: a table for people, JSON with everything, and a picture.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use rolecall_benches::plot::{Bar, Group, bars};
use serde::Serialize;

use crate::caller::Outcome;
use crate::contender::OURS;
use crate::contest::{FLOOR, Pace};
use crate::generator::CONNECTIONS;
use crate::outcome::Row;
use crate::work::grouped;

/// Everything about one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) date: String,
    /// From which our server was built.
    pub(crate) commit: String,
    pub(crate) machine: Machine,
    pub(crate) records: usize,
    pub(crate) connections: u32,
    pub(crate) pace: Pace,
    pub(crate) rows: Vec<Row>,
    /// Who was not measured, and how to get them.
    pub(crate) skipped: Vec<String>,
    /// What the peers do otherwise.
    pub(crate) notes: Vec<&'static str>,
}

/// A load above this is no quiet machine: somebody else wanted half a core.
const BUSY: f64 = 0.5;

/// Where it ran.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    /// As it began: what else was running.
    load: String,
}

const HEADINGS: [&str; 11] = [
    "work",
    "who",
    "per second",
    "±",
    "p50 ms",
    "p99 ms",
    "CPU µs",
    "of floor",
    "CPU of floor",
    "goal",
    "met",
];

// === impl Report ===

impl Report {
    pub(crate) fn new(server: &Path, records: usize, pace: Pace) -> Self {
        let version = said(Command::new(server).arg("--version"));
        let build = version.split_once("(build ").map_or(&*version, |(_, build)| build);
        Self {
            date: chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string(),
            commit: build.trim_end_matches(')').to_owned(),
            machine: Machine::here(),
            records,
            connections: CONNECTIONS,
            pace,
            rows: Vec::new(),
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Whether every row has a figure.
    pub(crate) fn is_valid(&self) -> bool {
        self.rows.iter().all(|row| row.figures.is_some())
    }

    /// The table, in Markdown that is as legible as plain text.
    pub(crate) fn table(&self) -> String {
        let mut lines = vec![HEADINGS.map(str::to_owned)];
        let mut before = "";
        for row in &self.rows {
            let title = if row.work == before { "" } else { &row.title };
            before = row.work;
            lines.push(cells(row, title));
        }
        aligned(&lines)
    }

    /// The table and what has to be said with it, as a document.
    pub(crate) fn document(&self) -> String {
        let Machine { processor, cores, memory, kernel, load } = &self.machine;
        let Pace { rounds, seconds, .. } = self.pace;
        let mut text = format!(
            "{}, commit {}. {processor}, {cores} cores, {memory}, Linux {kernel}, load {load} as \
             it began. {} records, {} connections, {rounds} rounds of {seconds} s each.\n\n{}",
            self.date,
            self.commit,
            grouped(self.records),
            self.connections,
            self.table()
        );
        if load.parse().is_ok_and(|load: f64| load > BUSY) {
            text.push_str("\n- The machine was busy: ratios are rough, and rates mean nothing.");
        }
        let invalid = self.rows.iter().filter_map(|row| {
            let why = row.invalid.as_ref()?;
            Some(format!("INVALID {}, {}: {why}", row.title, row.who))
        });
        let notes = self.notes.iter().map(|note| (*note).to_owned());
        let notes: Vec<_> = invalid.chain(notes).chain(self.skipped.iter().cloned()).collect();
        if !notes.is_empty() {
            text.push('\n');
        }
        for note in notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    /// Writes `side-by-side.json` and `side-by-side.svg`.
    pub(crate) fn save(&self, dir: &Path) -> Outcome<()> {
        std::fs::create_dir_all(dir)?;
        std::fs::write(dir.join("side-by-side.json"), serde_json::to_vec_pretty(self)?)?;
        std::fs::write(dir.join("side-by-side.svg"), self.picture())?;
        Ok(())
    }

    /// How far everybody is from the floor.
    fn picture(&self) -> String {
        let mut groups: Vec<Group> = Vec::new();
        for row in self.rows.iter().filter(|row| row.who != FLOOR) {
            if groups.last().is_none_or(|group| group.title != row.title) {
                groups.push(Group { title: row.title.clone(), bars: Vec::new() });
            }
            let value = row.figures.and_then(|figures| figures.of_floor);
            let goal = row.goal.as_ref().and_then(|goal| goal.strip_prefix("≥ ")?.parse().ok());
            let bar = Bar { label: row.who.clone(), value, mark: goal, strong: row.who == OURS };
            groups.last_mut().expect("one was just pushed").bars.push(bar);
        }
        let note = format!(
            "requests a second as a part of the floor's; {} records; {}; {}",
            grouped(self.records),
            self.commit,
            self.date
        );
        bars("Side by side", &note, &groups)
    }
}

// === impl Machine ===

impl Machine {
    fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let field = |path, name| {
            let text = read(path);
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
        };
        let kb: f64 =
            field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: format!("{:.0} GiB", kb / 1024.0 / 1024.0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

fn cells(row: &Row, title: &str) -> [String; HEADINGS.len()] {
    let Some(figures) = &row.figures else {
        let mut cells = [const { String::new() }; HEADINGS.len()];
        (cells[0], cells[1], cells[2]) = (title.to_owned(), row.who.clone(), "INVALID".to_owned());
        return cells;
    };
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let met = row.is_met.map(|is_met| if is_met { "yes" } else { "NO" });
    [
        title.to_owned(),
        row.who.clone(),
        grouped(figures.rate as usize),
        format!("{:.0} %", figures.spread * 100.0),
        format!("{:.2}", figures.p50_us / 1e3),
        format!("{:.2}", figures.p99_us / 1e3),
        ratio(figures.cpu_us),
        ratio(figures.of_floor),
        ratio(figures.cpu_of_floor),
        row.goal.clone().unwrap_or_default(),
        met.unwrap_or_default().to_owned(),
    ]
}

/// A Markdown table with columns as wide as they must be; numbers stand to the right.
fn aligned(lines: &[[String; HEADINGS.len()]]) -> String {
    let length = |text: &String| text.chars().count();
    let width = |at: usize| lines.iter().map(|line| length(&line[at])).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
    let is_number = |at: usize| (2..9).contains(&at);
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (at, cell) in line.iter().enumerate() {
            let width = widths[at];
            let _ = if is_number(at) {
                write!(text, "| {cell:>width$} ")
            } else {
                write!(text, "| {cell:width$} ")
            };
        }
        text.push_str("|\n");
        if number == 0 {
            for (at, width) in widths.iter().enumerate() {
                let (dashes, end) = ("-".repeat(width - 1), if is_number(at) { ':' } else { '-' });
                let _ = write!(text, "| {dashes}{end} ");
            }
            text.push_str("|\n");
        }
    }
    text
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&output).trim().to_owned()
}
