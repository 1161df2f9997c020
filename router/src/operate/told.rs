//! How nodes and shards stand, as messages. Pure.

use dnc_core::catalog::{Duty, Node};
use dnc_proto::v1;

use super::forecast;
use super::health::{self, Problem};
use super::picture::{Picture, Shard, State};
use super::progress;

/// Everything on one screen.
pub fn status(picture: &Picture, now_ms: u64) -> v1::ClusterStatus {
    let problems = health::problems(picture);
    let shards = |fits: fn(&Shard) -> bool| count(picture.shards.iter().filter(|shard| fits(shard)).count());
    v1::ClusterStatus {
        healthy: health::is_healthy(&problems),
        problems: problems.into_iter().map(problem).collect(),
        failures_tolerated: count(health::failures_tolerated(&picture.shards)),
        shards: count(picture.shards.len()),
        shards_led: shards(|shard| shard.leader.is_some()),
        shards_under_replicated: shards(Shard::lacks_replicas),
        shards_without_majority: shards(|shard| shard.tolerates().is_none()),
        nodes: nodes(picture).nodes,
        plan: picture.catalog.moves.plan.as_ref().map(|plan| progress::of_plan(plan, picture, now_ms)),
        revision: picture.catalog.revision,
    }
}

/// All nodes.
pub fn nodes(picture: &Picture) -> v1::ClusterNodes {
    let nodes = picture.catalog.nodes.values().map(|known| node(picture, known)).collect();
    v1::ClusterNodes { nodes, revision: picture.catalog.revision }
}

/// All shards.
pub fn shards(picture: &Picture) -> v1::ClusterShards {
    let shards = picture.shards.iter().map(|known| shard(picture, known)).collect();
    v1::ClusterShards { shards, revision: picture.catalog.revision }
}

/// One node.
pub fn node(picture: &Picture, node: &Node) -> v1::ClusterNode {
    let id = node.id;
    let answer = picture.answer(id);
    let incoming = picture.shards.iter().filter(|shard| shard.incoming == Some(id)).count();
    let missing = picture.held_by(id).filter(|(_, state)| *state == State::Missing).count();
    v1::ClusterNode {
        node: id,
        address: node.addresses.service.clone(),
        raft_address: node.addresses.raft.clone(),
        zone: node.zone.clone(),
        duty: duty(picture.catalog.duty(id)).into(),
        answers: answer.is_ok(),
        error: answer.err().map(str::to_owned),
        replicas: count(picture.held_by(id).count()),
        leaders: count(picture.shards.iter().filter(|shard| shard.leader == Some(id)).count()),
        incoming: count(incoming),
        failed: count(missing),
        bytes: picture.held_by(id).map(|(shard, _)| shard.bytes).sum(),
        idle: picture.is_idle(id),
    }
}

/// The word for a duty.
pub fn duty(duty: Duty) -> &'static str {
    match duty {
        Duty::Serving => "serving",
        Duty::Draining => "draining",
        Duty::Lost => "lost",
    }
}

/// How many: there are far fewer of anything in a catalog than this can hold.
pub fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn shard(picture: &Picture, shard: &Shard) -> v1::ClusterShard {
    let placed = shard.replicas.iter().map(|(node, state)| (*node, state.as_str()));
    let incoming = shard.incoming.map(|node| (node, "incoming"));
    let vacant = shard.vacant.iter().map(|name| (*name, "vacant"));
    let replica = |(node, state): (u64, &str)| v1::ClusterReplica { node, state: state.into() };
    let step = picture.catalog.moves.plan.as_ref().and_then(|plan| plan.current(shard.id));
    v1::ClusterShard {
        shard: shard.id.0,
        leader: shard.leader,
        replicas: placed.chain(incoming).chain(vacant).map(replica).collect(),
        bytes: shard.bytes,
        suppressions: shard.suppressions,
        numbers: shard.numbers,
        failures_tolerated: shard.tolerates().map(count),
        r#move: step.map(|step| forecast::told(picture, step)),
    }
}

fn problem(problem: Problem) -> v1::ClusterProblem {
    v1::ClusterProblem { severity: problem.severity.as_str().into(), what: problem.what, advice: problem.advice }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Change, Move, Purpose};
    use dnc_core::ids::{RequestId, ShardId};

    use super::super::fixture::{Stand, change, four};
    use super::*;

    #[test]
    fn the_status_counts_what_leads_what_lacks_and_what_moves() {
        let mut catalog = four();
        let step = Move { shard: ShardId(1), to: 4, from: 3 };
        let purpose = Purpose { why: "drain node 3".into(), throttle: 0, made_ms: 0 };
        change(&mut catalog, Change::SetDuty { node: 3, duty: Duty::Draining });
        change(&mut catalog, Change::AdoptPlan { id: RequestId(7), purpose, moves: vec![step] });
        let stand = Stand::of(&catalog).away(2);
        let picture = Picture::new(&catalog, &stand.nodes);
        let status = status(&picture, 1_000);
        assert!(!status.healthy);
        assert_eq!((status.shards, status.shards_led, status.shards_under_replicated), (2, 2, 2));
        assert_eq!((status.shards_without_majority, status.failures_tolerated), (0, 0));
        assert_eq!(status.plan.expect("under way").left, 1);
        let of = |node: usize| &status.nodes[node - 1];
        assert_eq!((of(1).replicas, of(1).leaders, of(1).answers), (2, 2, true));
        assert_eq!((of(2).answers, of(2).error.as_deref()), (false, Some("no answer in time")));
        assert_eq!((of(3).duty.as_str(), of(3).idle), ("draining", false));
        assert_eq!((of(4).incoming, of(4).idle), (1, false));
        let shards = shards(&picture).shards;
        let states: Vec<&str> = shards[1].replicas.iter().map(|replica| replica.state.as_str()).collect();
        assert_eq!(states, ["leader", "away", "follower", "incoming"]);
        assert_eq!(shards[1].r#move.map(|step| (step.from, step.to)), Some((3, 4)));
        assert_eq!((shards[0].r#move, shards[0].failures_tolerated), (None, Some(0)));
    }
}
