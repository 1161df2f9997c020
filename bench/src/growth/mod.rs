//! How cost grows with the numbers and with the nodes.
//!
//! Nothing is bound to a core here: servers and load share all of them, however many processes there are. What is compared is
//! therefore the time that routers and nodes kept a processor busy for each number, not how many numbers came out in a second.

mod plot;
mod report;

use std::time::{Duration, Instant};

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
    /// Share of a processor that all routers and all nodes take when nobody asks.
    router_idle: f64,
    nodes_idle: f64,
    checks: Vec<Cost>,
}

/// What one number costs in one work.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Cost {
    work: &'static str,
    /// Microseconds of a processor, of all routers and all nodes, but for what they take when nobody asks.
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
    // What an import leaves to be done is over then.
    let restart_s = ours.restart().await?.as_secs_f64();
    let node = Taken { peak: after_import.peak, disk: after_import.disk, ..ours.taken()?.0 };
    let before = ours.busy()?;
    // Nothing is waited for: what happens meanwhile by itself is measured.
    tokio::time::sleep(window).await;
    let idle = ours.busy()? - before;
    let mut drawn = Drawn::new(&list, SEED);
    let mut checks = Vec::new();
    for (work, how) in WORKS {
        let (before, begun) = (ours.busy()?, Instant::now());
        let rate = ours.ask(how, &mut drawn, window).await.with_context(|| format!("measure {work}"))?;
        let (busy, took) = (ours.busy()? - before, begun.elapsed());
        let us = |busy: Duration, idle: Duration| {
            let by_itself = idle.as_secs_f64() * took.as_secs_f64() / window.as_secs_f64();
            (busy.as_secs_f64() - by_itself) * 1e6 / rate.all as f64
        };
        let (router_us, nodes_us) = (us(busy.routers, idle.routers), us(busy.nodes, idle.nodes));
        checks.push(Cost { work, router_us, nodes_us });
    }
    let share = |idle: Duration| idle.as_secs_f64() / window.as_secs_f64();
    let (router_idle, nodes_idle) = (share(idle.routers), share(idle.nodes));
    ours.end()?;
    let point =
        Point { numbers, nodes, import_s, restart_s, node, router, node_empty, router_idle, nodes_idle, checks };
    crate::report::say(format_args!("{point:?}"));
    Ok(point)
}
