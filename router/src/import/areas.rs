//! How many numbers each area has: before a load, after it, and whether that is what a guard lets pass. Pure.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::area::Area;
use dnc_core::block::{Block, BlockId};
use dnc_core::command::Changed;
use dnc_core::listfile::Settled;
use dnc_core::registry::{Content, Coverage, Guard};
use dnc_proto::v1;

use super::scope::Scope;

/// Numbers by area. An area without numbers need not be in it.
pub type Counts = BTreeMap<Area, u64>;

/// One area, or the whole of a registry, before and after a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which; none means the whole.
    pub area: Option<Area>,
    /// Numbers in the version before.
    pub before: u64,
    /// Numbers in the version loaded.
    pub after: u64,
    /// Whether the guard stops it.
    pub stopped: bool,
}

/// How many numbers these blocks hold.
pub fn of(blocks: &[(BlockId, Block)]) -> Counts {
    let mut counts = Counts::new();
    for (id, block) in blocks {
        if let Some(area) = id.area() {
            *counts.entry(area).or_default() += block.len() as u64;
        }
    }
    counts
}

/// The counts of a version in which `loaded` replaces what `scope` speaks for, and the rest stays as it was.
pub fn replaced(before: &Counts, scope: &Scope, loaded: Counts) -> Counts {
    let mut counts = match scope {
        Scope::Everywhere(_) => Counts::new(),
        Scope::Areas(areas) => {
            before.iter().filter(|(area, _)| !areas.contains_key(area)).map(|(area, count)| (*area, *count)).collect()
        }
    };
    counts.extend(loaded);
    counts
}

/// The counts of a version that was changed like this. `None` if more went than there was.
pub fn amended(before: &Counts, changed: &BTreeMap<Area, Changed>) -> Option<Counts> {
    let mut counts = before.clone();
    for (area, changed) in changed {
        let count = counts.entry(*area).or_default();
        *count = (*count + changed.added).checked_sub(changed.dropped)?;
    }
    Some(counts)
}

/// The most that changes could do: every addition is new, every deletion deletes.
pub fn foreseen(before: &Counts, changes: &Settled) -> Counts {
    let mut counts = before.clone();
    for change in &changes.blocks {
        if let Some(area) = change.block.area() {
            let count = counts.entry(area).or_default();
            *count = (*count + change.adds.len() as u64).saturating_sub(change.drops.len() as u64);
        }
    }
    counts
}

/// The areas that a load speaks for.
pub fn loaded(scope: &Scope, before: Option<&Content>, after: &Counts) -> BTreeSet<Area> {
    match scope {
        Scope::Areas(areas) => areas.keys().copied().collect(),
        Scope::Everywhere(_) => all(before, after),
    }
}

/// All areas that have numbers before or after.
pub fn all(before: Option<&Content>, after: &Counts) -> BTreeSet<Area> {
    before.into_iter().flat_map(|content| content.by_area.keys()).chain(after.keys()).copied().collect()
}

/// What becomes of each of these areas, and of the whole, and what the guard says to it.
///
/// An area that is covered for the first time only adds to what is listed: the guard has nothing to compare it with,
/// and the whole is compared without it.
pub fn changes(guard: &Guard, before: Option<&Content>, loaded: &BTreeSet<Area>, after: &Counts) -> Vec<Change> {
    let none = Counts::new();
    let counts = before.map_or(&none, |content| &content.by_area);
    let covered = |area: &Area| match before.map(|content| &content.coverage) {
        None => false,
        Some(Coverage::Everywhere(_)) => true,
        Some(Coverage::Areas(areas)) => areas.contains_key(area),
    };
    let count = |counts: &Counts, area: &Area| counts.get(area).copied().unwrap_or(0);
    let mut changes: Vec<Change> = Vec::with_capacity(loaded.len() + 1);
    let mut new = 0;
    for area in loaded {
        let (before, after) = (count(counts, area), count(after, area));
        if !covered(area) {
            new += after.saturating_sub(before);
        }
        let stopped = covered(area) && guard.stops(before, after);
        changes.push(Change { area: Some(*area), before, after, stopped });
    }
    let before: u64 = counts.values().sum();
    let after: u64 = after.values().sum();
    let stopped = guard.stops(before, after.saturating_sub(new));
    changes.push(Change { area: None, before, after, stopped });
    changes
}

