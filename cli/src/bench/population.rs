//! Generated numbers: which there are, and which of them are listed. Pure arithmetic on a seed, so that whoever knows the
//! seed can tell a listed number from one that is not, without the files and in any process.
//!
//! The scheme, which does not change:
//! - Areas are given, or the first N codes from 201 upwards whose second digit is not 9 and that do not end in 11.
//! - Each area has 792 exchanges: 200 to 999 without those that end in 11. An area and an exchange are a block of 10,000
//!   lines. Blocks are counted area by area, exchange by exchange, from 0.
//! - Of `numbers` listed numbers in `B` blocks, each block has `numbers / B`, and the first `numbers % B` blocks one more.
//! - A block's key is `mix(seed ^ mix(block + 1))`, where `block` is area code and exchange (201200) and `mix` is the
//!   finaliser of SplitMix64. A permutation of the 10,000 lines under that key (see `permutation`) turns ranks into lines:
//!   the lines of rank 0 to `k - 1` are listed in a block that has `k`.

use anyhow::{Result, bail, ensure};

use dnc_core::generate::{Permutation, Random, mix};

/// Lines of a block.
pub const LINES: u32 = 10_000;
/// Exchanges of an area.
const EXCHANGES: u32 = 792;

/// A set of generated numbers, some of them listed.
#[derive(Clone, Debug)]
pub struct Population {
    seed: u64,
    areas: Vec<u16>,
    numbers: u64,
}

/// One of the population's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generated {
    /// Ten digits.
    pub national: u64,
    /// Whether it is listed.
    pub listed: bool,
}

/// Reads `--areas`: how many, or which.
pub fn areas(text: &str) -> Result<Vec<u16>> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if let [count] = parts[..]
        && count.len() < 3
    {
        let count: usize = count.parse()?;
        return Ok(plain_codes().take(count).collect());
    }
    let mut areas = Vec::new();
    for part in parts {
        let code: u16 = part.parse()?;
        ensure!(is_plain(code), "`{part}` is not an area code from 200 to 989");
        ensure!(!areas.contains(&code), "area code {part} is named twice");
        areas.push(code);
    }
    Ok(areas)
}

fn plain_codes() -> impl Iterator<Item = u16> {
    (201..=989).filter(|&code| is_plain(code) && code % 100 != 11)
}

fn is_plain(code: u16) -> bool {
    (200..=989).contains(&code) && code / 10 % 10 != 9
}

/// The exchange with this place among those of an area.
fn exchange(place: u32) -> u32 {
    // 200 to 210, then runs of 99 that leave out 211, 311 and so on.
    if place < 11 { 200 + place } else { 212 + place - 11 + (place - 11) / 99 }
}

// === impl Population ===

impl Population {
    /// `numbers` listed numbers in these areas.
    pub fn new(seed: u64, areas: Vec<u16>, numbers: u64) -> Result<Self> {
        let population = Self { seed, areas, numbers };
        let most = u64::from(population.blocks()) * u64::from(LINES - 1);
        if population.areas.is_empty() || numbers == 0 || numbers > most {
            bail!(
                "{} areas hold 1 to {most} listed numbers, these are {numbers}: give other --areas or --numbers",
                population.areas.len()
            );
        }
        Ok(population)
    }

    /// Its areas, in their order.
    pub fn areas(&self) -> &[u16] {
        &self.areas
    }

    /// How many numbers are listed.
    pub fn numbers(&self) -> u64 {
        self.numbers
    }

    /// A listed number, each as likely as the others.
    pub fn hit(&self, random: &mut Random) -> Generated {
        let (each, more) = self.share();
        let place = random.below(self.numbers);
        let larger = more * (each + 1);
        let (block, rank) = match place.checked_sub(larger) {
            None => (place / (each + 1), place % (each + 1)),
            Some(rest) => (more + rest / each, rest % each),
        };
        self.number(block as u32, rank as u32)
    }

    /// A number that is not listed: any block, any such line in it.
    pub fn miss(&self, random: &mut Random) -> Generated {
        let block = random.below(u64::from(self.blocks())) as u32;
        let listed = u64::from(self.listed(block));
        let rank = listed + random.below(u64::from(LINES) - listed);
        self.number(block, rank as u32)
    }

