//! Answers of one shard's replicas, and what they come to by the read rule. Pure.
//!
//! Live entries are those that the counted answer shows. Blocks of a version never change, so what
//! bulk registries list may come from any answer whose replica has the view's versions.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dnc_core::bits::Bits;
use dnc_core::codec;
use dnc_core::exemption::Exemption;
use dnc_core::ids::{NodeId, Position, RegistryId, ShardId};
use dnc_core::number::PhoneNumber;
use dnc_core::read_rule::{Settlement, Standing, settle};
use dnc_core::verdict::{Findings, LiveFinding};
use dnc_planted::Bug;
use dnc_proto::internal as wire;

/// The numbers of one shard, and the answers to them so far.
pub struct Gather {
    shard: ShardId,
    /// Of the shard's group: what a replica of another one says does not count.
    generation: u64,
    /// Who may be asked: first those of the shard map, then one that is being made.
    hosts: Vec<NodeId>,
    /// How many of them are of the shard map.
    placed: usize,
    /// Positions in the request.
    positions: Vec<usize>,
    numbers: Vec<PhoneNumber>,
    /// Where each replica stands that has answered, ordered by node; and in the same order what it said.
    standings: Vec<Standing>,
    answers: Vec<Answer>,
    /// What the standings come to.
    settlement: Settlement,
}

/// What was found for the numbers of one shard.
pub struct Found<'a> {
    /// What the lists of the view hold.
    pub listed: &'a [(RegistryId, Bits)],
    /// Live entries and exemptions of the numbers that have any, by their place in the gather.
    pub own: BTreeMap<usize, Findings>,
}

/// What one replica said.
struct Answer {
    /// None if the replica does not have the view's versions.
    listed: Option<Vec<(RegistryId, Bits)>>,
    live: Vec<(usize, LiveFinding)>,
    exemptions: Vec<(usize, Exemption)>,
}

/// An answer that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The replica says so itself.
    #[error("the replica has no answer: {0}")]
    None(&'static str),
    /// The message does not say what it must.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
}

// === impl Gather ===

impl Gather {
    /// Nothing asked yet. `hosts` may be asked, the first `placed` of them before the others; there is room for so many numbers.
    pub fn new(shard: ShardId, generation: u64, hosts: Vec<NodeId>, placed: usize, room: usize) -> Gather {
        let (positions, numbers) = (Vec::with_capacity(room), Vec::with_capacity(room));
        let (standings, answers, settlement) = (Vec::new(), Vec::new(), Settlement::Waiting);
        Gather { shard, generation, hosts, placed, positions, numbers, standings, answers, settlement }
    }

    /// Adds a number, with its position in the request.
    pub fn push(&mut self, position: usize, number: PhoneNumber) {
        self.positions.push(position);
        self.numbers.push(number);
    }

    /// The shard.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Its replicas by the shard map.
    pub fn replicas(&self) -> &[NodeId] {
        &self.hosts[..self.placed]
    }

    /// All that may hold a replica: while one moves, the group may have the new one among its voters already.
    pub fn hosts(&self) -> &[NodeId] {
        &self.hosts
    }

    /// The positions in the request of its numbers.
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// How many numbers it has.
    pub fn size(&self) -> usize {
        self.numbers.len()
    }

    /// Its numbers.
    #[cfg(test)]
    pub fn numbers(&self) -> &[PhoneNumber] {
        &self.numbers
    }

    /// The question on the wire.
    pub fn question(&self) -> wire::ShardQuestion {
        wire::ShardQuestion::about(self.shard.0, self.numbers.iter().map(|number| number.to_u64()))
    }

    /// Takes a node's answer in; a later one of the same node replaces it.
    pub fn add(&mut self, node: NodeId, answer: wire::ShardAnswer) -> Result<(), BadAnswer> {
        let (standing, answer) = read(node, self.shard, self.generation, self.numbers.len(), answer)?;
        match self.standings.binary_search_by_key(&node, |standing| standing.node) {
            Ok(at) => (self.standings[at], self.answers[at]) = (standing, answer),
            Err(at) => {
                self.standings.insert(at, standing);
                self.answers.insert(at, answer);
            }
        }
        self.settlement = settle(&miscounted(&self.standings));
        Ok(())
    }

    /// Whether a node has answered.
    pub fn has_answer_of(&self, node: NodeId) -> bool {
        self.standings.binary_search_by_key(&node, |standing| standing.node).is_ok()
    }

    /// Whether the answers suffice.
    pub fn is_done(&self, bulk: bool) -> bool {
        self.counted().is_some() && (!bulk || self.listed().is_some())
    }

    /// The catalog revision that a judgement must at least know, once the answers are settled.
    pub fn barrier(&self) -> Option<u64> {
        match self.settlement {
            Settlement::Settled { barrier, .. } => Some(barrier),
            Settlement::Waiting => None,
        }
    }

