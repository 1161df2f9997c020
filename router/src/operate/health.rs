//! Whether a cluster is healthy, why not, and what to do about it. Pure.
//!
//! Healthy means that every replica that the catalog wants answers with the versions that checks are judged by, and
//! that every shard has a leader. What is merely to do (a node that was drained, one that holds nothing) is a notice.

use dnc_core::catalog::{Duty, Node, Repair};
use dnc_core::ids::{NodeId, ShardId};

use super::picture::{Picture, Shard, State};

/// Most shards that are named in a sentence.
const NAMED: usize = 5;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is so.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

/// How bad a problem is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Checks or opt-outs fail.
    Down,
    /// All is answered, but less can fail.
    Degraded,
    /// Nothing is wrong, but something is to do.
    Notice,
}

/// What is not as it should be, the worst first.
pub fn problems(picture: &Picture) -> Vec<Problem> {
    if picture.shards.is_empty() {
        return vec![not_placed(picture)];
    }
    let mut problems: Vec<Problem> = shards_at_a_loss(picture);
    problems.extend(being_restored(picture));
    for node in picture.catalog.nodes.values() {
        problems.extend(of_node(picture, node));
    }
    problems.sort_by_key(|problem| problem.severity);
    problems
}

/// Whether nothing worse than a notice is there.
pub fn is_healthy(problems: &[Problem]) -> bool {
    problems.iter().all(|problem| problem.severity == Severity::Notice)
}

/// How many nodes may fail, whichever they are, before a shard has no majority.
pub fn failures_tolerated(shards: &[Shard]) -> usize {
    shards.iter().map(|shard| shard.tolerates().unwrap_or(0)).min().unwrap_or(0)
}

/// "shard 3", or "shards 1, 2, 3 and 13 more".
pub fn named(shards: &[ShardId]) -> String {
    let first: Vec<String> = shards.iter().take(NAMED).map(|shard| shard.0.to_string()).collect();
    match shards.len() {
        1 => format!("shard {}", first[0]),
        some if some <= NAMED => format!("shards {}", first.join(", ")),
        many => format!("shards {} and {} more", first.join(", "), many - NAMED),
    }
}

fn not_placed(picture: &Picture) -> Problem {
    let joined = picture.catalog.nodes.len();
    let what = match &picture.catalog.founding {
        None => "this router does not know the cluster yet".into(),
        Some(founding) => {
            format!("the shards are not placed: {joined} of {} nodes have joined", founding.initial_nodes)
        }
    };
    let advice = "start the meta voters and the first nodes, and see that they reach each other".into();
    Problem { severity: Severity::Down, what, advice }
}

/// A cluster that a backup is being restored into, by somebody or by nobody any more.
fn being_restored(picture: &Picture) -> Option<Problem> {
    let backup = picture.catalog.restoring.as_ref()?.backup;
    Some(Problem {
        severity: Severity::Down,
        what: format!(
            "backup {backup} is being restored: until that is done no check is CLEAR and nothing else is changed"
        ),
        advice: "wait; if it was interrupted, restore the same backup again: dnc backup restore".into(),
    })
}

/// Shards without a majority, and shards with one and without a leader.
fn shards_at_a_loss(picture: &Picture) -> Vec<Problem> {
    let ids = |fits: &dyn Fn(&Shard) -> bool| -> Vec<ShardId> {
        picture.shards.iter().filter(|shard| fits(shard)).map(|shard| shard.id).collect()
    };
    let lost = ids(&|shard| shard.tolerates().is_none());
    let leaderless = ids(&|shard| shard.tolerates().is_some() && shard.leader.is_none());
    let mut problems = Vec::new();
    if !lost.is_empty() {
        problems.push(Problem {
            severity: Severity::Down,
            what: format!(
                "{} without a majority of replicas: their numbers are UNKNOWN, and opt-outs for them fail",
                named(&lost)
            ),
            advice: "bring their nodes back; which they are is said below; if their data is gone for good: dnc cluster recover"
                .into(),
        });
    }
    let vacant = ids(&|shard| !shard.vacant.is_empty());
    if !vacant.is_empty() {
        problems.push(Problem {
            severity: Severity::Degraded,
            what: format!("{} recovered without a majority, and not back to all replicas yet", named(&vacant)),
            advice:
                "wait: they are made anew by a plan as far as there are nodes for them; if there is none, add nodes"
                    .into(),
        });
    }
    if !leaderless.is_empty() {
        problems.push(Problem {
            severity: Severity::Down,
            what: format!("{} without a leader: opt-outs for their numbers wait", named(&leaderless)),
            advice:
                "an election takes about two seconds; if it lasts, see that the nodes reach each other's Raft addresses"
                    .into(),
        });
    }
    problems
}

