//! One run: a cluster under load, a scenario done to it round after round, and the verdict.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dnc_planted::Bug;
use dnc_tests::cluster::Size;
use dnc_tests::history::{self, Event, Moment};
use dnc_tests::numbers::Numbers;
use dnc_tests::workload::{CHECK_DEADLINE, Load, Routers, Workload};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::errands::Findings;
use crate::figures::{self, Window};
use crate::meanwhile::Meanwhile;
use crate::plan::Act;
use crate::results::{Results, Step, commit};
use crate::say;
use crate::scenarios::Scenario;
use crate::stage::{Stage, Trouble};
use crate::verdict::{Evidence, Figures, Outcome, Verdict};

/// Nothing is done before and after the rounds, to have something to compare with.
pub const CALM: Duration = Duration::from_secs(8);

/// Nothing is done between two rounds.
const PAUSE: Duration = Duration::from_secs(3);

/// What is asked of a run.
pub struct Asked {
    /// What is done.
    pub scenario: &'static Scenario,
    /// What goes on around it.
    pub meanwhile: Meanwhile,
    /// Decides what is left to chance.
    pub seed: u64,
    /// How long, about; one round at least.
    pub length: Duration,
    /// Where verdict, history and report go.
    pub folder: PathBuf,
    /// A bug that is planted in every process.
    pub bug: Option<Bug>,
    /// How long nothing is done before and after the rounds.
    pub calm: Duration,
    /// Whether the cluster's own data and logs are kept whatever happens.
    pub keep: bool,
}

/// What was done so far.
#[derive(Default)]
struct Done {
    steps: Vec<Step>,
    windows: Vec<Window>,
    healed: Vec<Duration>,
    not_tried: Option<String>,
    not_healed: Option<String>,
}

/// Does a scenario and judges. Whatever happens ends in a verdict; an error means that none could be written.
pub async fn run(asked: &Asked) -> Result<Results> {
    let Asked { scenario, seed, .. } = asked;
    say(&format!("{}, seed {seed}: {}", asked.meanwhile.of(scenario.name), scenario.proves));
    let mut done = Done::default();
    let results = match Stage::build(Size::default(), scenario, asked.bug).await {
        Ok(stage) => on(asked, stage, &mut done).await?,
        Err(error) => {
            done.not_tried = Some(format!("{error:#}"));
            judge(asked, done, &Seen::default())
        }
    };
    results.write(&asked.folder)?;
    say(&results.to_string());
    say(&format!("  {}", asked.folder.join("report.html").display()));
    Ok(results)
}

/// What was seen of the cluster at the end.
#[derive(Default)]
struct Seen {
    events: Vec<Event>,
    sweep: Vec<Event>,
    numbers: Option<Numbers>,
    equal: Option<bool>,
    live_entries: Option<u64>,
    errands: Option<Findings>,
}

async fn on(asked: &Asked, mut stage: Stage, done: &mut Done) -> Result<Results> {
    let load = Load { seed: asked.seed, ..Load::default() };
    let numbers = Numbers::for_clients(load.clients as usize);
    stage.cluster().import(&numbers.list_files()).await?;
    let urls = stage.cluster().router_urls();
    let workload = Workload::start(Routers::for_clients(&urls, load.clients)?, numbers.clone(), load);
    rounds(asked, &mut stage, &workload, done).await;
    let history = workload.stop().await?;
    let errands = stage.end_errands().await;
    let mut seen = Seen { events: history.events(), numbers: Some(numbers), ..Seen::default() };
    if done.not_healed.is_none() && done.not_tried.is_none() {
        match stage.compare(replicas_at_the_end(&asked.scenario.acts(asked.seed))).await {
            Ok(entries) => (seen.equal, seen.live_entries) = (Some(true), Some(entries)),
            Err(error) => {
                say(&format!("  {error:#}"));
                seen.equal = Some(false);
            }
        }
        seen.sweep = history.sweep(&Routers::new(&urls)?).await;
    }
    match errands {
        Ok(found) => seen.errands = found,
        // Where all else is broken it cannot end well: that must not hide what the clients saw.
        Err(error) => {
            done.not_tried.get_or_insert_with(|| format!("end what was done beside the load: {error:#}"));
        }
    }
    let results = judge(asked, std::mem::take(done), &seen);
    // What a planted bug left behind is of no use to anybody.
    if (results.verdict.outcome == Outcome::Held || asked.bug.is_some()) && !asked.keep {
        stage.passed()?;
    }
    Ok(results)
}

