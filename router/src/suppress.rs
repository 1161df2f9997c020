//! Opt-outs: one number into a live registry, or out of it.
//!
//! An answer here means that the write is on a majority of the number's shard: from then on no
//! check answers CLEAR against an addition. When it is not known whether a write was done, the
//! error says so and gives the request id; repeating the request with it cannot do it twice. A
//! removal names the entries that it saw, so that it never takes away a later one.

use std::time::Duration;

use dnc_core::command::{self, ShardCommand, ShardRefusal, ShardReply};
use dnc_core::ids::{BadRequestId, RegistryId, RequestId, ShardId, TenantId};
use dnc_core::log_key::LogKey;
use dnc_core::number::{NumberError, PhoneNumber};
use dnc_core::query::{By, MAX_PAGE, Search, ShardAnswer, ShardQuery};
use dnc_core::registry::RegistryKind;
use dnc_core::suppression::{self, MAX_TEXT, Origin, Suppression};
use tokio::time::Instant;
use tracing::info;
use uuid::Uuid;

use crate::clock::now_ms;
use crate::cluster::{Cluster, can_answer};
use crate::failure::{Failure, Invalid, Kind};
use crate::options::MAX_ID_BYTES;
use crate::route::WriteError;
use crate::telemetry;

/// The registry that is meant where none is named.
pub const DEFAULT_REGISTRY: &str = "internal";

/// How long to wait for a registry that another router may have made a moment ago.
const REGISTRY_WAIT: Duration = Duration::from_millis(300);

/// Adds and removes opt-outs.
#[derive(Clone)]
pub struct Suppressions<C> {
    cluster: C,
    /// Time for one request.
    limit: Duration,
}

/// A number to be listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// A live registry; [`DEFAULT_REGISTRY`] if empty.
    pub registry: String,
    /// Why; may be empty.
    pub reason: String,
    /// Who enters it; may be empty.
    pub added_by: String,
    /// `consumer`, `company`, or empty for consumer.
    pub origin: String,
    /// Names the request; made here if empty.
    pub request_id: String,
}

/// A number to be listed no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// The number, as the caller wrote it.
    pub phone_number: String,
    /// A live registry; [`DEFAULT_REGISTRY`] if empty.
    pub registry: String,
    /// Why. Required.
    pub reason: String,
    /// Who removes it; may be empty.
    pub removed_by: String,
    /// Names the request; made here if empty.
    pub request_id: String,
}

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

/// A number whose entries are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many entries there were.
    pub removed: u64,
    /// The number.
    pub number: PhoneNumber,
    /// The registry.
    pub registry: String,
}

/// Why an opt-out was not added or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such registry.
    #[error("there is no registry of this name")]
    UnknownRegistry,
    /// A registry that comes as lists.
    #[error("a registry of type {0} is loaded from lists, its entries are not changed one by one")]
    BulkRegistry(RegistryKind),
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
    #[error(
        "not confirmed in time: it may have been done; \
         repeating the request with request_id {request_id} is safe"
    )]
    Unknown {
        /// Names the request.
        request_id: RequestId,
    },
    /// The shard answered what it should not have.
    #[error("the shard gave an unexpected answer")]
    Unexpected,
}

/// What a request is about, once it is understood.
struct Target {
    number: PhoneNumber,
    registry: RegistryId,
    registry_name: String,
    shard: ShardId,
    request: RequestId,
    deadline: Instant,
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::UnknownRegistry => Kind::NotFound,
            Error::BulkRegistry(_) | Error::Refused(ShardRefusal::TooManyEntries(_) | ShardRefusal::RequestReused) => {
                Kind::Precondition
            }
            Error::NotDone { .. } | Error::Unknown { .. } => Kind::Unavailable,
            Error::Refused(_) | Error::Unexpected => Kind::Internal,
        }
    }
}

// === impl Suppressions ===

impl<C: Cluster> Suppressions<C> {
    /// Writes to this cluster; each request has this long.
    pub fn new(cluster: C, limit: Duration) -> Self {
        Self { cluster, limit }
    }

    /// Lists a number.
    pub async fn add(&self, tenant: TenantId, addition: Addition) -> Result<Added, Error> {
        let outcome = self.try_add(tenant, addition).await;
        telemetry::suppression("add", outcome_of(&outcome));
        outcome
    }

    /// Removes the entries of a number that stand now.
    pub async fn remove(&self, tenant: TenantId, removal: Removal) -> Result<Removed, Error> {
        let outcome = self.try_remove(tenant, removal).await;
        telemetry::suppression("remove", outcome_of(&outcome));
        outcome
    }

