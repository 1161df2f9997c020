//! Registries through their life: made, shown, changed, given up.
//!
//! Each change is decided by the meta group and acknowledged once it is in force everywhere (`decide`). `settings` reads
//! what a request says of them; keys of providers are sealed before they leave this process (`secrets`).

mod change;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dnc_core::catalog::{Catalog, Refusal};
use dnc_core::ids::RegistryId;
use dnc_core::registry::Registry;
use dnc_meta::Known;

use crate::cluster::Cluster;
use crate::decide::{self, Undecided};
use crate::failure::{Failure, Invalid, Kind};
use crate::route::QueryError;
use crate::secrets::{SecretError, Secrets};

/// Makes, shows, changes and retires registries.
#[derive(Clone)]
pub struct Registries<C> {
    cluster: C,
    secrets: Secrets,
}

/// A registry, and the catalog that it is in.
#[derive(Clone, Debug)]
pub struct Found {
    /// The catalog.
    pub known: Arc<Known>,
    id: RegistryId,
}

/// Why there is no registry to show, or why it was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field is wrong.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// No such registry.
    #[error("there is no registry of this name or number")]
    Unknown,
    /// It is not decided, or not everywhere.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// It holds suppressions.
    #[error("the registry holds {0} suppressions; remove them first, or disable it, so that it takes no new ones")]
    HoldsLive(u64),
    /// Whether it holds suppressions is not known.
    #[error("whether the registry holds suppressions is not known: {0}; nothing was changed, try again")]
    NotCounted(QueryError),
    /// A shard answered what it should not have.
    #[error("a shard gave an unexpected answer; nothing was changed")]
    Unexpected,
    /// The stored key does not open.
    #[error(transparent)]
    Secret(SecretError),
}

// === impl Failure for Error ===

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_) => Kind::Invalid,
            Error::Unknown => Kind::NotFound,
            Error::Undecided(why) => why.kind(),
            Error::HoldsLive(_) | Error::Secret(_) => Kind::Precondition,
            Error::NotCounted(_) => Kind::Unavailable,
            Error::Unexpected => Kind::Internal,
        }
    }

    fn invalid(&self) -> Option<&Invalid> {
        if let Error::Invalid(why) = self { Some(why) } else { None }
    }
}

impl From<Refusal> for Error {
    fn from(why: Refusal) -> Self {
        Error::Undecided(Undecided::Refused(why))
    }
}

// === impl Found ===

impl Found {
    /// The registry.
    pub fn registry(&self) -> &Registry {
        self.known.catalog.registries.get(&self.id).expect("found in this very catalog, and none is ever removed")
    }
}

// === impl Registries ===

impl<C: Cluster> Registries<C> {
    /// The registries of this cluster; providers' keys are sealed with `secrets`.
    pub fn new(cluster: C, secrets: Secrets) -> Self {
        Self { cluster, secrets }
    }

    /// All registries, and the catalog they are in.
    pub fn list(&self) -> Arc<Known> {
        self.cluster.known()
    }

    /// Finds a registry by its name or number; waits a moment for one that another router may just have made.
    pub async fn get(&self, named: &str) -> Result<Found, Error> {
        let known = decide::recent(&self.cluster, |catalog| find(catalog, named).is_some()).await;
        let id = find(&known.catalog, named).ok_or(Error::Unknown)?.id;
        Ok(Found { known, id })
    }
}

/// A registry by its name, or else by its number.
fn find<'a>(catalog: &'a Catalog, named: &str) -> Option<&'a Registry> {
    catalog.registry_named(named).or_else(|| catalog.registries.get(&RegistryId(named.parse().ok()?)))
}
