//! The page that Prometheus reads, in its text format (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use registry_core::Tally;

use crate::app::{App, BUILD, VERSION};
use crate::limits::METRICS_ROLES_MAX;

/// The text of a page, one family of numbers after the other.
struct Page(String);

/// Everything there is to know.
pub(crate) fn page(app: &App) -> String {
    let mut page = Page(String::with_capacity(8_192));
    build(&mut page, app);
    records(&mut page, app);
    registry(&mut page, app);
    store(&mut page, app);
    snapshots(&mut page, app);
    requests(&mut page, app);
    page.0
}

fn build(page: &mut Page, app: &App) {
    page.family("rolecall_build_info", "gauge", "Which build this is; always 1.");
    page.line("rolecall_build_info", &[("version", VERSION), ("build", BUILD)], 1);
    page.family("rolecall_uptime_seconds", "gauge", "Time since the start.");
    page.line("rolecall_uptime_seconds", &[], app.uptime.elapsed().as_secs_f64());
}

fn records(page: &mut Page, app: &App) {
    const NAME: &str = "rolecall_instances";
    page.family(NAME, "gauge", "What is registered, by standing: live, stale, or at rest.");
    for tally in bounded(app.registry.census()) {
        let numbers = [("live", tally.live), ("stale", tally.stale), ("resting", tally.resting)];
        for (standing, number) in numbers {
            let labels =
                [("namespace", &*tally.namespace), ("role", &*tally.role), ("standing", standing)];
            page.line(NAME, &labels, number);
        }
    }
}

/// At most so many roles a namespace, the greatest; all others as one. Roles are anybody's words,
/// and each is a series that Prometheus keeps.
fn bounded(tallies: Vec<Tally>) -> Vec<Tally> {
    let mut by_namespace: BTreeMap<Arc<str>, Vec<Tally>> = BTreeMap::new();
    for tally in tallies.into_iter().filter(|tally| !tally.namespace.starts_with('.')) {
        by_namespace.entry(Arc::clone(&tally.namespace)).or_default().push(tally);
    }
    let bound = |mut tallies: Vec<Tally>| {
        if tallies.len() > METRICS_ROLES_MAX {
            let size = |tally: &Tally| tally.live + tally.stale + tally.resting;
            tallies.sort_by_key(|tally| std::cmp::Reverse(size(tally)));
            let others = tallies.split_off(METRICS_ROLES_MAX);
            let sum = |of: fn(&Tally) -> usize| others.iter().map(of).sum();
            tallies.push(Tally {
                namespace: Arc::clone(&others[0].namespace),
                role: "(others)".into(),
                live: sum(|tally| tally.live),
                stale: sum(|tally| tally.stale),
                resting: sum(|tally| tally.resting),
            });
        }
        tallies
    };
    by_namespace.into_values().flat_map(bound).collect()
}

fn registry(page: &mut Page, app: &App) {
    let registry = &app.registry;
    page.single("rolecall_revision", "gauge", "The latest change.", registry.revision().0);
    let help = "Heartbeats taken, batches counted one by one.";
    page.single("rolecall_heartbeats_total", "counter", help, registry.heartbeats());
    const CHANGES: &str = "rolecall_changes_total";
    page.family(CHANGES, "counter", "Changes by cause; lapsed and purged are expiries.");
    for (cause, number) in registry.changes() {
        page.line(CHANGES, &[("cause", cause.as_str())], number);
    }
    page.single("rolecall_watchers", "gauge", "Watchers, streams and polls.", registry.watchers());
    let help = "Changes that the slowest watcher has not taken yet.";
    page.single("rolecall_watch_lag_revisions", "gauge", help, registry.watcher_lag());
}

fn store(page: &mut Page, app: &App) {
    const NAME: &str = "rolecall_store_commit_seconds";
    let timing = &app.metrics.timing;
    page.family(NAME, "histogram", "How long the store took for one batch of writes.");
    let cumulated = timing.cumulated();
    for (bound, number) in &cumulated {
        page.line(&format!("{NAME}_bucket"), &[("le", bound)], number);
    }
    page.line(&format!("{NAME}_sum"), &[], timing.seconds());
    let count = cumulated.last().map_or(0, |(_, number)| *number);
    page.line(&format!("{NAME}_count"), &[], count);
    let writes = timing.writes.load(Ordering::Relaxed);
    page.single("rolecall_store_writes_total", "counter", "Writes asked of the store.", writes);
    let failures = timing.failures.load(Ordering::Relaxed);
    let help = "Batches that the store did not take.";
    page.single("rolecall_store_failures_total", "counter", help, failures);
}

fn snapshots(page: &mut Page, app: &App) {
    let saved = app.snapshots.saved.load(Ordering::Relaxed);
    let help = "Snapshots saved to the snapshot directory since the start.";
    page.single("rolecall_snapshots_total", "counter", help, saved);
    let failed = app.snapshots.failed.load(Ordering::Relaxed);
    let help = "Snapshots that could not be saved.";
    page.single("rolecall_snapshot_failures_total", "counter", help, failed);
    let latest = Duration::from_millis(app.snapshots.latest.load(Ordering::Relaxed).max(0) as u64);
    let help = "When the latest was taken, since 1970; 0 before the first since the start.";
    page.single("rolecall_snapshot_timestamp_seconds", "gauge", help, latest.as_secs_f64());
}

fn requests(page: &mut Page, app: &App) {
    const NAME: &str = "rolecall_requests_total";
    page.family(NAME, "counter", "Answers by route and status.");
    for (route, status, number) in app.metrics.counted() {
        let labels = [("route", route.label()), ("status", &*status.to_string())];
        page.line(NAME, &labels, number);
    }
    let abandoned = app.metrics.abandoned.load(Ordering::Relaxed);
    let help = "Requests without an answer: too late, panicked, or the client hung up.";
    page.single("rolecall_requests_abandoned_total", "counter", help, abandoned);
    let connections = app.lifecycle.watchers();
    page.single("rolecall_connections", "gauge", "Open connections and streams.", connections);
}

// === impl Page ===

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let text = format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n").to_string();
        self.0.push_str(&text);
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, number: impl Display) {
        self.family(name, kind, help);
        self.line(name, &[], number);
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], number: impl Display) {
        self.0.push_str(name);
        for (place, (label, value)) in labels.iter().enumerate() {
            self.0.push(if place == 0 { '{' } else { ',' });
            self.0.push_str(label);
            self.0.push_str("=\"");
            for character in value.chars() {
                match character {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        writeln!(self.0, " {number}").expect("a string takes text");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_its_line() {
        let mut page = Page(String::new());
        page.line("name", &[("role", "a\"b\\c\nd"), ("x", "")], 1.5);
        assert_eq!(page.0, "name{role=\"a\\\"b\\\\c\\nd\",x=\"\"} 1.5\n");
    }

    #[test]
    fn a_namespace_with_very_many_roles_shows_the_greatest() {
        let tally = |role: usize| Tally {
            namespace: "default".into(),
            role: role.to_string().into(),
            live: role,
            stale: 0,
            resting: 0,
        };
        let bounded = bounded((1..=METRICS_ROLES_MAX + 2).map(tally).collect());
        assert_eq!(bounded.len(), METRICS_ROLES_MAX + 1);
        assert_eq!(bounded[0].live, METRICS_ROLES_MAX + 2);
        let others = &bounded[METRICS_ROLES_MAX];
        assert_eq!((&*others.role, others.live), ("(others)", 3));
    }
}
