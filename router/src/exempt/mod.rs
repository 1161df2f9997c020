//! Exemptions: why a tenant may call a number although a federal or state registry lists it.
//!
//! A grant may be late: until it is known everywhere the number is still listed, which is the safe
//! side. A revocation may not: once it is answered, it is on a majority of the number's shard, and
//! no later check is lifted by what it ended. Both belong to one tenant.

use std::time::Duration;

use dnc_core::command::{ShardCommand, ShardRefusal, ShardReply};
use dnc_core::exemption::{Exemption, Ground};
use dnc_core::ids::{BadRequestId, RequestId, ShardId, TenantId};
use dnc_core::log_key::LogKey;
use dnc_core::number::PhoneNumber;
use dnc_core::query::{ShardAnswer, ShardQuery};
use dnc_core::suppression::{self, MAX_TEXT};
use jiff::civil::Date;
use tokio::time::Instant;

use crate::clock;
use crate::cluster::{Cluster, can_answer};
use crate::entries::ExemptionShown;
use crate::failure::{Failure, Invalid, Kind};
use crate::options::MAX_ID_BYTES;
use crate::route::{QueryError, WriteError};
use crate::suppress::{ends, number, request_id};
use crate::telemetry;

/// Most exemptions that one revocation names.
const MAX_NAMED: usize = 1_000;

/// Grants, revokes and lists exemptions.
#[derive(Clone)]
pub struct Exemptions<C> {
    cluster: C,
    /// Time for one request.
    limit: Duration,
}

/// A number to be exempted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// `purchase`, `inquiry` or `consent`.
    pub ground: String,
    /// The day of it, as in ISO 8601.
    pub since: String,
    /// When it ends at the latest, RFC 3339; may be empty.
    pub expires_at: String,
    /// Where the proof is kept; may be empty.
    pub proof: String,
    /// SHA-256 of the proof, hexadecimal; may be empty.
    pub proof_sha256: String,
    /// Anything else; may be empty.
    pub notes: String,
    /// Who enters it. Required.
    pub granted_by: String,
    /// Names the request; made here if empty.
    pub request_id: String,
}

/// A number to be exempted no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocation {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// The exemptions to end; all that stand if none is named.
    pub exemption_ids: Vec<String>,
    /// Why. Required.
    pub reason: String,
    /// Who ends them; may be empty.
    pub revoked_by: String,
    /// Names the request; made here if empty.
    pub request_id: String,
}

/// A number whose exemptions are ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// How many there were.
    pub revoked: u64,
    /// The number.
    pub number: PhoneNumber,
}

