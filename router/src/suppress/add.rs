//! One number into a live registry.

use dnc_core::command::{self, ShardCommand, ShardReply};
use dnc_core::ids::{RequestId, TenantId};
use dnc_core::number::PhoneNumber;

use super::target::{named, open};
use super::{Addition, Error, Suppressions, entry, outcome_of};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::telemetry;

/// A number that is listed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The entry.
    pub id: RequestId,
    /// The number.
    pub number: PhoneNumber,
    /// The registry.
    pub registry: String,
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Lists a number.
    pub async fn add(&self, tenant: TenantId, addition: Addition) -> Result<Added, Error> {
        let outcome = self.try_add(tenant, addition).await;
        telemetry::suppression("add", outcome_of(&outcome));
        self.counting.suppressions(tenant, u64::from(outcome.is_ok()), 0);
        outcome
    }

    async fn try_add(&self, tenant: TenantId, addition: Addition) -> Result<Added, Error> {
        let request = entry::request_id(&addition.request_id)?;
        let registry = addition.registry.clone();
        let (number, suppression) = addition.read(request, tenant, now_ms())?;
        let target = self.target(tenant, number, &registry, request).await?;
        open(&self.cluster.known(), tenant, named(&registry))?;
        let command = ShardCommand::Suppress(command::Addition { number, registry: target.registry, suppression });
        let id = match self.write(&target, &command).await? {
            ShardReply::Suppressed { id } => id,
            _ => return Err(Error::Unexpected),
        };
        self.log(&target, "suppression added");
        Ok(Added { id, number, registry: target.registry_name })
    }
}
