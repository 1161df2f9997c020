//! What came out: on the terminal, as JSON, and as a section of a document.

use std::fmt::{Display, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Args;
use crate::measure::{Rate, median};
use crate::rounds::Peer;

/// The section of documents between `<!-- bench-compare -->` and `<!-- /bench-compare -->`.
const SECTION: &str = "bench-compare";

/// The rounds of one work.
pub struct Measured {
    work: &'static str,
    what: &'static str,
    /// Of the cluster.
    pub ours: Vec<Rate>,
    names: Vec<&'static str>,
    /// Of each that it is compared with.
    pub peers: Vec<Vec<Rate>>,
}

/// What the numbers take in each system, bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Memory {
    /// Resident memory of all processes of the cluster.
    pub ours: u64,
    /// One set in Redis.
    pub redis: u64,
    /// Sets of one block each in Redis.
    pub redis_small_sets: u64,
    /// The table and its index in PostgreSQL.
    pub postgres: u64,
}

#[derive(Serialize)]
struct Figures {
    rows: Vec<Row>,
    memory_bytes: Memory,
    machine: String,
    note: String,
    date: String,
    commit: String,
    versions: Vec<String>,
    numbers: u64,
    nodes: u32,
    rounds: u32,
    seconds: f64,
}

/// One work against one other system; without one, of the cluster alone.
#[derive(Serialize)]
struct Row {
    work: &'static str,
    #[serde(skip)]
    what: &'static str,
    ours: f64,
    peer: Option<f64>,
    peer_name: Option<&'static str>,
    ratio: Option<f64>,
    unit: &'static str,
    ours_p50_us: f64,
    ours_p99_us: f64,
    peer_p50_us: Option<f64>,
    peer_p99_us: Option<f64>,
}

/// Says how far it is.
#[allow(clippy::print_stderr, reason = "whoever started it looks there")]
pub fn say(what: impl Display) {
    eprintln!("{what}");
}

/// Prints the table, and writes the files that were asked for.
pub fn write(args: &Args, measured: &[Measured], memory: &Memory) -> Result<()> {
    let figures = Figures {
        rows: measured.iter().flat_map(Measured::rows).collect(),
        memory_bytes: *memory,
        machine: machine(),
        note: args.note.clone(),
        date: dnc_tests::numbers::today().to_string(),
        commit: commit(),
        versions: versions(),
        numbers: args.numbers,
        nodes: args.nodes,
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let section = section(&figures);
    print(&section);
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&figures)? + "\n";
        std::fs::write(path, text).with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(path) = &args.markdown {
        replace(path, SECTION, &section)?;
    }
    Ok(())
}

/// Prints what was asked for.
#[allow(clippy::print_stdout, reason = "it is what was asked for")]
pub fn print(text: &str) {
    println!("{text}");
}

fn section(figures: &Figures) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(format!(
        "{} numbers, half of the checks hits; medians of {} rounds of {} s; {} node{}. {}, commit {}, {}.{}",
        thousands(figures.numbers as f64),
        figures.rounds,
        figures.seconds,
        figures.nodes,
        if figures.nodes == 1 { "" } else { "s" },
        figures.date,
        figures.commit,
        figures.machine,
        if figures.note.is_empty() { String::new() } else { format!(" {}.", figures.note) },
    ));
    line(format!("{}.", figures.versions.join(", ")));
    line(String::new());
    line("| work | numbers/s | p50 | p99 | compared with | numbers/s | p50 | p99 | ratio |".into());
    line("| --- | --- | --- | --- | --- | --- | --- | --- | --- |".into());
    for row in &figures.rows {
        let ours = format!("{} | {} | {}", thousands(row.ours), time(row.ours_p50_us), time(row.ours_p99_us));
        let peer = match (row.peer_name, row.peer, row.peer_p50_us, row.peer_p99_us, row.ratio) {
            (Some(name), Some(rate), Some(p50), Some(p99), Some(ratio)) => {
                format!("{name} | {} | {} | {} | {ratio:.2}", thousands(rate), time(p50), time(p99))
            }
            _ => " | | | | ".into(),
        };
        line(format!("| {} | {ours} | {peer} |", row.what));
    }
    let memory = &figures.memory_bytes;
    let each = |bytes: u64| bytes as f64 / figures.numbers as f64;
    line(String::new());
    line(format!("Resident memory of all processes of the cluster: {:.1} bytes a number.", each(memory.ours)));
    if memory.redis > 0 {
        line(format!(
            "Redis: {:.1} in one set, {:.1} in small ones. PostgreSQL, table and index: {:.1}.",
            each(memory.redis),
            each(memory.redis_small_sets),
            each(memory.postgres)
        ));
    }
    text
}

/// Puts a section between its marks.
pub fn replace(path: &Path, name: &str, section: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let replaced = || -> Result<()> {
        let text = std::fs::read_to_string(path)?;
        let (before, rest) = text.split_once(&begin).with_context(|| format!("there is no line {begin}"))?;
        let (_, after) = rest.split_once(&end).with_context(|| format!("there is no line {end}"))?;
        Ok(std::fs::write(path, format!("{before}{begin}\n\n{section}\n{end}{after}"))?)
    };
    replaced().with_context(|| format!("write {}", path.display()))
}

