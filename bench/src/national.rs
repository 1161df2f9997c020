//! The life of the whole national registry on three replicas that share this machine: time, memory and disk of each event.

use std::time::Duration;

use anyhow::{Context, Result};
use dnc_core::generate::NationalList;
use dnc_proto::v1;
use dnc_tests::cluster::Size;

use crate::args::NationalArgs;
use crate::drawn::Drawn;
use crate::lists;
use crate::ours::{How, Ours};
use crate::report::{self, thousands};

/// The section of documents that this writes.
const SECTION: &str = "national";
/// Seed of everything.
const SEED: u64 = 1;
/// Lines of the change list: what a busy day brings.
const CHANGES: u64 = 50_000;
/// How long checks are measured.
const WINDOW: Duration = Duration::from_secs(5);

/// Lives it through, and reports.
pub async fn run(args: &NationalArgs) -> Result<()> {
    let list = NationalList::new(SEED, args.numbers).context("read --numbers")?;
    let folder = tempfile::Builder::new().prefix("dnc-bench-").tempdir()?;
    let file = folder.path().join("list.txt");
    let mut ours = Ours::of(Size { meta: 3, nodes: 3, routers: 1 }).await.context("start the cluster")?;
    let mut lines = Vec::new();
    let mut note = |ours: &Ours, what: &str, took: Duration, more: String| -> Result<()> {
        let (node, router) = ours.taken()?;
        let line = format!(
            "| {what} | {:.1} s | {more} | {} | {} | {} | {} |",
            took.as_secs_f64(),
            mb(node.memory),
            mb(node.peak),
            mb(node.disk),
            mb(router.peak)
        );
        report::say(&line);
        lines.push(line);
        Ok(())
    };
    let rate = |took: Duration| format!("{:.1} million/s", args.numbers as f64 / took.as_secs_f64() / 1e6);
    lists::whole(&list, &file)?;
    let took = ours.load(&file).await?;
    note(&ours, "the whole list, imported and active", took, rate(took))?;
    let asked = checks(&ours, &list).await?;
    lists::changed(&list, SEED, &file)?;
    let took = ours.load(&file).await?;
    note(&ours, "a second list with 1 % changes, active", took, rate(took))?;
    lists::changes(&list, SEED, CHANGES, &file)?;
    let header = v1::ImportHeader { format: "change".into(), covers_everywhere: true, ..v1::ImportHeader::default() };
    let took = ours.import(header, &file).await?;
    note(&ours, "a change list, active", took, format!("{} changes", thousands(CHANGES as f64)))?;
    let took = ours.restart().await?;
    note(&ours, "all processes restarted, until all serve", took, String::new())?;
    let took = ours.lose_node(0).await?;
    note(&ours, "a node lost, and all of it on an empty one", took, String::new())?;
    ours.end()?;
    let mut section = format!("{} numbers. {}\n\n", thousands(args.numbers as f64), report::circumstances());
    section.push_str("| what | time | rate | a node's memory | its peak | its disk | the router's peak |\n| --- | --- | --- | --- | --- | --- | --- |\n");
    lines.iter().for_each(|line| section.push_str(&format!("{line}\n")));
    section.push_str(&format!("\nChecks after the first import, servers and load on the same cores: {asked}.\n"));
    report::print(&section);
    match &args.markdown {
        Some(path) => report::replace(path, SECTION, &section),
        None => Ok(()),
    }
}

async fn checks(ours: &Ours, list: &NationalList) -> Result<String> {
    let mut drawn = Drawn::new(list, SEED);
    let mut said = Vec::new();
    for (what, how) in [
        ("packed bulks of 1,000", How::Packed(1_000)),
        ("one number a call, 64 at a time", How::Unary(16)),
        ("one after the other", How::Idle),
    ] {
        let rate = ours.ask(how, &mut drawn, WINDOW).await.with_context(|| format!("measure {what}"))?;
        let (p50, p99) = (rate.p50_us, rate.p99_us);
        said.push(format!("{what} {} numbers/s (p50 {p50:.0} µs, p99 {p99:.0} µs)", thousands(rate.per_second)));
    }
    Ok(said.join("; "))
}

fn mb(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / 1e6)
}
