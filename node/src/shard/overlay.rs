//! The overlay: suppressions that are in the log but not applied yet.
//!
//! A replica answers from what it has applied plus this, so that an entry that a majority holds is
//! seen on any of them. Only adds are kept: a release takes effect when it is applied, which errs on
//! the safe side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use dnc_core::ids::RegistryId;
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::Suppression;
use parking_lot::RwLock;

/// Adds in the log's tail, by log index.
#[derive(Default)]
pub struct Overlay {
    adds: RwLock<BTreeMap<u64, Add>>,
    /// How many there are: nearly always none, and then a check takes no lock.
    len: AtomicUsize,
}

struct Add {
    number: PhoneNumber,
    registry: RegistryId,
    suppression: Suppression,
}

// === impl Overlay ===

impl Overlay {
    /// The log holds this suppression from now on.
    pub fn add(&self, index: u64, number: PhoneNumber, registry: RegistryId, suppression: Suppression) {
        let mut adds = self.adds.write();
        adds.insert(index, Add { number, registry, suppression });
        self.len.store(adds.len(), Ordering::Release);
    }

    /// Entries above this index left the log.
    pub fn truncate(&self, after_index: u64) {
        let mut adds = self.adds.write();
        adds.split_off(&(after_index.saturating_add(1)));
        self.len.store(adds.len(), Ordering::Release);
    }

    /// Everything up to this index is applied and can be read from the state.
    pub fn drop_applied(&self, index: u64) {
        if self.len.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut adds = self.adds.write();
        *adds = adds.split_off(&(index.saturating_add(1)));
        self.len.store(adds.len(), Ordering::Release);
    }

    /// Whether the tail holds no add.
    pub fn is_empty(&self) -> bool {
        self.len.load(Ordering::Acquire) == 0
    }

    /// Calls `each` for every add of these numbers: position, registry, entry.
    pub fn find(&self, numbers: &[PhoneNumber], mut each: impl FnMut(usize, RegistryId, &Suppression)) {
        if self.is_empty() {
            return;
        }
        let adds = self.adds.read();
        let mut by_number: std::collections::HashMap<PhoneNumber, Vec<&Add>> = Default::default();
        for add in adds.values() {
            by_number.entry(add.number).or_default().push(add);
        }
        for (at, number) in numbers.iter().enumerate() {
            for add in by_number.get(number).into_iter().flatten() {
                each(at, add.registry, &add.suppression);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_core::ids::{RequestId, TenantId};
    use dnc_core::suppression::Origin;

    fn number(line: u64) -> PhoneNumber {
        PhoneNumber::from_u64(12_015_550_000 + line).expect("a number")
    }

    fn add(overlay: &Overlay, index: u64) {
        let suppression = Suppression::new(RequestId(u128::from(index)), TenantId(1), Origin::Consumer, 0);
        overlay.add(index, number(index), RegistryId(1), suppression);
    }

    fn found(overlay: &Overlay) -> Vec<usize> {
        let numbers: Vec<_> = (0..6).map(number).collect();
        let mut found = Vec::new();
        overlay.find(&numbers, |at, _, _| found.push(at));
        found
    }

    #[test]
    fn what_is_in_the_tail_is_found_until_it_is_applied_or_truncated() {
        let overlay = Overlay::default();
        for index in 1..=5 {
            add(&overlay, index);
        }
        assert_eq!(found(&overlay), [1, 2, 3, 4, 5]);
        overlay.truncate(4);
        assert_eq!(found(&overlay), [1, 2, 3, 4]);
        overlay.drop_applied(2);
        assert_eq!(found(&overlay), [3, 4]);
        overlay.drop_applied(9);
        assert!(overlay.is_empty());
    }
}
