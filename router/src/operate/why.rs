//! What a shard or a node is doing, and what to do about it. Pure.

use std::collections::BTreeSet;

use dnc_core::catalog::{Duty, Move, Node};
use dnc_core::ids::{NodeId, Position, ShardId};
use dnc_core::moving::step::{self, Step, Taker, Waiting};
use dnc_proto::internal as wire;
use dnc_proto::v1;

use super::health::{self, Severity, named};
use super::picture::{Picture, Shard, State};
use crate::clock;

/// What a shard is doing; `None` if there is no such shard.
pub fn shard(picture: &Picture, id: ShardId) -> Option<v1::Explanation> {
    let shard = picture.shard(id)?;
    let answering = format!("{} of {} replicas answer", shard.voting(), shard.replicas.len());
    let plan = picture.catalog.moves.plan.as_ref();
    let step = plan.and_then(|plan| plan.current(id));
    let state = match (shard.leader, shard.tolerates()) {
        (_, None) => format!("it has no majority: {answering}; its numbers are UNKNOWN, and opt-outs for them fail"),
        (None, _) => format!("nobody leads it: {answering}; opt-outs for its numbers wait"),
        (Some(leader), _) => match step {
            None => format!("it is led by node {leader}; {answering}"),
            Some(step) => format!(
                "it is led by node {leader}; {answering}; its replica on node {} moves to node {}",
                step.from, step.to
            ),
        },
    };
    let mut details: Vec<String> =
        shard.replicas.iter().map(|replica| replica_in_words(picture, shard, *replica)).collect();
    details.extend(picture.catalog.recoveries.of(id).map(|(recovery, from)| {
        format!(
            "it was recovered without a majority at {}, from node {}: what only nodes {:?} had is lost ({})",
            clock::time(recovery.at_ms),
            from.node,
            recovery.lost.keys().collect::<Vec<_>>(),
            recovery.why
        )
    }));
    if !shard.vacant.is_empty() {
        details.push(format!("{} of its replicas are to be made anew since", shard.vacant.len()));
    }
    let mut advice = Vec::new();
    if let (Some(step), Some(plan)) = (step, plan) {
        let (doing, hint) = move_in_words(picture, shard, step, plan.since, plan.cancelled);
        details.push(doing);
        advice.extend(hint.map(str::to_owned));
    }
    let nodes = picture.catalog.hosts(id).into_iter().filter_map(|node| picture.catalog.nodes.get(&node));
    advice.extend(nodes.flat_map(|node| pressing(picture, node)));
    if advice.is_empty() && shard.leader.is_none() {
        advice.push("wait two seconds for an election; if none succeeds, see that the nodes reach each other".into());
    }
    Some(v1::Explanation { subject: format!("shard {}", id.0), state, details, advice })
}

/// What a node is doing; `None` if there is no such node.
pub fn node(picture: &Picture, id: NodeId) -> Option<v1::Explanation> {
    let known = picture.catalog.nodes.get(&id)?;
    let answer = picture.answer(id);
    let held = picture.held_by(id).count();
    let led = picture.shards.iter().filter(|shard| shard.leader == Some(id)).count();
    let duty = match picture.catalog.duty(id) {
        Duty::Serving => "it serves",
        Duty::Draining => "it is being drained",
        Duty::Lost => "it was given up for lost",
    };
    let answers = answer.map_or_else(|why| format!("does not answer: {why}"), |_| "answers".into());
    let state = format!("{duty} and {answers}; {held} replicas are placed there, and it leads {led} shards");
    let mut details = vec![format!(
        "routers reach it at {}, its peers at {}; zone {}",
        or_none(&known.addresses.service),
        or_none(&known.addresses.raft),
        or_none(&known.zone)
    )];
    if let Some(plan) = &picture.catalog.moves.plan {
        let shards = |fits: &dyn Fn(&Move) -> bool| -> Vec<ShardId> {
            plan.left.iter().filter(|step| fits(step)).map(|step| step.shard).collect()
        };
        let (leaving, coming) = (shards(&|step| step.from == id), shards(&|step| step.to == id));
        if !leaving.is_empty() {
            details.push(format!("{} replicas still leave it: {}", leaving.len(), named(&leaving)));
        }
        if !coming.is_empty() {
            details.push(format!("{} replicas still come to it: {}", coming.len(), named(&coming)));
        }
    }
    let problems = health::of_node(picture, known);
    details.extend(problems.iter().map(|problem| problem.what.clone()));
    let advice = problems.into_iter().map(|problem| problem.advice).collect();
    Some(v1::Explanation { subject: format!("node {id}"), state, details, advice })
}

