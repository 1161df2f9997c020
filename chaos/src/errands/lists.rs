//! A list that is replaced again and again: every bulk must be answered by one of its versions, and by that alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::v1;
use dnc_tests::grpc::{Router, Upload, into_registry, result_of, verdict};
use dnc_tests::lists::{self, Held, States, askable, full_files};
use dnc_tests::numbers::today;
use jiff::ToSpan;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Findings, LIMIT, PAUSE, Shared};

/// The registry that holds it.
const REGISTRY: &str = "chaos-list";

/// Numbers on each version, and how many versions there are: one a day, none of them too old.
const NUMBERS: usize = 20_000;
const VERSIONS: usize = 20;

/// One number in so many goes from one version to the next, and another comes.
const CHANGED: u64 = 5;

/// Numbers in one bulk.
const BULK: usize = 200;

/// The exchange of the workload's numbers, which no other list may name.
const WORKLOAD: u64 = 555;

/// The errand.
pub struct Lists {
    routers: Vec<SocketAddr>,
    states: Arc<States>,
    /// The version that is active, or being made so.
    at: usize,
    loading: Option<JoinHandle<Result<()>>>,
    found: Shared,
    stop: CancellationToken,
    asking: Vec<JoinHandle<()>>,
}

// === impl Lists ===

impl Lists {
    /// Makes the registry, loads the first version, and begins to ask.
    pub async fn begin(routers: &[SocketAddr]) -> Result<Lists> {
        let mut versions: Vec<Held> = vec![without_workload(lists::Lists::new(1).full(NUMBERS))];
        while let (Some(last), true) = (versions.last(), versions.len() < VERSIONS) {
            let next = lists::Lists::new(versions.len() as u64 + 1).next(last, CHANGED);
            versions.push(without_workload(next));
        }
        let states = Arc::new(States::new(versions));
        let first = Router::connect(*routers.first().context("there are routers")?).await?;
        first.create_registry(REGISTRY, "state").await.context("make a registry")?;
        first.import(into_registry(REGISTRY), &files(&states, 0)).await.context("load the first version")?;
        let (found, stop) = (Shared::default(), CancellationToken::new());
        let asking = routers.iter().zip(1u64..).map(|(router, seed)| {
            let (router, states, found, stop) = (*router, Arc::clone(&states), found.clone(), stop.clone());
            tokio::spawn(async move {
                let ended = stop.run_until_cancelled(ask_on(router, &states, &found, seed)).await;
                debug_assert!(ended.is_none(), "it asks for ever");
            })
        });
        let asking = asking.collect();
        Ok(Lists { routers: routers.to_vec(), states, at: 0, loading: None, found, stop, asking })
    }

    /// Begins to load the next version; comes back once it is being staged.
    pub async fn load(&mut self) -> Result<()> {
        ensure!(self.loading.is_none(), "a version is being loaded");
        self.at += 1;
        ensure!(self.at < VERSIONS, "there are no more versions");
        self.states.begin(self.at);
        let files = files(&self.states, self.at);
        let (routers, states, at) = (self.routers.clone(), Arc::clone(&self.states), self.at);
        let first = Router::connect(routers[0]).await?;
        let events = first.import_reaching(into_registry(REGISTRY), &files, v1::ImportPhase::Staging).await?;
        self.loading = Some(tokio::spawn(async move {
            let deadline = Instant::now() + LIMIT;
            let mut result = result_of(events).await.map_err(anyhow::Error::from);
            let mut turn = 1;
            // As any operator would: again, and through the other router.
            while result.is_err() && Instant::now() < deadline {
                sleep(PAUSE).await;
                result = async {
                    let router = Router::connect(routers[turn % routers.len()]).await?;
                    Ok(router.import(into_registry(REGISTRY), &files).await?)
                }
                .await;
                turn += 1;
            }
            let loaded = result.context("load the next version")?;
            ensure!(loaded.numbers == states.held(at).len() as u64, "{} numbers were loaded", loaded.numbers);
            states.done(at);
            Ok(())
        }));
        Ok(())
    }

    /// Waits until the version is active.
    pub async fn loaded(&mut self) -> Result<()> {
        self.loading.take().context("no version is being loaded")?.await.context("a task broke down")?
    }

    /// Ends, with a last look at every number that was ever on the list.
    pub async fn end(self) -> Result<Findings> {
        self.stop.cancel();
        for asking in self.asking {
            asking.await.context("a task broke down")?;
        }
        if self.loading.is_none() {
            let mut all: Vec<u64> = (0..=self.at).flat_map(|at| self.states.held(at).iter().copied()).collect();
            all.sort_unstable();
            all.dedup();
            all.retain(|number| askable(*number).is_some());
            let router = Router::connect(self.routers[0]).await?;
            for numbers in all.chunks(BULK * 10) {
                let from = self.states.acknowledged();
                let answers = ask(&router, numbers).await?;
                self.found.add(1, self.states.judge(from, answers).context("at the end"));
            }
        }
        Ok(self.found.read())
    }
}

fn files(states: &States, at: usize) -> Vec<Upload> {
    let ago = i32::try_from(VERSIONS - at).unwrap_or(i32::MAX);
    full_files(states.held(at), today().checked_sub(ago.days()).expect("a day of this century"))
}

fn without_workload(mut held: Held) -> Held {
    held.retain(|number| number / 10_000 % 1_000 != WORKLOAD);
    held
}

/// Asks one router for numbers of which many are on one version and not on another, for ever.
async fn ask_on(router: SocketAddr, states: &States, found: &Shared, seed: u64) {
    for round in 0u64.. {
        // The pace of this errand, not a wait for anything.
        sleep(PAUSE).await;
        let Ok(Ok(router)) = tokio::time::timeout(Duration::from_secs(1), Router::connect(router)).await else {
            continue;
        };
        let numbers = pick(states, seed * 1_000_003 + round);
        let from = states.acknowledged();
        // Whoever is down, or has just come back, is asked again: that checks fail is counted by the workload.
        let Ok(answers) = ask(&router, &numbers).await else { continue };
        if answers.iter().any(|(_, verdict)| *verdict == Verdict::Unknown(Cause::Unavailable)) {
            continue;
        }
        found.add(1, states.judge(from, answers));
    }
}

fn pick(states: &States, seed: u64) -> Vec<u64> {
    let dice = lists::Lists::new(seed);
    let newest = states.acknowledged() + 1;
    let picked = (0u64..).map(|at| {
        let held = states.held((newest.saturating_sub(usize::try_from(at % 3).unwrap_or(0))).min(VERSIONS - 1));
        held[usize::try_from(dice.number(at)).unwrap_or(0) % held.len()]
    });
    picked.filter(|number| askable(*number).is_some()).take(BULK).collect()
}

async fn ask(router: &Router, numbers: &[u64]) -> Result<Vec<(u64, Verdict)>> {
    let texts: Vec<String> = numbers.iter().map(|number| format!("+{number}")).collect();
    let answered = router.bulk(&texts).await?;
    ensure!(answered.results.len() == numbers.len(), "as many answers as numbers");
    numbers.iter().zip(&answered.results).map(|(number, result)| Ok((*number, verdict(result)?))).collect()
}
