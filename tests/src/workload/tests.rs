use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use anyhow::Result;
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Cause, Verdict};

use super::chooser::{Chooser, Recent, Write, Writer};
use super::{Load, Target, Workload};
use crate::history::{Kind, Outcome, Report, World};
use crate::numbers::Numbers;
use crate::wait::until;

/// A cluster in memory, honest or not.
#[derive(Clone)]
struct Memory {
    world: Arc<World>,
    suppressed: Arc<Mutex<BTreeSet<PhoneNumber>>>,
    lie: Lie,
}

#[derive(Clone, Copy, PartialEq)]
enum Lie {
    None,
    /// Acknowledges suppressions and forgets every fifth.
    Forget,
    /// Cannot answer for uncovered numbers.
    Fail,
}

impl Memory {
    fn verdict(&self, number: PhoneNumber) -> Result<Verdict, String> {
        let covered = self.world.covered.contains(&number.area());
        if self.lie == Lie::Fail && !covered {
            return Err("no router answers".into());
        }
        let suppressed = self.suppressed.lock().expect("not poisoned").contains(&number);
        Ok(if suppressed || self.world.listed.contains(&number) {
            Verdict::Listed
        } else if covered {
            Verdict::Clear
        } else {
            Verdict::Unknown(Cause::NotCovered)
        })
    }
}

impl Target for Memory {
    async fn check(&self, number: PhoneNumber) -> Result<Verdict, String> {
        self.verdict(number)
    }

    async fn check_all(&self, numbers: &[PhoneNumber]) -> Vec<Result<Verdict, String>> {
        numbers.iter().map(|number| self.verdict(*number)).collect()
    }

    async fn suppress(&self, number: PhoneNumber) -> Outcome {
        if self.lie != Lie::Forget || !number.to_u64().is_multiple_of(5) {
            self.suppressed.lock().expect("not poisoned").insert(number);
        }
        Outcome::Acknowledged
    }

    async fn release(&self, number: PhoneNumber) -> Outcome {
        self.suppressed.lock().expect("not poisoned").remove(&number);
        Outcome::Acknowledged
    }
}

async fn run(lie: Lie) -> Report {
    let numbers = Numbers::for_clients(2);
    let memory = Memory { world: Arc::new(numbers.world()), suppressed: Arc::default(), lie };
    let load = Load { clients: 2, checks_per_s: 2_000, writes_per_s: 1_000, ..Load::default() };
    let workload = Workload::start(vec![memory.clone(), memory.clone()], numbers, load);
    until(std::time::Duration::from_secs(20), "some history", || {
        let counts = workload.report().counts;
        let enough = counts.checks > 500 && counts.suppressed > 100 && counts.released > 20;
        async move { Ok(enough.then_some(())) }
    })
    .await
    .expect("it goes on");
    workload.stop().await.expect("it ends").judge(&memory).await
}

#[tokio::test]
async fn an_honest_cluster_passes() {
    let report = run(Lie::None).await;
    assert!(report.holds(), "{report}");
}

#[tokio::test]
async fn a_cluster_that_forgets_is_caught_during_the_run_and_at_its_end() {
    let report = run(Lie::Forget).await;
    assert!(report.count(Kind::FalseClear) > 0, "{report}");
    assert!(report.count(Kind::Lost) > 0, "{report}");
}

#[tokio::test]
async fn a_cluster_that_cannot_answer_is_caught() {
    let report = run(Lie::Fail).await;
    assert!(report.count(Kind::FailedCheck) > 0, "{report}");
    assert_eq!(report.count(Kind::FalseClear), 0, "{report}");
}

#[test]
fn a_seed_decides_what_is_checked() {
    let numbers = Arc::new(Numbers::for_clients(4));
    let asked = |seed| -> Vec<PhoneNumber> {
        let mut chooser = Chooser::new(numbers.clone(), Arc::new(Recent::default()), 20, seed);
        (0..200).flat_map(|_| chooser.next()).collect()
    };
    assert_eq!(asked(7), asked(7));
    assert_ne!(asked(7), asked(8));
    let numbers = numbers.clone();
    for kind in [&numbers.listed, &numbers.clear, &numbers.uncovered, &numbers.own[0], &numbers.own[3]] {
        assert!(asked(7).iter().any(|number| kind.contains(number)));
    }
}

#[test]
fn a_writer_never_releases_what_it_keeps_and_leaves_alone_what_is_uncertain() {
    let own: Vec<PhoneNumber> = Numbers::for_clients(4).own[0].clone();
    let mut writer = Writer::new(own, 3);
    let mut kept = BTreeSet::new();
    let mut uncertain = BTreeSet::new();
    let mut standing: BTreeMap<PhoneNumber, bool> = BTreeMap::new();
    for turn in 0..2_000 {
        let Some(write) = writer.next() else { break };
        let outcome = match turn % 10 {
            0 => Outcome::Unknown,
            1 => Outcome::Refused,
            _ => Outcome::Acknowledged,
        };
        match write {
            Write::Keep(number) => assert!(kept.insert(number), "once only"),
            Write::Suppress(number) => {
                assert_ne!(standing.insert(number, outcome != Outcome::Refused), Some(true));
                assert!(!uncertain.contains(&number) && !kept.contains(&number));
            }
            Write::Release(number) => {
                assert_eq!(standing.get(&number), Some(&true));
                assert!(!uncertain.contains(&number) && !kept.contains(&number));
                match outcome {
                    Outcome::Acknowledged => drop(standing.insert(number, false)),
                    Outcome::Unknown => drop(uncertain.insert(number)),
                    Outcome::Refused => {}
                }
            }
        }
        writer.learn(write, outcome);
    }
    assert!(kept.len() > 50 && uncertain.len() > 20, "{} {}", kept.len(), uncertain.len());
}
