//! What was measured: rows with a goal, for people and for programs.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// One figure, beside what it is held against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    row: String,
    /// How many records, or watchers.
    size: usize,
    pub(crate) value: f64,
    unit: String,
    /// What the plain thing takes, in the same unit and the same run.
    baseline: Option<f64>,
    /// The value over the baseline.
    ratio: Option<f64>,
    goal: Option<String>,
    met: Option<bool>,
}

// === impl Row ===

impl Row {
    pub(crate) fn new(row: &str, size: usize, value: f64, unit: &str) -> Self {
        assert!(value.is_finite(), "{row} of {size} is {value}");
        let (row, unit) = (row.to_owned(), unit.to_owned());
        Self { row, size, value, unit, baseline: None, ratio: None, goal: None, met: None }
    }

    pub(crate) fn beside(self, baseline: f64) -> Self {
        Self { baseline: Some(baseline), ratio: Some(self.value / baseline), ..self }
    }

    pub(crate) fn at_most(self, goal: f64) -> Self {
        let (met, goal) = (self.value <= goal, format!("<= {goal} {}", self.unit));
        self.judged(goal, met)
    }

    pub(crate) fn at_least(self, goal: f64) -> Self {
        let (met, goal) = (self.value >= goal, format!(">= {goal} {}", self.unit));
        self.judged(goal, met)
    }

    pub(crate) fn ratio_at_most(self, goal: f64) -> Self {
        let ratio = self.ratio.expect("there is a baseline");
        self.judged(format!("ratio <= {goal}"), ratio <= goal)
    }

    pub(crate) fn ratio_at_least(self, goal: f64) -> Self {
        let ratio = self.ratio.expect("there is a baseline");
        self.judged(format!("ratio >= {goal}"), ratio >= goal)
    }

    fn judged(self, goal: String, met: bool) -> Self {
        Self { goal: Some(goal), met: Some(met), ..self }
    }
}

// === what is done with rows ===

pub(crate) fn print(rows: &[Row]) {
    let headings = ["what", "of", "value", "", "beside", "ratio", "goal", "met"];
    let mut lines = vec![headings.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| {
        let or_nothing = |value: Option<f64>| value.map(figure).unwrap_or_default();
        [
            row.row.clone(),
            row.size.to_string(),
            figure(row.value),
            row.unit.clone(),
            or_nothing(row.baseline),
            or_nothing(row.ratio),
            row.goal.clone().unwrap_or_default(),
            row.met.map(|met| if met { "yes" } else { "NO" }).unwrap_or_default().to_owned(),
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: [usize; 8] = std::array::from_fn(width);
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// Three digits that say something.
fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Writes the rows where other programs look for them.
pub(crate) fn write(rows: &[Row], path: &Path) {
    let directory = path.parent().expect("it is a file in a directory");
    std::fs::create_dir_all(directory).expect("the target directory can be written to");
    let text = serde_json::to_vec_pretty(rows).expect("rows are plain data");
    std::fs::write(path, text).expect("the target directory can be written to");
}

pub(crate) fn to_json(rows: &[Row]) -> String {
    serde_json::to_string(rows).expect("rows are plain data")
}

pub(crate) fn from_json(text: &[u8]) -> Vec<Row> {
    serde_json::from_slice(text).expect("a process of this program writes rows")
}