/// What is not as it should be with one node.
pub fn of_node(picture: &Picture, node: &Node) -> Vec<Problem> {
    let id = node.id;
    let with = |state: State| -> Vec<ShardId> {
        picture.held_by(id).filter(|(_, own)| *own == state).map(|(shard, _)| shard.id).collect()
    };
    let held = picture.held_by(id).count();
    let problem = |severity, what: String, advice: String| Problem { severity, what, advice };
    let mut problems = Vec::new();
    if let Err(why) = picture.answer(id) {
        problems.push(absent(picture, node, held, why));
    }
    if let Some(why) = picture.ailment(id) {
        let what = format!("node {id} takes no writes and leads nothing: {why}; it answers checks");
        let advice = "make room on its disk or replace the disk; once it is well for some seconds it goes on by itself";
        problems.push(problem(Severity::Degraded, what, advice.into()));
    }
    problems.extend(of_damage(picture, id));
    let missing = with(State::Missing);
    if !missing.is_empty() {
        let what = format!("node {id} does not run its replicas of {}", named(&missing));
        let advice = format!("see its log; if its disk is damaged, stop it and give it up: dnc cluster replace {id}");
        problems.push(problem(Severity::Degraded, what, advice));
    }
    let loading = with(State::Loading);
    if !loading.is_empty() {
        let what = format!("node {id} does not have in memory what checks of {} are judged by", named(&loading));
        let advice = "wait: it reads them, or gets them from its peers; the others answer meanwhile".into();
        problems.push(problem(Severity::Degraded, what, advice));
    }
    problems.extend(of_duty(picture, id, held));
    problems
}

/// What has become of a node that found damage in its data.
fn of_damage(picture: &Picture, id: NodeId) -> Option<Problem> {
    let (what, advice) = match picture.catalog.moves.repairs.get(&id)? {
        Repair::Granted if picture.catalog.recoveries.gave_up(id) => (
            format!("node {id} was given up when shards were recovered without it"),
            "wait: what is placed on it is made anew as far as there are nodes for that; if there is none, add nodes; if it \
             comes back, it joins as another node, without its data"
                .into(),
        ),
        Repair::Waiting => (
            format!("node {id} has found damage in its data, and waits for the word to give it up"),
            "it is let go once no other node is being replaced, no plan is carried out, and each of its shards has a \
             majority of whole replicas without it: bring nodes back that are away"
                .into(),
        ),
        Repair::Granted => (
            format!("node {id} has found damage in its data, and gives it up"),
            format!(
                "wait: it comes back by itself as another node; if it does not, start it again, or have its replicas \
                 made anew elsewhere: dnc cluster replace {id}"
            ),
        ),
        Repair::Succeeded(by) => (
            format!("node {id} has given its damaged data up, and has come back as node {by}"),
            format!("wait: its replicas are made anew there by a plan; if there is none: dnc cluster replace {id}"),
        ),
    };
    Some(Problem { severity: Severity::Degraded, what, advice })
}

/// A node that does not answer. One that holds nothing makes nothing worse.
fn absent(picture: &Picture, node: &Node, held: usize, why: &str) -> Problem {
    let id = node.id;
    let severity = if held > 0 { Severity::Degraded } else { Severity::Notice };
    let what = match held {
        0 => format!("node {id} does not answer ({why}); it holds nothing"),
        _ => format!("node {id} does not answer ({why}); {held} replicas are placed there"),
    };
    let advice = match picture.catalog.duty(id) {
        Duty::Lost if held > 0 => "its replicas are made anew elsewhere by a plan: dnc cluster history".into(),
        Duty::Lost => format!("dnc cluster decommission {id}"),
        _ if !node.is_reachable() => {
            format!("whoever has its address has lost its data folder: dnc cluster replace {id}")
        }
        _ if held == 0 => format!("start it again, or let it go: dnc cluster decommission {id}"),
        _ => format!(
            "start it again at {}; if its data is lost, have its replicas made anew: dnc cluster replace {id}",
            node.addresses.service
        ),
    };
    Problem { severity, what, advice }
}

