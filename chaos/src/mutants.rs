//! Does the suite find a bug that is there? Bugs are planted one by one, and the scenarios that should find them are run.
//!
//! A bug is found when a verdict says *broken*; a run that did not get so far says nothing. Each scenario that found one
//! is run without any bug too: it must hold then, or finding means nothing.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dnc_planted::Bug;
use dnc_tests::binary;
use serde::Serialize;

use crate::meanwhile::Meanwhile;
use crate::run::{self, run};
use crate::scenarios::{self, Scenario};
use crate::verdict::{Outcome, Verdict};
use crate::{results, say};

/// How long nothing is done before and after the rounds: these runs are not there to compare figures.
const CALM: Duration = Duration::from_secs(2);

/// How long a scenario is repeated, about.
const LENGTH: Duration = Duration::from_secs(15);

/// What is asked of a hunt.
pub struct Asked {
    /// One bug alone.
    pub bug: Option<String>,
    /// Seeds for each scenario, from 1 on.
    pub seeds: u64,
    /// Where the table goes, and a folder for each run.
    pub results: PathBuf,
    /// Whether the scenarios must hold without a bug.
    pub control: bool,
}

/// What came of one bug.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Its name.
    pub bug: &'static str,
    /// What it does.
    pub does: &'static str,
    /// Which scenario found it; nothing if none did.
    pub scenario: Option<&'static str>,
    /// The promises that were seen broken.
    pub broken: Vec<&'static str>,
    /// With how many seeds.
    pub seeds: u64,
    /// How long the run that found it took, seconds.
    pub seconds: f64,
}

/// A hunt: what was found, and which scenarios did not hold without a bug.
#[derive(Clone, Debug, Serialize)]
struct Hunt {
    commit: String,
    found: Vec<Found>,
    held: Vec<&'static str>,
    not_held: Vec<&'static str>,
}