/// What the guard stops of these.
pub fn stopped(changes: &[Change]) -> Vec<Change> {
    changes.iter().filter(|change| change.stopped).cloned().collect()
}

// === impl Change ===

impl Change {
    /// As callers are shown it.
    pub fn message(&self) -> v1::AreaChange {
        v1::AreaChange {
            area: self.area.map_or_else(String::new, |area| area.to_string()),
            before: self.before,
            after: self.after,
            stopped: self.stopped,
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.area {
            Some(area) => write!(f, "area {area}")?,
            None => f.write_str("the whole registry")?,
        }
        write!(f, " from {} to {} numbers", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::registry::LoadReport;

    use super::*;
    use crate::import::scope::tests::areas_scope;

    fn area(text: &str) -> Area {
        text.parse().expect("an area")
    }

    fn counts(counts: &[(&str, u64)]) -> Counts {
        counts.iter().map(|(text, count)| (area(text), *count)).collect()
    }

    fn content(by_area: Counts) -> Content {
        let areas: Vec<String> = by_area.keys().map(Area::to_string).collect();
        let areas: Vec<&str> = areas.iter().map(String::as_str).collect();
        Content {
            coverage: areas_scope(&areas).coverage(&by_area),
            numbers: by_area.values().sum(),
            by_area,
            checksum: 0,
            report: LoadReport::default(),
        }
    }

    #[test]
    fn areas_that_are_not_loaded_keep_their_counts() {
        let before = counts(&[("201", 5), ("818", 7)]);
        let scope = areas_scope(&["201", "202"]);
        let after = replaced(&before, &scope, counts(&[("202", 9)]));
        assert_eq!(after, counts(&[("202", 9), ("818", 7)]));
    }

    #[test]
    fn changes_move_the_counts_of_their_areas_and_never_below_nothing() {
        let before = counts(&[("201", 5), ("818", 7)]);
        let changed = |added, dropped| BTreeMap::from([(area("201"), Changed { added, dropped, unchanged: 0 })]);
        assert_eq!(amended(&before, &changed(2, 3)), Some(counts(&[("201", 4), ("818", 7)])));
        assert_eq!(amended(&before, &changed(0, 6)), None);
    }

    #[test]
    fn the_guard_looks_at_each_area_that_was_covered_and_at_the_whole_without_new_ones() {
        let guard = Guard { shrink_percent: Some(20), growth_percent: Some(50) };
        let before = content(counts(&[("201", 1_000), ("818", 1_000), ("900", 50)]));
        let stops = |after: &[(&str, u64)]| -> Vec<Option<Area>> {
            let after = counts(after);
            let all = all(Some(&before), &after);
            stopped(&changes(&guard, Some(&before), &all, &after)).iter().map(|change| change.area).collect()
        };
        assert_eq!(stops(&[("201", 800), ("818", 1_000), ("900", 0)]), []);
        assert_eq!(stops(&[("201", 799), ("818", 1_200), ("900", 50)]), [Some(area("201"))]);
        assert_eq!(stops(&[("201", 700), ("818", 700), ("900", 50)]), [Some(area("201")), Some(area("818")), None]);
        // A new area is no growth.
        assert_eq!(stops(&[("201", 1_000), ("818", 1_000), ("202", 90_000)]), []);
        let first = changes(&guard, None, &all(None, &counts(&[("201", 9_000)])), &counts(&[("201", 9_000)]));
        assert_eq!(stopped(&first), []);
    }
}
