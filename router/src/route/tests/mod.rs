//! The way to the shards against real servers that are scripted: who counts, who is asked again, and when it is over.

mod scripted;

use std::time::Duration;

use dnc_core::command::ShardCommand;
use dnc_core::ids::{RequestId, ShardId};
use dnc_core::suppression::{Origin, Suppression};
use dnc_core::tenant::DEFAULT_TENANT_ID;
use dnc_core::verdict::{Asker, Cause, LiveFinding, Verdict};
use dnc_proto::internal as wire;
use tokio::time::{Instant, timeout};

use self::scripted::{Cluster, Leads, Manner, Node, activate, founded};
use super::*;

/// Long enough for anything on loopback, however busy the machine is.
const LONG: Duration = Duration::from_secs(10);

async fn check(route: &Route, limit: Duration) -> Verdict {
    let number = PhoneNumber::from_u64(12_015_550_100).expect("a number");
    let asker = Asker::tenant(DEFAULT_TENANT_ID);
    let checked = route.check(&[number], &asker, "r", Instant::now() + limit).await;
    checked.judgements.get(0).expect("judged").verdict()
}

fn listing() -> LiveFinding {
    LiveFinding::of(
        dnc_core::ids::RegistryId(2),
        &Suppression::new(RequestId(1), DEFAULT_TENANT_ID, Origin::Consumer, 0),
    )
}

#[tokio::test]
async fn two_of_three_that_answer_settle_a_check() {
    let cluster = Cluster::start().await;
    assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
    cluster.nodes[1].script.lock().manner = Manner::Refuses;
    assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
}

#[tokio::test]
async fn checks_that_come_together_share_their_calls_and_are_answered_apart() {
    let cluster = Cluster::start().await;
    let verdicts = futures::future::join_all((0..50).map(|_| check(&cluster.route, LONG))).await;
    assert_eq!(verdicts, [Verdict::Clear; 50]);
    // Two calls each, if they did not.
    assert!(cluster.checks() < 50, "{} calls", cluster.checks());
    cluster.each(|script| script.live = Some(listing()));
    let verdicts = futures::future::join_all((0..50).map(|_| check(&cluster.route, LONG))).await;
    assert_eq!(verdicts, [Verdict::Listed; 50]);
}

/// Node 1 listens at the address of node 2 too; node 3, whose log is newer, is cut off. Node 1 alone must not clear a number.
#[tokio::test]
async fn one_process_at_the_addresses_of_two_nodes_counts_once() {
    for looks in [true, false] {
        let cluster = Cluster::start().await;
        cluster.nodes[0].script.lock().looks = looks;
        cluster.nodes[2].script.lock().manner = Manner::Hangs;
        let mut catalog = cluster.catalog.clone();
        catalog.nodes.get_mut(&2).expect("joined").addresses.service = cluster.nodes[0].address.clone();
        catalog.revision += 1;
        cluster.cache.offer(catalog).expect("one cluster");
        let verdict = check(&cluster.route, Duration::from_millis(500)).await;
        assert_eq!(verdict, Verdict::Unknown(Cause::Unavailable));
        {
            let mut third = cluster.nodes[2].script.lock();
            third.manner = Manner::Answers;
            third.log = 2;
            third.live = Some(listing());
        }
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Listed);
    }
}