async fn rounds(asked: &Asked, stage: &mut Stage, workload: &Workload, done: &mut Done) {
    let mut dice = StdRng::seed_from_u64(asked.seed);
    let began = Instant::now();
    tokio::time::sleep(asked.calm).await;
    loop {
        let Some(acts) = asked.meanwhile.around((asked.scenario.round)(&mut dice)) else {
            done.not_tried = Some(format!("{} does not go with this", asked.scenario.name));
            return;
        };
        if let Err(trouble) = round(stage, workload, &acts, done).await {
            match trouble {
                Trouble::NotTried(error) => done.not_tried = Some(format!("{error:#}")),
                Trouble::NotHealed(error) => done.not_healed = Some(format!("{error:#}")),
            }
            return;
        }
        if asked.scenario.once || asked.meanwhile.is_once() || began.elapsed() + asked.calm >= asked.length {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    tokio::time::sleep(asked.calm).await;
}

async fn round(stage: &mut Stage, workload: &Workload, acts: &[Act], done: &mut Done) -> Result<(), Trouble> {
    let cast = stage.cast().await.context("see who leads").map_err(Trouble::NotHealed)?;
    let round = done.windows.len();
    let from = workload.now();
    done.windows.push(Window { from, until: Moment(u64::MAX) });
    for act in acts {
        let began = workload.now();
        let result = stage.perform(act, &cast).await;
        let ended = workload.now();
        let step = Step::new(round, act, &cast, began, ended);
        say(&format!("  {step}"));
        done.steps.push(step);
        result?;
        if matches!(act, Act::Whole { .. }) {
            done.healed.push(ended.since(began));
        }
    }
    done.windows[round].until = workload.now();
    Ok(())
}

fn judge(asked: &Asked, done: Done, seen: &Seen) -> Results {
    let world = seen.numbers.as_ref().map(Numbers::world).unwrap_or_default();
    let report = history::check(&world, &seen.events, &seen.sweep, CHECK_DEADLINE);
    let verdict = Verdict::of(&Evidence {
        report: &report,
        swept: seen.sweep.len(),
        bulks: figures::bulks(&seen.events),
        windows: &done.windows,
        may_fail: asked.scenario.may_fail,
        healed: &done.healed,
        equal: seen.equal,
        errands: seen.errands.as_ref(),
        not_tried: done.not_tried.as_deref(),
        not_healed: done.not_healed.as_deref(),
    });
    let (during, undisturbed) = figures::latencies(&seen.events, &done.windows);
    let counts = report.counts;
    let figures = Figures {
        checks: counts.checks,
        suppressed: counts.suppressed,
        released: counts.released,
        refused: counts.refused,
        unknown: counts.unknown,
        during,
        undisturbed,
        healed_s: done.healed.iter().map(Duration::as_secs_f64).collect(),
        longest_without_writes_s: figures::longest_without_writes(&seen.events).as_secs_f64(),
        live_entries: seen.live_entries,
    };
    Results {
        scenario: asked.meanwhile.of(asked.scenario.name),
        proves: asked.scenario.proves,
        seed: asked.seed,
        minutes: asked.length.as_secs_f64() / 60.0,
        planted: asked.bug.map(Bug::name),
        commit: commit(),
        verdict,
        figures,
        steps: done.steps,
        seconds: figures::seconds(&seen.events),
        events: seen.events.iter().chain(&seen.sweep).cloned().collect(),
    }
}

/// How many replicas each shard has once the last round is over: what its last act waited for.
fn replicas_at_the_end(acts: &[Act]) -> usize {
    match acts.last() {
        Some(Act::Whole { replicas }) => *replicas,
        _ => 3,
    }
}

/// Where a run's files go if nobody says.
pub fn folder(results: &Path, scenario: &str, seed: u64) -> PathBuf {
    results.join(format!("{scenario}-{seed}"))
}
