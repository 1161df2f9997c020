//! What a prune may delete. Pure.
//!
//! A version's content is, block by block, what the newest version of its *line* (itself and those
//! that it was made from) has stored. So of a block only those are needed that are the newest of the
//! line of some version that must stay readable.

use std::collections::BTreeSet;

use dnc_core::ids::VersionId;

use super::versions::{Mark, MarkState};

/// What stays and what goes of a registry.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// The lines of the versions that stay readable.
    lines: Vec<BTreeSet<VersionId>>,
    /// Complete versions that nobody wants any more.
    pub given_up: Vec<VersionId>,
    /// Versions of which not even the mark is needed, once their blocks are gone.
    pub forgotten: Vec<VersionId>,
    /// Versions below this one that have no mark may not come back.
    pub floor: VersionId,
}

// === impl Plan ===

impl Plan {
    /// The plan for a registry with these versions, of which these are to be kept. Kept are, besides:
    ///
    /// - versions in the making, and what they are made from;
    /// - complete versions that are newer than all that are to be kept: they came to be after somebody looked at what
    ///   there was.
    pub fn new(marks: &[(VersionId, Mark)], keep: &BTreeSet<VersionId>) -> Plan {
        let newest = keep.last().copied().unwrap_or(VersionId(0));
        let floor = keep.first().copied().unwrap_or(VersionId(0));
        let staging = |mark: &Mark| mark.state == MarkState::Staging;
        let parents: BTreeSet<VersionId> = marks
            .iter()
            .filter(|(_, mark)| staging(mark))
            .filter_map(|(_, mark)| mark.ancestry.first().copied())
            .collect();
        let mut plan = Plan { lines: Vec::new(), given_up: Vec::new(), forgotten: Vec::new(), floor };
        for (version, mark) in marks {
            let stays = match mark.state {
                MarkState::Staging => true,
                MarkState::Sealed(_) => keep.contains(version) || parents.contains(version) || *version > newest,
                MarkState::Dropped => false,
            };
            if stays {
                plan.lines.push(line(*version, &mark.ancestry));
                continue;
            }
            if mark.state != MarkState::Dropped {
                plan.given_up.push(*version);
            }
            if *version < floor {
                plan.forgotten.push(*version);
            }
        }
        plan
    }

    /// The versions whose blocks stay, of those that have stored one block.
    pub fn spared(&self, stored: &[VersionId]) -> BTreeSet<VersionId> {
        let newest_of = |line: &BTreeSet<VersionId>| stored.iter().filter(|version| line.contains(version)).max();
        self.lines.iter().filter_map(newest_of).copied().collect()
    }
}

