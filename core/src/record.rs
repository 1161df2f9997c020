//! What a shard keeps entry by entry, whole: as a backup holds it, and as a shard takes it back.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::exemption::Exemption;
use crate::ids::{RegistryId, RequestId, TenantId};
use crate::number::PhoneNumber;
use crate::suppression::{Removal, Suppression};

/// One of the tables that a shard keeps its entries in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Suppressions that stand.
    Standing,
    /// Suppressions that were removed.
    Removed,
    /// Exemptions, ended ones included.
    Exemptions,
    /// Counters of days.
    Counts,
}

/// One entry of a table, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A suppression.
    Suppression {
        /// The number.
        number: PhoneNumber,
        /// The live registry.
        registry: RegistryId,
        /// The suppression.
        suppression: Suppression,
        /// How it was removed, if it was.
        removal: Option<Removal>,
    },
    /// An exemption.
    Exemption {
        /// The number.
        number: PhoneNumber,
        /// The exemption.
        exemption: Exemption,
        /// How it was ended, if it was.
        removal: Option<Removal>,
    },
    /// What was counted on a day.
    Counts {
        /// Of which tenant.
        tenant: TenantId,
        /// The day, UTC.
        day: Date,
        /// The counters.
        counts: Box<Counts>,
    },
}

// === impl Table ===

impl Table {
    /// All of them, in the order in which they must be read while entries change: a suppression that is removed
    /// meanwhile leaves the first for the second, so that it is found in one of them at least.
    pub const ALL: [Table; 4] = [Table::Standing, Table::Removed, Table::Exemptions, Table::Counts];
}

// === impl Record ===

impl Record {
    /// The tenant that it belongs to.
    pub fn tenant(&self) -> TenantId {
        match self {
            Record::Suppression { suppression, .. } => suppression.tenant,
            Record::Exemption { exemption, .. } => exemption.tenant,
            Record::Counts { tenant, .. } => *tenant,
        }
    }

    /// The request that made it; none for counters, which many requests made.
    pub fn id(&self) -> Option<RequestId> {
        match self {
            Record::Suppression { suppression, .. } => Some(suppression.id),
            Record::Exemption { exemption, .. } => Some(exemption.id),
            Record::Counts { .. } => None,
        }
    }
}