/// Why an exemption was not granted, revoked or listed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The shard says no.
    #[error(transparent)]
    Refused(ShardRefusal),
    /// Nothing was written.
    #[error("{why}; nothing was changed, try again (request_id {request_id})")]
    NotDone {
        /// What it failed of.
        why: String,
        /// Names the request.
        request_id: RequestId,
    },
    /// It may have been written.
    #[error("not confirmed in time: it may have been done; repeating the request with request_id {request_id} is safe")]
    Unknown {
        /// Names the request.
        request_id: RequestId,
    },
    /// The catalog is not here yet.
    #[error("this router does not know the cluster yet; nothing was changed, try again")]
    NotReady,
    /// A question that was not answered.
    #[error("{0}; try again")]
    Unanswered(#[from] QueryError),
    /// The shard answered what it should not have.
    #[error("the shard gave an unexpected answer")]
    Unexpected,
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::Refused(ShardRefusal::WrongShard) | Error::Unexpected => Kind::Internal,
            Error::Refused(_) => Kind::Precondition,
            Error::NotDone { .. } | Error::Unknown { .. } | Error::NotReady | Error::Unanswered(_) => Kind::Unavailable,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

// === impl Grant ===

impl Grant {
    /// What it says, as an exemption of this tenant.
    fn read(self, id: RequestId, tenant: TenantId) -> Result<(PhoneNumber, Exemption), Invalid> {
        let number = number(&self.phone_number)?;
        let ground: Ground = self.ground.parse().map_err(|why| Invalid::new("ground", format!("{why}")))?;
        let since: Date = self.since.parse().map_err(|_| Invalid::new("since", "must be a day, YYYY-MM-DD"))?;
        if since > latest_today() {
            return Err(Invalid::new("since", "must not be in the future"));
        }
        Invalid::limit("proof", &self.proof, MAX_TEXT)?;
        let is_digest = self.proof_sha256.len() == 64 && self.proof_sha256.bytes().all(|b| b.is_ascii_hexdigit());
        if !self.proof_sha256.is_empty() && !is_digest {
            return Err(Invalid::new("proof_sha256", "must be 64 hexadecimal digits"));
        }
        Invalid::limit("notes", &self.notes, MAX_TEXT)?;
        Invalid::require("granted_by", &self.granted_by, MAX_ID_BYTES)?;
        let now_ms = clock::now_ms();
        let exemption = Exemption {
            id,
            tenant,
            ground,
            since,
            expires_ms: ends(&self.expires_at, None, now_ms)?,
            proof: self.proof,
            proof_sha256: self.proof_sha256.to_ascii_lowercase(),
            notes: self.notes,
            granted_by: self.granted_by,
            granted_ms: now_ms,
        };
        Ok((number, exemption))
    }
}

/// The day that it is where it is latest: a caller's today is never in the future.
fn latest_today() -> Date {
    let today = clock::today();
    today.tomorrow().unwrap_or(today)
}

// === impl Exemptions ===

impl<C: Cluster> Exemptions<C> {
    /// Writes to this cluster; each request has this long.
    pub fn new(cluster: C, limit: Duration) -> Self {
        Self { cluster, limit }
    }

    /// Exempts a number.
    pub async fn grant(&self, tenant: TenantId, grant: Grant) -> Result<ExemptionShown, Error> {
        let outcome = self.try_grant(tenant, grant).await;
        telemetry::exemption("grant", outcome.is_ok());
        outcome
    }

    /// Ends exemptions of a number.
    pub async fn revoke(&self, tenant: TenantId, revocation: Revocation) -> Result<Revoked, Error> {
        let outcome = self.try_revoke(tenant, revocation).await;
        telemetry::exemption("revoke", outcome.is_ok());
        outcome
    }

    /// All exemptions of a number, ended ones included, in the order in which they were granted.
    pub async fn list(
        &self,
        tenant: TenantId,
        phone_number: &str,
    ) -> Result<(PhoneNumber, Vec<ExemptionShown>), Error> {
        let deadline = Instant::now() + self.limit;
        let number = number(phone_number)?;
        let shard = self.shard(number)?;
        let mut found = self.of_number(tenant, number, shard, deadline).await?;
        found.sort_by_key(|(exemption, _)| (exemption.granted_ms, exemption.id));
        let shown = found.into_iter().map(|(exemption, removal)| ExemptionShown::of(number, exemption, removal));
        Ok((number, shown.collect()))
    }

    async fn try_grant(&self, tenant: TenantId, grant: Grant) -> Result<ExemptionShown, Error> {
        let deadline = Instant::now() + self.limit;
        let request = request_id(&grant.request_id)?;
        let (number, exemption) = grant.read(request, tenant)?;
        let shard = self.shard(number)?;
        let command = ShardCommand::Grant { number, exemption: exemption.clone() };
        match self.write(shard, request, &command, deadline).await? {
            ShardReply::Granted { id } => {
                self.log(number, request, "exemption granted");
                Ok(ExemptionShown::of(number, Exemption { id, ..exemption }, None))
            }
            _ => Err(Error::Unexpected),
        }
    }

    async fn try_revoke(&self, tenant: TenantId, revocation: Revocation) -> Result<Revoked, Error> {
        let deadline = Instant::now() + self.limit;
        Invalid::require("reason", &revocation.reason, MAX_TEXT)?;
        Invalid::limit("revoked_by", &revocation.revoked_by, MAX_ID_BYTES)?;
        let request = request_id(&revocation.request_id)?;
        let number = number(&revocation.phone_number)?;
        let named = named(&revocation.exemption_ids)?;
        let shard = self.shard(number)?;
        let exemptions = if named.is_empty() {
            let found = self.of_number(tenant, number, shard, deadline).await;
            let not_done = |why: Error| Error::NotDone { why: why.to_string(), request_id: request };
            let standing = found.map_err(not_done)?.into_iter().filter(|(_, removal)| removal.is_none());
            standing.map(|(exemption, _)| exemption.id).collect()
        } else {
            named
        };
        // A repetition that finds nothing is told what the first time ended: the shard knows.
        let revoked = if exemptions.is_empty() && revocation.request_id.is_empty() {
            0
        } else {
            let removal = suppression::Removal {
                request: Some(request),
                reason: revocation.reason,
                removed_by: revocation.revoked_by,
                removed_ms: clock::now_ms(),
            };
            let command = ShardCommand::Revoke { request, number, tenant, exemptions, removal };
            match self.write(shard, request, &command, deadline).await? {
                ShardReply::Revoked { removed } => removed,
                _ => return Err(Error::Unexpected),
            }
        };
        self.log(number, request, "exemptions revoked");
        Ok(Revoked { revoked, number })
    }

    async fn of_number(
        &self,
        tenant: TenantId,
        number: PhoneNumber,
        shard: ShardId,
        deadline: Instant,
    ) -> Result<Vec<(Exemption, Option<suppression::Removal>)>, Error> {
        match self.cluster.query(shard, &ShardQuery::Exemptions { tenant, number }, deadline).await? {
            ShardAnswer::Exemptions(found) => Ok(found),
            _ => Err(Error::Unexpected),
        }
    }

    fn shard(&self, number: PhoneNumber) -> Result<ShardId, Error> {
        let known = self.cluster.known();
        if !can_answer(&known.catalog) {
            return Err(Error::NotReady);
        }
        Ok(ShardId(number.block().shard(known.catalog.shard_map.shards())))
    }

    async fn write(
        &self,
        shard: ShardId,
        request_id: RequestId,
        command: &ShardCommand,
        deadline: Instant,
    ) -> Result<ShardReply, Error> {
        match self.cluster.write(shard, command, deadline).await {
            Ok(ShardReply::Refused(why)) => Err(Error::Refused(why)),
            Ok(reply) => Ok(reply),
            Err(why @ (WriteError::NoLeader(_) | WriteError::Held { .. } | WriteError::NotPlaced)) => {
                Err(Error::NotDone { why: why.to_string(), request_id })
            }
            Err(WriteError::Unknown(_) | WriteError::BadReply(_)) => Err(Error::Unknown { request_id }),
        }
    }

    fn log(&self, number: PhoneNumber, request: RequestId, what: &'static str) {
        let known = self.cluster.known();
        let number = known.catalog.founding.as_ref().map(|founding| LogKey(founding.log_key).of(number));
        tracing::info!(number, write = %request, "{what}");
    }
}

/// The exemptions that a caller named.
fn named(exemption_ids: &[String]) -> Result<Vec<RequestId>, Invalid> {
    if exemption_ids.len() > MAX_NAMED {
        return Err(Invalid::new("exemption_ids", format!("more than {MAX_NAMED}")));
    }
    let read = |text: &String| text.parse().map_err(|why: BadRequestId| Invalid::new("exemption_ids", why.to_string()));
    exemption_ids.iter().map(read).collect()
}

#[cfg(test)]
mod tests;
