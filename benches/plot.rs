//! Pictures of figures, as SVG: bars for how servers compare, lines for how costs grow.

use std::fmt::Write as _;

/// Some bars that belong together.
#[derive(Debug, Clone)]
pub struct Group {
    /// What they are about.
    pub title: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar.
#[derive(Debug, Clone)]
pub struct Bar {
    /// Whose it is.
    pub label: String,
    /// How long it is; none if there is no figure.
    pub value: Option<f64>,
    /// Where it should reach.
    pub mark: Option<f64>,
    /// Whether it is the one that the picture is about.
    pub strong: bool,
}

/// One line of a picture of growth.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it shows.
    pub label: String,
    /// Size and cost, both above zero.
    pub points: Vec<(f64, f64)>,
}

/// The colours of lines, which also differ in lightness.
const COLOURS: [&str; 6] = ["#1f5fa8", "#c4572a", "#3f8f5b", "#8a5ca8", "#b8932c", "#5b6470"];

const WIDTH: f64 = 860.0;
const LEFT: f64 = 300.0;
const TOP: f64 = 64.0;
const BAR: f64 = 15.0;
const ROW: f64 = 19.0;
const GAP: f64 = 12.0;

/// Horizontal bars from zero, with a rule at one.
#[must_use]
pub fn bars(title: &str, note: &str, groups: &[Group]) -> String {
    let all = || groups.iter().flat_map(|group| &group.bars);
    let longest = all().filter_map(|bar| bar.value).fold(1.2, f64::max).min(3.0);
    let scale = (WIDTH - LEFT - 60.0) / longest;
    let height =
        TOP + groups.iter().map(|group| ROW * (group.bars.len() + 1) as f64 + GAP).sum::<f64>();
    let mut svg = begin(title, note, height);
    let one = LEFT + scale;
    let _ = writeln!(
        svg,
        r##"<line x1="{one}" y1="{}" x2="{one}" y2="{height}" stroke="#9aa3ad"/>"##,
        TOP - 8.0
    );
    let mut y = TOP;
    for group in groups {
        text(&mut svg, 16.0, y + 13.0, "start", "font-weight='bold'", &group.title);
        y += ROW;
        for bar in &group.bars {
            text(&mut svg, LEFT - 8.0, y + 12.0, "end", "", &bar.label);
            draw(&mut svg, bar, y, scale, longest);
            y += ROW;
        }
        y += GAP;
    }
    svg + "</svg>\n"
}

fn draw(svg: &mut String, bar: &Bar, y: f64, scale: f64, longest: f64) {
    let Some(value) = bar.value else {
        return text(svg, LEFT + 4.0, y + 12.0, "start", "fill='#b3261e'", "no figure");
    };
    let colour = if bar.strong { COLOURS[0] } else { "#b9c4d0" };
    // What is off the scale says so by its number.
    let length = value.min(longest) * scale;
    let _ = writeln!(
        svg,
        r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="{BAR}" fill="{colour}"/>"#
    );
    if let Some(mark) = bar.mark {
        let (x, end) = (LEFT + mark * scale, y + BAR + 3.0);
        let _ = writeln!(
            svg,
            r##"<path d="M{x:.1} {}V{end}" stroke="#b3261e" stroke-width="2"/>"##,
            y - 3.0
        );
    }
    text(svg, LEFT + length + 8.0, y + 12.0, "start", "", &format!("{value:.2}"));
}

/// Lines over sizes, both scales logarithmic: what does not grow is level.
#[must_use]
pub fn lines(title: &str, note: &str, lines: &[Line]) -> String {
    const BOTTOM: f64 = 360.0;
    let plotted = || lines.iter().flat_map(|line| &line.points);
    let decades = |of: fn(&(f64, f64)) -> f64| {
        let low = plotted().map(of).fold(f64::INFINITY, f64::min).log10().floor();
        let high = plotted().map(of).fold(0.0, f64::max).log10().ceil();
        (low, high.max(low + 1.0))
    };
    let (left, right) = (90.0, WIDTH - 250.0);
    let mut svg = begin(title, note, BOTTOM + 44.0);
    if plotted().next().is_none() {
        return svg + "</svg>\n";
    }
    let (sizes, costs) = (decades(|point| point.0), decades(|point| point.1));
    let part = |value: f64, (low, high): (f64, f64)| (value.log10() - low) / (high - low);
    let x = |size: f64| left + part(size, sizes) * (right - left);
    let y = |cost: f64| BOTTOM - part(cost, costs) * (BOTTOM - TOP);
    for decade in sizes.0 as i32..=sizes.1 as i32 {
        let (at, label) = (x(10_f64.powi(decade)), format!("1e{decade}"));
        rule(&mut svg, (at, TOP), (at, BOTTOM));
        text(&mut svg, at, BOTTOM + 18.0, "middle", "", &label);
    }
    for decade in costs.0 as i32..=costs.1 as i32 {
        let at = y(10_f64.powi(decade));
        rule(&mut svg, (left, at), (right, at));
        text(&mut svg, left - 8.0, at + 4.0, "end", "", &time(10_f64.powi(decade)));
    }
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(size, cost)| format!("{:.1},{:.1}", x(*size), y(*cost)))
            .collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            points.join(" ")
        );
        let (style, at) = (format!("fill='{colour}'"), TOP + 16.0 * (number + 1) as f64);
        text(&mut svg, right + 14.0, at, "start", &style, &line.label);
    }
    svg + "</svg>\n"
}

fn begin(title: &str, note: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\" \
         fill=\"#1c2127\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fcfcfa\"/>\n"
    );
    text(&mut svg, 16.0, 24.0, "start", "font-size='16' font-weight='bold'", title);
    text(&mut svg, 16.0, 43.0, "start", "fill='#5b6470'", note);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, style: &str, said: &str) {
    let said = said.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" {style}>{said}</text>"#
    );
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        svg,
        r##"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="#e3e5e8"/>"##,
        from.0, from.1, to.0, to.1
    );
}

/// Nanoseconds in the unit in which people would say them.
fn time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.0} s", ns / 1e9),
    }
}
