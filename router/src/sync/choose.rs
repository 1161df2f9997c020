//! Which of the files that a source offers are to be loaded, and in which order. Pure.
//!
//! Files whose names say for which area and date they are go together: for each area the newest. Of other files nothing
//! is known but when they came: they are loaded one after the other in that order, so that of full lists the last one
//! counts and of change lists each is applied once. Where the files end that have been loaded before is told by the
//! evidence that versions keep: names and hashes of what they were made from.

use std::collections::{BTreeMap, BTreeSet};

use dnc_core::area::Area;
use dnc_core::ids::VersionId;
use dnc_core::listfile::declared_by_name;
use dnc_core::registry::{Coverage, Registry, Source};
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::source::Offer;

/// What was loaded into a registry before, as far as its versions tell.
pub struct Loaded<'a> {
    registry: &'a Registry,
}

/// What to download, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Files that are loaded together.
    pub together: Vec<Offer>,
    /// Files that are loaded one after the other.
    pub in_turn: Vec<Offer>,
}

/// Chooses among the offers.
pub fn choose(offers: Vec<Offer>, loaded: &Loaded<'_>) -> Choice {
    let mut newest: BTreeMap<Area, (Date, Offer)> = BTreeMap::new();
    let mut in_turn = Vec::new();
    for offer in offers {
        let declared = declared_by_name(&offer.name);
        let (Some(date), [area]) = (declared.list_date, &declared.areas.iter().copied().collect::<Vec<_>>()[..]) else {
            in_turn.push(offer);
            continue;
        };
        let later = |(known, other): &(Date, Offer)| (*known, order(other)) >= (date, order(&offer));
        if !newest.get(area).is_some_and(later) {
            newest.insert(*area, (date, offer));
        }
    }
    let older = |area: &Area, date: &Date| loaded.date_of(*area).is_some_and(|known| known > *date);
    let mut together: Vec<Offer> =
        newest.into_iter().filter(|(area, (date, _))| !older(area, date)).map(|(_, (_, offer))| offer).collect();
    together.sort_by(|a, b| a.name.cmp(&b.name));
    in_turn.sort_by(|a, b| order(a).cmp(&order(b)));
    // The last of those that the active version was made from was the last to be loaded. It may have been replaced since.
    let names = loaded.names();
    if let Some(last) = in_turn.iter().rposition(|offer| names.contains(offer.name.as_str())) {
        in_turn.drain(..last);
    }
    Choice { together, in_turn }
}

/// Files come in this order.
fn order(offer: &Offer) -> (u64, &str) {
    (offer.modified_ms.unwrap_or(0), &offer.name)
}

// === impl Loaded ===

impl<'a> Loaded<'a> {
    /// What was loaded into this registry.
    pub fn of(registry: &'a Registry) -> Self {
        Self { registry }
    }

    /// The version that holds exactly these files already, be it active, waiting, or newer than the active one.
    ///
    /// A newer one was held back, or rolled back from: loading the same files again would undo what somebody decided.
    pub fn holds(&self, hashes: &[[u8; 32]]) -> Option<VersionId> {
        let newer = self.registry.versions.values().filter(|version| Some(version.id) >= self.registry.active).rev();
        let mut sealed = newer.filter_map(|version| Some((version.id, version.content()?)));
        sealed.find(|(_, content)| are_in(hashes, &content.coverage)).map(|(id, _)| id)
    }

    /// The date of what the active version holds for an area.
    fn date_of(&self, area: Area) -> Option<Date> {
        Some(self.active()?.source(area)?.list_date)
    }

    /// The names of the files that the active version was made from.
    fn names(&self) -> BTreeSet<&'a str> {
        sources(self.active()).flat_map(|source| source.file.split("; ")).collect()
    }

    fn active(&self) -> Option<&'a Coverage> {
        Some(&self.registry.active_version()?.1.coverage)
    }

    /// What the operator said that a list covers which does not say so itself: what the active version covers.
    pub fn covers(&self) -> (bool, Vec<String>) {
        match self.active() {
            None => (false, Vec::new()),
            Some(Coverage::Everywhere(_)) => (true, Vec::new()),
            Some(Coverage::Areas(areas)) => (false, areas.keys().map(Area::to_string).collect()),
        }
    }
}

fn sources(coverage: Option<&Coverage>) -> Box<dyn Iterator<Item = &Source> + '_> {
    match coverage {
        None => Box::new(std::iter::empty()),
        Some(Coverage::Everywhere(source)) => Box::new(std::iter::once(source)),
        Some(Coverage::Areas(areas)) => Box::new(areas.values()),
    }
}

