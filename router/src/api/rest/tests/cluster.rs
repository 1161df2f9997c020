//! The cluster's operators over REST.

use dnc_core::catalog::{Change, NodeAddresses};
use dnc_proto::internal::{Replica, ReplicasResponse};

use super::*;
use crate::route::NodeReplicas;
use crate::testing::SHARDS;

const CLUSTER: &str = "/api/v1/cluster";

/// Nodes 1 to 3 hold all shards, node 4 nothing; all answer, and node 1 leads.
fn four() -> Fake {
    let fake = Fake::founded();
    let addresses = NodeAddresses { service: "n4:1".into(), raft: "n4:2".into() };
    fake.change(Change::RegisterNode { incarnation: 4, addresses, zone: String::new() });
    let replicas = |node| {
        let shards = 0..if node == 4 { 0 } else { SHARDS };
        shards.map(|shard| Replica { shard, leader: 1, ..Replica::default() }).collect()
    };
    let said = |node| {
        let response = ReplicasResponse { node, replicas: replicas(node), ..ReplicasResponse::default() };
        NodeReplicas { node, result: Ok(response) }
    };
    fake.stand((1..=4).map(said).collect());
    fake
}

fn at(path: &str) -> String {
    format!("{CLUSTER}/{path}")
}

#[tokio::test]
async fn the_status_has_this_form() {
    let status = expect(&four(), get(&at("status")), StatusCode::OK).await;
    assert_eq!((&status["healthy"], &status["failures_tolerated"]), (&json!(true), &json!(1)));
    assert_eq!((&status["shards"], &status["shards_led"], &status["plan"]), (&json!(16), &json!(16), &json!(null)));
    assert_eq!(status["problems"][0]["severity"], "notice");
    let node = json!({
        "node": 4,
        "address": "n4:1",
        "raft_address": "n4:2",
        "zone": "",
        "duty": "serving",
        "answers": true,
        "error": null,
        "replicas": 0,
        "leaders": 0,
        "incoming": 0,
        "failed": 0,
        "bytes": 0,
        "idle": true,
    });
    assert_eq!(status["nodes"][3], node);
    let nodes = expect(&four(), get(&at("nodes")), StatusCode::OK).await;
    assert_eq!(nodes["nodes"][3], node);
    let shards = expect(&four(), get(&at("shards")), StatusCode::OK).await;
    assert_eq!(shards["shards"][0]["replicas"][0], json!({"node": 1, "state": "leader"}));
}

#[tokio::test]
async fn a_node_is_drained_the_plan_cancelled_and_the_node_serves_again() {
    let fake = four();
    let asked = json!({"leaving": [3], "throttle": 1_000_000});
    let plan = expect(&fake, post(&at("plan"), &asked), StatusCode::OK).await;
    assert!(plan["moves"].as_array().is_some_and(|moves| moves.len() >= 16), "{plan}");
    assert_eq!(plan["bytes_per_second"], 1_000_000);
    let started =
        expect(&fake, post(&at("nodes/3/drain"), &json!({"throttle": 2_000_000})), StatusCode::ACCEPTED).await;
    assert_eq!((&started["plan"]["why"], &started["plan"]["throttle"]), (&json!("drain node 3"), &json!(2_000_000)));
    let history = expect(&fake, get(&at("history")), StatusCode::OK).await;
    assert_eq!(history["plans"][0]["plan_id"], started["plan"]["plan_id"]);
    let busy = expect_problem(&fake, post(&at("apply"), &json!({})), StatusCode::CONFLICT).await;
    assert_eq!(busy["code"], "not-possible");
    expect_problem(&fake, post(&at("nodes/3/decommission"), &json!({})), StatusCode::CONFLICT).await;
    let cancelled = expect(&fake, delete(&at("plan")), StatusCode::OK).await;
    assert_eq!(cancelled["state"], "cancelling");
    let node = expect(&fake, post(&at("nodes/3/recommission"), &json!({})), StatusCode::OK).await;
    assert_eq!(node["duty"], "serving");
}