/// What an operator began with a node and did not end.
fn of_duty(picture: &Picture, id: NodeId, held: usize) -> Option<Problem> {
    let duty = picture.catalog.duty(id);
    let plan = picture.catalog.moves.plan.as_ref();
    let leaves = plan.is_some_and(|plan| !plan.cancelled && plan.left.iter().any(|step| step.from == id));
    let notice = |what: String, advice: String| Some(Problem { severity: Severity::Notice, what, advice });
    match duty {
        Duty::Serving if plan.is_none() && picture.is_idle(id) && picture.answer(id).is_ok() => {
            notice(format!("node {id} holds no replicas"), "give it its share: dnc cluster plan, then apply".into())
        }
        Duty::Serving => None,
        Duty::Draining | Duty::Lost if held > 0 && !leaves && plan.is_none() => Some(Problem {
            severity: if duty == Duty::Lost { Severity::Degraded } else { Severity::Notice },
            what: format!("node {id} is to give up {held} replicas, and no plan moves them"),
            advice: format!("dnc cluster apply; or dnc cluster recommission {id}"),
        }),
        Duty::Draining if picture.is_idle(id) => notice(
            format!("node {id} is drained and holds nothing"),
            format!("stop it and dnc cluster decommission {id}, or let it serve again: dnc cluster recommission {id}"),
        ),
        Duty::Lost if picture.is_idle(id) && picture.answer(id).is_ok() => notice(
            format!("node {id} was given up for lost and holds nothing"),
            format!("dnc cluster decommission {id}"),
        ),
        Duty::Draining | Duty::Lost => None,
    }
}

// === impl Severity ===

impl Severity {
    /// Its word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Notice => "notice",
        }
    }
}

#[cfg(test)]
mod tests {
    use dnc_core::catalog::{Catalog, Change};
    use dnc_core::ids::RequestId;

    use super::super::fixture::{Stand, change, four};
    use super::*;

    fn found(catalog: &Catalog, stand: &Stand) -> (bool, usize, Vec<Problem>) {
        let picture = Picture::new(catalog, &stand.nodes);
        let problems = problems(&picture);
        (is_healthy(&problems), failures_tolerated(&picture.shards), problems)
    }

    fn says(problems: &[Problem], severity: Severity, what: &str, advice: &str) {
        let fits = |problem: &&Problem| problem.what.contains(what) && problem.advice.contains(advice);
        let found = problems.iter().find(fits);
        assert_eq!(found.map(|problem| problem.severity), Some(severity), "{problems:?}");
    }

    #[test]
    fn a_cluster_whose_replicas_all_answer_is_healthy_and_an_empty_node_is_a_notice() {
        let catalog = four();
        let (healthy, tolerated, problems) = found(&catalog, &Stand::of(&catalog));
        assert!(healthy && tolerated == 1);
        says(&problems, Severity::Notice, "node 4 holds no replicas", "dnc cluster plan");
        assert_eq!(problems.len(), 1);
    }

    #[test]
    fn a_node_that_does_not_answer_costs_a_failure_and_a_second_one_the_shard() {
        let catalog = four();
        let (healthy, tolerated, problems) = found(&catalog, &Stand::of(&catalog).away(3));
        assert!(!healthy && tolerated == 0);
        says(&problems, Severity::Degraded, "node 3 does not answer (no answer in time); 2 replicas", "replace 3");
        let (_, tolerated, problems) = found(&catalog, &Stand::of(&catalog).away(3).away(2));
        assert_eq!(tolerated, 0);
        says(&problems, Severity::Down, "shards 0, 1 without a majority", "bring their nodes back");
        assert_eq!(problems[0].severity, Severity::Down);
    }

