//! Operators against a cluster that answers on demand: what is refused changes nothing, what is repeated is done once.

use dnc_core::catalog::{Change, NodeAddresses};
use dnc_core::ids::RequestId;

use super::fixture::Stand;
use super::*;
use crate::testing::{Fake, Lost};

const ID: &str = "0123456789abcdef0123456789abcdef";

/// Three nodes with all shards, and further ones; all answer.
fn cluster(nodes: u128) -> (Fake, Operators<Fake>) {
    let fake = Fake::founded();
    for node in 4..=nodes {
        let addresses = NodeAddresses { service: format!("n{node}:1"), raft: format!("n{node}:2") };
        fake.change(Change::RegisterNode { incarnation: node, addresses, zone: String::new() });
    }
    fake.stand(Stand::of(&fake.known().catalog).nodes);
    (fake.clone(), Operators::new(fake))
}

fn away(fake: &Fake, node: NodeId) {
    fake.stand(Stand::of(&fake.known().catalog).away(node).nodes);
}

fn drain(node: NodeId) -> v1::DrainNodeRequest {
    v1::DrainNodeRequest { node, throttle: 1_000_000, request_id: ID.into() }
}

fn replace(node: NodeId, replacement: NodeId) -> v1::ReplaceNodeRequest {
    v1::ReplaceNodeRequest { node, replacement, ..v1::ReplaceNodeRequest::default() }
}

/// Does all moves of the plan.
fn carry_out(fake: &Fake) {
    while let Some(plan) = fake.known().catalog.moves.plan.clone() {
        fake.change(Change::FinishMove { plan: plan.id, step: plan.left[0], now_ms: 0 });
    }
    fake.stand(Stand::of(&fake.known().catalog).nodes);
}

#[tokio::test]
async fn a_node_is_drained_and_retired() {
    let (fake, operators) = cluster(4);
    let started = operators.drain(drain(3)).await.expect("possible").plan.expect("moves");
    assert_eq!((started.why.as_str(), started.throttle, started.plan_id.as_str()), ("drain node 3", 1_000_000, ID));
    assert_eq!(fake.known().catalog.duty(3), Duty::Draining);
    let early = operators.retire(v1::RetireNodeRequest { node: 3 }).await.expect_err("it holds replicas");
    assert_eq!(early.kind(), Kind::Precondition);
    // Repeated, it is the same plan.
    assert_eq!(operators.drain(drain(3)).await.expect("known").plan.expect("it").plan_id, ID);
    carry_out(&fake);
    assert_eq!(operators.drain(drain(3)).await.expect("known").plan.expect("it").state, "done");
    let nodes = operators.nodes().await.nodes;
    assert!(nodes[2].idle && nodes[2].duty == "draining");
    operators.retire(v1::RetireNodeRequest { node: 3 }).await.expect("idle");
    assert_eq!(operators.nodes().await.nodes.len(), 3);
    assert_eq!(operators.history().await.plans.len(), 1);
}

#[tokio::test]
async fn a_drain_without_a_place_for_a_replica_is_refused_by_node_and_changes_nothing() {
    let (fake, operators) = cluster(3);
    let before = fake.known().catalog.clone();
    let why = operators.drain(drain(3)).await.expect_err("nobody is left");
    assert_eq!(why.kind(), Kind::Precondition);
    assert!(why.to_string().contains("node 1 holds a replica of it already, node 2 holds"), "{why}");
    let asked = v1::PreviewPlanRequest { leaving: vec![3], ..v1::PreviewPlanRequest::default() };
    assert!(matches!(operators.preview(asked).await, Err(Error::Impossible(_))));
    assert_eq!(operators.drain(drain(9)).await.expect_err("none").kind(), Kind::NotFound);
    assert_eq!(fake.known().catalog, before);
}

#[tokio::test]
async fn a_second_plan_is_refused_until_the_first_is_cancelled_and_over() {
    let (fake, operators) = cluster(4);
    operators.apply(v1::ApplyPlanRequest::default()).await.expect("node 4 is empty");
    let why = operators.drain(drain(3)).await.expect_err("busy");
    assert!(why.kind() == Kind::Precondition && why.to_string().contains("cancel it"), "{why}");
    assert_eq!(fake.known().catalog.duty(3), Duty::Serving);
    let cancelled = operators.cancel(v1::CancelPlanRequest::default()).await.expect("it is there");
    assert_eq!((cancelled.state.as_str(), cancelled.seconds_left), ("cancelling", None));
    let plan = fake.known().catalog.moves.plan.clone().expect("still there");
    for step in plan.left {
        fake.change(Change::DropMove { plan: plan.id, step, now_ms: 0 });
    }
    assert!(matches!(operators.cancel(v1::CancelPlanRequest::default()).await, Err(Error::NoPlan)));
    operators.drain(drain(3)).await.expect("the way is free");
}

