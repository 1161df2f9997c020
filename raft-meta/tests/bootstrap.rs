//! How voters come to be a meta group, and which of them may not.

mod kit;

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use dnc_core::registry::RegistryKind;
use dnc_meta::bootstrap::{BootstrapError, KeepError, Refused};
use dnc_meta::{Error, Options};
use dnc_proto::internal::HelloRequest;
use dnc_proto::internal::meta_service_client::MetaServiceClient;
use kit::{LIMIT, Voters, node_id, register};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn three_voters_bootstrap_elect_and_found() -> Result<()> {
    let mut voters = Voters::three().await?;
    let following = voters.follow(&[1, 2, 3]);
    let known = following.cache.wait_for(LIMIT, |catalog| catalog.registries.len() == 2).await?;
    let catalog = &known.catalog;
    let founding = catalog.founding.as_ref().expect("founded");
    assert_eq!((founding.shards, founding.replication, founding.initial_nodes), (16, 3, 3));
    assert_ne!(founding.log_key, [0; 32]);
    assert_eq!(catalog.registry_named("federal").expect("created").kind, RegistryKind::Federal);
    assert_eq!(catalog.registry_named("internal").expect("created").kind, RegistryKind::Internal);
    // All voters name the same cluster, and it is the founded one.
    for address in voters.addresses(&[1, 2, 3]) {
        let mut service = MetaServiceClient::connect(format!("http://{address}")).await?;
        let hello = service.hello(HelloRequest::default()).await?.into_inner();
        assert_eq!(hello.cluster, format!("{:032x}", founding.cluster));
        assert_eq!(hello.voters.len(), 3);
    }
    following.end().await?;
    for id in 1..=3 {
        voters.stop(id).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn before_all_voters_are_there_nothing_is_decided_and_stopping_works() -> Result<()> {
    let mut voters = Voters::new(3)?;
    voters.start(1)?;
    voters.start(2)?;
    let address = voters.addresses(&[1]).remove(0);
    let mut service = MetaServiceClient::connect(format!("http://{address}")).await?;
    let hello = service.hello(HelloRequest::default()).await?.into_inner();
    assert_eq!((hello.voter, hello.cluster.as_str()), (1, ""));
    assert_eq!(hello.incarnation.len(), 32);
    let refused = service.watch(dnc_proto::internal::WatchRequest::default()).await;
    assert_eq!(refused.expect_err("no group yet").code(), Code::Unavailable);
    assert!(!voters.is_ready(1) && !voters.is_ready(2));
    voters.stop(1).await?;
    // Its identity is kept, so the three still come together.
    voters.start(1)?;
    voters.start(3)?;
    for id in 1..=3 {
        voters.ready(id).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voter_with_a_lost_data_folder_is_refused_and_the_others_go_on() -> Result<()> {
    let mut voters = Voters::three().await?;
    let id = node_id(&voters.client().propose(&register(1), LIMIT).await?)?;
    voters.stop(3).await?;
    std::fs::remove_dir_all(voters.data_dir(3))?;
    voters.start(3)?;
    match voters.ended(3).await? {
        Err(Error::Bootstrap(BootstrapError::Refused(Refused::FolderLost { voter: 3, .. }))) => {}
        other => bail!("not refused: {other:?}"),
    }
    let again = voters.client().propose(&register(1), LIMIT).await?;
    assert_eq!(node_id(&again)?, id);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn other_voters_than_the_agreed_ones_and_another_voters_folder_are_refused() -> Result<()> {
    let mut voters = Voters::three().await?;
    voters.stop(2).await?;
    voters.stop(3).await?;
    let mut fewer: Options = voters.options(2);
    fewer.voters.truncate(2);
    voters.start_with(2, fewer)?;
    match voters.ended(2).await? {
        Err(Error::Bootstrap(BootstrapError::Refused(Refused::OtherVoters { .. }))) => {}
        other => bail!("not refused: {other:?}"),
    }
    let mut swapped = voters.options(3);
    swapped.data_dir = voters.data_dir(2);
    voters.start_with(3, swapped)?;
    match voters.ended(3).await? {
        Err(Error::Bootstrap(BootstrapError::Keep(KeepError::OtherVoter { theirs: 2, ours: 3 }))) => {}
        other => bail!("not refused: {other:?}"),
    }
    // Neither did any harm.
    voters.start(2)?;
    voters.ready(2).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_voter_is_a_meta_group() -> Result<()> {
    let mut voters = Voters::new(1)?;
    voters.start(1)?;
    voters.ready(1).await?;
    voters.stop(1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_whole_group_keeps_the_catalog() -> Result<()> {
    let mut voters = Voters::three().await?;
    let client = voters.client();
    let mut ids = BTreeMap::new();
    for incarnation in 1..=4 {
        let decision = client.propose(&register(incarnation), LIMIT).await?;
        ids.insert(incarnation, node_id(&decision)?);
    }
    let before = voters.follow(&[1, 2, 3]);
    let placed = |catalog: &dnc_core::catalog::Catalog| catalog.nodes.len() == 4 && catalog.shard_map.shards() == 16;
    let catalog = before.cache.wait_for(LIMIT, placed).await?.catalog.clone();
    before.end().await?;
    for id in 1..=3 {
        voters.stop(id).await?;
    }
    for id in 1..=3 {
        voters.start(id)?;
    }
    for id in 1..=3 {
        voters.ready(id).await?;
    }
    for (incarnation, id) in ids {
        let decision = client.propose(&register(incarnation), LIMIT).await?;
        assert_eq!(node_id(&decision)?, id);
    }
    let after = voters.follow(&[1, 2, 3]);
    let known = after.cache.wait_for(LIMIT, |now| now.revision >= catalog.revision).await?;
    ensure!(known.catalog == catalog, "the catalog changed over the restart");
    after.end().await
}
