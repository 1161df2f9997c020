//! The tables.

use anyhow::{Context, Result};
use serde::Serialize;

use super::{NODES, NUMBERS, Point, plot};
use crate::args::GrowthArgs;
use crate::report::{circumstances, print, replace, thousands};

/// The section of documents that this writes.
const SECTION: &str = "growth";
/// Replicas of each number, where there are as many nodes.
const REPLICAS: usize = 3;

#[derive(Serialize)]
struct Figures<'a> {
    circumstances: String,
    by_numbers: &'a [Point],
    by_nodes: &'a [Point],
}

/// Prints the tables, and writes the files that were asked for.
pub fn write(args: &GrowthArgs, by_numbers: &[Point], by_nodes: &[Point]) -> Result<()> {
    let circumstances = circumstances();
    let section = format!(
        "{circumstances}\n\nEver more numbers on {NODES} nodes, each of which holds all of them:\n\n{}\nEver more nodes with {} numbers:\n\n{}",
        table(by_numbers, |point| thousands(point.numbers as f64), "numbers"),
        thousands(NUMBERS as f64),
        table(by_nodes, |point| point.nodes.to_string(), "nodes"),
    );
    print(&section);
    if let Some(path) = &args.json {
        let figures = Figures { circumstances, by_numbers, by_nodes };
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, plot::svg(by_numbers, by_nodes)).with_context(|| format!("write {}", path.display()))?;
    }
    match &args.markdown {
        Some(path) => replace(path, SECTION, &section),
        None => Ok(()),
    }
}

fn table(points: &[Point], of: impl Fn(&Point) -> String, what: &str) -> String {
    let works: Vec<&str> =
        points.first().map_or_else(Vec::new, |point| point.checks.iter().map(|cost| cost.work).collect());
    let costs: String = works.iter().map(|work| format!(" {work}: router, nodes |")).collect();
    let mut text = format!(
        "| {what} | import | million/s | restart | a node's memory | bytes a number held | its peak | its disk | router's peak | idle: router, nodes |{costs}\n"
    );
    text.push_str(&"| --- ".repeat(10 + works.len()));
    text.push_str("|\n");
    for point in points {
        let costs: String =
            point.checks.iter().map(|cost| format!(" {:.2}, {:.2} µs |", cost.router_us, cost.nodes_us)).collect();
        text.push_str(&format!(
            "| {} | {:.1} s | {:.1} | {:.1} s | {} MB | {:.2} | {} MB | {} MB | {} MB | {:.0} %, {:.0} % |{costs}\n",
            of(point),
            point.import_s,
            point.numbers as f64 / point.import_s / 1e6,
            point.restart_s,
            point.node.memory / 1_000_000,
            point.bytes_a_number(),
            point.node.peak / 1_000_000,
            point.node.disk / 1_000_000,
            point.router.peak / 1_000_000,
            point.router_idle * 100.0,
            point.nodes_idle * 100.0,
        ));
    }
    text
}

// === impl Point ===

impl Point {
    /// Resident memory of all nodes for each number that they hold, but for what they take without any.
    fn bytes_a_number(&self) -> f64 {
        let held = self.numbers as f64 * self.nodes.min(REPLICAS) as f64;
        self.node.memory_of_all.saturating_sub(self.node_empty * self.nodes as u64) as f64 / held
    }
}