#[tokio::test]
async fn how_they_stand_is_asked_of_all_nodes_that_have_an_address_with_replicas_or_without() {
    let cluster = Cluster::start().await;
    let fourth = Node::start(4).await;
    let mut catalog = cluster.catalog.clone();
    for (id, service) in [(4, fourth.address.clone()), (5, String::new())] {
        let addresses = dnc_core::catalog::NodeAddresses { service, raft: "n:2".into() };
        catalog.nodes.insert(id, dnc_core::catalog::Node { id, incarnation: 0, addresses, zone: String::new() });
    }
    catalog.revision += 1;
    cluster.cache.offer(catalog).expect("one cluster");
    let asked = cluster.route.replicas(Instant::now() + LONG).await;
    assert!(asked.iter().all(|asked| asked.result.is_ok()), "{asked:?}");
    assert_eq!(asked.iter().map(|asked| asked.node).collect::<Vec<_>>(), [1, 2, 3, 4]);
    // What a version needs is asked of those that hold replicas.
    let (registry, version) = (dnc_core::ids::RegistryId(1), dnc_core::ids::VersionId(1));
    let asked = cluster.route.version_status(registry, version, Instant::now() + LONG).await;
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn what_another_node_says_of_a_write_is_no_acknowledgement() {
    let cluster = Cluster::start().await;
    let barrier = ShardCommand::Barrier { revision: 1 };
    let soon = || Instant::now() + Duration::from_millis(300);
    assert!(cluster.route.write(ShardId(0), &barrier, Instant::now() + LONG).await.is_ok());
    cluster.each(|script| {
        script.looks = false;
        script.id = 9;
    });
    let outcome = cluster.route.write(ShardId(0), &barrier, soon()).await;
    assert_eq!(outcome, Err(WriteError::Unknown(ShardId(0))));
    // Those who look refuse, so it surely was not done.
    cluster.each(|script| script.looks = true);
    let outcome = cluster.route.write(ShardId(0), &barrier, soon()).await;
    assert_eq!(outcome, Err(WriteError::NoLeader(ShardId(0))));
    assert!(cluster.route.replicas(soon()).await.iter().all(|asked| asked.result.is_err()));
}

#[tokio::test]
async fn a_write_that_one_node_does_not_take_goes_to_another_and_names_the_cause_if_there_is_none() {
    let cluster = Cluster::start().await;
    let barrier = ShardCommand::Barrier { revision: 1 };
    cluster.each(|script| script.held = script.id != 2);
    assert!(cluster.route.write(ShardId(0), &barrier, Instant::now() + LONG).await.is_ok());
    cluster.each(|script| script.held = true);
    let outcome = cluster.route.write(ShardId(0), &barrier, Instant::now() + Duration::from_millis(300)).await;
    assert_eq!(outcome, Err(WriteError::Held { shard: ShardId(0), why: "its disk is full".into() }));
}

/// Nodes drop the versions of a view that is two behind: nothing that they say by it can suffice.
#[tokio::test]
async fn a_router_two_activations_behind_catches_up_from_the_node_that_is_ahead() {
    let cluster = Cluster::start().await;
    let mut newer = cluster.catalog.clone();
    activate(&mut newer);
    activate(&mut newer);
    cluster.each(|script| {
        script.views = (newer.view_revision, newer.view_revision);
        script.gossips = false;
    });
    {
        let mut second = cluster.nodes[1].script.lock();
        second.gossips = true;
        second.catalog = Some(newer.clone());
    }
    let started = Instant::now();
    assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
    assert!(started.elapsed() < LONG / 2);
    assert_eq!(cluster.route.known().catalog.revision, newer.revision);
}

#[tokio::test]
async fn a_router_behind_goes_on_when_the_meta_group_brings_the_catalog_though_nodes_do_not() {
    let cluster = Cluster::start().await;
    let mut newer = cluster.catalog.clone();
    activate(&mut newer);
    cluster.each(|script| {
        script.barrier = newer.revision;
        script.views = (0, newer.view_revision);
        script.gossips = false;
    });
    let (route, cache) = (cluster.route.clone(), cluster.cache.clone());
    let asked = tokio::spawn(async move { check(&route, LONG).await });
    // Asked by the older catalog first.
    while cluster.checks() == 0 {
        tokio::task::yield_now().await;
    }
    cache.offer(newer).expect("one cluster");
    assert_eq!(timeout(LONG / 2, asked).await.expect("in time").expect("no panic"), Verdict::Clear);
}

#[tokio::test]
async fn a_newer_catalog_that_nobody_brings_makes_unknown_and_never_clear() {
    let cluster = Cluster::start().await;
    cluster.each(|script| script.barrier = u64::MAX);
    let verdict = check(&cluster.route, Duration::from_millis(300)).await;
    assert_eq!(verdict, Verdict::Unknown(Cause::Unavailable));
}

#[tokio::test]
async fn nodes_that_refuse_at_once_are_asked_again_at_a_pace_and_the_deadline_is_kept() {
    let cluster = Cluster::start().await;
    for manner in [Manner::Refuses, Manner::HasNone(wire::NoAnswer::Starting)] {
        cluster.each(|script| {
            script.manner = manner.clone();
            script.checks = 0;
        });
        let started = Instant::now();
        let verdict = check(&cluster.route, Duration::from_millis(500)).await;
        assert_eq!(verdict, Verdict::Unknown(Cause::Unavailable));
        assert!(started.elapsed() < LONG / 2);
        // Waves after 0, 15, 45, 105, 205, 305 and 405 ms, each of three calls at most.
        assert!(cluster.checks() <= 21, "{} calls", cluster.checks());
    }
}

#[tokio::test]
async fn a_replica_without_an_answer_is_passed_over_by_the_next_check() {
    let cluster = Cluster::hedging_after(LONG).await;
    cluster.nodes[0].script.lock().manner = Manner::HasNone(wire::NoAnswer::NotHere);
    // By turns each pair of the three is asked first: one of these checks meets the first node.
    for _ in 0..3 {
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
    }
    let met = cluster.nodes[0].checks();
    assert!(met > 0);
    let turns = Instant::now();
    for _ in 0..6 {
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
    }
    // Unless the machine was so slow that it is trusted again.
    assert!(cluster.nodes[0].checks() == met || turns.elapsed() > Duration::from_millis(500));
}

#[tokio::test]
async fn a_leader_under_its_lease_is_asked_alone_and_the_others_as_soon_as_it_is_not() {
    let cluster = Cluster::hedging_after(LONG).await;
    cluster.nodes[1].script.lock().leads = Some(Leads::UnderLease);
    // By turns each pair of the three is asked first: then this router knows.
    for _ in 0..3 {
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
    }
    let others = || cluster.nodes[0].checks() + cluster.nodes[2].checks();
    let met = others();
    cluster.nodes[1].script.lock().live = Some(listing());
    for _ in 0..6 {
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Listed);
    }
    assert_eq!(others(), met);

    // Without its lease its answer is one of three, and nobody waits for the delay.
    cluster.nodes[1].script.lock().leads = Some(Leads::WithoutLease);
    cluster.nodes[1].script.lock().live = None;
    for script in [0, 2] {
        let mut script = cluster.nodes[script].script.lock();
        (script.log, script.live) = (9, Some(listing()));
    }
    for _ in 0..3 {
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Listed);
    }
    assert!(others() > met);
}