/// Whether a version was made from all of these files: each by itself, or all as one part, which has the hash of their hashes.
fn are_in(hashes: &[[u8; 32]], coverage: &Coverage) -> bool {
    let known: BTreeSet<[u8; 32]> = sources(Some(coverage)).map(|source| source.sha256).collect();
    let mut joined = Sha256::new();
    hashes.iter().for_each(|hash| joined.update(hash));
    !hashes.is_empty()
        && (hashes.iter().all(|hash| known.contains(hash)) || known.contains(&<[u8; 32]>::from(joined.finalize())))
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Change, Decision};
    use dnc_core::registry::{Content, LoadReport};
    use jiff::civil::date;

    use super::*;
    use crate::cluster::Cluster;
    use crate::testing::Fake;

    fn offer(name: &str, modified_ms: u64) -> Offer {
        Offer { name: name.into(), path: name.into(), bytes: None, modified_ms: Some(modified_ms), mark: String::new() }
    }

    fn source(file: &str, hash: u8) -> Source {
        Source { list_date: date(2026, 11, 9), file: file.into(), sha256: [hash; 32], numbers: 1 }
    }

    fn areas(parts: &[(&str, Source)]) -> Coverage {
        Coverage::Areas(parts.iter().map(|(area, source)| (area.parse().expect("an area"), source.clone())).collect())
    }

    /// Loads a version into `federal`; makes it active if `active`.
    fn load(fake: &Fake, coverage: Coverage, active: bool) -> VersionId {
        let registry = fake.known().catalog.registry_named("federal").expect("founded").clone();
        let load = registry.versions.len() as u128;
        let Decision::Version { id, .. } = fake.change(Change::BeginVersion { registry: registry.id, load, now_ms: 1 })
        else {
            panic!("a version");
        };
        let (by_area, report) = (BTreeMap::new(), LoadReport::default());
        let content = Content { coverage, numbers: 1, by_area, checksum: 0, report };
        fake.change(Change::SealVersion { registry: registry.id, version: id, content });
        if active {
            let from = registry.active;
            fake.change(Change::Activate { registry: registry.id, version: id, from, now_ms: 1 });
        }
        id
    }

    fn federal(fake: &Fake) -> Registry {
        fake.known().catalog.registry_named("federal").expect("founded").clone()
    }

    fn names(offers: &[Offer]) -> Vec<&str> {
        offers.iter().map(|offer| offer.name.as_str()).collect()
    }

    #[test]
    fn for_each_area_the_newest_list_is_taken_and_none_older_than_what_is_active() {
        let fake = Fake::founded();
        load(&fake, areas(&[("212", source("2026-11-9_212_x.txt", 1))]), true);
        let offers = vec![
            offer("2026-10-9_201_a.txt", 9),
            offer("2026-11-9_201_b.txt", 1),
            offer("2026-11-9_201_c.txt", 2),
            offer("2026-10-9_212_a.txt", 9),
            offer("2026-11-8_818_a.txt", 3),
        ];
        let choice = choose(offers, &Loaded::of(&federal(&fake)));
        assert_eq!(names(&choice.together), ["2026-11-8_818_a.txt", "2026-11-9_201_c.txt"]);
        assert_eq!(choice.in_turn, []);
    }

    #[test]
    fn other_files_are_taken_in_the_order_they_came_from_the_last_one_loaded_on() {
        let fake = Fake::founded();
        let offers = || vec![offer("b.csv", 2), offer("d.csv", 4), offer("a.csv", 1), offer("c.csv", 3)];
        let all = choose(offers(), &Loaded::of(&federal(&fake)));
        assert_eq!(names(&all.in_turn), ["a.csv", "b.csv", "c.csv", "d.csv"]);
        load(&fake, Coverage::Everywhere(source("a.csv; b.csv", 1)), true);
        let later = choose(offers(), &Loaded::of(&federal(&fake)));
        assert_eq!(names(&later.in_turn), ["b.csv", "c.csv", "d.csv"]);
    }

    #[test]
    fn files_are_known_by_their_hashes_one_by_one_or_joined() {
        let fake = Fake::founded();
        let joined: [u8; 32] = Sha256::new().chain_update([7; 32]).chain_update([8; 32]).finalize().into();
        let both = Source { sha256: joined, ..source("c; d", 0) };
        let id = load(&fake, areas(&[("201", source("a", 1)), ("202", source("b", 2)), ("203", both)]), true);
        let registry = federal(&fake);
        let loaded = Loaded::of(&registry);
        for known in [&[[1; 32]][..], &[[2; 32], [1; 32]], &[[7; 32], [8; 32]]] {
            assert_eq!(loaded.holds(known), Some(id));
        }
        for unknown in [&[][..], &[[3; 32]], &[[1; 32], [3; 32]], &[[8; 32], [7; 32]]] {
            assert_eq!(loaded.holds(unknown), None);
        }
        assert_eq!(loaded.covers(), (false, vec!["201".into(), "202".into(), "203".into()]));
    }

    #[test]
    fn what_waits_to_be_forced_or_was_rolled_back_from_is_not_loaded_again_and_what_is_older_is() {
        let fake = Fake::founded();
        let old = load(&fake, Coverage::Everywhere(source("a", 1)), true);
        let active = load(&fake, Coverage::Everywhere(source("b", 2)), true);
        let held = load(&fake, Coverage::Everywhere(source("c", 3)), false);
        let registry = federal(&fake);
        assert!(old < active && registry.active == Some(active));
        let loaded = Loaded::of(&registry);
        assert_eq!(loaded.holds(&[[3; 32]]), Some(held));
        assert_eq!(loaded.holds(&[[2; 32]]), Some(active));
        assert_eq!(loaded.holds(&[[1; 32]]), None);
    }
}
