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

/// What a book holds. It only grows.
#[derive(Default)]
struct Kept {
    judgements: Vec<Arc<SharedJudgement>>,
    /// Where they are: areas of one list share a judgement.
    by_key: HashMap<Key, usize, FixedState>,
    by_judgement: HashMap<Judgement, usize, FixedState>,
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
    /// Where each judgement of the book is among those of this check, or [`NOBODY`].
    places: Vec<u32>,
}

/// Judges each number by what its shard's replicas found; without a settled answer it is unavailable.
pub fn judge_all(numbers: &[PhoneNumber], asker: &Asker, book: &Book, gathers: &[Gather], now: Now) -> Judgements {
    let judged = Judgements { distinct: Vec::new(), of: vec![NOBODY; numbers.len()] };
    let mut judging = Judging { numbers, asker, book, now, judged, places: Vec::new() };
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

    /// Keeps what was made for a key: where it is among all that is kept. If there is no room for it, it is given back.
    fn keep(&self, key: Key, made: Judgement) -> Result<usize, Judgement> {
        let mut kept = self.kept.write();
        let has_room = kept.by_key.len() < MAX_KEPT;
        let place = match kept.by_judgement.get(&made) {
            Some(place) => *place,
            None if has_room => {
                let place = kept.judgements.len();
                kept.judgements.push(Arc::new(SharedJudgement::from(made.clone())));
                kept.by_judgement.insert(made, place);
                place
            }
            None => return Err(made),
        };
        if has_room {
            kept.by_key.insert(key, place);
        }
        Ok(place)
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
        // Those that have something of their own, and those of which the book knows nothing yet.
        let (mut own, mut new) = (Vec::new(), Vec::new());
        let kept = self.book.kept.read();
        for (at, position) in gather.positions().iter().enumerate() {
            let number = self.numbers[*position];
            if found.own.contains_key(&at) || others.iter().any(|(_, bits)| bits.get(at)) || ruled(number) {
                own.push(at);
                continue;
            }
            let lists = named.iter().filter(|(_, bits)| bits.get(at)).fold(0, |lists, (bit, _)| lists | bit);
            let key = Key { tenant, area: number.area(), lists };
            match kept.by_key.get(&key) {
                Some(place) => {
                    self.judged.of[*position] = known(&mut self.places, &mut self.judged.distinct, &kept, *place);
                }
                None => new.push((at, key)),
            }
        }
        drop(kept);
        for (at, key) in new {
            let position = gather.positions()[at];
            let findings = Findings { bulk: found.lists_of(at), ..Findings::default() };
            let made = judge(self.numbers[position], &findings, view, self.asker, self.now);
            self.judged.of[position] = match self.book.keep(key, made) {
                Ok(place) => known(&mut self.places, &mut self.judged.distinct, &self.book.kept.read(), place),
                Err(made) => self.place(made),
            };
        }
        for at in own {
            let position = gather.positions()[at];
            let mut findings = found.own.get(&at).cloned().unwrap_or_default();
            findings.bulk = found.lists_of(at);
            let made = judge(self.numbers[position], &findings, view, self.asker, self.now);
            self.judged.of[position] = self.place(made);
        }
    }

    /// A place for a judgement that no other number has.
    fn place(&mut self, judgement: Judgement) -> u32 {
        append(&mut self.judged.distinct, Arc::new(judgement.into()))
    }

    fn finish(mut self) -> Judgements {
        if self.judged.of.contains(&NOBODY) {
            let unavailable = self.place(Judgement::unavailable());
            self.judged.of.iter_mut().filter(|place| **place == NOBODY).for_each(|place| *place = unavailable);
        }
        self.judged
    }
}

/// The place in a check of a judgement that the book has at this one; its first number gives it one.
#[inline]
fn known(places: &mut Vec<u32>, distinct: &mut Vec<Arc<SharedJudgement>>, kept: &Kept, at: usize) -> u32 {
    if places.len() <= at {
        places.resize(at + 1, NOBODY);
    }
    if places[at] == NOBODY {
        places[at] = append(distinct, Arc::clone(&kept.judgements[at]));
    }
    places[at]
}

fn append(distinct: &mut Vec<Arc<SharedJudgement>>, judgement: Arc<SharedJudgement>) -> u32 {
    distinct.push(judgement);
    u32::try_from(distinct.len() - 1).expect("no more than numbers in a check")
}

#[cfg(test)]
mod tests;
