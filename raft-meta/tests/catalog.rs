//! Proposing and watching, while voters come and go.

mod kit;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use dnc_core::catalog::{Catalog, Change, Decision, Founding, NewRegistry, Refusal};
use dnc_core::codec;
use dnc_core::registry::RegistryKind;
use dnc_meta::{MetaClient, ProposeError};
use dnc_proto::internal::meta_service_client::MetaServiceClient;
use dnc_proto::internal::propose_response::Outcome;
use dnc_proto::internal::watch_event::Event;
use dnc_proto::internal::{ProposeRequest, WatchRequest};
use futures::StreamExt;
use kit::{LIMIT, Voters, eventually, node_id, register};
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

async fn raw(address: &str) -> Result<MetaServiceClient<Channel>> {
    Ok(MetaServiceClient::connect(format!("http://{address}")).await?)
}

/// The voter that leads: the only one that decides.
async fn leader(voters: &Voters) -> Result<u64> {
    loop {
        for voter in &voters.voters {
            let Ok(mut service) = raw(&voter.service).await else {
                continue;
            };
            let request = ProposeRequest { change: codec::encode(&register(1)), limit_ms: 1_000 };
            let Ok(response) = service.propose(request).await else {
                continue;
            };
            if let Some(Outcome::Decision(_)) = response.into_inner().outcome {
                return Ok(voter.id);
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_registers_twice_has_one_id_and_no_id_is_given_twice() -> Result<()> {
    let voters = Voters::three().await?;
    let client = voters.client();
    let mut ids = BTreeSet::new();
    for incarnation in 1..=5 {
        let first = node_id(&client.propose(&register(incarnation), LIMIT).await?)?;
        let second = node_id(&client.propose(&register(incarnation), LIMIT).await?)?;
        assert_eq!(first, second);
        ensure!(ids.insert(first), "id {first} was given twice");
    }
    // Many at once, through several clients.
    let registered = (6..=25u128).map(|incarnation| {
        let client = voters.client();
        async move { client.propose(&register(incarnation), LIMIT).await }
    });
    for decision in futures::future::join_all(registered).await {
        let id = node_id(&decision?)?;
        ensure!(ids.insert(id), "id {id} was given twice");
    }
    assert_eq!(ids.len(), 25);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_through_a_voter_that_does_not_lead_is_decided() -> Result<()> {
    let voters = Voters::three().await?;
    let leader = timeout(LIMIT, leader(&voters)).await??;
    for id in (1..=3).filter(|id| *id != leader) {
        // It says who leads..
        let address = voters.addresses(&[id]).remove(0);
        let request = ProposeRequest { change: codec::encode(&register(1)), limit_ms: 1_000 };
        let response = raw(&address).await?.propose(request).await?.into_inner();
        let expected = voters.addresses(&[leader]).remove(0);
        assert_eq!(response.outcome, Some(Outcome::NotLeader(expected)));
        // ..and a client that knows this address alone finds it.
        let client = MetaClient::new(vec![address]);
        node_id(&client.propose(&register(1), LIMIT).await?)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_go_on_after_the_leader_has_stopped() -> Result<()> {
    let mut voters = Voters::three().await?;
    let client = voters.client();
    let before = node_id(&client.propose(&register(1), LIMIT).await?)?;
    let leader = timeout(LIMIT, leader(&voters)).await??;
    voters.stop(leader).await?;
    assert_eq!(node_id(&client.propose(&register(1), LIMIT).await?)?, before);
    let new = node_id(&client.propose(&register(2), LIMIT).await?)?;
    assert_ne!(new, before);
    // The one that was away learns what it missed.
    voters.start(leader)?;
    voters.ready(leader).await?;
    let following = voters.follow(&[leader]);
    following.cache.wait_for(LIMIT, |catalog| catalog.nodes.contains_key(&new)).await?;
    following.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_majority_a_proposal_ends_at_its_limit() -> Result<()> {
    let mut voters = Voters::three().await?;
    let client = voters.client();
    client.propose(&register(1), LIMIT).await?;
    voters.stop(1).await?;
    voters.stop(2).await?;
    let limit = Duration::from_secs(3);
    let outcome = timeout(LIMIT, client.propose(&register(2), limit)).await?;
    assert!(matches!(outcome, Err(ProposeError::TimedOut { .. })), "{outcome:?}");
    // What it has is still served.
    let following = voters.follow(&[3]);
    following.cache.wait_for(LIMIT, |c| c.nodes.len() == 1).await?;
    following.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shards_are_placed_when_three_nodes_have_joined() -> Result<()> {
    let voters = Voters::three().await?;
    let client = voters.client();
    let following = voters.follow(&[1, 2, 3]);
    for incarnation in 1..=3 {
        client.propose(&register(incarnation), LIMIT).await?;
    }
    let known = following.cache.wait_for(LIMIT, |catalog| catalog.shard_map.shards() == 16).await?;
    for replicas in &known.catalog.shard_map.replicas {
        assert_eq!(replicas.iter().collect::<BTreeSet<_>>(), BTreeSet::from([&1, &2, &3]));
    }
    following.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_gives_a_snapshot_and_then_the_changes_in_order_without_a_gap() -> Result<()> {
    let voters = Voters::three().await?;
    let client = voters.client();
    client.propose(&register(1), LIMIT).await?;
    let mut service = raw(&voters.addresses(&[2])[0]).await?;
    let mut events = service.watch(WatchRequest::default()).await?.into_inner();
    let first = timeout(LIMIT, events.message()).await??.context("ended")?;
    let Some(Event::Snapshot(snapshot)) = first.event else {
        bail!("not a snapshot: {first:?}");
    };
    let mut catalog: Catalog = codec::decode(&snapshot)?;
    for incarnation in 2..=40 {
        client.propose(&register(incarnation), LIMIT).await?;
    }
    while catalog.nodes.len() < 40 {
        let event = timeout(LIMIT, events.message()).await??.context("ended")?;
        match event.event {
            Some(Event::Change(change)) => {
                assert_eq!(change.from_revision, catalog.revision);
                catalog.apply(codec::decode(&change.change)?);
                assert_eq!(catalog.revision, change.from_revision + 1);
            }
            Some(Event::Alive(_)) => {}
            other => bail!("neither a change nor a sign of life: {other:?}"),
        }
    }
    // A watcher that has it all gets no snapshot again.
    let request = WatchRequest { revision: catalog.revision, cluster: String::new() };
    let mut events = service.watch(request).await?.into_inner();
    client.propose(&register(41), LIMIT).await?;
    let next = timeout(LIMIT, events.message()).await??.context("ended")?;
    match next.event {
        Some(Event::Change(change)) => assert_eq!(change.from_revision, catalog.revision),
        other => bail!("not a change: {other:?}"),
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_goes_on_when_its_voter_stops() -> Result<()> {
    let mut voters = Voters::three().await?;
    let client = voters.client();
    let following = voters.follow(&[1, 2, 3]);
    for id in 1..=3u64 {
        let incarnation = u128::from(id);
        client.propose(&register(incarnation), LIMIT).await?;
        voters.stop(id).await?;
        client.propose(&register(100 + incarnation), LIMIT).await?;
        following.cache.wait_for(LIMIT, |c| c.nodes.values().any(|n| n.incarnation == 100 + incarnation)).await?;
        voters.start(id)?;
        voters.ready(id).await?;
    }
    following.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clusters_id_is_refused() -> Result<()> {
    let voters = Voters::three().await?;
    let founded = voters.follow(&[1]);
    let known = founded.cache.wait_for(LIMIT, |c| c.founding.is_some()).await?;
    let ours = known.catalog.founding.as_ref().expect("founded").cluster;
    founded.end().await?;
    let client = voters.client();
    client.set_cluster(ours);
    client.propose(&register(1), LIMIT).await?;
    // A proposal..
    client.set_cluster(7);
    let Err(ProposeError::Rejected(why)) = client.propose(&register(2), LIMIT).await else {
        bail!("not refused");
    };
    ensure!(why.contains(&format!("{ours:032x}")) && why.contains(&format!("{:032x}", 7)), "{why}");
    // ..a watch..
    let mut service = raw(&voters.addresses(&[1])[0]).await?;
    let request = WatchRequest { revision: 0, cluster: format!("{:032x}", 7) };
    let refused = service.watch(request).await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    ensure!(refused.message().contains(&format!("{ours:032x}")), "{refused}");
    // ..and a process that belongs to another cluster keeps the catalog that it has.
    let other = kit::following_with(voters.addresses(&[1, 2, 3]), foreign());
    eventually("the follower names its own cluster", || other.client.cluster() == Some(9)).await?;
    let taken = other.cache.wait_for(Duration::from_secs(2), |c| c.revision > 1).await;
    ensure!(taken.is_err(), "a catalog of another cluster was taken");
    other.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_does_not_read_gets_a_snapshot_instead_of_all_that_it_missed() -> Result<()> {
    const CHANGES: usize = 700;
    let voters = Voters::three().await?;
    let client = voters.client();
    // A small window, so that little is on its way to a watcher that does not read.
    let channel = Endpoint::from_shared(format!("http://{}", voters.addresses(&[1])[0]))?
        .initial_stream_window_size(65_535)
        .connect()
        .await?;
    let mut service = MetaServiceClient::new(channel);
    let mut events = service.watch(WatchRequest::default()).await?.into_inner();
    let zone = "z".repeat(4_096);
    let changes = (0..CHANGES).map(|at| {
        let mut change = register(1);
        if let Change::RegisterNode { zone: of, .. } = &mut change {
            *of = format!("{zone}{at}");
        }
        let client = client.clone();
        async move { client.propose(&change, LIMIT).await }
    });
    let decisions: Vec<_> = futures::stream::iter(changes).buffer_unordered(32).collect().await;
    let mut newest = 0;
    for decision in decisions {
        match decision? {
            Decision::Node { revision, .. } => newest = revision.max(newest),
            other => bail!("not registered: {other:?}"),
        }
    }
    let (mut catalog, mut snapshots, mut changes) = (Catalog::default(), 0, 0);
    while catalog.revision < newest {
        let event = timeout(LIMIT, events.message()).await??.context("ended")?;
        match event.event {
            Some(Event::Snapshot(snapshot)) => {
                let newer: Catalog = codec::decode(&snapshot)?;
                ensure!(newer.revision > catalog.revision, "a snapshot that is not newer");
                (catalog, snapshots) = (newer, snapshots + 1);
            }
            Some(Event::Change(change)) => {
                assert_eq!(change.from_revision, catalog.revision);
                catalog.apply(codec::decode(&change.change)?);
                changes += 1;
            }
            Some(Event::Alive(_)) | None => {}
        }
    }
    ensure!(snapshots >= 2 && changes < CHANGES, "{snapshots} snapshots, {changes} changes");
    let following = voters.follow(&[2]);
    let known = following.cache.wait_for(LIMIT, |c| c.revision >= newest).await?;
    ensure!(known.catalog == catalog, "what the watcher has is not what was decided");
    following.end().await
}

/// The catalog of another cluster.
fn foreign() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.apply(Change::Found(Founding {
        cluster: 9,
        log_key: [0; 32],
        shards: 16,
        replication: 3,
        initial_nodes: 3,
    }));
    catalog
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_change_or_a_second_founding_is_refused_and_changes_nothing() -> Result<()> {
    let voters = Voters::three().await?;
    let leader = timeout(LIMIT, leader(&voters)).await??;
    let mut service = raw(&voters.addresses(&[leader])[0]).await?;
    for change in [Vec::new(), vec![1, 255, 3], vec![0; 2 << 20]] {
        let request = ProposeRequest { change, limit_ms: 1_000 };
        let refused = service.propose(request).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    let client = voters.client();
    let founding = foreign().founding.expect("founded");
    let refused = client.propose(&Change::Found(founding), LIMIT).await;
    assert!(matches!(refused, Err(ProposeError::Rejected(_))), "{refused:?}");
    let taken = Change::CreateRegistry(NewRegistry::named("federal", RegistryKind::State));
    let decision = client.propose(&taken, LIMIT).await?;
    assert_eq!(decision, Decision::Refused(Refusal::NameTaken));
    node_id(&client.propose(&register(1), LIMIT).await?)?;
    Ok(())
}