#[tokio::test]
async fn a_plan_that_cannot_work_is_a_problem_with_the_reason_per_node() {
    let fake = four();
    let asked = json!({"leaving": [3, 4]});
    let problem = expect_problem(&fake, post(&at("plan"), &asked), StatusCode::CONFLICT).await;
    let detail = problem["detail"].as_str().expect("text");
    assert!(detail.contains("node 1 holds a replica of it already") && detail.contains("node 4 is being drained"));
}

#[tokio::test]
async fn why_takes_one_thing_and_never_repeats_a_number() {
    let fake = four();
    let told = expect(&fake, get(&at("why?phone_number=2015550100")), StatusCode::OK).await;
    assert!(
        told["state"].as_str().expect("text").starts_with("it is led by node 1") && !told.to_string().contains("555")
    );
    assert_eq!(expect(&fake, get(&at("why?node=2")), StatusCode::OK).await["subject"], "node 2");
    expect_problem(&fake, get(&at("why?shard=16")), StatusCode::NOT_FOUND).await;
    expect_problem(&fake, get(&at("why?shard=1&node=1")), StatusCode::BAD_REQUEST).await;
    let problem = expect_problem(&fake, get(&at("why?phone_number=20155501")), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["code"], "invalid-number");
    assert!(!problem.to_string().contains("20155501"), "{problem}");
}

#[tokio::test]
async fn bad_requests_are_problems_by_field() {
    let fake = four();
    let problem = expect_problem(&fake, post(&at("nodes/x/drain"), &json!({})), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "id");
    let asked = json!({"request_id": "7"});
    let problem = expect_problem(&fake, post(&at("apply"), &asked), StatusCode::BAD_REQUEST).await;
    assert_eq!(problem["errors"][0]["pointer"], "#/request_id");
    expect_problem(&fake, post(&at("nodes/9/replace"), &json!({})), StatusCode::NOT_FOUND).await;
    expect_problem(&fake, delete(&at("plan")), StatusCode::NOT_FOUND).await;
}

#[tokio::test(start_paused = true)]
async fn shards_without_a_majority_are_shown_and_recovered_only_by_name() {
    let fake = four();
    let whole = expect(&fake, get(&at("recovery")), StatusCode::OK).await;
    assert_eq!((&whole["shards"], &whole["confirm"]), (&json!([]), &json!("")));
    let named = json!({"shards": (0..SHARDS).collect::<Vec<_>>(), "gone": [2, 3], "why": "two machines burnt"});
    expect_problem(&fake, post(&at("recovery"), &named), StatusCode::CONFLICT).await;
    fake.stand((1..=4).map(|node| left(node, &[1, 4])).collect());
    let told = expect(&fake, get(&at("recovery")), StatusCode::OK).await;
    assert_eq!((&told["confirm"], &told["gone"][1]["node"]), (&json!("shard-0..15,node-2,node-3"), &json!(3)));
    let replica = json!({"node": 1, "state": "survivor", "term": 2, "index": 7, "applied": 0});
    assert_eq!(told["shards"][3]["replicas"][0], replica);
    for (field, value) in [("shards", json!([1])), ("gone", json!([2]))] {
        let mut some = named.clone();
        some[field] = value;
        let problem = expect_problem(&fake, post(&at("recovery"), &some), StatusCode::BAD_REQUEST).await;
        assert_eq!(problem["errors"][0]["pointer"], format!("#/{field}"));
    }
    let done = expect(&fake, post(&at("recovery"), &named), StatusCode::OK).await;
    assert_eq!((&done["gone"], &done["shards"][5]["survivor"]), (&json!([2, 3]), &json!(1)));
    let history = expect(&fake, get(&at("history")), StatusCode::OK).await;
    assert_eq!(history["recoveries"][0], done);
}

/// What is left of the four when only these answer.
fn left(node: u64, answering: &[u64]) -> NodeReplicas {
    let shards = 0..if node == 1 { SHARDS } else { 0 };
    let last = Some(dnc_proto::internal::LogPosition { term: 2, index: 7 });
    let replicas = shards.map(|shard| Replica { shard, last, ..Replica::default() }).collect();
    let response = ReplicasResponse { node, replicas, ..ReplicasResponse::default() };
    NodeReplicas { node, result: answering.contains(&node).then_some(response).ok_or_else(|| "no answer".to_owned()) }
}
