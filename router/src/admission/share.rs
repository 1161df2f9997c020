//! Who may take how many of a router's places. Without I/O and clocks.
//!
//! While a cluster has one tenant, it may take them all. With more, each may take what leaves the same for every tenant that
//! has requests under way, and for one that has none yet: a tenant that calls as fast as it can meets its own bound,
//! and whoever comes next finds room.

use std::collections::HashMap;
use std::sync::Arc;

use dnc_core::ids::TenantId;
use parking_lot::Mutex;

/// Whose request it is; requests of tenants that do not exist share one account.
pub type Account = Option<TenantId>;

/// A place that could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// All are taken.
    Full,
    /// This account has as many as are its share.
    Share,
}

/// A router's places.
#[derive(Debug)]
pub struct Shares {
    places: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only accounts that have taken some.
    by_account: HashMap<Account, usize>,
}

/// A place; free again once this is dropped.
#[derive(Debug)]
pub struct Place {
    shares: Arc<Shares>,
    account: Account,
}

// === impl Shares ===

impl Shares {
    /// So many places, all free.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, taken: Mutex::default() })
    }

    /// Takes a place. `is_alone`: the cluster has no other tenant.
    pub fn take(self: &Arc<Self>, account: Account, is_alone: bool) -> Result<Place, Refused> {
        let mut taken = self.taken.lock();
        let own = taken.by_account.get(&account).copied().unwrap_or(0);
        let others = taken.by_account.len() - usize::from(own > 0);
        if taken.all >= self.places {
            return Err(Refused::Full);
        }
        if !is_alone && own >= share(self.places, others) {
            return Err(Refused::Share);
        }
        taken.all += 1;
        taken.by_account.insert(account, own + 1);
        Ok(Place { shares: Arc::clone(self), account })
    }

    fn give_back(&self, account: Account) {
        let mut taken = self.taken.lock();
        taken.all -= 1;
        let own = taken.by_account.get_mut(&account).expect("whoever gives a place back has taken it");
        *own -= 1;
        if *own == 0 {
            taken.by_account.remove(&account);
        }
    }
}

/// What one account may take beside so many others that have taken some: one part is left for whoever comes next.
fn share(places: usize, others: usize) -> usize {
    (places / (others + 2)).max(1)
}

// === impl Place ===

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.give_back(self.account);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOISY: Account = Some(TenantId(1));
    const QUIET: Account = Some(TenantId(2));

    fn take_all(shares: &Arc<Shares>, account: Account, is_alone: bool) -> (Vec<Place>, Refused) {
        let mut places = Vec::new();
        loop {
            match shares.take(account, is_alone) {
                Ok(place) => places.push(place),
                Err(why) => return (places, why),
            }
        }
    }

    #[test]
    fn the_only_tenant_takes_all() {
        let (places, why) = take_all(&Shares::new(9), NOISY, true);
        assert_eq!((places.len(), why), (9, Refused::Full));
    }

    #[test]
    fn whoever_takes_what_it_can_leaves_room_for_the_next_one() {
        let shares = Shares::new(12);
        let (first, why) = take_all(&shares, NOISY, false);
        assert_eq!((first.len(), why), (6, Refused::Share));
        let (second, _) = take_all(&shares, QUIET, false);
        assert_eq!(second.len(), 4);
        assert!(shares.take(None, false).is_ok(), "a third one finds room, too");
        // Beside others its share is smaller, so it gets no more before it has fallen below.
        drop(first);
        let (again, _) = take_all(&shares, NOISY, false);
        assert_eq!(again.len(), 4);
    }

    #[test]
    fn a_router_of_one_place_serves_each_in_turn() {
        let shares = Shares::new(1);
        let place = shares.take(NOISY, false).expect("free");
        assert_eq!(shares.take(QUIET, false).expect_err("taken"), Refused::Full);
        drop(place);
        assert!(shares.take(QUIET, false).is_ok());
    }

    proptest! {
        /// Against a plain count: never more than there are, and none is lost.
        #[test]
        fn places_are_neither_lost_nor_made(steps in prop::collection::vec((0..4u32, any::<bool>()), 1..200)) {
            let shares = Shares::new(7);
            let mut held: Vec<Place> = Vec::new();
            for (who, takes) in steps {
                let account = (who > 0).then_some(TenantId(who));
                if takes {
                    held.extend(shares.take(account, false));
                } else if let Some(at) = held.iter().position(|place| place.account == account) {
                    held.remove(at);
                }
                let taken = shares.taken.lock();
                prop_assert_eq!(taken.all, held.len());
                prop_assert!(taken.all <= 7);
                prop_assert_eq!(taken.by_account.values().sum::<usize>(), held.len());
                prop_assert!(taken.by_account.values().all(|own| *own > 0));
            }
            drop(held);
            prop_assert!(shares.take(NOISY, false).is_ok());
        }
    }
}
