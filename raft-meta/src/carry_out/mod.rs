//! Moves replicas and leaderships: what a plan says, and what a node that stays away or is damaged, or a shard that was
//! recovered, makes necessary.
//!
//! Only the voter that leads does it. It looks at what the nodes say, has the next safe step decided by pure functions
//! (`dnc_core::moving`), does it, and forgets: its successor sees from the groups themselves how far they are. Two
//! leaders at a time do no harm, for a group takes a change only if it is as the change expects it.

mod observe;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dnc_core::catalog::moves::MAX_MOVES;
use dnc_core::catalog::{Catalog, Change, Duty, Move, Plan, Purpose};
use dnc_core::ids::{NodeId, RequestId, ShardId};
use dnc_core::moving::turn::turn;
use dnc_core::moving::{MOVES_AT_ONCE, lead, plan, repair, step};
use dnc_proto::internal as wire;
use dnc_proto::internal::change_group_request::Change as GroupChange;
use dnc_proto::internal::change_group_response::Outcome;
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use self::observe::{Connections, Seen};
use crate::nodes::{self, Dial};
use crate::options::Options;
use crate::reconcile::Voter;

/// Pause between two looks while replicas move, and while they do not.
const BUSY: Duration = Duration::from_millis(250);
const IDLE: Duration = Duration::from_secs(1);
/// Time for one change of a group.
const CHANGE: Duration = Duration::from_secs(5);
/// Leaderships are made even only while every node has answered for so long: not during a restart of one after another.
const CALM: Duration = Duration::from_secs(10);

impl Options {
    /// What is done for nodes, as a voter was told.
    pub(crate) fn care(&self) -> Care {
        Care { replace_after: Duration::from_secs(self.replace_after_s), repairs_at_once: self.repairs_at_once }
    }
}

/// What is done for nodes that stay away or are damaged.
#[derive(Clone, Copy, Debug)]
pub struct Care {
    /// A node that has been away for so long has its replicas made anew elsewhere, unless this is zero.
    pub replace_after: Duration,
    /// Damaged nodes that may be repaired at a time.
    pub repairs_at_once: usize,
}

/// What the leader remembers between two looks. A new leader begins anew.
struct Watch {
    connections: Connections,
    /// When each node answered last; since this leader leads at the earliest.
    answered: BTreeMap<NodeId, Instant>,
    /// Since when all nodes have answered.
    calm_since: Option<Instant>,
    /// What the repair of each damaged node waits for, so that it is logged once.
    waits: BTreeMap<NodeId, repair::Waiting>,
}

/// Carries out what is to be moved whenever this voter leads; for ever. Nodes are reached by `dial`.
pub async fn run<V: Voter>(voter: &V, dial: &Dial, care: Care) {
    let mut watch: Option<Watch> = None;
    loop {
        let catalog = voter.catalog();
        if !voter.leads() || catalog.shard_map.replicas.is_empty() {
            watch = None;
            sleep(IDLE).await;
            continue;
        }
        let watch = watch.get_or_insert_with(|| Watch::new(dial.clone()));
        let seen = watch.look(&catalog).await;
        if let Some(plan) = &catalog.moves.plan {
            watch.advance(voter, &catalog, plan, &seen).await;
        }
        if let Some(change) = watch.repair(voter, &catalog, &seen, care.repairs_at_once) {
            voter.propose(&change).await;
        } else if catalog.moves.plan.is_none()
            && let Some(change) =
                watch.refill(voter, &catalog, &seen).or_else(|| watch.replacement(voter, &catalog, care.replace_after))
        {
            voter.propose(&change).await;
        }
        watch.spread_leaders(&catalog, &seen).await;
        sleep(if catalog.moves.plan.is_some() { BUSY } else { IDLE }).await;
    }
}

/// The first of the nodes that a recovery is to give up and that answers this voter all the same; none if it was done before.
pub async fn answering(catalog: &Catalog, recovery: RequestId, lost: &BTreeSet<NodeId>) -> Option<NodeId> {
    if catalog.recoveries.past.iter().any(|past| past.id == recovery) {
        return None;
    }
    let seen = Connections::new(nodes::tcp()).look(catalog).await;
    lost.iter().copied().find(|node| seen.replicas.contains_key(node))
}

// === impl Watch ===

impl Watch {
    fn new(dial: Dial) -> Self {
        Self {
            connections: Connections::new(dial),
            answered: BTreeMap::new(),
            calm_since: None,
            waits: BTreeMap::new(),
        }
    }