/// What to do about a node for the sake of a shard on it.
fn pressing<'a>(picture: &'a Picture, node: &'a Node) -> impl Iterator<Item = String> + 'a {
    let problems = health::of_node(picture, node).into_iter();
    let worse = problems.filter(|problem| problem.severity != Severity::Notice);
    worse.map(|problem| format!("node {}: {}", node.id, problem.advice))
}

fn replica_in_words(picture: &Picture, shard: &Shard, (node, state): (NodeId, State)) -> String {
    match state {
        State::Leader => format!("node {node} leads"),
        State::Follower if shard.leader.is_some() => format!("node {node} follows"),
        State::Follower => format!("node {node} answers and knows of no leader"),
        State::Loading => format!("node {node} votes, and is reading what checks are judged by"),
        State::Missing => format!("node {node} answers, and does not run the replica"),
        State::Away => format!("node {node} does not answer: {}", picture.answer(node).err().unwrap_or("silent")),
    }
}

/// What a move does or waits for, and what can be done about that.
fn move_in_words(
    picture: &Picture,
    shard: &Shard,
    step: &Move,
    since: u64,
    cancelled: bool,
) -> (String, Option<&'static str>) {
    let (to, from) = (step.to, step.from);
    let group = shard.leader.and_then(|leader| picture.replica(shard.id, leader)).and_then(group);
    let taker = picture.replica(shard.id, to);
    let taker = Taker {
        runs: taker.is_some_and(|replica| replica.placed >= since),
        has_view: taker.is_some_and(|replica| replica.has_view),
    };
    let replicas: Vec<NodeId> = shard.replicas.iter().map(|(node, _)| *node).collect();
    match step::next(step, &replicas, group.as_ref(), taker, cancelled) {
        Step::Wait(Waiting::Leader) => ("the move waits for a leader that tells of its group".into(), None),
        Step::Wait(Waiting::Commit) => ("the move waits until the group has settled who belongs to it".into(), None),
        Step::Wait(Waiting::Start) if picture.answer(to).is_err() => (
            format!("the move waits for node {to}, which does not answer"),
            Some("start the node that takes the replica again, or dnc cluster cancel and plan anew"),
        ),
        Step::Wait(Waiting::Start) => (
            format!("the move waits until node {to} runs the new replica"),
            Some("if it lasts, see the log of the node that takes the replica"),
        ),
        Step::Wait(Waiting::CatchUp) => {
            let behind = group.as_ref().map_or(0, |group| behind(group, to));
            (format!("the new replica on node {to} catches up; it is {behind} log entries behind"), None)
        }
        Step::Wait(Waiting::View) => {
            (format!("the new replica on node {to} reads what checks are judged by into memory"), None)
        }
        Step::Wait(Waiting::Strange) => (
            "the group's voters are neither those before the move nor those after it".into(),
            Some("a change of the group was made that the plan does not know of: dnc cluster cancel, and report it"),
        ),
        Step::AddLearner => (format!("the move comes next, or begins: node {to} is to receive the log"), None),
        Step::Transfer(heir) => (format!("node {from} is to hand the leadership to node {heir}"), None),
        Step::SetVoters(_) => (format!("node {to} is to vote in the place of node {from}"), None),
        Step::FinishJoint => ("a change of voters that was left half done is to be finished".into(), None),
        Step::RemoveLearner => (format!("the plan was cancelled: the new replica on node {to} is taken back"), None),
        Step::Finish => ("the group is as the move wants it; the catalog is about to say so".into(), None),
        Step::Drop => ("the plan was cancelled before this move began".into(), None),
    }
}

/// How many entries a replica is behind its leader.
fn behind(group: &step::Group, node: NodeId) -> u64 {
    let index = |position: Option<Position>| position.map_or(0, |position| position.index);
    index(group.last).saturating_sub(index(group.matched.get(&node).copied().flatten()))
}

