//! Somebody made sure that a number's entries still hold.

use dnc_core::command::{ShardCommand, ShardReply};
use dnc_core::ids::TenantId;
use dnc_core::number::PhoneNumber;

use super::{Error, Suppressions, entry, outcome_of};
use crate::clock::now_ms;
use crate::cluster::Cluster;
use crate::telemetry;

/// A number of which somebody made sure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// A live registry; [`super::DEFAULT_REGISTRY`] if empty.
    pub registry: String,
    /// Names the request; made here if empty.
    pub request_id: String,
}

/// What was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries.
    pub entries: u64,
    /// The number.
    pub number: PhoneNumber,
    /// The registry.
    pub registry: String,
    /// When, milliseconds since 1970.
    pub verified_ms: u64,
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Notes that the entries of a number were verified now.
    pub async fn verify(&self, tenant: TenantId, verification: Verification) -> Result<Verified, Error> {
        let outcome = self.try_verify(tenant, verification).await;
        telemetry::suppression("verify", outcome_of(&outcome));
        outcome
    }

    async fn try_verify(&self, tenant: TenantId, verification: Verification) -> Result<Verified, Error> {
        let number = entry::number(&verification.phone_number)?;
        let request = entry::request_id(&verification.request_id)?;
        let target = self.target(tenant, number, &verification.registry, request).await?;
        let verified_ms = now_ms();
        let command = ShardCommand::Verify { request, number, registry: target.registry, tenant, verified_ms };
        let entries = match self.write(&target, &command).await? {
            ShardReply::Verified { entries } => entries,
            _ => return Err(Error::Unexpected),
        };
        self.log(&target, "suppressions verified");
        Ok(Verified { entries, number, registry: target.registry_name, verified_ms })
    }
}