    /// What was found, if the answers suffice.
    pub fn found(&self) -> Option<Found<'_>> {
        let counted = self.counted()?;
        let listed = self.listed()?;
        let mut own: BTreeMap<usize, Findings> = BTreeMap::new();
        for (at, finding) in &counted.live {
            own.entry(*at).or_default().live.push(finding.clone());
        }
        if dnc_planted::is(Bug::AnyExemptionLifts) {
            let shown = self.answers.iter().flat_map(|answer| &answer.exemptions);
            shown.for_each(|(at, exemption)| own.entry(*at).or_default().exemptions.push(exemption.clone()));
        }
        // An exemption lets a listed number be called: it counts only if nobody who answered knows of its end.
        for (at, exemption) in &counted.exemptions {
            if self.answers.iter().all(|answer| answer.exempts(*at, exemption)) {
                own.entry(*at).or_default().exemptions.push(exemption.clone());
            }
        }
        Some(Found { listed, own })
    }

    fn counted(&self) -> Option<&Answer> {
        match self.settlement {
            Settlement::Settled { newest, .. } => self.answers.get(newest),
            Settlement::Waiting => None,
        }
    }

    fn listed(&self) -> Option<&[(RegistryId, Bits)]> {
        self.answers.iter().find_map(|answer| answer.listed.as_deref())
    }
}

/// The standings, unless a bug is planted in how answers are counted.
fn miscounted(standings: &[Standing]) -> Cow<'_, [Standing]> {
    let mut standings = Cow::Borrowed(standings);
    if dnc_planted::is(Bug::AnswerFromOne) {
        standings.to_mut().iter_mut().for_each(|a| a.membership = Arc::new(vec![BTreeSet::from([a.node])]));
    }
    if dnc_planted::is(Bug::OldestLogCounts) {
        let reversed = |at: Position| Position { term: u64::MAX - at.term, index: u64::MAX - at.index };
        standings.to_mut().iter_mut().for_each(|a| a.last = a.last.map(reversed));
    }
    if dnc_planted::is(Bug::StaleMembership)
        && let Some(oldest) = standings.iter().filter(|a| a.membership_at.is_some()).min_by_key(|a| a.membership_at)
    {
        let oldest = oldest.membership.clone();
        standings.to_mut().iter_mut().for_each(|a| a.membership = oldest.clone());
    }
    standings
}

// === impl Found ===

impl Found<'_> {
    /// The registries that list a number, by its place in the gather.
    pub fn lists_of(&self, at: usize) -> Vec<RegistryId> {
        self.listed.iter().filter(|(_, bits)| bits.get(at)).map(|(registry, _)| *registry).collect()
    }
}

// === impl Answer ===

impl Answer {
    fn exempts(&self, at: usize, exemption: &Exemption) -> bool {
        self.exemptions.iter().any(|(known_at, known)| *known_at == at && known.id == exemption.id)
    }
}

/// Reads a replica's answer. Whatever is not as it must be is no answer.
fn read(
    node: NodeId,
    shard: ShardId,
    generation: u64,
    numbers: usize,
    answer: wire::ShardAnswer,
) -> Result<(Standing, Answer), BadAnswer> {
    match answer.no_answer() {
        wire::NoAnswer::Unspecified => {}
        wire::NoAnswer::NotHere => return Err(BadAnswer::None("the shard is not there")),
        wire::NoAnswer::Starting => return Err(BadAnswer::None("it is starting")),
        wire::NoAnswer::Damaged => return Err(BadAnswer::None("it cannot read its state")),
        wire::NoAnswer::TooMuch => return Err(BadAnswer::None("it found more than one response holds")),
    }
    if answer.shard != shard.0 {
        return Err(BadAnswer::Malformed("it is for another shard"));
    }
    let standing = answer.standing.ok_or(BadAnswer::Malformed("it has no standing"))?;
    if standing.generation != generation {
        return Err(BadAnswer::None("it is of another generation of the shard's group"));
    }
    let position = |at: u32| {
        usize::try_from(at).ok().filter(|at| *at < numbers).ok_or(BadAnswer::Malformed("a hit has no number"))
    };
    let listed = answer
        .has_view
        .then(|| {
            let bits = |bytes| {
                Bits::from_bytes(bytes, numbers).ok_or(BadAnswer::Malformed("a list has not a bit for each number"))
            };
            answer
                .listed
                .into_iter()
                .map(|listed| Ok((RegistryId(listed.registry), bits(listed.numbers)?)))
                .collect::<Result<Vec<_>, BadAnswer>>()
        })
        .transpose()?;
    let live = answer
        .live_hits
        .iter()
        .map(|hit| {
            let finding = codec::decode(&hit.finding).map_err(|_| BadAnswer::Malformed("an entry cannot be read"))?;
            Ok((position(hit.at)?, finding))
        })
        .collect::<Result<Vec<_>, BadAnswer>>()?;
    let exemptions = answer
        .exempt_hits
        .iter()
        .map(|hit| {
            let exemption =
                codec::decode(&hit.exemption).map_err(|_| BadAnswer::Malformed("an exemption cannot be read"))?;
            Ok((position(hit.at)?, exemption))
        })
        .collect::<Result<Vec<_>, BadAnswer>>()?;
    let at = |p: wire::LogPosition| Position { term: p.term, index: p.index };
    let membership: Vec<BTreeSet<NodeId>> =
        standing.membership.into_iter().map(|voters| voters.nodes.into_iter().collect()).collect();
    let standing = Standing {
        node,
        last: standing.last.map(at),
        applied: standing.applied.map(at),
        membership: Arc::new(membership),
        membership_at: standing.membership_at.map(at),
        barrier: standing.barrier,
        leased: standing.leased,
    };
    Ok((standing, Answer { listed, live, exemptions }))
}