    /// All listed numbers of an area, ascending.
    pub fn listed_in(&self, area_place: usize) -> impl Iterator<Item = u64> + '_ {
        let first = area_place as u32 * EXCHANGES;
        (first..first + EXCHANGES).flat_map(|block| {
            let permutation = self.permutation(block);
            let mut lines: Vec<u64> = (0..u64::from(self.listed(block))).map(|rank| permutation.place(rank)).collect();
            lines.sort_unstable();
            let base = self.prefix(block) * u64::from(LINES);
            lines.into_iter().map(move |line| base + line)
        })
    }

    fn number(&self, block: u32, rank: u32) -> Generated {
        let line = self.permutation(block).place(u64::from(rank));
        Generated { national: self.prefix(block) * u64::from(LINES) + line, listed: rank < self.listed(block) }
    }

    fn permutation(&self, block: u32) -> Permutation {
        Permutation::new(mix(self.seed ^ mix(self.prefix(block) + 1)), u64::from(LINES))
    }

    /// Area code and exchange.
    fn prefix(&self, block: u32) -> u64 {
        u64::from(self.areas[(block / EXCHANGES) as usize]) * 1_000 + u64::from(exchange(block % EXCHANGES))
    }

    fn blocks(&self) -> u32 {
        // At most 711 area codes.
        self.areas.len() as u32 * EXCHANGES
    }

    fn listed(&self, block: u32) -> u32 {
        let (each, more) = self.share();
        (each + u64::from(u64::from(block) < more)) as u32
    }

    /// How many each block has, and how many blocks have one more.
    fn share(&self) -> (u64, u64) {
        let blocks = u64::from(self.blocks());
        (self.numbers / blocks, self.numbers % blocks)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn exchanges_are_those_that_can_be_dialled() {
        let expected: Vec<u32> = (200..1_000).filter(|exchange| exchange % 100 != 11).collect();
        assert_eq!((0..EXCHANGES).map(exchange).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn exactly_as_many_numbers_are_listed_as_were_asked_for() {
        for numbers in [1, 791, 792, 100_001] {
            let population = Population::new(7, vec![201, 305], numbers).unwrap();
            let listed: BTreeSet<u64> = (0..2).flat_map(|place| population.listed_in(place)).collect();
            assert_eq!(listed.len() as u64, numbers);
        }
    }

    #[test]
    fn hits_are_in_the_lists_and_misses_are_not() {
        for numbers in [5, 50_000, 1_584 * 9_999] {
            let population = Population::new(7, vec![201, 305], numbers).unwrap();
            let listed: BTreeSet<u64> = (0..2).flat_map(|place| population.listed_in(place)).collect();
            let mut random = Random::new(1);
            for _ in 0..1_000 {
                let hit = population.hit(&mut random);
                assert!(hit.listed && listed.contains(&hit.national));
                let miss = population.miss(&mut random);
                assert!(!miss.listed && !listed.contains(&miss.national));
            }
        }
    }

    #[test]
    fn lists_ascend_and_every_number_can_be_dialled() {
        let population = Population::new(3, areas("2").unwrap(), 30_000).unwrap();
        let listed: Vec<u64> = population.listed_in(1).collect();
        assert!(listed.is_sorted());
        for national in listed {
            dnc_core::number::PhoneNumber::parse(&national.to_string()).unwrap();
        }
    }

    #[test]
    fn the_scheme_does_not_change() {
        let population = Population::new(1, vec![201], 1_000_000).unwrap();
        let first: Vec<u64> = population.listed_in(0).take(4).collect();
        let mut random = Random::new(1);
        let drawn = [population.hit(&mut random).national, population.miss(&mut random).national];
        assert_eq!(first, [2_012_000_000, 2_012_000_004, 2_012_000_005, 2_012_000_016]);
        assert_eq!(drawn, [2_016_531_358, 2_017_961_664]);
    }

    #[test]
    fn areas_are_counted_or_named() {
        assert_eq!(areas("3").unwrap(), [201, 202, 203]);
        assert_eq!(areas("305, 212").unwrap(), [305, 212]);
        assert_eq!(areas("201").unwrap(), [201]);
        for bad in ["0x", "199", "291", "201,201", ""] {
            assert!(areas(bad).is_err(), "{bad}");
        }
        assert!(Population::new(1, areas("1").unwrap(), 792 * 9_999 + 1).is_err());
    }
}