/// A version and those that it was made from.
pub fn line(version: VersionId, ancestry: &[VersionId]) -> BTreeSet<VersionId> {
    ancestry.iter().copied().chain([version]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dnc_core::command::Seal;
    use proptest::prelude::*;

    use super::*;

    const SEALED: MarkState = MarkState::Sealed(Seal { checksum: 0, numbers: 0 });

    /// A registry of one shard: what is stored of each block, and what each version should read.
    #[derive(Default)]
    struct Model {
        stored: BTreeMap<u64, BTreeMap<VersionId, u8>>,
        marks: BTreeMap<VersionId, Mark>,
        content: BTreeMap<VersionId, BTreeMap<u64, u8>>,
        last: u64,
    }

    impl Model {
        /// Makes a version from another one; a content of 0 means that the block is gone.
        fn load(&mut self, parent: Option<VersionId>, changes: &BTreeMap<u64, u8>, seal: bool) -> VersionId {
            self.last += 1;
            let version = VersionId(self.last);
            let ancestry: Vec<VersionId> = parent
                .iter()
                .copied()
                .chain(parent.iter().flat_map(|parent| self.marks[parent].ancestry.iter().copied()))
                .collect();
            let mut content = parent.map_or_else(BTreeMap::new, |parent| self.content[&parent].clone());
            for (block, value) in changes {
                self.stored.entry(*block).or_default().insert(version, *value);
                content.insert(*block, *value);
            }
            let state = if seal { SEALED } else { MarkState::Staging };
            self.marks.insert(version, Mark { ancestry, state });
            self.content.insert(version, content);
            version
        }

        fn read(&self, version: VersionId) -> BTreeMap<u64, u8> {
            let line = line(version, &self.marks[&version].ancestry);
            let newest = |stored: &BTreeMap<VersionId, u8>| {
                stored.iter().rev().find(|(version, _)| line.contains(version)).map(|(_, value)| *value)
            };
            self.stored.iter().filter_map(|(block, stored)| Some((*block, newest(stored)?))).collect()
        }

        fn prune(&mut self, keep: &BTreeSet<VersionId>, page: usize) {
            let (mut from, mut more) = (0, true);
            while more {
                let marks: Vec<_> = self.marks.iter().map(|(id, mark)| (*id, mark.clone())).collect();
                let plan = Plan::new(&marks, keep);
                let blocks: Vec<u64> = self.stored.range(from..).map(|(block, _)| *block).take(page + 1).collect();
                more = blocks.len() > page;
                from = blocks.last().copied().unwrap_or(0);
                for block in blocks.into_iter().take(page) {
                    let stored = self.stored.get_mut(&block).expect("listed");
                    let spared = plan.spared(&stored.keys().copied().collect::<Vec<_>>());
                    stored.retain(|version, _| spared.contains(version));
                }
                for version in &plan.given_up {
                    self.marks.insert(*version, Mark { ancestry: vec![], state: MarkState::Dropped });
                }
                if !more {
                    plan.forgotten.iter().for_each(|version| drop(self.marks.remove(version)));
                }
            }
            self.stored.retain(|_, stored| !stored.is_empty());
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// Makes a version from the active one, and makes it active unless it is left in the making.
        Load(BTreeMap<u64, u8>, bool),
        /// Makes an older version active again.
        Back(usize),
        /// Prunes to so many of the newest and the active one.
        Prune(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let changes = proptest::collection::btree_map(0u64..8, 0u8..4, 0..6);
        prop_oneof![
            4 => (changes, prop::bool::weighted(0.8)).prop_map(|(changes, seal)| Step::Load(changes, seal)),
            1 => (0usize..6).prop_map(Step::Back),
            2 => (0usize..4, 1usize..5).prop_map(|(newest, page)| Step::Prune(newest, page)),
        ]
    }

    proptest! {
        #[test]
        fn every_version_that_is_kept_reads_as_it_was_sealed(steps in proptest::collection::vec(step(), 0..40)) {
            let mut model = Model::default();
            let mut active = None;
            for step in steps {
                let sealed: Vec<VersionId> =
                    model.marks.iter().filter(|(_, mark)| mark.state == SEALED).map(|(id, _)| *id).collect();
                match step {
                    Step::Load(changes, seal) => {
                        let version = model.load(active, &changes, seal);
                        active = if seal { Some(version) } else { active };
                    }
                    Step::Back(at) => active = sealed.iter().rev().nth(at).copied().or(active),
                    Step::Prune(newest, page) => {
                        let keep: BTreeSet<VersionId> =
                            sealed.iter().rev().take(newest).copied().chain(active).collect();
                        model.prune(&keep, page);
                        for version in &keep {
                            prop_assert_eq!(model.marks[version].state, SEALED);
                        }
                        // A second time there is nothing left to delete.
                        let before = model.stored.clone();
                        model.prune(&keep, 100);
                        prop_assert_eq!(&model.stored, &before);
                    }
                }
                for (version, mark) in &model.marks {
                    if mark.state != MarkState::Dropped {
                        prop_assert_eq!(&model.read(*version), &model.content[version], "version {}", version);
                    }
                }
            }
        }
    }

    #[test]
    fn what_nobody_keeps_goes_and_what_came_later_stays() {
        let mut model = Model::default();
        let first = model.load(None, &BTreeMap::from([(1, 1), (2, 1)]), true);
        let second = model.load(Some(first), &BTreeMap::from([(2, 2)]), true);
        let making = model.load(Some(first), &BTreeMap::from([(1, 3)]), false);
        let third = model.load(Some(second), &BTreeMap::from([(2, 3)]), true);
        let late = model.load(Some(third), &BTreeMap::from([(3, 4)]), true);
        let marks: Vec<_> = model.marks.iter().map(|(id, mark)| (*id, mark.clone())).collect();
        let plan = Plan::new(&marks, &BTreeSet::from([third]));
        // The first is what the one in the making is made from, and the last was not there yet for whoever asks.
        assert_eq!(plan.given_up, [second]);
        assert_eq!(plan.forgotten, [second]);
        assert_eq!(plan.floor, third);
        assert_eq!(plan.spared(&[first, second, third]), BTreeSet::from([first, third]));
        assert_eq!(plan.spared(&[second]), BTreeSet::from([second]), "the third is made of it");
        assert_eq!(plan.spared(&[first, making]), BTreeSet::from([first, making]));
        assert_eq!(plan.spared(&[late]), BTreeSet::from([late]));
        let nothing = Plan::new(&marks, &BTreeSet::new());
        assert_eq!((nothing.given_up, nothing.forgotten), (vec![], vec![]));
    }
}
