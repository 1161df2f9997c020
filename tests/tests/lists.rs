//! Lists are replaced, changed and rolled back while checks run and processes die: every answer is that of one truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dnc_core::verdict::{Cause, Verdict};
use dnc_proto::v1;
use dnc_tests::cluster::Cluster;
use dnc_tests::grpc::{Router, Upload, into_registry, result_of, verdict};
use dnc_tests::lists::{Held, Lists, States, askable, full_files};
use dnc_tests::numbers::today;
use jiff::ToSpan;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Numbers on each full list.
const NUMBERS: usize = 1_000_000;

/// Numbers that come, and that go, by each change list.
const CHANGES: usize = 5_000;

/// Numbers in one bulk check.
const BULK: usize = 500;

/// Checks that must have been answered meanwhile, or nothing was shown.
const LEAST_CHECKS: usize = 100;

/// The truths in the order in which they become active.
const FIRST: usize = 0;
const SECOND: usize = 1;
const THIRD: usize = 2;
const CHANGED: usize = 3;
const CHANGED_AGAIN: usize = 4;
const ROLLED_BACK: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_that_of_one_list_while_lists_change_and_processes_die() -> Result<()> {
    let lists = Lists::new(7);
    let first = lists.full(NUMBERS);
    let second = lists.next(&first, 20);
    let third = Lists::new(8).next(&second, 50);
    let (one, other) = (lists.changes(&third, CHANGES), Lists::new(9).changes(&third, CHANGES));
    let changed = one.apply(&third);
    let changed_again = other.apply(&changed);
    let states = vec![first, second, third, changed.clone(), changed_again, changed];
    let states = Arc::new(States::new(states));
    let day = |ago: i32| today().checked_sub(ago.days()).expect("a day");

    let mut cluster = Cluster::start().await?;
    let routers = [cluster.router(0).await?, cluster.router(1).await?];
    let loaded = load(&routers[0], &full_files(states.held(FIRST), day(4))).await?;
    ensure!(loaded.numbers == NUMBERS as u64, "{loaded:?}");
    let asking = Asking::start(&states, &routers);

    // A node dies while the second list is loaded, and comes back.
    states.begin(SECOND);
    let files = full_files(states.held(SECOND), day(3));
    let loading = routers[1].import_reaching(into_registry("federal"), &files, v1::ImportPhase::Staging).await?;
    cluster.nodes[0].kill9()?;
    cluster.nodes[0].run()?;
    let loaded = result_of(loading).await.context("load the second list")?;
    states.done(SECOND);
    ensure!(loaded.numbers == NUMBERS as u64 && loaded.added == loaded.dropped, "{loaded:?}");
    cluster.wait_ready(Duration::from_secs(60)).await?;

    // The router that loads the third list dies: nothing has changed, or all of it. Then it is loaded again.
    states.begin(THIRD);
    let files = full_files(states.held(THIRD), day(2));
    let staging = v1::ImportPhase::Staging;
    let loading = routers[0].import_reaching(into_registry("federal"), &files, staging).await?;
    cluster.routers[0].kill9()?;
    let cut_off = result_of(loading).await;
    ensure!(cut_off.is_err(), "the router died: {cut_off:?}");
    let loaded = load(&routers[1], &files).await.context("load the third list again")?;
    states.done(THIRD);
    ensure!(loaded.numbers == NUMBERS as u64, "{loaded:?}");
    cluster.routers[0].run()?;
    cluster.wait_ready(Duration::from_secs(60)).await?;

    for (changes, state, ago) in [(&one, CHANGED, 1), (&other, CHANGED_AGAIN, 0)] {
        states.begin(state);
        let loaded = load(&routers[1], &changes.files(day(ago))).await.context("load a change list")?;
        states.done(state);
        ensure!(loaded.numbers == states.held(state).len() as u64, "{loaded:?}");
    }

    states.begin(ROLLED_BACK);
    let rolled_back = routers[1].rollback("federal").await?;
    states.done(ROLLED_BACK);
    ensure!(rolled_back.numbers == states.held(ROLLED_BACK).len() as u64, "{rolled_back:?}");

    let checks = asking.stop().await?;
    ensure!(checks >= LEAST_CHECKS, "only {checks} checks were answered meanwhile");
    let router = cluster.router(0).await?;
    let asked = ask_for_everything(&router, &states).await?;
    println!("{checks} bulk checks of {BULK} meanwhile, {asked} numbers at the end, no difference");
    let name = cluster.name().await?;
    cluster.wait_level(&name).await?;
    cluster.compare_replicas(&name).await?;
    cluster.passed()
}