/// The group, as the leader of a shard tells of it.
fn group(leader: &wire::Replica) -> Option<step::Group> {
    let said = leader.group.as_ref()?;
    let at = |position: wire::LogPosition| Position { term: position.term, index: position.index };
    let voters = said.voters.iter().map(|set| set.nodes.iter().copied().collect::<BTreeSet<NodeId>>());
    Some(step::Group {
        leader: leader.leader,
        voters: voters.collect(),
        learners: said.learners.iter().copied().collect(),
        committed: said.committed,
        last: leader.last.map(at),
        matched: said.matched.iter().map(|matched| (matched.node, matched.at.map(at))).collect(),
    })
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Catalog, Change, Purpose};
    use dnc_core::ids::RequestId;

    use super::super::fixture::{Stand, change, four};
    use super::*;

    /// Shard 0 moves from node 3 to node 4.
    fn moving() -> Catalog {
        let mut catalog = four();
        let step = Move { shard: ShardId(0), to: 4, from: 3 };
        let purpose = Purpose { why: "drain node 3".into(), throttle: 0, made_ms: 0 };
        change(&mut catalog, Change::SetDuty { node: 3, duty: Duty::Draining });
        change(&mut catalog, Change::AdoptPlan { id: RequestId(7), purpose, moves: vec![step] });
        catalog
    }

    fn of_shard(catalog: &Catalog, stand: &Stand) -> v1::Explanation {
        shard(&Picture::new(catalog, &stand.nodes), ShardId(0)).expect("there")
    }

    #[test]
    fn a_shard_that_is_well_says_who_leads_and_needs_nothing() {
        let catalog = four();
        let told = of_shard(&catalog, &Stand::of(&catalog));
        assert_eq!(told.state, "it is led by node 1; 3 of 3 replicas answer");
        assert_eq!(told.details, ["node 1 leads", "node 2 follows", "node 3 follows"]);
        assert!(told.advice.is_empty());
        assert_eq!(shard(&Picture::new(&catalog, &[]), ShardId(2)), None);
    }

    #[test]
    fn a_shard_that_lacks_replicas_says_whose_and_what_to_do_with_each() {
        let catalog = four();
        let told = of_shard(&catalog, &Stand::of(&catalog).away(3).away(2));
        assert!(told.state.contains("no majority: 1 of 3"), "{}", told.state);
        assert_eq!(told.details[2], "node 3 does not answer: no answer in time");
        assert!(told.advice[0].starts_with("node 2: start it again at n2:1"), "{:?}", told.advice);
        assert_eq!(told.advice.len(), 2);
    }

    #[test]
    fn a_move_says_what_it_waits_for() {
        let catalog = moving();
        let waits = |stand: &Stand| of_shard(&catalog, stand).details[3].clone();
        let since = catalog.moves.plan.as_ref().expect("a plan").since;
        assert!(waits(&Stand::of(&catalog)).contains("until node 4 runs"));
        assert!(waits(&Stand::of(&catalog).away(4)).contains("node 4, which does not answer"));
        let mut stand = Stand::of(&catalog).learns(4, 0, &[1, 2, 3], since);
        assert!(waits(&stand).contains("node 4 is to receive the log"));
        stand.replica(1, 0).group.as_mut().expect("told").learners = vec![4];
        assert!(waits(&stand).contains("it is 100 log entries behind"));
        let at = Some(wire::LogPosition { term: 1, index: 99 });
        stand.replica(1, 0).group.as_mut().expect("told").matched.push(wire::Matched { node: 4, at });
        stand.replica(4, 0).has_view = false;
        assert!(waits(&stand).contains("into memory"));
        stand.replica(4, 0).has_view = true;
        assert!(waits(&stand).contains("node 4 is to vote in the place of node 3"));
    }

    #[test]
    fn a_node_says_its_duty_what_leaves_it_and_what_to_do() {
        let catalog = moving();
        let stand = Stand::of(&catalog);
        let picture = Picture::new(&catalog, &stand.nodes);
        let told = node(&picture, 3).expect("there");
        assert!(told.state.starts_with("it is being drained and answers; 2 replicas"), "{}", told.state);
        assert_eq!(told.details[1], "1 replicas still leave it: shard 0");
        assert_eq!(node(&picture, 4).expect("there").details[1], "1 replicas still come to it: shard 0");
        assert_eq!(node(&picture, 9), None);
        let stand = Stand::of(&catalog).away(2);
        let told = node(&Picture::new(&catalog, &stand.nodes), 2).expect("there");
        assert!(told.advice[0].contains("dnc cluster replace 2"), "{:?}", told.advice);
    }
}