#[tokio::test]
async fn a_leader_under_its_lease_that_falls_silent_is_replaced_by_a_majority_of_the_others() {
    let cluster = Cluster::start().await;
    cluster.nodes[1].script.lock().leads = Some(Leads::UnderLease);
    for _ in 0..3 {
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
    }
    for manner in [Manner::Hangs, Manner::Refuses, Manner::HasNone(wire::NoAnswer::NotHere)] {
        cluster.nodes[1].script.lock().manner = manner;
        let started = Instant::now();
        assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
        assert!(started.elapsed() < LONG / 2);
    }
}

#[tokio::test]
async fn a_replica_that_lags_or_hangs_is_not_waited_for() {
    let cluster = Cluster::start().await;
    for manner in [Manner::Lags(LONG), Manner::Hangs] {
        cluster.nodes[2].script.lock().manner = manner;
        for _ in 0..3 {
            let started = Instant::now();
            assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
            assert!(started.elapsed() < LONG / 2);
        }
    }
}

#[tokio::test]
async fn a_node_that_is_behind_is_offered_the_catalog_by_one_check_at_a_time() {
    let cluster = Cluster::start().await;
    cluster.each(|script| {
        script.views = (0, 0);
        script.gossips = false;
    });
    let started = Instant::now();
    let checks = (0..20).map(|_| check(&cluster.route, Duration::from_millis(200)));
    futures::future::join_all(checks).await;
    // Each is given up after 300 ms, and none begins before.
    let most = 1 + started.elapsed().as_millis() / 300;
    let offers: Vec<usize> = cluster.nodes.iter().map(|node| node.script.lock().offers).collect();
    assert!(offers.iter().any(|offers| *offers > 0), "{offers:?}");
    assert!(offers.iter().all(|offers| *offers as u128 <= most), "{offers:?}");
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_resolved_anew() {
    let cluster = Cluster::start().await;
    let replacement = Node::start(2).await;
    replacement.script.lock().views = (0, cluster.catalog.view_revision);
    cluster.nodes[1].script.lock().id = 4;
    cluster.nodes[2].script.lock().manner = Manner::Hangs;
    let verdict = check(&cluster.route, Duration::from_millis(200)).await;
    assert_eq!(verdict, Verdict::Unknown(Cause::Unavailable));
    let addresses = [&cluster.nodes[0], &replacement, &cluster.nodes[2]].map(|node| node.address.as_str());
    let mut moved = founded(&addresses);
    moved.revision = cluster.catalog.revision + 1;
    cluster.cache.offer(moved).expect("one cluster");
    assert_eq!(check(&cluster.route, LONG).await, Verdict::Clear);
}
