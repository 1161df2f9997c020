//! Judging what was found. Numbers that share all that judges them share one judgement.
//!
//! A number with something of its own (a live entry, an exemption, a rule that matches it) is judged for itself. Of any other the
//! judgement depends on its area and on the lists that list it alone, for one tenant, by one view and on one day. It is made once
//! and kept in a [`Book`] as long as view and day last, so that a bulk costs a look into a table for each number.

use std::collections::HashMap;
use std::sync::Arc;

use dnc_core::area::Area;
use dnc_core::bits::Bits;
use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::verdict::{Asker, Findings, Judgement, Now, judge};
use dnc_core::view::View;
use foldhash::fast::FixedState;
use jiff::civil::Date;
use parking_lot::RwLock;

use super::gather::Gather;
use crate::judgement::SharedJudgement;

/// Most keys that a book keeps: all areas of North America, each listed and not, for some hundred tenants.
const MAX_KEPT: usize = 1 << 17;
/// Lists that a key tells apart: those that come first in the view.
const MAX_LISTS: usize = 64;
/// A number that nobody has judged yet.
const NOBODY: u32 = u32::MAX;

/// A judgement for each of some numbers; one that many share is held once.
#[derive(Clone, Debug, Default)]
pub struct Judgements {
    distinct: Vec<Arc<SharedJudgement>>,
    /// For each number its place among these.
    of: Vec<u32>,
}

/// Judgements by one view, on one day, of numbers that have nothing of their own.
pub struct Book {
    view: Arc<View>,
    today: Date,
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<Key, Arc<SharedJudgement>, FixedState>,
    /// The same judgements: areas of one list share theirs.
    distinct: HashMap<Judgement, Arc<SharedJudgement>, FixedState>,
}

/// All that judges a number which has nothing of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    area: Area,
    /// Which registries list it, by their places in the view: bit 0 is the first.
    lists: u64,
}

/// Judges the numbers of one check, one by one.
struct Judging<'a> {
    numbers: &'a [PhoneNumber],
    asker: &'a Asker,
    book: &'a Book,
    now: Now,
    judged: Judgements,
    by_key: HashMap<Key, u32, FixedState>,
    /// Places by the address of the judgement.
    places: HashMap<usize, u32, FixedState>,
}

/// Judges each number by what its shard's replicas found; without a settled answer it is unavailable.
pub fn judge_all(numbers: &[PhoneNumber], asker: &Asker, book: &Book, gathers: &[Gather], now: Now) -> Judgements {
    let judged = Judgements { distinct: Vec::new(), of: vec![NOBODY; numbers.len()] };
    let (by_key, places) = Default::default();
    let mut judging = Judging { numbers, asker, book, now, judged, by_key, places };
    gathers.iter().for_each(|gather| judging.take(gather));
    judging.finish()
}

// === impl Judgements ===

impl Judgements {
    /// How many numbers were judged.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// No number was judged.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The judgement of a number.
    pub fn get(&self, at: usize) -> Option<&Arc<SharedJudgement>> {
        self.distinct.get(self.place(at)?)
    }

    /// Where the judgement of a number is among [`Judgements::distinct`].
    #[inline]
    pub fn place(&self, at: usize) -> Option<usize> {
        self.of.get(at).map(|place| *place as usize)
    }

    /// The judgements, each held once if many numbers share it.
    pub fn distinct(&self) -> &[Arc<SharedJudgement>] {
        &self.distinct
    }
}

impl FromIterator<Judgement> for Judgements {
    fn from_iter<I: IntoIterator<Item = Judgement>>(judgements: I) -> Judgements {
        let distinct: Vec<_> =
            judgements.into_iter().map(|judgement| Arc::new(SharedJudgement::from(judgement))).collect();
        let of = (0..).take(distinct.len()).collect();
        Judgements { distinct, of }
    }
}

// === impl Book ===

impl Book {
    /// Nothing judged yet.
    pub fn new(view: Arc<View>, today: Date) -> Book {
        Book { view, today, kept: RwLock::default() }
    }