    #[test]
    fn a_node_that_answers_without_a_replica_or_without_its_versions_is_named() {
        let catalog = four();
        let mut stand = Stand::of(&catalog).without(3, 1);
        stand.replica(2, 0).has_view = false;
        let (healthy, tolerated, problems) = found(&catalog, &stand);
        assert!(!healthy && tolerated == 0);
        says(&problems, Severity::Degraded, "node 3 does not run its replicas of shard 1", "see its log");
        says(&problems, Severity::Degraded, "node 2 does not have in memory what checks of shard 0", "wait");
    }

    #[test]
    fn a_shard_that_nobody_leads_takes_no_opt_outs() {
        let catalog = four();
        let mut stand = Stand::of(&catalog);
        (1..=3).for_each(|node| stand.replica(node, 1).leader = 0);
        let (healthy, _, problems) = found(&catalog, &stand);
        assert!(!healthy);
        says(&problems, Severity::Down, "shard 1 without a leader", "two seconds");
    }

    #[test]
    fn a_node_that_was_drained_or_lost_is_told_what_comes_next() {
        let mut catalog = four();
        change(&mut catalog, Change::SetDuty { node: 4, duty: Duty::Draining });
        let (healthy, _, problems) = found(&catalog, &Stand::of(&catalog));
        assert!(healthy);
        says(&problems, Severity::Notice, "node 4 is drained", "decommission 4");
        change(&mut catalog, Change::SetDuty { node: 3, duty: Duty::Lost });
        let (healthy, _, problems) = found(&catalog, &Stand::of(&catalog).away(3));
        assert!(!healthy);
        says(&problems, Severity::Degraded, "no plan moves them", "recommission 3");
    }

    #[test]
    fn a_node_whose_disk_is_not_well_is_named_with_the_cause() {
        let catalog = four();
        let (healthy, tolerated, problems) = found(&catalog, &Stand::of(&catalog).ailing(2, "its disk is full"));
        assert!(!healthy && tolerated == 1, "it votes and answers");
        says(&problems, Severity::Degraded, "node 2 takes no writes and leads nothing: its disk is full", "make room");
    }

    #[test]
    fn a_damaged_node_is_named_until_it_is_retired() {
        let mut catalog = four();
        change(&mut catalog, Change::ReportDamage { incarnation: 3 });
        let (healthy, _, problems) = found(&catalog, &Stand::of(&catalog));
        assert!(!healthy);
        says(&problems, Severity::Degraded, "node 3 has found damage in its data, and waits", "majority of whole");
        change(&mut catalog, Change::GrantRepair { node: 3 });
        let (_, _, problems) = found(&catalog, &Stand::of(&catalog).away(3));
        says(&problems, Severity::Degraded, "node 3 has found damage in its data, and gives it up", "replace 3");
        change(&mut catalog, Change::Succeed { damaged: 3, incarnation: 4 });
        let (_, _, problems) = found(&catalog, &Stand::of(&catalog).away(3));
        says(&problems, Severity::Degraded, "has come back as node 4", "a plan");
    }

    #[test]
    fn a_cluster_that_is_being_restored_is_down_and_says_how_to_go_on() {
        let mut catalog = four();
        change(&mut catalog, Change::BeginRestore { backup: RequestId(5) });
        let (healthy, _, problems) = found(&catalog, &Stand::of(&catalog));
        assert!(!healthy);
        says(&problems, Severity::Down, "00000005 is being restored", "dnc backup restore");
    }

    #[test]
    fn a_cluster_without_shards_says_how_many_nodes_it_waits_for() {
        let mut catalog = four();
        catalog.shard_map.replicas.clear();
        let (healthy, _, problems) = found(&catalog, &Stand::of(&catalog));
        assert!(!healthy);
        says(&problems, Severity::Down, "4 of 3 nodes have joined", "start");
    }

    #[test]
    fn many_shards_are_named_in_part() {
        let shards: Vec<ShardId> = (0..16).map(ShardId).collect();
        assert_eq!(named(&shards[..1]), "shard 0");
        assert_eq!(named(&shards), "shards 0, 1, 2, 3, 4 and 11 more");
    }
}
