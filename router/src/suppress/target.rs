//! What a request is about: registries as the tenant may see them, shards, and the write itself.

use std::sync::Arc;

use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::{RegistryId, RequestId, ShardId, TenantId};
use dnc_core::log_key::LogKey;
use dnc_core::number::PhoneNumber;
use dnc_core::registry::Registry;
use dnc_meta::Known;
use tokio::time::Instant;
use tracing::info;

use super::{DEFAULT_REGISTRY, Error, REGISTRY_WAIT, Suppressions};
use crate::cluster::{Cluster, can_answer};
use crate::route::WriteError;

/// One number of one registry.
pub struct Target {
    pub number: PhoneNumber,
    pub registry: RegistryId,
    pub registry_name: String,
    pub shard: ShardId,
    pub request: RequestId,
    pub deadline: Instant,
}

/// The name that is meant.
pub fn named(registry: &str) -> &str {
    if registry.is_empty() { DEFAULT_REGISTRY } else { registry }
}

/// A live registry as this tenant sees it: another tenant's does not exist for it.
pub fn live<'a>(known: &'a Known, tenant: TenantId, name: &str) -> Result<&'a Registry, Error> {
    let found = known.catalog.registry_named(name).filter(|found| found.owner.is_none_or(|owner| owner == tenant));
    let found = found.ok_or(Error::UnknownRegistry)?;
    if found.kind.is_live() { Ok(found) } else { Err(Error::BulkRegistry(found.kind)) }
}

/// The same, if it takes entries.
pub fn open<'a>(known: &'a Known, tenant: TenantId, name: &str) -> Result<&'a Registry, Error> {
    let found = live(known, tenant, name)?;
    if found.retired {
        return Err(Error::Closed("retired"));
    }
    if !found.settings.enabled {
        return Err(Error::Closed("disabled"));
    }
    Ok(found)
}

/// The shard of a number.
pub fn shard(known: &Known, number: PhoneNumber) -> ShardId {
    ShardId(number.block().shard(known.catalog.shard_map.shards()))
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// A catalog with these registries, if there is one: another router may have made them a moment ago.
    pub(super) async fn catalog(&self, names: &[&str]) -> Result<Arc<Known>, Error> {
        let all_there =
            |c: &dnc_core::catalog::Catalog| can_answer(c) && names.iter().all(|name| c.registry_named(name).is_some());
        let known = match self.cluster.wait_for(REGISTRY_WAIT, all_there).await {
            Ok(known) => known,
            Err(_) => self.cluster.known(),
        };
        if can_answer(&known.catalog) { Ok(known) } else { Err(Error::NotReady) }
    }

    /// Understands which entries of a number a request is about.
    pub(super) async fn target(
        &self,
        tenant: TenantId,
        number: PhoneNumber,
        registry: &str,
        request: RequestId,
    ) -> Result<Target, Error> {
        let deadline = Instant::now() + self.limit;
        let name = named(registry);
        let known = self.catalog(&[name]).await?;
        let found = live(&known, tenant, name)?;
        Ok(Target {
            number,
            registry: found.id,
            registry_name: found.name.clone(),
            shard: shard(&known, number),
            request,
            deadline,
        })
    }

    pub(super) async fn write(&self, target: &Target, command: &ShardCommand) -> Result<ShardReply, Error> {
        match self.cluster.write(target.shard, command, target.deadline).await {
            Ok(ShardReply::Refused(why)) => Err(Error::Refused(why)),
            Ok(reply) => Ok(reply),
            Err(why @ (WriteError::NoLeader(_) | WriteError::Held { .. } | WriteError::NotPlaced)) => {
                Err(Error::NotDone { why: why.to_string(), request_id: target.request })
            }
            Err(WriteError::Unknown(_) | WriteError::BadReply(_)) => Err(Error::Unknown { request_id: target.request }),
        }
    }

    pub(super) fn log(&self, target: &Target, what: &'static str) {
        let known = self.cluster.known();
        let number = known.catalog.founding.as_ref().map(|founding| LogKey(founding.log_key).of(target.number));
        info!(
            number,
            registry = target.registry_name,
            write = %target.request,
            "{what}"
        );
    }
}
