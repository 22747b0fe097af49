//! What the figures of all rounds come to: medians, how far they lie apart, and goals met or not.

use serde::Serialize;

use crate::contest::{Entry, FLOOR, FLOOR_ON_SLED, Sample};
use crate::population::Population;
use crate::work::{Goal, Work, grouped};

/// One row of the table: one server at one work.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) title: String,
    pub(crate) who: String,
    /// None if one answer was wrong: then there is no figure.
    pub(crate) figures: Option<Figures>,
    pub(crate) invalid: Option<String>,
    pub(crate) goal: Option<String>,
    pub(crate) is_met: Option<bool>,
    pub(crate) samples: Vec<Sample>,
}

/// Medians over the rounds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Figures {
    pub(crate) rate: f64,
    /// Half the way from the slowest round to the fastest, as a part of the median.
    pub(crate) spread: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cpu_us: Option<f64>,
    /// The rate as a part of the floor's: the median over the rounds of what each of them showed.
    pub(crate) of_floor: Option<f64>,
    /// The same of the floor on sled, where there is one.
    pub(crate) of_sled: Option<f64>,
    /// Processor time for each thing, in floors.
    pub(crate) cpu_of_floor: Option<f64>,
}

/// The rows of one work.
pub(crate) fn rows(work: Work, population: Population, entries: Vec<Entry>) -> Vec<Row> {
    let samples_of = |who: &str| {
        let found = entries.iter().find(|entry| entry.who == who && entry.invalid.is_none());
        found.map(|entry| entry.samples.clone())
    };
    let (floor, sled) = (samples_of(FLOOR), samples_of(FLOOR_ON_SLED));
    let row = |entry: Entry| {
        let is_valid = entry.invalid.is_none() && !entry.samples.is_empty();
        let figures = is_valid.then(|| figures(&entry.samples, floor.as_deref(), sled.as_deref()));
        let goal = work.goal(&entry.who);
        Row {
            work: work.name(),
            title: work.title(population),
            who: entry.who,
            figures,
            invalid: entry.invalid,
            goal: goal.map(|goal| said(goal, figures.as_ref())),
            is_met: goal.zip(figures).and_then(|(goal, figures)| is_met(goal, &figures)),
            samples: entry.samples,
        }
    };
    entries.into_iter().map(row).collect()
}

fn figures(samples: &[Sample], floor: Option<&[Sample]>, sled: Option<&[Sample]>) -> Figures {
    let of = |part: fn(&Sample) -> f64| median(samples.iter().map(part));
    let rates = || samples.iter().map(|sample| sample.rate);
    let (slowest, fastest) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    let rate = of(|sample| sample.rate);
    let cpu_us = samples.iter().all(|sample| sample.cpu_us.is_some());
    let cpu_us = cpu_us.then(|| of(|sample| sample.cpu_us.unwrap_or_default()));
    let rate_of = |others: &[Sample]| {
        median(samples.iter().zip(others).map(|(own, other)| own.rate / other.rate))
    };
    let pairs = samples.iter().zip(floor.unwrap_or_default());
    let cpu = pairs.filter_map(|(own, floor)| Some(own.cpu_us? / floor.cpu_us?));
    Figures {
        rate,
        spread: (fastest - slowest) / 2.0 / rate,
        p50_us: of(|sample| sample.p50_us),
        p99_us: of(|sample| sample.p99_us),
        cpu_us,
        of_floor: floor.map(rate_of),
        of_sled: sled.map(rate_of),
        cpu_of_floor: floor.and(cpu_us).map(|_| median(cpu)),
    }
}

/// The middle one, or the middle between the two of them.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn said(goal: Goal, figures: Option<&Figures>) -> String {
    match goal {
        Goal::OfSled(part) => {
            let is = figures.and_then(|figures| figures.of_sled);
            let is = is.map_or(String::new(), |is| format!(", is {is:.2}"));
            format!("≥ {part:.2} of floor on sled{is}")
        }
        Goal::OfFloor(part) => format!("≥ {part:.2}"),
        Goal::Items(rate) => format!("≥ {}/s", grouped(rate as usize)),
    }
}

fn is_met(goal: Goal, figures: &Figures) -> Option<bool> {
    match goal {
        Goal::OfFloor(part) => Some(figures.of_floor? >= part),
        Goal::OfSled(part) => Some(figures.of_sled? >= part),
        Goal::Items(rate) => Some(figures.rate >= rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::OURS;

    fn entry(who: &str, rates: &[f64]) -> Entry {
        let sample =
            |rate: &f64| Sample { rate: *rate, p50_us: 1.0, p99_us: 2.0, cpu_us: Some(8.0) };
        Entry { who: who.to_owned(), samples: rates.iter().map(sample).collect(), invalid: None }
    }

    #[test]
    fn a_ratio_is_that_of_the_middle_round_not_of_the_middle_figures() {
        // The machine was half as fast in the second round, for both.
        let entries = vec![entry(FLOOR, &[100.0, 50.0, 110.0]), entry(OURS, &[90.0, 45.0, 88.0])];
        let rows = rows(Work::DiscoverRare, Population { records: 1_000 }, entries);
        let figures = rows[1].figures.unwrap();
        assert!((figures.of_floor.unwrap() - 0.9).abs() < 1e-9, "{figures:?}");
        assert!((figures.spread - 45.0 / 2.0 / 88.0).abs() < 1e-9, "{figures:?}");
        assert_eq!((rows[1].is_met, rows[0].is_met), (Some(true), None));
    }

    #[test]
    fn an_invalid_row_has_no_figure_and_meets_nothing() {
        let mut ours = entry(OURS, &[90.0]);
        ours.invalid = Some("one answer of 500".to_owned());
        let entries = vec![entry(FLOOR, &[100.0]), ours];
        let rows = rows(Work::DiscoverRare, Population { records: 1_000 }, entries);
        assert!(rows[1].figures.is_none() && rows[1].is_met.is_none());
    }
}
