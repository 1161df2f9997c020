//! How cost grows with the numbers and with the nodes.
//!
//! Nothing is bound to a core here: servers and load share all of them, however many processes there are. What is compared is
//! therefore the time that routers and nodes kept a processor busy for each number, not how many numbers came out in a second.

mod plot;
mod report;

use std::time::Duration;

use anyhow::{Context, Result};
use dnc_core::generate::NationalList;

use crate::args::GrowthArgs;
use crate::drawn::Drawn;
use crate::lists;
use crate::ours::{How, Ours, Taken};

/// Seed of everything.
const SEED: u64 = 1;
/// Nodes while the numbers grow.
const NODES: usize = 3;
/// Numbers while the nodes grow.
const NUMBERS: u64 = 10_000_000;

/// What is asked.
const WORKS: [(&str, How); 3] =
    [("packed", How::Packed(1_000)), ("stream", How::Stream(256)), ("unary", How::Unary(16))];

/// What so many numbers on so many nodes cost.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Point {
    numbers: u64,
    nodes: usize,
    /// From the first byte of the list to the acknowledgement, seconds.
    import_s: f64,
    /// From the start of all processes until all of them serve, seconds.
    restart_s: f64,
    /// The node that takes most: its memory after a restart, its peak and disk after the import.
    node: Taken,
    /// After the import.
    router: Taken,
    /// Resident memory of nodes before there was any number, bytes.
    node_empty: u64,
    checks: Vec<Cost>,
}

/// What one number costs in one work.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Cost {
    work: &'static str,
    /// Microseconds of a processor, of all routers and all nodes.
    router_us: f64,
    nodes_us: f64,
}

/// Measures all points, and reports.
pub async fn run(args: &GrowthArgs) -> Result<()> {
    let window = Duration::from_secs_f64(args.seconds.clamp(0.5, 600.0));
    let mut by_numbers = Vec::new();
    for numbers in &args.sizes {
        by_numbers.push(point(*numbers, NODES, window).await.with_context(|| format!("measure {numbers} numbers"))?);
    }
    let mut by_nodes = Vec::new();
    for nodes in &args.nodes {
        by_nodes.push(point(NUMBERS, *nodes, window).await.with_context(|| format!("measure {nodes} nodes"))?);
    }
    report::write(args, &by_numbers, &by_nodes)
}

async fn point(numbers: u64, nodes: usize, window: Duration) -> Result<Point> {
    let list = NationalList::new(SEED, numbers).context("read --sizes")?;
    let folder = tempfile::Builder::new().prefix("dnc-bench-").tempdir()?;
    let file = folder.path().join("list.txt");
    lists::whole(&list, &file)?;
    let mut ours = Ours::start(nodes).await.context("start the cluster")?;
    let node_empty = ours.taken()?.0.memory;
    let import_s = ours.load(&file).await?.as_secs_f64();
    folder.close()?;
    let (after_import, router) = ours.taken()?;
    let mut drawn = Drawn::new(&list, SEED);
    let mut checks = Vec::new();
    for (work, how) in WORKS {
        let before = ours.busy()?;
        let rate = ours.ask(how, &mut drawn, window).await.with_context(|| format!("measure {work}"))?;
        let after = ours.busy()?;
        // The rate leaves the first tenth out; the processors' time does not.
        let asked = rate.per_second * window.as_secs_f64() * 1.1;
        let us = |busy: Duration| busy.as_secs_f64() * 1e6 / asked;
        checks.push(Cost {
            work,
            router_us: us(after.routers - before.routers),
            nodes_us: us(after.nodes - before.nodes),
        });
    }
    let restart_s = ours.restart().await?.as_secs_f64();
    // What it takes to serve; what an import takes besides shows at the peak.
    let node = Taken { memory: ours.taken()?.0.memory, ..after_import };
    ours.end()?;
    let point = Point { numbers, nodes, import_s, restart_s, node, router, node_empty, checks };
    crate::report::say(format_args!("{point:?}"));
    Ok(point)
}
