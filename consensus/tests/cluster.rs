//! What a group of three replicas keeps, whatever happens to one of them.

mod kit;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dnc_consensus::{
    GroupError, GroupId, Hold, HostError, HostOptions, MembershipChange, Moment, ReadError, Role, Store, StoreOptions,
    WriteError,
};
use kit::{Cluster, GROUP, Kv, PATIENCE, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_is_on_every_replica_and_readable_after_linearize() {
    let cluster = Cluster::start().await;
    let (first, count) = cluster.write("a=1").await;
    assert_eq!(count, 1);
    let (second, count) = cluster.write("a=2").await;
    assert_eq!(count, 2);
    assert!(first < second);
    let leader = cluster.leader().await;
    let node = &cluster.nodes[&leader];
    node.group.linearize(PATIENCE).await.expect("the leader may read");
    assert_eq!(node.machine.get("a").as_deref(), Some("2"));
    cluster.applied(second).await;
    cluster.assert_equal();
    for node in cluster.nodes.values() {
        let tail = node.group.tail();
        assert!(tail.last >= Some(second));
        assert_eq!(tail.membership.expect("a membership").voters(), BTreeSet::from([1, 2, 3]));
        assert!(node.machine.overlay().is_empty());
        assert_eq!(node.group.status().failure, None);
        if node.id != leader {
            let refused = node.group.write(b"b=1".to_vec(), PATIENCE).await.expect_err("a follower does not write");
            assert!(matches!(refused, WriteError::NotLeader { .. }));
            let refused = node.group.linearize(PATIENCE).await.expect_err("a follower cannot tell");
            assert!(matches!(refused, ReadError::NotLeader { .. }));
        }
    }
    let large = cluster.nodes[&leader].group.write(vec![b'='; 3 << 20], PATIENCE).await;
    assert!(matches!(large, Err(WriteError::TooLarge { .. })));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_lose_nothing() {
    let cluster = Cluster::start().await;
    let writes = (0..400).map(|number| {
        let cluster = &cluster;
        async move { cluster.write(&format!("key{number}={number}")).await.0 }
    });
    let last = futures::future::join_all(writes).await.into_iter().max().expect("some");
    cluster.applied(last).await;
    cluster.assert_equal();
    for node in cluster.nodes.values() {
        // 400 keys and the counter.
        assert_eq!(node.machine.contents().len(), 401);
        let sync = node.host.store().stats().sync;
        assert!(sync.syncs < 300, "writes share their fsyncs: {sync:?}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn groups_share_connections_and_fsyncs_and_keep_their_states_apart() {
    let cluster = Cluster::start().await;
    let ids = (2..10).map(GroupId);
    let mut groups = Vec::new();
    for id in ids {
        let mut replicas = Vec::new();
        for node in cluster.nodes.values() {
            let machine = Arc::new(Kv::default());
            replicas.push((node.host.start_group(id, machine.clone()).await.expect("start"), machine));
        }
        groups.push(replicas);
    }
    let voters = BTreeSet::from([1, 2, 3]);
    let founded = groups.iter().flatten().map(|(group, _)| group.initialize(voters.clone()));
    for founded in futures::future::join_all(founded).await {
        founded.expect("initialize");
    }
    let writes = groups.iter().map(|replicas| async {
        for number in 0..50 {
            loop {
                let mut leader = None;
                until("a leader is known", || {
                    leader = replicas.iter().find(|(group, _)| group.is_leader());
                    leader.is_some()
                })
                .await;
                let (group, _) = leader.expect("found");
                let command = format!("{number}={}", group.id());
                match group.write(command.into_bytes(), PATIENCE).await {
                    Ok(_) => break,
                    Err(WriteError::NotLeader { .. }) => tokio::task::yield_now().await,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    futures::future::join_all(writes).await;
    for (group, machine) in groups.iter().flatten() {
        let of = group.id().to_string();
        until("all is applied", || machine.get("49").as_deref() == Some(&of)).await;
        assert_eq!(machine.contents().len(), 51);
    }
    let sync = cluster.nodes[&1].host.store().stats().sync;
    assert!(sync.syncs < sync.served, "{sync:?}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_few_large_entries_is_cut_by_its_bytes() {
    let cluster = Cluster::start_with(HostOptions { log_mib_max: 4, ..HostOptions::default() }).await;
    let large = "v".repeat(1 << 20);
    for number in 0..80 {
        cluster.write(&format!("{}={large}", number % 5)).await;
    }
    for node in cluster.nodes.values() {
        until("the log is cut", || node.group.status().purged.is_some()).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_dies_another_leads_and_acknowledged_writes_survive() {
    let mut cluster = Cluster::start().await;
    for number in 0..20 {
        cluster.write(&format!("key{number}=before")).await;
    }
    let old = cluster.leader().await;
    cluster.stop_node(old).await;
    let (at, _) = cluster.write("after=1").await;
    let new = cluster.leader().await;
    assert_ne!(old, new);
    cluster.nodes[&new].group.linearize(PATIENCE).await.expect("linearize");
    for number in 0..20 {
        assert_eq!(cluster.nodes[&new].machine.get(&format!("key{number}")).as_deref(), Some("before"));
    }
    cluster.start_node(old).await;
    cluster.applied(at).await;
    cluster.assert_equal();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_group_can_stop_and_start_again_while_its_process_runs() {
    let cluster = Cluster::start().await;
    cluster.write("a=1").await;
    let leader = cluster.leader().await;
    let node = cluster.nodes.values().find(|node| node.id != leader).expect("a follower");
    for _ in 0..3 {
        let (at, _) = cluster.write("a=2").await;
        node.host.stop_group(GROUP).await.expect("stop");
        assert!(matches!(node.host.stop_group(GROUP).await, Err(HostError::Unknown(GROUP))));
        let machine = Arc::new(Kv::default());
        let group = node.host.start_group(GROUP, machine.clone()).await.expect("start again");
        assert!(!group.status().votes, "it owes its lease again");
        let twice = node.host.start_group(GROUP, Arc::new(Kv::default())).await.err();
        assert!(matches!(twice, Some(HostError::Running(GROUP))));
        until("it has caught up", || machine.applied() >= Some(at)).await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_all_replicas_keeps_everything() {
    let mut cluster = Cluster::start().await;
    let mut last = cluster.write("a=1").await.0;
    for number in 0..50 {
        last = cluster.write(&format!("key{number}={number}")).await.0;
    }
    cluster.applied(last).await;
    let term = cluster.nodes[&1].group.status().term;
    for id in 1..=3 {
        cluster.stop_node(id).await;
    }
    for id in 1..=3 {
        let node = cluster.start_node(id).await;
        assert!(node.group.tail().last >= Some(last));
        assert_eq!(node.machine.get("key49").as_deref(), Some("49"));
        assert!(node.group.tail().membership.is_some());
    }
    let (at, count) = cluster.write("b=2").await;
    assert_eq!(count, 52);
    assert!(at.term > term, "a new leader was elected");
    cluster.applied(at).await;
    cluster.assert_equal();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_the_log_it_missed_is_brought_up_to_date_by_a_snapshot() {
    let mut cluster = Cluster::start().await;
    cluster.write("old=1").await;
    let leader = cluster.leader().await;
    let away = (1..=3).find(|id| *id != leader).expect("a follower");
    cluster.stop_node(away).await;
    // Several chunks.
    let large = "v".repeat(200_000);
    let mut last = cluster.write("old=2").await.0;
    for number in 0..20 {
        last = cluster.write(&format!("key{number}={large}")).await.0;
    }
    for node in cluster.nodes.values() {
        until("all is applied", || node.group.status().applied >= Some(last)).await;
        node.group.compact(PATIENCE).await.expect("compact");
        assert!(node.group.status().purged >= Some(last));
    }
    let node = cluster.start_node(away).await;
    assert_eq!(node.machine.loads(), 1);
    let (at, _) = cluster.write("new=1").await;
    cluster.applied(at).await;
    cluster.assert_equal();
    let node = &cluster.nodes[&away];
    assert!(node.machine.loads() > 1, "by a snapshot, not by the log");
    assert_eq!(node.machine.get("old").as_deref(), Some("2"));
    assert_eq!(node.group.tail().membership.expect("a membership").voters(), BTreeSet::from([1, 2, 3]));
    assert!(node.machine.overlay().is_empty());

    // And what it was sent survives its restart.
    let contents = node.machine.contents();
    cluster.stop_node(away).await;
    let node = cluster.start_node(away).await;
    assert!(node.machine.contents() == contents);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_briefly_away_catches_up_by_the_log() {
    let options = HostOptions { snapshot_entries: 20, log_keep_entries: 1_000, ..HostOptions::default() };
    let mut cluster = Cluster::start_with(options).await;
    cluster.write("a=1").await;
    let leader = cluster.leader().await;
    let away = (1..=3).find(|id| *id != leader).expect("a follower");
    cluster.stop_node(away).await;
    for number in 0..100 {
        cluster.write(&format!("key{number}={number}")).await;
    }
    cluster.start_node(away).await;
    let (at, _) = cluster.write("b=1").await;
    cluster.applied(at).await;
    cluster.assert_equal();
    assert_eq!(cluster.nodes[&away].machine.loads(), 1);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_no_majority_had_leave_the_log_and_the_overlay() {
    let mut cluster = Cluster::start().await;
    let (at, _) = cluster.write("a=1").await;
    cluster.applied(at).await;
    // A leader whose lease has passed by the time that its followers have stopped refuses the write: then once more.
    let mut attempts = 0;
    let (old, others) = loop {
        attempts += 1;
        assert!(attempts <= 10, "no write got into the log of a leader without followers");
        let old = cluster.leader().await;
        let others: Vec<u64> = (1..=3).filter(|id| *id != old).collect();
        for id in &others {
            cluster.stop_node(*id).await;
        }
        match cluster.nodes[&old].group.write(b"lost=1".to_vec(), Duration::from_millis(300)).await {
            Err(WriteError::Unknown(_)) => break (old, others),
            Err(WriteError::NotLeader { .. }) => {}
            other => panic!("acknowledged without a majority: {other:?}"),
        }
        for id in &others {
            cluster.start_node(*id).await;
        }
        cluster.write("a=2").await;
    };
    assert_eq!(cluster.nodes[&old].machine.overlay().len(), 1);
    cluster.stop_node(old).await;
    for id in &others {
        cluster.start_node(*id).await;
    }
    cluster.write("b=1").await;
    let node = cluster.start_node(old).await;
    assert_eq!(node.machine.get("lost"), None);
    let (at, _) = cluster.write("c=1").await;
    cluster.applied(at).await;
    cluster.assert_equal();
    let node = &cluster.nodes[&old];
    assert_eq!(node.machine.get("lost"), None);
    assert_eq!(node.machine.truncations(), 1);
    assert!(node.machine.overlay().is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_moves_to_the_replica_that_is_named() {
    let cluster = Cluster::start().await;
    let (at, _) = cluster.write("a=1").await;
    cluster.applied(at).await;
    for node in cluster.nodes.values() {
        until("its first lease has passed", || node.group.status().votes).await;
    }
    let old = cluster.leader().await;
    let new = (1..=3).find(|id| *id != old).expect("a follower");
    cluster.nodes[&old].group.transfer_leader(new, PATIENCE).await.expect("transfer");
    let refused = cluster.nodes[&old].group.transfer_leader(new, PATIENCE).await;
    assert_eq!(refused, Err(GroupError::NotLeader { leader: Some(new) }));
    until("the new leader knows", || cluster.nodes[&new].group.is_leader()).await;
    cluster.write("b=1").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_at_a_time_is_under_a_lease_whoever_leads() {
    let mut cluster = Cluster::start().await;
    let leased = |cluster: &Cluster| -> BTreeSet<u64> {
        let now = Moment::now();
        cluster.nodes.values().filter(|node| node.group.brief(now).leased).map(|node| node.id).collect()
    };
    for node in cluster.nodes.values() {
        until("its first lease has passed", || node.group.status().votes).await;
    }
    let mut leader = cluster.leader().await;
    until("the leader is under its lease", || leased(&cluster) == BTreeSet::from([leader])).await;

    // Handed over: whoever led has none from before the order was given, and the next one has it soon.
    for _ in 0..3 {
        let heir = cluster.nodes.keys().copied().find(|node| *node != leader).expect("another one");
        cluster.nodes[&leader].group.transfer_leader(heir, PATIENCE).await.expect("handed over");
        assert!(!leased(&cluster).contains(&leader));
        until("the next leader is under its lease", || {
            let holders = leased(&cluster);
            assert!(holders.len() <= 1, "{holders:?}");
            holders.contains(&heir)
        })
        .await;
        leader = heir;
    }

    // Without the others it leads on, as far as it knows, but not under a lease.
    let others: Vec<u64> = cluster.nodes.keys().copied().filter(|node| *node != leader).collect();
    for node in &others {
        cluster.stop_node(*node).await;
    }
    until("the lease has ended", || leased(&cluster).is_empty()).await;
    assert_eq!(cluster.nodes[&leader].group.status().role, Role::Leader);
    cluster.start_node(others[0]).await;
    until("a majority is back", || leased(&cluster).len() == 1).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_replaced_by_a_new_one() {
    let mut cluster = Cluster::start().await;
    cluster.write("a=1").await;
    let (written, _) = cluster.write("a=2").await;
    cluster.applied(written).await;
    cluster.start_node(4).await;
    let leader = cluster.leader().await;
    let gone = (1..=3).find(|id| *id != leader).expect("a follower");
    let voters: BTreeSet<u64> = (1..=4).filter(|id| *id != gone).collect();
    let group = cluster.nodes[&leader].group.clone();
    let seen = group.tail().membership_at;
    let added = group.change_membership(MembershipChange::AddLearner(4), seen, PATIENCE).await.expect("learner");
    assert_eq!(group.tail().membership_at, Some(added));
    assert_eq!(group.tail().membership.expect("a membership").learners, BTreeSet::from([4]));
    let stale = group.change_membership(MembershipChange::SetVoters(voters.clone()), seen, PATIENCE).await;
    assert_eq!(stale, Err(GroupError::MembershipChanged { expected: seen, found: Some(added) }));
    until("the learner has the log", || group.status().matched.get(&4).copied().flatten() >= Some(added)).await;
    assert!(cluster.nodes[&4].machine.loads() > 1, "it was sent the state, and not all that made it");
    let changed = group
        .change_membership(MembershipChange::SetVoters(voters.clone()), Some(added), PATIENCE)
        .await
        .expect("replace");
    let membership = group.tail().membership.expect("a membership");
    assert!(!membership.is_joint());
    assert_eq!(membership.voters(), voters);
    assert_eq!(group.tail().membership_at, Some(changed));
    cluster.nodes[&gone].host.stop_group(GROUP).await.expect("stop");
    assert!(cluster.nodes[&gone].host.group(GROUP).is_none());
    cluster.stop_node(gone).await;
    let (at, _) = cluster.write("b=1").await;
    cluster.applied(at).await;
    cluster.assert_equal();
    assert_eq!(cluster.nodes[&4].group.status().role, Role::Follower);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_shutdown_nothing_runs_and_the_store_can_be_opened_again() {
    let mut cluster = Cluster::start().await;
    cluster.write("a=1").await;
    let node = cluster.nodes.remove(&1).expect("node");
    let path = node.host.store().path().to_owned();
    node.host.shutdown(Duration::from_secs(5)).await;
    node.host.shutdown(Duration::from_secs(5)).await;
    assert!(matches!(node.group.write(b"b=1".to_vec(), PATIENCE).await, Err(WriteError::Stopped)));
    assert!(node.host.start_group(GROUP, node.machine.clone()).await.is_err());
    assert!(node.host.groups().is_empty());
    drop(node);
    Store::open(&path, StoreOptions::default()).expect("nobody holds it any more");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_full_takes_no_writes_leads_nothing_and_goes_on_with_room() {
    let cluster = Cluster::start().await;
    let (before, _) = cluster.write("a=1").await;
    cluster.applied(before).await;
    let full = cluster.leader().await;
    let node = &cluster.nodes[&full];
    node.host.set_hold(Some(Hold { why: "no room".into(), takes_no_appends: true }));
    let refused = node.group.write(b"a=2".to_vec(), PATIENCE).await;
    assert_eq!(refused, Err(WriteError::Held("no room".into())));
    let heir = cluster.nodes.keys().copied().find(|id| *id != full).expect("three nodes");
    // A transfer may be overtaken by an election of the third one.
    node.group.transfer_leader(heir, PATIENCE).await.ok();
    until("another one leads", || cluster.nodes.values().any(|node| node.id != full && node.group.is_leader())).await;
    let leader = cluster.nodes.values().find(|node| node.id != full && node.group.is_leader()).expect("found");
    let (at, _) = leader.group.write(b"a=3".to_vec(), PATIENCE).await.expect("the others are a majority");
    assert_eq!(node.machine.get("a").as_deref(), Some("1"), "reads go on, and nothing is appended");
    // Leading is not even taken when it is offered.
    leader.group.transfer_leader(full, Duration::from_secs(2)).await.ok();
    assert!(!node.group.is_leader());
    node.host.set_hold(None);
    until("it has all again", || node.machine.applied() >= Some(at)).await;
    assert_eq!(node.group.status().failure, None, "its replica never stopped");
    cluster.stop().await;
}
