//! A catalog being restored from a backup: what it is to hold waits apart until the shards hold all of it, and then
//! counts in one step. Until then the catalog has no registries, so that no check is CLEAR.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::NextIds;
use crate::ids::{RegistryId, RequestId, TenantId};
use crate::registry::Registry;
use crate::rule::Rule;
use crate::tenant::Tenant;

/// What a catalog that is being restored will hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoring {
    /// Names the backup.
    pub backup: RequestId,
    /// Its tenants, by number.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Its registries, by number.
    pub registries: BTreeMap<RegistryId, Registry>,
    /// Its rules, by id.
    pub rules: BTreeMap<RequestId, Rule>,
}

/// A part of what a catalog will hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestorePart {
    /// A tenant.
    Tenant(Tenant),
    /// A registry; it has its active version at most, complete and made from no other.
    Registry(Box<Registry>),
    /// A rule.
    Rule(Rule),
}

/// Where a cluster's catalog came from, if it was restored. Kept for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Names the backup.
    pub backup: RequestId,
    /// The cluster that it was made of.
    pub cluster: u128,
    /// The catalog's revision there.
    pub revision: u64,
    /// The last ids that were given there.
    pub next: NextIds,
    /// When the restore ended, milliseconds since 1970.
    pub at_ms: u64,
}

// === impl Restoring ===

impl Restoring {
    /// Nothing of the backup is there yet.
    pub fn new(backup: RequestId) -> Restoring {
        Restoring { backup, tenants: BTreeMap::new(), registries: BTreeMap::new(), rules: BTreeMap::new() }
    }
}