/// When, of what and on what something was measured.
pub fn circumstances() -> String {
    format!("{}, commit {}, {}.", dnc_tests::numbers::today(), commit(), machine())
}

/// A number with commas.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn time(us: f64) -> String {
    if us < 1_000.0 { format!("{us:.0} µs") } else { format!("{:.1} ms", us / 1_000.0) }
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models: Vec<&str> = cpus.lines().filter_map(|line| line.strip_prefix("model name")).collect();
    let model = models.first().map_or("unknown processor", |model| model.trim_start_matches([' ', '\t', ':']));
    let memory = read("/proc/meminfo");
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse().ok())
        .unwrap_or_default();
    format!("{} cores of {model}, {} GiB", models.len(), kib >> 20)
}

fn commit() -> String {
    let git = |arguments: &[&str]| said("git", arguments);
    match git(&["rev-parse", "--short=12", "HEAD"]) {
        Some(commit)
            if git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| !changes.is_empty()) =>
        {
            format!("{commit} with changes")
        }
        Some(commit) => commit,
        None => "unknown".into(),
    }
}

fn versions() -> Vec<String> {
    let redis = said("redis-server", &["--version"])
        .and_then(|text| Some(text.split("v=").nth(1)?.split(' ').next()?.to_owned()));
    let postgres = said("psql", &["--version"]).and_then(|text| Some(text.split(' ').nth(2)?.to_owned()));
    [("Redis", redis), ("PostgreSQL", postgres)]
        .into_iter()
        .map(|(name, version)| format!("{name} {}", version.unwrap_or_else(|| "not there".into())))
        .collect()
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let said = Command::new(program).args(arguments).output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

// === impl Measured ===

impl Measured {
    /// Nothing measured yet.
    pub fn new(work: &'static str, what: &'static str, peers: &[Peer]) -> Self {
        let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
        Self { work, what, ours: Vec::new(), peers: names.iter().map(|_| Vec::new()).collect(), names }
    }

    /// The last round, in a line.
    pub fn last(&self) -> String {
        let shown = |rate: Option<&Rate>| rate.map_or_else(|| "-".into(), |rate| thousands(rate.per_second));
        let mut text = format!("{} {}", self.work, shown(self.ours.last()));
        for (name, rates) in self.names.iter().zip(&self.peers) {
            write!(text, ", {name} {}", shown(rates.last())).expect("a string takes all");
        }
        text
    }

    fn rows(&self) -> Vec<Row> {
        let of = |rates: &[Rate], what: fn(&Rate) -> f64| median(rates.iter().map(what));
        let ours = of(&self.ours, |rate| rate.per_second);
        let row = |peer: Option<(&'static str, &[Rate])>| {
            let rate = peer.map(|(_, rates)| of(rates, |rate| rate.per_second));
            Row {
                work: self.work,
                what: self.what,
                ours,
                peer: rate,
                peer_name: peer.map(|(name, _)| name),
                ratio: rate.map(|rate| ours / rate),
                unit: "numbers/s",
                ours_p50_us: of(&self.ours, |rate| rate.p50_us),
                ours_p99_us: of(&self.ours, |rate| rate.p99_us),
                peer_p50_us: peer.map(|(_, rates)| of(rates, |rate| rate.p50_us)),
                peer_p99_us: peer.map(|(_, rates)| of(rates, |rate| rate.p99_us)),
            }
        };
        let measured = self.names.iter().copied().zip(&self.peers).filter(|(_, rates)| !rates.is_empty());
        let rows: Vec<Row> = measured.map(|(name, rates)| row(Some((name, rates)))).collect();
        if rows.is_empty() { vec![row(None)] } else { rows }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_replaces_the_one_before_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("doc.md");
        std::fs::write(&path, "a\n<!-- x -->\nold\n<!-- /x -->\nb\n").expect("written");
        for _ in 0..2 {
            replace(&path, "x", "new\n").expect("replaced");
        }
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "a\n<!-- x -->\n\nnew\n\n<!-- /x -->\nb\n");
        std::fs::write(&path, "no marks").expect("written");
        assert!(replace(&path, "x", "new").is_err());
    }

    #[test]
    fn figures_are_medians_and_ratios_of_medians() {
        let rate = |per_second| Rate { per_second, all: 0, p50_us: 1.0, p99_us: 2.0 };
        let mut measured = Measured::new("w", "what", &[]);
        measured.names = vec!["other"];
        measured.ours = [30.0, 10.0, 20.0].map(rate).into();
        measured.peers = vec![[5.0, 10.0, 15.0].map(rate).into()];
        let rows = measured.rows();
        assert_eq!((rows[0].ours, rows[0].peer, rows[0].ratio), (20.0, Some(10.0), Some(2.0)));
        measured.peers = vec![vec![]];
        assert_eq!(measured.rows()[0].ratio, None);
    }
}
