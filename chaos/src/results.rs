//! What a run leaves behind: `verdict.json`, `history.jsonl` and `report.html`, all in one folder.

use std::fmt;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use dnc_tests::history::{Event, Moment, Operation};
use serde::Serialize;
use serde_json::json;

use crate::figures::Second;
use crate::page;
use crate::plan::{Act, Cast};
use crate::verdict::{Figures, Outcome, Verdict};
use crate::world::command::run;

/// Everything that is told of a run.
#[derive(Debug, Serialize)]
pub struct Results {
    /// What was done.
    pub scenario: String,
    /// What it shows if it ends well.
    pub proves: &'static str,
    /// What decided all that is left to chance.
    pub seed: u64,
    /// How long it was to be.
    pub minutes: f64,
    /// The bug that was planted, if there was one.
    pub planted: Option<&'static str>,
    /// The state of the source that it was run from.
    pub commit: String,
    /// What it has shown.
    pub verdict: Verdict,
    /// What else is told of it.
    pub figures: Figures,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Second by second; for the page alone.
    #[serde(skip)]
    pub seconds: Vec<Second>,
    /// All that the clients saw; a file of its own.
    #[serde(skip)]
    pub events: Vec<Event>,
}

/// One act that was performed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// In which round, from 0.
    pub round: usize,
    /// What was done.
    pub act: String,
    /// When it began, seconds since the history began.
    pub from_s: f64,
    /// When it was done.
    pub until_s: f64,
}

// === impl Step ===

impl Step {
    /// An act with those who played in it.
    pub fn new(round: usize, act: &Act, cast: &Cast, from: Moment, until: Moment) -> Step {
        let seconds = |moment: Moment| moment.since(Moment(0)).as_secs_f64();
        Step { round, act: act.told(cast), from_s: seconds(from), until_s: seconds(until) }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.until_s - self.from_s;
        write!(f, "{:6.1} s  round {}: {} ({took:.1} s)", self.from_s, self.round + 1, self.act)
    }
}

// === impl Results ===

impl Results {
    /// Writes the three files.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let verdict = serde_json::to_vec_pretty(self).context("encode the verdict")?;
        fs::write(folder.join("verdict.json"), verdict).context("write the verdict")?;
        self.write_history(&folder.join("history.jsonl")).context("write the history")?;
        fs::write(folder.join("report.html"), page::page(self)).context("write the report")
    }

    /// One operation a line. The numbers are made up.
    fn write_history(&self, path: &Path) -> Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for event in &self.events {
            let (operation, result) = match &event.operation {
                Operation::Check(Ok(verdict)) => ("check", format!("{verdict:?}")),
                Operation::Check(Err(error)) => ("check", format!("error: {error}")),
                Operation::Suppress(outcome) => ("suppress", format!("{outcome:?}")),
                Operation::Release(outcome) => ("release", format!("{outcome:?}")),
            };
            let line = json!({
                "client": event.client,
                "number": event.number.to_string(),
                "from_ns": event.started.0,
                "until_ns": event.ended.0,
                "operation": operation,
                "result": result,
            });
            writeln!(file, "{line}")?;
        }
        Ok(file.flush()?)
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verdict, figures) = (&self.verdict, &self.figures);
        for promise in &verdict.promises {
            writeln!(f, "  {:<46} looked at {:>7} times, broken {}", promise.promise, promise.checked, promise.broken)?;
        }
        writeln!(
            f,
            "  {} suppressions, {} releases, {} writes of unknown outcome; {} checks failed by design",
            figures.suppressed, figures.released, figures.unknown, verdict.failed_by_design
        )?;
        let (during, calm) = (&figures.during, &figures.undisturbed);
        writeln!(
            f,
            "  p99.9 {} ms during the fault ({} calls, slowest {} ms), {} ms undisturbed ({} calls); longest time without a write {:.1} s",
            during.p999_ms, during.checks, during.max_ms, calm.p999_ms, calm.checks, figures.longest_without_writes_s
        )?;
        let healed: Vec<String> = figures.healed_s.iter().map(|seconds| format!("{seconds:.1}")).collect();
        writeln!(f, "  whole again after {} s", healed.join(", "))?;
        for broken in verdict.broken.iter().take(5) {
            writeln!(f, "  {broken}")?;
        }
        let why = verdict.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let word = match verdict.outcome {
            Outcome::Held => "HELD",
            Outcome::Broken => "BROKEN",
            Outcome::NotTried => "NOT TRIED",
        };
        write!(f, "  {word} {} (seed {}, commit {}){why}", self.scenario, self.seed, self.commit)
    }
}

/// The commit of the source tree, and whether it has changed since; `unknown` without one.
pub fn commit() -> String {
    let git = |arguments: &[&str]| run("git", &[&["-C", env!("CARGO_MANIFEST_DIR")], arguments].concat());
    let Ok(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".into() };
    let changed = git(&["status", "--porcelain"]).is_ok_and(|changes| !changes.trim().is_empty());
    format!("{}{}", commit.trim(), if changed { " with changes" } else { "" })
}
