//! Random lives of one registry against a plain set of numbers for each version.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::import::prune;

/// What is done to the registry.
#[derive(Clone, Debug)]
enum Act {
    /// Full lists of these areas, with these lines.
    Load(BTreeMap<u8, BTreeSet<u8>>),
    /// Additions and deletions, in this order.
    Change(Vec<(u8, u8, bool)>),
    Rollback,
    Prune,
}

const AREAS: [&str; 3] = ["201", "414", "818"];

/// Each line lies in one of three blocks, so that shards hold some and lack others.
fn digits(area: u8, line: u8) -> String {
    format!("{}55{}01{:02}", AREAS[usize::from(area)], line % 3, line)
}

fn act() -> impl Strategy<Value = Act> {
    let lines = proptest::collection::btree_set(0u8..30, 1..12);
    let change = (0u8..3, 0u8..30, any::<bool>());
    prop_oneof![
        3 => proptest::collection::btree_map(0u8..3, lines, 1..4).prop_map(Act::Load),
        3 => proptest::collection::vec(change, 1..12).prop_map(Act::Change),
        1 => Just(Act::Rollback),
        1 => Just(Act::Prune),
    ]
}

/// The registry as it should be.
#[derive(Clone, Default)]
struct Model {
    /// Areas covered, and numbers, of each version that became active.
    versions: BTreeMap<u64, (BTreeSet<u8>, BTreeSet<String>)>,
    active: Option<u64>,
}

impl Model {
    fn now(&self) -> (BTreeSet<u8>, BTreeSet<String>) {
        self.active.map(|id| self.versions[&id].clone()).unwrap_or_default()
    }

    fn activate(&mut self, version: u64, areas: BTreeSet<u8>, numbers: BTreeSet<String>) {
        self.versions.insert(version, (areas, numbers));
        self.active = Some(version);
    }
}

async fn live(acts: Vec<Act>) -> Result<(), TestCaseError> {
    let fake = Fake::founded();
    let imports = imports(&fake);
    let mut model = Model::default();
    for act in acts {
        let (mut areas, mut set) = model.now();
        match act {
            Act::Load(lists) => {
                let names = lists.keys().map(|area| format!("2026-11-9_{}_x.txt", AREAS[usize::from(*area)]));
                let names: Vec<String> = names.collect();
                let texts = lists.iter().map(|(area, lines)| {
                    lines.iter().map(|line| format!("{}\n", digits(*area, *line))).collect::<String>()
                });
                let texts: Vec<String> = texts.collect();
                let files: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
                let (outcome, _) = run_parts(&imports, parts(header(), &files)).await;
                let result = outcome.map_err(|why| TestCaseError::fail(why.to_string()))?;
                let before = set.clone();
                set.retain(|number| lists.keys().all(|area| !number.starts_with(AREAS[usize::from(*area)])));
                set.extend(lists.iter().flat_map(|(area, lines)| lines.iter().map(|line| digits(*area, *line))));
                prop_assert_eq!(result.added, set.difference(&before).count() as u64);
                prop_assert_eq!(result.dropped, before.difference(&set).count() as u64);
                areas.extend(lists.keys());
                model.activate(result.version, areas, set);
            }
            Act::Change(changes) => {
                let known = changes.iter().all(|(area, ..)| areas.contains(area));
                let line = |(at, (area, line, add)): (usize, &(u8, u8, bool))| {
                    let day = today();
                    format!("{},{day}T00:00:{at:02},{}\n", digits(*area, *line), if *add { "A" } else { "D" })
                };
                let text: String = changes.iter().enumerate().map(line).collect();
                let covers: BTreeSet<&str> = changes.iter().map(|(area, ..)| AREAS[usize::from(*area)]).collect();
                let header = v1::ImportHeader { covers: covers.into_iter().map(str::to_owned).collect(), ..header() };
                let (outcome, _) = run_parts(&imports, parts(header, &[("changes.txt", &text)])).await;
                if !known {
                    prop_assert!(matches!(outcome, Err(Error::DoesNotFit(_))));
                    continue;
                }
                let result = outcome.map_err(|why| TestCaseError::fail(why.to_string()))?;
                let before = set.clone();
                for (area, line, add) in &changes {
                    match add {
                        true => set.insert(digits(*area, *line)),
                        false => set.remove(&digits(*area, *line)),
                    };
                }
                prop_assert_eq!(result.added, set.difference(&before).count() as u64);
                prop_assert_eq!(result.dropped, before.difference(&set).count() as u64);
                model.activate(result.version, areas, set);
            }
            Act::Rollback => {
                // It is refused if nothing is before, or it is not kept any more; then nothing changes.
                if let Ok(back) = imports.roll_back("federal", None).await {
                    prop_assert!(model.versions.contains_key(&back.version.0));
                    model.active = Some(back.version.0);
                }
            }
            Act::Prune => {
                let registry = fake.known().catalog.registry_named("federal").expect("founded").id;
                prune::prune(&fake, registry).await.map_err(|why| TestCaseError::fail(why.to_string()))?;
            }
        }
        let (areas, expected) = model.now();
        let found: Vec<String> =
            numbers(&fake, "federal").iter().map(|number| number.to_string()[1..].into()).collect();
        prop_assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
        let known = fake.known();
        let active = known.catalog.registry_named("federal").expect("founded").active_version();
        if let Some((_, content)) = active {
            prop_assert_eq!(content.coverage.areas(), Some(areas.len()));
            prop_assert_eq!(content.by_area.values().sum::<u64>(), content.numbers);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_registry_holds_what_was_done_to_it(acts in proptest::collection::vec(act(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(live(acts))?;
    }
}
