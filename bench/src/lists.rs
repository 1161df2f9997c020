//! The list files that are loaded.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use dnc_core::generate::{NationalList, Random, ftc_line};
use dnc_core::number::PhoneNumber;

/// Of each so many numbers a changed list leaves one out, and has another one in its place.
const CHANGED: u64 = 200;

/// The list as a file of the national registry.
pub fn whole(list: &NationalList, file: &Path) -> Result<()> {
    write(file, list.ascending())
}

/// The same a while later: one number in a hundred has come or gone.
pub fn changed(list: &NationalList, seed: u64, file: &Path) -> Result<()> {
    let kept = (0..).zip(list.ascending()).filter(|(at, _)| at % CHANGED != 0).map(|(_, number)| number);
    let new = misses(list, seed, list.numbers().div_ceil(CHANGED));
    write(file, kept.chain(new))
}

/// A change list for the changed list of this seed: half of its lines end what both lists have, half are new to both.
pub fn changes(list: &NationalList, seed: u64, lines: u64, file: &Path) -> Result<()> {
    let time = format!("{}T00:00:00Z", dnc_tests::numbers::today());
    let half = lines / 2;
    let changed = list.numbers().div_ceil(CHANGED);
    // Of each so many numbers that both lists have, one.
    let each = (list.numbers() - changed) / half;
    ensure!(each > 0, "a list of {} numbers is too short for {lines} changes", list.numbers());
    let kept = (0..).zip(list.ascending()).filter(|(at, _)| at % CHANGED != 0).map(|(_, number)| number);
    let ended = kept.step_by(usize::try_from(each)?).take(usize::try_from(half)?);
    // The same seed draws the changed list's own first.
    let (known, drawn) = (misses(list, seed, changed), misses(list, seed, changed + half));
    let new = drawn.difference(&known).copied();
    let mut file = create(file)?;
    for (number, action) in ended.map(|number| (number, 'D')).chain(new.map(|number| (number, 'A'))) {
        writeln!(file, "{},{time},{action}", number.to_u64() % 10_000_000_000)?;
    }
    Ok(file.flush()?)
}

/// So many numbers that are not on a list, ascending.
fn misses(list: &NationalList, seed: u64, count: u64) -> BTreeSet<PhoneNumber> {
    let mut random = Random::for_worker(seed, 2);
    let mut misses = BTreeSet::new();
    while (misses.len() as u64) < count {
        misses.insert(list.miss(&mut random));
    }
    misses
}

fn write(file: &Path, numbers: impl Iterator<Item = PhoneNumber>) -> Result<()> {
    let mut file = create(file)?;
    for number in numbers {
        file.write_all(&ftc_line(number.to_u64() % 10_000_000_000))?;
    }
    Ok(file.flush()?)
}

fn create(file: &Path) -> Result<BufWriter<File>> {
    let created = File::create(file).with_context(|| format!("create {}", file.display()))?;
    Ok(BufWriter::with_capacity(1 << 20, created))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_list_differs_in_one_of_a_hundred_numbers_and_a_change_list_fits_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let list = NationalList::new(1, 20_000).expect("a list");
        let path = |name: &str| folder.path().join(name);
        whole(&list, &path("first")).expect("written");
        changed(&list, 1, &path("second")).expect("written");
        changes(&list, 1, 100, &path("changes")).expect("written");
        let lines = |name: &str| -> Vec<String> {
            let text = std::fs::read_to_string(path(name)).expect("there");
            text.lines().map(|line| line.replacen(',', "", usize::from(name != "changes"))).collect()
        };
        let set = |name: &str| -> BTreeSet<String> { lines(name).into_iter().collect() };
        let (first, second) = (set("first"), set("second"));
        assert_eq!((first.len(), second.len()), (20_000, 20_000));
        assert_eq!((first.difference(&second).count(), second.difference(&first).count()), (100, 100));
        let changes = lines("changes");
        assert_eq!(changes.len(), 100);
        for change in changes {
            let (number, action) = (&change[..10], &change[change.len() - 1..]);
            assert_eq!(second.contains(number), action == "D", "{change}");
            assert!(action == "A" || first.contains(number), "{change}");
        }
    }
}