    async fn try_add(&self, tenant: TenantId, addition: Addition) -> Result<Added, Error> {
        Invalid::limit("reason", &addition.reason, MAX_TEXT)?;
        Invalid::limit("added_by", &addition.added_by, MAX_ID_BYTES)?;
        let origin = match addition.origin.as_str() {
            "" | "consumer" => Origin::Consumer,
            "company" => Origin::Company,
            _ => return Err(Invalid::new("origin", "must be consumer or company").into()),
        };
        let target = self.target(&addition.phone_number, &addition.registry, &addition.request_id).await?;
        let command = ShardCommand::Suppress(command::Addition {
            number: target.number,
            registry: target.registry,
            suppression: Suppression {
                reason: addition.reason,
                added_by: addition.added_by,
                ..Suppression::new(target.request, tenant, origin, now_ms())
            },
        });
        let id = match self.write(&target, &command).await? {
            ShardReply::Suppressed { id } => id,
            ShardReply::Refused(why) => return Err(Error::Refused(why)),
            _ => return Err(Error::Unexpected),
        };
        self.log(&target, "suppression added");
        Ok(Added { id, number: target.number, registry: target.registry_name })
    }

    async fn try_remove(&self, tenant: TenantId, removal: Removal) -> Result<Removed, Error> {
        Invalid::require("reason", &removal.reason, MAX_TEXT)?;
        Invalid::limit("removed_by", &removal.removed_by, MAX_ID_BYTES)?;
        let may_be_repeated = !removal.request_id.is_empty();
        let target = self.target(&removal.phone_number, &removal.registry, &removal.request_id).await?;
        let entries = self.entries(tenant, &target).await?;
        // With nothing to remove there is nothing to write, unless the caller may be repeating
        // itself: then the shard knows what the first time removed, or remembers this as the first
        // time, so that a still later repetition takes away no entry made in between.
        let removed = if entries.is_empty() && !may_be_repeated {
            0
        } else {
            let command = ShardCommand::Release {
                request: target.request,
                number: target.number,
                registry: target.registry,
                tenant,
                entries,
                removal: suppression::Removal {
                    request: Some(target.request),
                    reason: removal.reason,
                    removed_by: removal.removed_by,
                    removed_ms: now_ms(),
                },
            };
            match self.write(&target, &command).await? {
                ShardReply::Released { removed } => removed,
                ShardReply::Refused(why) => return Err(Error::Refused(why)),
                _ => return Err(Error::Unexpected),
            }
        };
        self.log(&target, "suppressions removed");
        Ok(Removed { removed, number: target.number, registry: target.registry_name })
    }

    /// The entries that the tenant has for a number.
    async fn entries(&self, tenant: TenantId, target: &Target) -> Result<Vec<RequestId>, Error> {
        let number = target.number.to_u64();
        let search = Search {
            tenant,
            by: By::Number { first: number, last: number },
            registry: Some(target.registry),
            after: None,
            limit: MAX_PAGE,
        };
        let answer = self.cluster.query(target.shard, &ShardQuery::Search(search), target.deadline).await;
        match answer.map_err(|why| Error::NotDone { why: why.to_string(), request_id: target.request })? {
            ShardAnswer::Entries { entries, .. } => Ok(entries.into_iter().map(|entry| entry.suppression.id).collect()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Understands what a request is about.
    async fn target(&self, phone_number: &str, registry: &str, request_id: &str) -> Result<Target, Error> {
        let deadline = Instant::now() + self.limit;
        let number = PhoneNumber::parse(phone_number).map_err(bad_number)?;
        let request = match request_id {
            "" => RequestId(Uuid::now_v7().as_u128()),
            given => given.parse().map_err(|why: BadRequestId| Invalid::new("request_id", why.to_string()))?,
        };
        let name = match registry {
            "" => DEFAULT_REGISTRY,
            given => given,
        };
        let known =
            match self.cluster.wait_for(REGISTRY_WAIT, |c| can_answer(c) && c.registry_named(name).is_some()).await {
                Ok(known) => known,
                Err(_) => self.cluster.known(),
            };
        if !can_answer(&known.catalog) {
            return Err(Error::NotDone {
                why: "this router does not know the cluster yet".into(),
                request_id: request,
            });
        }
        let found = known.catalog.registry_named(name).ok_or(Error::UnknownRegistry)?;
        if !found.kind.is_live() {
            return Err(Error::BulkRegistry(found.kind));
        }
        Ok(Target {
            number,
            registry: found.id,
            registry_name: found.name.clone(),
            shard: ShardId(number.block().shard(known.catalog.shard_map.shards())),
            request,
            deadline,
        })
    }

    async fn write(&self, target: &Target, command: &ShardCommand) -> Result<ShardReply, Error> {
        self.cluster.write(target.shard, command, target.deadline).await.map_err(|why| match why {
            WriteError::NoLeader(_) | WriteError::NotPlaced => {
                Error::NotDone { why: why.to_string(), request_id: target.request }
            }
            WriteError::Unknown(_) | WriteError::BadReply(_) => Error::Unknown { request_id: target.request },
        })
    }

    fn log(&self, target: &Target, what: &'static str) {
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

fn bad_number(error: NumberError) -> Invalid {
    Invalid::new("phone_number", format!("not a phone number: {error}"))
}

fn outcome_of<T>(outcome: &Result<T, Error>) -> &'static str {
    match outcome {
        Ok(_) => "done",
        Err(Error::Unknown { .. }) => "unknown",
        Err(Error::NotDone { .. }) => "unavailable",
        Err(_) => "refused",
    }
}

#[cfg(test)]
mod tests;