#[tokio::test]
async fn a_duty_is_taken_back_when_the_plan_is_refused_and_stays_when_that_is_not_known() {
    let (fake, operators) = cluster(4);
    // Another router's plan comes in between.
    let (other, step) = (RequestId(1), dnc_core::catalog::Move { shard: ShardId(0), to: 4, from: 1 });
    let purpose = dnc_core::catalog::Purpose { why: String::new(), throttle: 0, made_ms: 0 };
    fake.change_before(
        |change| matches!(change, Change::AdoptPlan { .. }),
        Change::AdoptPlan { id: other, purpose, moves: vec![step] },
    );
    assert_eq!(operators.drain(drain(3)).await.expect_err("overtaken").kind(), Kind::Precondition);
    assert_eq!(fake.known().catalog.duty(3), Duty::Serving);
    carry_out(&fake);
    fake.lose_proposals(|change| matches!(change, Change::AdoptPlan { .. }).then_some(Lost::Before));
    let why = operators.drain(drain(3)).await.expect_err("lost");
    assert!(why.kind() == Kind::Unavailable && why.to_string().starts_with("node 3 is draining, but"), "{why}");
    assert_eq!(fake.known().catalog.duty(3), Duty::Draining);
    fake.lose_proposals(|_| None);
    operators.drain(drain(3)).await.expect("repeating it is safe");
}

#[tokio::test]
async fn a_lost_node_is_replaced_by_the_one_that_is_named() {
    let (fake, operators) = cluster(5);
    let why = operators.replace(replace(3, 5)).await.expect_err("it is well");
    assert!(why.to_string().contains("drain it instead"), "{why}");
    away(&fake, 3);
    for (bad, says) in [(3, "does not replace itself"), (9, "no node 9")] {
        let why = operators.replace(replace(3, bad)).await.expect_err(says).to_string();
        assert!(why.contains(says), "{why}");
    }
    let started = operators.replace(replace(3, 5)).await.expect("possible").plan.expect("moves");
    assert_eq!(started.why, "replace node 3 by node 5");
    let catalog = &fake.known().catalog;
    assert_eq!(catalog.duty(3), Duty::Lost);
    let plan = catalog.moves.plan.as_ref().expect("under way");
    assert!(plan.left.len() == 16 && plan.left.iter().all(|step| (step.from, step.to) == (3, 5)));
    assert!(operators.drain(v1::DrainNodeRequest { node: 3, ..Default::default() }).await.is_err());
}

#[tokio::test]
async fn a_shard_without_a_majority_stops_a_plan_before_anything_is_changed() {
    let (fake, operators) = cluster(4);
    fake.stand(Stand::of(&fake.known().catalog).away(3).away(2).nodes);
    let why = operators.replace(replace(3, 4)).await.expect_err("no majority");
    assert!(matches!(why, Error::Stuck(_)) && why.to_string().contains("1 of 3"), "{why}");
    assert_eq!(fake.known().catalog.duty(3), Duty::Serving);
}

#[tokio::test]
async fn a_node_that_was_drained_serves_again() {
    let (fake, operators) = cluster(4);
    let drained = operators.drain(drain(4)).await.expect("it holds nothing");
    assert_eq!(drained.plan, None);
    let node = operators.recommission(v1::RecommissionNodeRequest { node: 4 }).await.expect("there");
    assert_eq!((node.node, node.duty.as_str()), (4, "serving"));
    let why = operators.recommission(v1::RecommissionNodeRequest { node: 9 }).await.expect_err("none");
    assert_eq!((why.kind(), fake.known().catalog.duty(4)), (Kind::NotFound, Duty::Serving));
}

#[tokio::test]
async fn a_number_is_explained_by_its_shard_and_not_repeated() {
    let (_, operators) = cluster(3);
    let ask = async |what| operators.explain(v1::ExplainRequest { what }).await;
    let told = ask(Some(What::PhoneNumber("2015550100".into()))).await.expect("a number");
    assert!(told.details[0].starts_with("the number belongs to shard"), "{:?}", told.details);
    assert!(!format!("{told:?}").contains("555"));
    assert_eq!(ask(Some(What::Node(2))).await.expect("there").subject, "node 2");
    for (what, kind) in [
        (None, Kind::Invalid),
        (Some(What::PhoneNumber("2".into())), Kind::Invalid),
        (Some(What::Shard(16)), Kind::NotFound),
        (Some(What::Node(9)), Kind::NotFound),
    ] {
        assert_eq!(ask(what).await.expect_err("none").kind(), kind);
    }
}

#[tokio::test]
async fn bad_ids_are_refused_by_field() {
    let (_, operators) = cluster(4);
    let request = v1::ApplyPlanRequest { request_id: "7".into(), ..v1::ApplyPlanRequest::default() };
    assert!(matches!(operators.apply(request).await, Err(Error::Invalid(why)) if why.field == "request_id"));
    let request = v1::CancelPlanRequest { plan_id: "7".into() };
    assert!(matches!(operators.cancel(request).await, Err(Error::Invalid(why)) if why.field == "plan_id"));
    let request = v1::PreviewPlanRequest { replacement: 4, ..v1::PreviewPlanRequest::default() };
    assert!(matches!(operators.preview(request).await, Err(Error::Invalid(why)) if why.field == "replacement"));
}

#[tokio::test]
async fn a_router_that_does_not_know_the_cluster_shows_so_and_does_nothing() {
    let operators = Operators::new(Fake::empty());
    let status = operators.status().await;
    assert!(!status.healthy && status.problems[0].severity == "down");
    assert!(matches!(operators.apply(v1::ApplyPlanRequest::default()).await, Err(Error::NotReady)));
}
