//! The same seed is the same run, wherever it runs; another is another; and what is planted is found.

use std::process::Command;
use std::sync::Arc;

use dnc_consensus::Workbench;
use dnc_sim::plan::Plant;
use dnc_sim::run::{Options, Outcome, one};

/// Seeds within which a planted bug must be found.
const SEEDS: u64 = 90;

fn workbench() -> (tempfile::TempDir, Arc<Workbench>) {
    let folder = tempfile::tempdir().expect("folder");
    let workbench = Arc::new(Workbench::open(folder.path()).expect("open"));
    (folder, workbench)
}

fn found(plant: Plant) -> Option<Outcome> {
    let (_folder, workbench) = workbench();
    let options = Options { plant: Some(plant), keep: 20, aloud: false };
    (1..=SEEDS).map(|seed| one(seed, options, &workbench)).find(|outcome| !outcome.is_well())
}

/// What the program says of a seed in a process of its own.
fn said(seed: u64) -> String {
    let program = env!("CARGO_BIN_EXE_dnc-sim");
    let output = Command::new(program).args(["run", "--seed", &seed.to_string(), "--trace"]).output().expect("run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let text = String::from_utf8(output.stdout).expect("text");
    // All but the last line, which says how long it took.
    text.lines().rev().skip(1).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let (_folder, workbench) = workbench();
    let runs: Vec<Outcome> = [11, 12, 11].map(|seed| one(seed, Options::default(), &workbench)).into();
    for outcome in &runs {
        assert!(outcome.is_well(), "{outcome}: {:?}", outcome.violations);
        assert!(outcome.counts.judged > 100 && outcome.counts.written > 10, "{outcome}");
    }
    assert_eq!((runs[0].hash, runs[0].steps), (runs[2].hash, runs[2].steps));
    assert_ne!(runs[0].hash, runs[1].hash);
}

#[test]
fn the_same_seed_gives_the_same_trace_in_another_process() {
    let (_folder, workbench) = workbench();
    let here = one(13, Options::default(), &workbench);
    let there = said(13);
    assert_eq!(there, said(13));
    assert!(there.contains(&format!("trace {:016x}", here.hash)), "{here}");
}

#[test]
fn an_answer_of_one_replica_is_found_to_be_too_little() {
    assert!(found(Plant::AnswerFromOneReplica).is_some());
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    assert!(found(Plant::AckBeforeSync).is_some());
}

#[test]
fn a_lease_that_does_not_hold_is_found() {
    for plant in [Plant::LeaseNeverEnds, Plant::LeaseAcrossHandover, Plant::VotesTooSoon] {
        assert!(found(plant).is_some(), "{plant:?}");
    }
}