    /// Whether it is about this view and day.
    pub fn is_of(&self, view: &Arc<View>, today: Date) -> bool {
        Arc::ptr_eq(&self.view, view) && self.today == today
    }

    /// The view that it judges by.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    fn find(&self, key: Key, make: impl FnOnce() -> Judgement) -> Arc<SharedJudgement> {
        if let Some(known) = self.kept.read().by_key.get(&key) {
            return Arc::clone(known);
        }
        let made = make();
        let mut kept = self.kept.write();
        if let Some(same) = kept.distinct.get(&made) {
            let same = Arc::clone(same);
            kept.keep(key, &same);
            return same;
        }
        let judgement = Arc::new(SharedJudgement::from(made.clone()));
        if kept.keep(key, &judgement) {
            kept.distinct.insert(made, Arc::clone(&judgement));
        }
        judgement
    }
}

// === impl Kept ===

impl Kept {
    /// Keeps a judgement under a key, if there is room; whether there is.
    fn keep(&mut self, key: Key, judgement: &Arc<SharedJudgement>) -> bool {
        let has_room = self.by_key.len() < MAX_KEPT;
        if has_room {
            self.by_key.insert(key, Arc::clone(judgement));
        }
        has_room
    }
}

// === impl Judging ===

impl Judging<'_> {
    fn take(&mut self, gather: &Gather) {
        let Some(found) = gather.found() else {
            return;
        };
        let view = self.book.view();
        let place = |id: RegistryId| {
            view.registries.binary_search_by_key(&id, |known| known.id).ok().filter(|place| *place < MAX_LISTS)
        };
        // Lists that a key cannot name: whatever they list is judged for itself.
        let (named, others): (Vec<_>, Vec<_>) =
            found.listed.iter().map(|(id, bits)| (place(*id), bits)).partition(|(place, _)| place.is_some());
        let named: Vec<(u64, &Bits)> =
            named.into_iter().filter_map(|(place, bits)| Some((1 << place?, bits))).collect();
        let tenant = self.asker.tenant;
        let ruled = |number| !view.rules.is_empty() && !view.rules.matching(number, tenant).is_empty();
        for (at, position) in gather.positions().iter().enumerate() {
            let number = self.numbers[*position];
            let own = found.own.get(&at);
            if own.is_some() || others.iter().any(|(_, bits)| bits.get(at)) || ruled(number) {
                let mut findings = own.cloned().unwrap_or_default();
                findings.bulk = found.lists_of(at);
                self.judged.of[*position] =
                    self.place(Arc::new(judge(number, &findings, view, self.asker, self.now).into()));
                continue;
            }
            let lists = named.iter().filter(|(_, bits)| bits.get(at)).fold(0, |lists, (bit, _)| lists | bit);
            let key = Key { tenant, area: number.area(), lists };
            self.judged.of[*position] = match self.by_key.get(&key) {
                Some(place) => *place,
                None => {
                    let findings = || Findings { bulk: found.lists_of(at), ..Findings::default() };
                    let judged = self.book.find(key, || judge(number, &findings(), view, self.asker, self.now));
                    let place = self.place(judged);
                    self.by_key.insert(key, place);
                    place
                }
            };
        }
    }

    fn place(&mut self, judgement: Arc<SharedJudgement>) -> u32 {
        let next = u32::try_from(self.judged.distinct.len()).expect("no more than numbers in a check");
        let place = *self.places.entry(Arc::as_ptr(&judgement) as usize).or_insert(next);
        if place == next {
            self.judged.distinct.push(judgement);
        }
        place
    }

    fn finish(mut self) -> Judgements {
        if self.judged.of.contains(&NOBODY) {
            let unavailable = self.place(Arc::new(Judgement::unavailable().into()));
            self.judged.of.iter_mut().filter(|place| **place == NOBODY).for_each(|place| *place = unavailable);
        }
        self.judged
    }
}

#[cfg(test)]
mod tests;
