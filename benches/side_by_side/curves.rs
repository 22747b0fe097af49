//! Draws what criterion has measured in process: how each cost grows with what is registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rolecall_benches::plot::{Line, lines};
use serde_json::Value;

use crate::caller::Outcome;

/// Draws a picture for each group of measurements below `criterion` that were made at several
/// sizes; tells where they are.
pub(crate) fn draw(criterion: &Path, into: &Path) -> Outcome<Vec<PathBuf>> {
    let mut groups: BTreeMap<String, BTreeMap<String, Vec<(f64, f64)>>> = BTreeMap::new();
    let mut folders = vec![criterion.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .map_err(|error| format!("{}: {error}; run the benches first", folder.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|p| p.is_dir()) {
            if !path.ends_with("new") {
                folders.push(path);
            } else if let Some((group, line, point)) = measured(&path) {
                groups.entry(group).or_default().entry(line).or_default().push(point);
            }
        }
    }
    std::fs::create_dir_all(into)?;
    let mut drawn = Vec::new();
    for (group, found) in groups {
        let mut found: Vec<Line> =
            found.into_iter().map(|(label, points)| Line { label, points }).collect();
        for line in &mut found {
            line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = group.chars().map(plain).collect();
        let path = into.join(format!("{name}.svg"));
        let note = "time for one, over the number of records that are registered";
        std::fs::write(&path, lines(&group, note, &found))?;
        drawn.push(path);
    }
    Ok(drawn)
}

/// Group, line, and the size and nanoseconds of what criterion keeps in a folder; none if it was
/// not measured at a size.
fn measured(folder: &Path) -> Option<(String, String, (f64, f64))> {
    let read = |name| -> Option<Value> {
        serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
    };
    let (what, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let text = |name| what.get(name).and_then(Value::as_str).map(str::to_owned);
    let size = text("value_str")?.parse().ok()?;
    let ns = estimates.get("median")?.get("point_estimate")?.as_f64()?;
    let group = text("group_id")?;
    let line = text("function_id").unwrap_or_else(|| "each".to_owned());
    Some((group, line, (size, ns)))
}