#[cfg(test)]
mod tests {
    use dnc_core::ids::{RequestId, TenantId};
    use dnc_core::suppression::{Origin, Suppression};

    use super::*;

    fn gather() -> Gather {
        let mut gather = Gather::new(ShardId(4), 0, vec![1, 2, 3], 3, 2);
        for position in 0..2 {
            let number = PhoneNumber::from_u64(12_015_550_100 + position).expect("a number");
            gather.push(position as usize, number);
        }
        gather
    }

    fn answer(index: u64, has_view: bool, live: bool) -> wire::ShardAnswer {
        let suppression = Suppression::new(RequestId(1), TenantId(1), Origin::Consumer, 0);
        let finding = LiveFinding::of(RegistryId(2), &suppression);
        wire::ShardAnswer {
            shard: 4,
            standing: Some(wire::Standing {
                last: Some(wire::LogPosition { term: 1, index }),
                membership_at: Some(wire::LogPosition { term: 1, index: 0 }),
                membership: vec![wire::VoterSet { nodes: vec![1, 2, 3] }],
                barrier: index,
                leader: 1,
                applied: None,
                leased: false,
                generation: 0,
            }),
            has_view,
            listed: if has_view { vec![wire::Listed { registry: 1, numbers: vec![1] }] } else { vec![] },
            live_hits: if live { vec![wire::LiveHit { at: 1, finding: codec::encode(&finding) }] } else { vec![] },
            ..Default::default()
        }
    }

    #[test]
    fn the_newest_log_decides_on_live_entries_and_any_holder_on_blocks() {
        let mut gather = gather();
        gather.add(1, answer(5, true, false)).expect("reads");
        assert!(!gather.is_done(true));
        gather.add(3, answer(6, false, true)).expect("reads");
        assert!(gather.is_done(true));
        let found = gather.found().expect("settled");
        assert_eq!((found.lists_of(0), found.lists_of(1)), (vec![RegistryId(1)], vec![]));
        assert_eq!(found.own.keys().collect::<Vec<_>>(), [&1]);
        assert_eq!(found.own[&1].live.len(), 1);
        assert_eq!(gather.barrier(), Some(6));
    }

    #[test]
    fn a_release_that_one_replica_has_applied_shows_though_another_has_not() {
        let applied = |index, live| {
            let mut answer = answer(5, true, live);
            let standing = answer.standing.as_mut().expect("it has one");
            standing.applied = Some(wire::LogPosition { term: 1, index });
            answer
        };
        // Both have the release in their logs; the one that answers first has not applied it.
        for order in [[(2, 4, true), (1, 5, false)], [(1, 4, true), (2, 5, false)]] {
            let mut gather = gather();
            for (node, index, live) in order {
                gather.add(node, applied(index, live)).expect("reads");
            }
            assert!(gather.found().expect("settled").own.is_empty());
        }
    }

    #[test]
    fn a_majority_without_the_versions_waits_for_a_replica_that_has_them() {
        let mut gather = gather();
        gather.add(1, answer(5, false, false)).expect("reads");
        gather.add(2, answer(5, false, false)).expect("reads");
        assert!(gather.is_done(false));
        assert!(!gather.is_done(true));
        assert!(gather.found().is_none());
        gather.add(3, answer(5, true, false)).expect("reads");
        assert!(gather.is_done(true));
    }

    #[test]
    fn what_is_malformed_is_no_answer() {
        let mut gather = gather();
        let mut foreign = answer(5, true, false);
        foreign.shard = 5;
        let mut out_of_range = answer(5, true, false);
        out_of_range.listed[0].numbers = vec![4];
        let mut unreadable = answer(5, true, true);
        unreadable.live_hits[0].finding.clear();
        let mut silent = answer(5, true, true);
        silent.standing = None;
        let mut starting = answer(5, true, true);
        starting.no_answer = wire::NoAnswer::Starting.into();
        let mut left_behind = answer(5, true, true);
        left_behind.standing.as_mut().expect("it has one").generation = 1;
        for bad in [foreign, out_of_range, unreadable, silent, starting, left_behind] {
            assert!(gather.add(1, bad).is_err());
        }
        assert!(!gather.has_answer_of(1));
    }
}