    async fn look(&mut self, catalog: &Catalog) -> Seen {
        let seen = self.connections.look(catalog).await;
        let now = Instant::now();
        self.answered.retain(|node, _| catalog.nodes.contains_key(node));
        for node in catalog.nodes.keys() {
            let known = self.answered.entry(*node).or_insert(now);
            if seen.replicas.contains_key(node) {
                *known = now;
            }
        }
        let all = catalog.nodes.keys().all(|node| seen.replicas.contains_key(node));
        self.calm_since = all.then(|| self.calm_since.unwrap_or(now));
        seen
    }

    /// One step of each move that is under way.
    async fn advance<V: Voter>(&mut self, voter: &V, catalog: &Catalog, plan: &Plan, seen: &Seen) {
        let groups = plan.left.iter().filter_map(|step| Some((step.shard, seen.group(step.shard)?.0))).collect();
        let mut steps = Vec::new();
        let mut dropped = BTreeMap::new();
        for step in turn(&plan.left, &groups, MOVES_AT_ONCE) {
            let (group, at) = seen.group(step.shard).unzip();
            let replicas = catalog.shard_map.replicas(step.shard);
            let next = step::next(&step, replicas, group.as_ref(), seen.taker(&step, plan.since), plan.cancelled);
            match (next, group) {
                (step::Step::Wait(why), _) => debug!(shard = step.shard.0, ?why, "a move waits"),
                (step::Step::Finish, _) => {
                    let done = Change::FinishMove { plan: plan.id, step, now_ms: voter.now_ms() };
                    voter.propose(&done).await;
                }
                (step::Step::Drop, Some(group)) => {
                    // Whoever says that it leads may be mistaken, and the new replica a voter by now. It is deleted with
                    // the move, so a majority says first that it is none.
                    dropped.insert(step.shard, step);
                    steps.push((step.shard, group.leader, GroupChange::RemoveLearner(step.to), at.flatten()));
                }
                (next, Some(group)) => steps
                    .extend(group_change(&step, next).map(|change| (step.shard, group.leader, change, at.flatten()))),
                (_, None) => {}
            }
        }
        for shard in self.change_all(catalog, steps).await {
            if let Some(step) = dropped.remove(&shard) {
                voter.propose(&Change::DropMove { plan: plan.id, step, now_ms: voter.now_ms() }).await;
            }
        }
    }

    /// Changes groups, all at once; those that were changed.
    async fn change_all(
        &mut self,
        catalog: &Catalog,
        steps: Vec<(ShardId, NodeId, GroupChange, Option<wire::LogPosition>)>,
    ) -> Vec<ShardId> {
        let mut calls = Vec::new();
        for (shard, leader, change, membership_at) in steps {
            let Ok(mut client) = self.connections.client(catalog, leader) else { continue };
            let limit_ms = u32::try_from(CHANGE.as_millis()).expect("seconds");
            info!(shard = shard.0, leader, ?change, "a step of a move");
            let generation = catalog.generation(shard);
            let change = Some(change);
            let message = wire::ChangeGroupRequest { shard: shard.0, membership_at, change, limit_ms, generation };
            let request = nodes::request(catalog, leader, message, CHANGE);
            calls.push(async move {
                let outcome = match timeout(CHANGE, client.change_group(request)).await {
                    Ok(Ok(response)) => response.into_inner().outcome,
                    Ok(Err(status)) => Some(Outcome::Unknown(status.message().to_owned())),
                    Err(_) => Some(Outcome::Unknown("no answer in time".to_owned())),
                };
                // Whatever came of it, the next look shows it.
                let done = matches!(outcome, Some(Outcome::Done(_)));
                if !done {
                    warn!(shard = shard.0, leader, ?outcome, "a step of a move was not done");
                }
                done.then_some(shard)
            });
        }
        join_all(calls).await.into_iter().flatten().collect()
    }

    /// Hands over one leadership, if one should go.
    async fn spread_leaders(&mut self, catalog: &Catalog, seen: &Seen) {
        // A damaged node may not be able to read its log, as a leader must.
        let leaves = |node: &NodeId| {
            catalog.duty(*node) != Duty::Serving
                || seen.ailing.contains(node)
                || catalog.moves.repairs.contains_key(node)
        };
        let calm = self.calm_since.is_some_and(|since| since.elapsed() >= CALM);
        if !calm && !catalog.nodes.keys().any(leaves) {
            return;
        }
        let serving: BTreeSet<NodeId> = seen.replicas.keys().copied().filter(|node| !leaves(node)).collect();
        let mut led = seen.led(catalog.shard_map.shards());
        // A shard whose replica moves has its leader changed by that, if at all.
        led.retain(|shard| catalog.incoming(shard.shard).is_none());
        let handover = lead::next(&led, &serving).filter(|handover| calm || leaves(&handover.from));
        if let Some(lead::Handover { shard, from, to }) = handover {
            let at = seen.group(shard).and_then(|(_, at)| at);
            self.change_all(catalog, vec![(shard, from, GroupChange::Leader(to), at)]).await;
        }
    }