/// What a bug does, and the scenarios that should find it.
fn prey(bug: Bug) -> (&'static str, &'static [&'static str]) {
    match bug {
        Bug::AcknowledgeBeforeSync => ("a log entry counts as on disk before it is", &["power-cut-in-burst"]),
        Bug::IgnoreLogTail => ("readers see only what is applied, not the log's tail", &["power-cut-in-burst"]),
        Bug::TailNotRebuilt => ("after a restart readers do not see the log's tail", &["power-cut-in-burst"]),
        Bug::AnswerFromOne => ("one replica's answer is enough", &["split"]),
        Bug::OldestLogCounts => {
            ("of a majority, the replica with the oldest log counts", &["kill-follower-without-leases"])
        }
        Bug::StaleMembership => ("the oldest membership that is named says who votes", &["moved-away"]),
        Bug::JudgeByOldCatalog => {
            ("a check is judged by an older catalog than a replica names", &["rule-while-router-cut-off"])
        }
        Bug::AnyExemptionLifts => {
            ("an exemption lifts though a replica knows of its end", &["exempt-while-node-killed-without-leases"])
        }
        Bug::RuleBeforeBarrier => ("a rule is acknowledged before its barrier", &["rule-while-shards-cut-off"]),
        Bug::ActivateUnsealed => ("a version is activated before all shards have sealed it", &["kill-follower"]),
        Bug::AnswerWithoutVersion => {
            ("a replica answers for a version that it does not have", &["back-with-old-list-without-leases"])
        }
        Bug::ForgetRequests => ("a repeated request is carried out again", &["late-repeats"]),
        Bug::RequestsNotReloaded => ("requests are forgotten in a restart", &["late-repeats"]),
        Bug::FilterMissesAdds => ("a filter that grows misses what is added meanwhile", &["crowd"]),
        Bug::FilterNotFilled => ("the filter is empty after a restart", &["power-cut"]),
        Bug::ReuseNodeId => ("a node that lost its data keeps its id", &["lost-volume-while-another-is-behind"]),
        Bug::LeaseNeverEnds => ("a leader answers alone after its lease", &["leader-cut-off-from-nodes"]),
        Bug::LeaseAcrossHandover => ("a leader answers alone while it hands over", &["handover-unheard"]),
        Bug::VotesTooSoon => {
            ("a restarted replica votes before what it owes is over", &["leader-half-cut-off-while-follower-restarts"])
        }
        Bug::RemovedReplicaStays => ("a replica that has moved away goes on", &["drain-while-another-is-killed"]),
    }
}

/// Hunts; writes `mutants.json` and `mutants.md`.
pub async fn hunt(asked: &Asked) -> Result<Outcome> {
    ensure_planted()?;
    let bugs = match &asked.bug {
        None => Bug::ALL.to_vec(),
        Some(name) => vec![Bug::named(name).with_context(|| format!("there is no bug {name}"))?],
    };
    let mut hunt = Hunt { commit: results::commit(), found: Vec::new(), held: Vec::new(), not_held: Vec::new() };
    for bug in bugs {
        hunt.found.push(look_for(asked, bug).await?);
        hunt.write(asked)?;
    }
    if asked.control {
        let used: BTreeSet<&str> = hunt.found.iter().filter_map(|found| found.scenario).collect();
        for scenario in used.into_iter().filter_map(scenarios::named) {
            let holds = once(asked, scenario, None, 1).await?.outcome == Outcome::Held;
            (if holds { &mut hunt.held } else { &mut hunt.not_held }).push(scenario.name);
            hunt.write(asked)?;
        }
    }
    say(&hunt.table());
    let all = hunt.not_held.is_empty() && hunt.found.iter().all(|found| found.scenario.is_some());
    Ok(if all { Outcome::Held } else { Outcome::Broken })
}

/// A binary without bugs takes no notice of the variable; one with them refuses a bug that there is not.
fn ensure_planted() -> Result<()> {
    let binary = binary::dnc()?;
    let mut command = Command::new(&binary);
    command.arg("--version").env(dnc_planted::VARIABLE, "no-such-bug").stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.status().with_context(|| format!("start {}", binary.display()))?;
    ensure!(!ended.success(), "{} holds no planted bugs: see `make chaos-mutants`", binary.display());
    Ok(())
}

/// Tries one scenario after the other, each with all seeds, until the bug is found.
async fn look_for(asked: &Asked, bug: Bug) -> Result<Found> {
    let (does, scenarios) = prey(bug);
    let mut found = Found { bug: bug.name(), does, scenario: None, broken: Vec::new(), seeds: 0, seconds: 0.0 };
    for name in scenarios {
        let scenario = scenarios::named(name).with_context(|| format!("there is no scenario {name}"))?;
        for seed in 1..=asked.seeds {
            let began = Instant::now();
            let verdict = once(asked, scenario, Some(bug), seed).await?;
            if verdict.outcome == Outcome::Broken {
                let broken = verdict.promises.iter().filter(|promise| promise.broken > 0);
                found.broken = broken.map(|promise| promise.promise).collect();
                (found.scenario, found.seeds, found.seconds) =
                    (Some(scenario.name), seed, began.elapsed().as_secs_f64());
                return Ok(found);
            }
        }
    }
    Ok(found)
}

async fn once(asked: &Asked, scenario: &'static Scenario, bug: Option<Bug>, seed: u64) -> Result<Verdict> {
    say(&format!("\nplanted: {}", bug.map_or("nothing", Bug::name)));
    let folder = asked.results.join(format!("{}-{}-{seed}", bug.map_or("nothing", Bug::name), scenario.name));
    let meanwhile = Meanwhile::Nothing;
    let asked = run::Asked { scenario, meanwhile, seed, length: LENGTH, folder, bug, calm: CALM, keep: false };
    Ok(run(&asked).await?.verdict)
}

// === impl Hunt ===

impl Hunt {
    fn write(&self, asked: &Asked) -> Result<()> {
        fs::create_dir_all(&asked.results).context("make a folder for the results")?;
        let json = serde_json::to_vec_pretty(self).context("encode the table")?;
        fs::write(asked.results.join("mutants.json"), json).context("write the table")?;
        fs::write(asked.results.join("mutants.md"), self.table()).context("write the table")
    }

    fn table(&self) -> String {
        let mut text = String::from(
            "| bug | what it does | found by | promises seen broken | seeds | seconds |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        for found in &self.found {
            let (scenario, seeds, seconds) = match found.scenario {
                Some(scenario) => (format!("`{scenario}`"), found.seeds.to_string(), format!("{:.0}", found.seconds)),
                None => ("**not found**".to_owned(), String::new(), String::new()),
            };
            let broken = found.broken.join("; ");
            // Writing into a string never fails.
            let _ =
                writeln!(text, "| `{}` | {} | {scenario} | {broken} | {seeds} | {seconds} |", found.bug, found.does);
        }
        for (what, names) in [("holds", &self.held), ("**does not hold**", &self.not_held)] {
            if !names.is_empty() {
                let _ = writeln!(text, "\nWithout a bug {what}: {}.", names.join(", "));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_scenario_that_should_find_it() {
        for bug in Bug::ALL {
            let (_, names) = prey(bug);
            assert!(!names.is_empty() && names.iter().all(|name| scenarios::named(name).is_some()), "{bug:?}");
        }
    }

    #[test]
    fn the_table_names_what_was_found_and_what_was_not() {
        let none = Found { bug: "b", does: "d", scenario: None, broken: Vec::new(), seeds: 0, seconds: 0.0 };
        let found = Found { scenario: Some("split"), broken: vec!["p"], seeds: 2, seconds: 9.6, ..none.clone() };
        let hunt = Hunt { commit: "c".into(), found: vec![found, none], held: vec!["split"], not_held: Vec::new() };
        let table = hunt.table();
        assert!(table.contains("| `b` | d | `split` | p | 2 | 10 |"), "{table}");
        assert!(table.contains("**not found**") && table.ends_with("Without a bug holds: split.\n"), "{table}");
    }
}