async fn load(router: &Router, files: &[Upload]) -> Result<v1::ImportResult> {
    Ok(router.import(into_registry("federal"), files).await?)
}

/// Checks that go on until they are told to stop.
struct Asking {
    stop: CancellationToken,
    answered: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Result<()>>>,
}

impl Asking {
    fn start(states: &Arc<States>, routers: &[Router]) -> Asking {
        let (stop, answered) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
        let tasks = routers
            .iter()
            .zip(1u64..)
            .map(|(router, seed)| {
                let (router, states) = (router.clone(), Arc::clone(states));
                let (stop, answered) = (stop.clone(), Arc::clone(&answered));
                tokio::spawn(async move {
                    let mut round = 0;
                    while !stop.is_cancelled() {
                        round += 1;
                        let numbers = pick(&states, seed * 1_000_003 + round);
                        let from = states.acknowledged();
                        // A router that was killed answers nothing, and one that has just started does not know
                        // yet: callers ask another one then; that is not what is looked at here.
                        let unavailable = Verdict::Unknown(Cause::Unavailable);
                        let answers = match ask(&router, &numbers).await {
                            Ok(answers) if answers.iter().all(|(_, verdict)| *verdict != unavailable) => answers,
                            Ok(_) | Err(_) => {
                                tokio::time::sleep(Duration::from_millis(50)).await;
                                continue;
                            }
                        };
                        states.judge(from, answers)?;
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        Asking { stop, answered, tasks }
    }

    /// How many were answered, all of them rightly.
    async fn stop(self) -> Result<usize> {
        self.stop.cancel();
        for task in self.tasks {
            task.await??;
        }
        Ok(self.answered.load(Ordering::Relaxed))
    }
}

/// Numbers of which many are on one list and not on another.
fn pick(states: &States, seed: u64) -> Vec<u64> {
    let dice = Lists::new(seed);
    let from = |held: &Held, at: u64| held[usize::try_from(dice.number(at)).expect("64 bits") % held.len()];
    let mut picked: Vec<u64> = Vec::with_capacity(BULK);
    for at in 0u64.. {
        let number = match at % 8 {
            0 => dice.number(at),
            state => from(states.held(state as usize % (ROLLED_BACK + 1)), at),
        };
        picked.extend(askable(number).map(|_| number));
        if picked.len() == BULK {
            break;
        }
    }
    picked
}

async fn ask(router: &Router, numbers: &[u64]) -> Result<Vec<(u64, Verdict)>> {
    let texts: Vec<String> = numbers.iter().map(|number| format!("+{number}")).collect();
    let answered = router.bulk(&texts).await?;
    ensure!(answered.results.len() == numbers.len(), "as many answers as numbers");
    let revisions: Vec<u64> = answered.results.iter().map(|result| result.revision).collect();
    ensure!(revisions.iter().all(|revision| *revision == answered.revision), "one bulk, one revision: {revisions:?}");
    numbers.iter().zip(&answered.results).map(|(number, result)| Ok((*number, verdict(result)?))).collect()
}

/// Every number that was ever on a list, held against the last truth; how many they were.
async fn ask_for_everything(router: &Router, states: &States) -> Result<usize> {
    let mut all: Vec<u64> = (FIRST..=ROLLED_BACK).flat_map(|state| states.held(state).iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|number| askable(*number).is_some());
    for numbers in all.chunks(10_000) {
        let answers = ask(router, numbers).await?;
        states.judge(ROLLED_BACK, answers)?;
    }
    Ok(all.len())
}
