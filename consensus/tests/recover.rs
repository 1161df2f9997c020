//! A group that lost its majority for good goes on from one replica, whatever its former members do.

mod kit;

use std::collections::BTreeSet;
use std::time::Duration;

use dnc_consensus::{GroupError, HostError, MembershipChange, NodeId, WriteError};
use kit::{Cluster, GROUP, PATIENCE, until};
use tokio::time::Instant;

/// Which one goes on, and those that are believed to be gone.
struct Parted {
    survivor: NodeId,
    gone: [NodeId; 2],
}

/// Three replicas with fifty entries; two of them stop, and the one that is left was the leader.
async fn parted() -> (Cluster, Parted) {
    let mut cluster = Cluster::start().await;
    let mut last = cluster.write("key0=0").await.0;
    for number in 1..50 {
        last = cluster.write(&format!("key{number}={number}")).await.0;
    }
    cluster.applied(last).await;
    let survivor = cluster.leader().await;
    let gone: Vec<NodeId> = (1..=3).filter(|id| *id != survivor).collect();
    let gone = [gone[0], gone[1]];
    for id in gone {
        cluster.stop_node(id).await;
    }
    (cluster, Parted { survivor, gone })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_on_from_one_replica_with_every_entry_that_it_has() {
    let (mut cluster, Parted { survivor, .. }) = parted().await;
    let node = &cluster.nodes[&survivor];
    // What is in its log and on no majority may have been acknowledged all the same: it stays.
    let tail = node.group.write(b"tail=1".to_vec(), Duration::from_millis(300)).await;
    let has_tail = matches!(tail, Err(WriteError::Unknown(_))) && !node.machine.overlay().is_empty();
    let running = node.host.enter_generation(GROUP, 1, true).await;
    assert!(matches!(running, Err(HostError::Running(GROUP))), "not while it runs: {running:?}");
    let before = node.group.tail().last;
    let node = cluster.enter_generation(survivor, 1, true).await;
    assert_eq!(node.group.generation(), 1);
    assert!(node.group.tail().last > before);
    until("it leads alone", || node.group.is_leader()).await;
    node.group.write(b"after=1".to_vec(), PATIENCE).await.expect("it is its own majority");
    for number in 0..50 {
        assert_eq!(node.machine.get(&format!("key{number}")), Some(number.to_string()));
    }
    assert_eq!(node.machine.get("tail").is_some(), has_tail);
    assert_eq!(node.group.tail().membership.expect("a membership").voters(), BTreeSet::from([survivor]));
    // And after a restart of its process, which begins as any other.
    cluster.stop_node(survivor).await;
    let node = cluster.start_node(survivor).await;
    assert_eq!((node.group.generation(), node.machine.get("after").as_deref()), (1, Some("1")));
    until("it leads alone again", || node.group.is_leader()).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn former_members_that_come_back_as_a_majority_are_not_heard() {
    let (mut cluster, Parted { survivor, gone }) = parted().await;
    let node = cluster.enter_generation(survivor, 1, true).await;
    until("it leads alone", || node.group.is_leader()).await;
    node.group.write(b"after=1".to_vec(), PATIENCE).await.expect("written");

    // Two of three: among themselves they are the group that was, and nothing here keeps them from it.
    for id in gone {
        cluster.start_node(id).await;
    }
    let survivors_term = cluster.nodes[&survivor].group.status().term;
    // One leads and both know it: right after a handover the one before may think so yet.
    let led_by = |cluster: &Cluster| {
        let leader = gone.into_iter().find(|id| cluster.nodes[id].group.is_leader())?;
        let known = |id: &NodeId| cluster.nodes[id].group.leader() == Some(leader);
        gone.iter().all(known).then_some(leader)
    };
    // With terms above any that the survivor knows: a vote or an entry of theirs would depose it.
    for _ in 0..20 {
        until("the former members lead themselves", || led_by(&cluster).is_some()).await;
        let leader = led_by(&cluster).expect("found");
        if cluster.nodes[&leader].group.status().term > survivors_term + 2 {
            break;
        }
        let other = if leader == gone[0] { gone[1] } else { gone[0] };
        cluster.nodes[&leader].group.transfer_leader(other, PATIENCE).await.ok();
    }
    // A handover that was ordered and not carried out costs an election: until then nothing is taken.
    let deadline = Instant::now() + PATIENCE;
    let leader = loop {
        until("one of them leads", || led_by(&cluster).is_some()).await;
        let leader = led_by(&cluster).unwrap_or(gone[0]);
        if cluster.nodes[&leader].group.write(b"ghost=1".to_vec(), PATIENCE).await.is_ok() {
            break leader;
        }
        assert!(Instant::now() < deadline, "they are a majority of what was");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(cluster.nodes[&leader].group.status().term > survivors_term, "it would win by its term");

    let node = &cluster.nodes[&survivor];
    let (at, _) = node.group.write(b"after=2".to_vec(), PATIENCE).await.expect("it goes on");
    assert!(node.group.is_leader());
    assert_eq!(node.group.status().term, survivors_term, "nobody has made it stand for election again");
    assert_eq!((node.machine.get("ghost"), node.machine.get("after").as_deref()), (None, Some("2")));
    assert_eq!(cluster.nodes[&leader].machine.get("after"), None, "nor do they hear of it");

    // One of them joins the group that is, with nothing of what it had; the other one stays what it was.
    let joins = leader;
    let joined = cluster.enter_generation(joins, 1, false).await;
    assert!(joined.machine.contents().is_empty() && joined.group.tail().last.is_none());
    let group = cluster.nodes[&survivor].group.clone();
    let seen = group.tail().membership_at;
    let added = group.change_membership(MembershipChange::AddLearner(joins), seen, PATIENCE).await.expect("learner");
    until("it has the log", || group.status().matched.get(&joins).copied().flatten() >= Some(at)).await;
    let both = MembershipChange::SetVoters([survivor, joins].into());
    let changed: Result<_, GroupError> = group.change_membership(both, Some(added), PATIENCE).await;
    changed.expect("two voters");
    let (at, _) = group.write(b"after=3".to_vec(), PATIENCE).await.expect("both have it");
    let joined = &cluster.nodes[&joins];
    until("it has applied all", || joined.machine.applied() >= Some(at)).await;
    assert!(joined.machine.contents() == cluster.nodes[&survivor].machine.contents());
    assert_eq!((joined.machine.get("ghost"), joined.group.generation()), (None, 1));
    let stays = if joins == gone[0] { gone[1] } else { gone[0] };
    assert_eq!(cluster.nodes[&stays].machine.get("after"), None);
    cluster.stop().await;
}
