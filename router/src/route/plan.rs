//! Whom to ask: numbers by shard, and of each shard's replicas the ones most likely to answer. Pure.

use dnc_core::catalog::Catalog;
use dnc_core::ids::{NodeId, ShardId};
use dnc_core::number::PhoneNumber;

use super::gather::Gather;

/// Groups numbers by the shard that keeps their block.
pub fn by_shard(numbers: &[PhoneNumber], catalog: &Catalog) -> Vec<Gather> {
    let map = &catalog.shard_map;
    if map.shards() == 0 {
        return Vec::new();
    }
    let shards: Vec<u32> = numbers.iter().map(|number| number.block().shard(map.shards())).collect();
    // How many numbers each shard has, and where its gather is once it has one.
    let mut sizes: Vec<(usize, Option<usize>)> = vec![(0, None); map.shards() as usize];
    shards.iter().for_each(|shard| sizes[*shard as usize].0 += 1);
    let mut gathers: Vec<Gather> = Vec::with_capacity(sizes.iter().filter(|(size, _)| *size > 0).count());
    for ((position, number), shard) in numbers.iter().enumerate().zip(shards) {
        let (size, place) = &mut sizes[shard as usize];
        let place = *place.get_or_insert_with(|| {
            let id = ShardId(shard);
            let hosts = catalog.hosts(id);
            gathers.push(Gather::new(id, catalog.generation(id), hosts, map.replicas(id).len(), *size));
            gathers.len() - 1
        });
        gathers[place].push(position, *number);
    }
    gathers
}

/// A replica's chance to answer soon, as far as this router knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prospect {
    /// The node.
    pub node: NodeId,
    /// It did not answer lately.
    pub suspect: bool,
    /// It leads the shard.
    pub leader: bool,
    /// It answered last under its lease.
    pub leased: bool,
}

/// Picks the leader alone if it is likely to be under its lease. Else as many replicas as make a majority: those that are
/// not suspect before those that are, the leader among them when it is known (its log is the newest), the others by turns.
pub fn first_wave(prospects: &[Prospect], turn: usize) -> Vec<NodeId> {
    if let Some(leader) = prospects.iter().find(|prospect| prospect.leader && prospect.leased && !prospect.suspect) {
        return vec![leader.node];
    }
    let majority = prospects.len() / 2 + 1;
    let mut order: Vec<Prospect> = prospects.to_vec();
    if !order.is_empty() {
        let start = turn % order.len();
        order.rotate_left(start);
    }
    order.sort_by_key(|prospect| (prospect.suspect, !prospect.leader));
    order.truncate(majority);
    order.into_iter().map(|prospect| prospect.node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use dnc_core::catalog::{Move, Plan, Purpose, ShardMap};
    use dnc_core::ids::RequestId;

    fn placed() -> Catalog {
        Catalog { shard_map: ShardMap { replicas: vec![vec![1, 2, 3]; 8] }, ..Catalog::default() }
    }

    fn prospects(suspect: &[NodeId], leader: NodeId) -> Vec<Prospect> {
        (1..=3)
            .map(|node| Prospect { node, suspect: suspect.contains(&node), leader: node == leader, leased: false })
            .collect()
    }

    #[test]
    fn the_leader_is_asked_first_and_the_others_take_turns() {
        let waves: BTreeSet<Vec<NodeId>> = (0..6).map(|turn| first_wave(&prospects(&[], 2), turn)).collect();
        assert!(waves.iter().all(|wave| wave.len() == 2 && wave[0] == 2));
        assert_eq!(waves.len(), 2);
    }

    #[test]
    fn a_leader_under_its_lease_is_asked_alone_unless_it_is_suspect() {
        let leased = |suspect: &[NodeId]| -> Vec<Prospect> {
            let leads = |prospect: Prospect| Prospect { leased: prospect.leader, ..prospect };
            prospects(suspect, 2).into_iter().map(leads).collect()
        };
        for turn in 0..6 {
            assert_eq!(first_wave(&leased(&[1]), turn), [2]);
            let without = first_wave(&leased(&[2]), turn);
            assert!(without.len() == 2 && !without.contains(&2));
        }
    }

    #[test]
    fn a_suspect_is_asked_only_when_there_is_no_other() {
        for turn in 0..6 {
            assert!(!first_wave(&prospects(&[2], 2), turn).contains(&2));
            assert_eq!(first_wave(&prospects(&[1, 2], 2), turn).len(), 2);
        }
    }

    #[test]
    fn numbers_keep_their_positions_whatever_their_shard() {
        let numbers: Vec<PhoneNumber> =
            (0..50u64).map(|i| PhoneNumber::from_u64(12_010_000_000 + i * 10_000).expect("a number")).collect();
        let gathers = by_shard(&numbers, &placed());
        let mut seen: Vec<usize> = Vec::new();
        for gather in &gathers {
            for (position, number) in gather.positions().iter().zip(gather.numbers()) {
                assert_eq!(numbers[*position], *number);
                assert_eq!(number.block().shard(8), gather.shard().0);
                seen.push(*position);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_replica_that_is_being_made_is_asked_after_those_of_the_shard_map() {
        let number = PhoneNumber::from_u64(12_010_000_000).expect("a number");
        let mut catalog = placed();
        let left = (0..8).map(|shard| Move { shard: ShardId(shard), to: 4, from: 3 }).collect();
        let purpose = Purpose { why: String::new(), throttle: 0, made_ms: 0 };
        let id = RequestId(1);
        catalog.moves.plan = Some(Plan { id, purpose, since: 1, left, done: 0, dropped: 0, cancelled: false });
        let gathers = by_shard(&[number], &catalog);
        assert_eq!((gathers[0].replicas(), gathers[0].hosts()), (&[1, 2, 3][..], &[1, 2, 3, 4][..]));
    }

    #[test]
    fn without_a_shard_map_there_is_nobody_to_ask() {
        let number = PhoneNumber::from_u64(12_010_000_000).expect("a number");
        assert!(by_shard(&[number], &Catalog::default()).is_empty());
    }
}
