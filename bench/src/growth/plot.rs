//! The plot: what a number costs, by the length of the list and by the nodes, as SVG. Pure.

use std::fmt::Write;

use super::Point;

/// A panel's plotting area, and the room around it.
const WIDTH: f64 = 340.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 60.0;
/// Colours of the lines that a panel may have.
const COLOURS: [&str; 4] = ["#1b6ca8", "#c05621", "#2f855a", "#6b46c1"];

/// One line of a panel.
struct Line {
    name: &'static str,
    /// Across and up.
    at: Vec<(f64, f64)>,
}

/// One panel.
struct Panel {
    title: &'static str,
    across: &'static str,
    /// Whether the way across is by factors.
    by_factors: bool,
    lines: Vec<Line>,
}

/// All panels in one picture.
pub fn svg(by_numbers: &[Point], by_nodes: &[Point]) -> String {
    let millions: fn(&Point) -> f64 = |point| point.numbers as f64 / 1e6;
    let nodes: fn(&Point) -> f64 = |point| point.nodes as f64;
    let one = |name, up: fn(&Point) -> f64| {
        vec![Line { name, at: by_numbers.iter().map(|point| (millions(point), up(point))).collect() }]
    };
    let many: &[&str] = &["packed", "stream"];
    let single: &[&str] = &["unary"];
    let cost = |points, across: fn(&Point) -> f64, name, by_factors, works| Panel {
        title: "processor time a number, µs",
        across: name,
        by_factors,
        lines: costs(points, across, works),
    };
    let grows = |title, lines| Panel { title, across: "million numbers", by_factors: false, lines };
    let panels = [
        cost(by_numbers, millions, "million numbers", true, many),
        cost(by_numbers, millions, "million numbers", true, single),
        cost(by_nodes, nodes, "nodes", false, many),
        cost(by_nodes, nodes, "nodes", false, single),
        grows("memory of a node, MB", one("resident", |point| point.node.memory as f64 / 1e6)),
        grows("import to acknowledgement, s", one("three replicas", |point| point.import_s)),
    ];
    let (wide, high) = (WIDTH + 2.0 * MARGIN, HEIGHT + 2.0 * MARGIN);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        2.0 * wide,
        3.0 * high
    );
    for (at, panel) in panels.iter().enumerate() {
        let (left, top) = ((at % 2) as f64 * wide + MARGIN, (at / 2) as f64 * high + MARGIN);
        put(&mut text, format_args!("<g transform=\"translate({left},{top})\">"));
        panel.draw(&mut text);
        put(&mut text, format_args!("</g>"));
    }
    text.push_str("</svg>\n");
    text
}

/// A line for each of these works: what routers and nodes take together.
fn costs(points: &[Point], across: fn(&Point) -> f64, works: &[&'static str]) -> Vec<Line> {
    let of = |work: &str, point: &Point| {
        let cost = point.checks.iter().find(|cost| cost.work == work)?;
        Some((across(point), cost.router_us + cost.nodes_us))
    };
    works
        .iter()
        .map(|work| Line { name: work, at: points.iter().filter_map(|point| of(work, point)).collect() })
        .collect()
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a string takes all");
}

/// A round number that is not less.
fn round_up(value: f64) -> f64 {
    let unit = 10f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|step| step * unit).find(|round| *round >= value).unwrap_or(value)
}

/// Without what the last bits of a fraction are off by.
fn shown(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

// === impl Panel ===

impl Panel {
    fn draw(&self, text: &mut String) {
        let all = || self.lines.iter().flat_map(|line| &line.at);
        let scale = |across: f64| if self.by_factors { across.ln() } else { across };
        let first = if self.by_factors { all().map(|(x, _)| scale(*x)).fold(f64::INFINITY, f64::min) } else { 0.0 };
        let last = all().map(|(x, _)| scale(*x)).fold(f64::NEG_INFINITY, f64::max);
        let most = round_up(all().map(|(_, y)| *y).fold(0.0, f64::max));
        let x = |across: f64| WIDTH * (scale(across) - first) / (last - first).max(f64::MIN_POSITIVE);
        let y = |up: f64| HEIGHT * (1.0 - up / most);
        put(text, format_args!("<text x=\"0\" y=\"-12\" font-weight=\"bold\">{}</text>", self.title));
        for step in 0..=4 {
            let up = most * f64::from(step) / 4.0;
            put(
                text,
                format_args!("<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#ddd\"/>", y(up)),
            );
            put(text, format_args!("<text x=\"-6\" y=\"{:.1}\" text-anchor=\"end\">{}</text>", y(up) + 4.0, shown(up)));
        }
        for (across, _) in self.lines.first().map_or(&[][..], |line| &line.at) {
            let at = x(*across);
            put(
                text,
                format_args!("<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{across}</text>", HEIGHT + 16.0),
            );
        }
        let (middle, below) = (WIDTH / 2.0, HEIGHT + 34.0);
        put(text, format_args!("<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", self.across));
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points: Vec<String> =
                line.at.iter().map(|(across, up)| format!("{:.1},{:.1}", x(*across), y(*up))).collect();
            let way = points.join(" ");
            put(
                text,
                format_args!("<polyline points=\"{way}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"),
            );
            for (across, up) in &line.at {
                put(
                    text,
                    format_args!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(*across), y(*up)),
                );
            }
            if let Some((across, up)) = line.at.last() {
                let (at, up) = (x(*across), y(*up) - 7.0);
                put(
                    text,
                    format_args!(
                        "<text x=\"{at:.1}\" y=\"{up:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                        line.name
                    ),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::Cost;
    use crate::ours::Taken;

    fn point(numbers: u64, nodes: usize) -> Point {
        let cost = |work| Cost { work, router_us: 0.2, nodes_us: 0.1 };
        let node = Taken { memory: numbers, ..Taken::default() };
        Point {
            numbers,
            nodes,
            import_s: 1.0,
            restart_s: 1.0,
            node,
            router: node,
            node_empty: 0,
            router_idle: 0.0,
            nodes_idle: 0.0,
            checks: ["packed", "stream", "unary"].map(cost).into(),
        }
    }

    #[test]
    fn every_point_is_drawn_in_its_panels_and_nothing_outside_of_numbers() {
        let by_numbers = [point(1_000_000, 3), point(10_000_000, 3)];
        let svg = svg(&by_numbers, &[point(10_000_000, 1), point(10_000_000, 2), point(10_000_000, 3)]);
        assert_eq!(svg.matches("<circle").count(), 3 * 2 + 3 * 3 + 2 + 2);
        assert_eq!((svg.matches("<g ").count(), svg.matches("</g>").count()), (6, 6));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn an_axis_ends_at_a_round_number() {
        assert_eq!([0.3, 7.0, 10.0, 101.0].map(round_up), [0.5, 10.0, 10.0, 200.0]);
    }
}