    /// The next change for the sake of a damaged node, if any.
    fn repair<V: Voter>(&mut self, voter: &V, catalog: &Catalog, seen: &Seen, at_once: usize) -> Option<Change> {
        self.waits.retain(|node, _| catalog.moves.repairs.contains_key(node));
        if catalog.moves.repairs.is_empty() {
            return None;
        }
        let led = seen.led(catalog.shard_map.shards());
        catalog.moves.repairs.keys().find_map(|node| {
            let node = *node;
            match repair::next(catalog, node, &led, at_once)? {
                repair::Step::Wait(why) => {
                    if self.waits.insert(node, why) != Some(why) {
                        info!(node, %why, "the repair of a damaged node waits");
                    }
                    None
                }
                repair::Step::Grant => Some(Change::GrantRepair { node }),
                repair::Step::Retire => Some(Change::RetireNode { node }),
                repair::Step::Move(moves) => {
                    let purpose =
                        Purpose { why: format!("node {node} was damaged"), throttle: 0, made_ms: voter.now_ms() };
                    Some(Change::AdoptPlan { id: voter.new_id(), purpose, moves })
                }
            }
        })
    }

    /// A plan that brings shards that were recovered back to all their replicas, and takes what else was placed on the nodes
    /// that were given up to others; as far as there are nodes for it, and the shards are led.
    fn refill<V: Voter>(&self, voter: &V, catalog: &Catalog, seen: &Seen) -> Option<Change> {
        let given_up = catalog.given_up();
        let holds = |node: &NodeId| catalog.shard_map.shards_of(*node).next().is_some();
        if catalog.recoveries.vacant.is_empty() && !given_up.iter().any(holds) {
            return None;
        }
        let mut sites = plan::sites(catalog, &self.away());
        for site in &mut sites {
            // What else is to leave its node waits for a plan of its own.
            site.gives_up = given_up.contains(&site.node);
        }
        let mut moves = plan::fill(&catalog.places(), &sites);
        moves.retain(|step| seen.group(step.shard).is_some());
        moves.truncate(MAX_MOVES);
        let why = "replicas of shards that were recovered".to_owned();
        let purpose = Purpose { why, throttle: 0, made_ms: voter.now_ms() };
        (!moves.is_empty()).then(|| Change::AdoptPlan { id: voter.new_id(), purpose, moves })
    }

    /// Nodes that have not answered for some seconds.
    fn away(&self) -> BTreeSet<NodeId> {
        let silent = |last: &Instant| last.elapsed() >= BUSY * 20;
        self.answered.iter().filter(|(_, last)| silent(last)).map(|(node, _)| *node).collect()
    }

    /// A plan that makes the replicas anew of nodes that have been away for too long.
    fn replacement<V: Voter>(&self, voter: &V, catalog: &Catalog, replace_after: Duration) -> Option<Change> {
        if replace_after.is_zero() {
            return None;
        }
        let holds = |node: &NodeId| catalog.shard_map.shards_of(*node).next().is_some();
        let away = self.away();
        let gone: BTreeSet<NodeId> =
            away.iter().copied().filter(|node| self.answered[node].elapsed() >= replace_after && holds(node)).collect();
        if gone.is_empty() {
            return None;
        }
        let mut sites = plan::sites(catalog, &away);
        for site in sites.iter_mut().filter(|site| gone.contains(&site.node)) {
            site.gives_up = true;
        }
        match plan::plan(&catalog.places(), &sites) {
            Ok(moves) if !moves.is_empty() => {
                let why = format!("away for {} s: nodes {gone:?}", replace_after.as_secs());
                let purpose = Purpose { why, throttle: 0, made_ms: voter.now_ms() };
                Some(Change::AdoptPlan { id: voter.new_id(), purpose, moves })
            }
            Ok(_) => None,
            Err(impossible) => {
                debug!(%impossible, "nodes are away, and nobody can take their replicas");
                None
            }
        }
    }
}

/// The change of a group that a step asks for.
fn group_change(step: &Move, next: step::Step) -> Option<GroupChange> {
    match next {
        step::Step::AddLearner => Some(GroupChange::AddLearner(step.to)),
        step::Step::RemoveLearner => Some(GroupChange::RemoveLearner(step.to)),
        step::Step::Transfer(to) => Some(GroupChange::Leader(to)),
        step::Step::SetVoters(voters) => {
            Some(GroupChange::Voters(wire::VoterSet { nodes: voters.into_iter().collect() }))
        }
        step::Step::FinishJoint => Some(GroupChange::FinishJoint(true)),
        step::Step::Wait(_) | step::Step::Finish | step::Step::Drop => None,
    }
}
