//! How the voters agree on what their cluster is, once in its life.
//!
//! Every voter makes a random incarnation with its data folder. When all configured voters have
//! been seen fresh in one round of questions, each derives the cluster's id from the sorted list
//! of ids and incarnations: nobody coordinates, and all come to the same. A voter that was away
//! adopts what a bootstrapped peer says, if the list names it with its own incarnation. A voter
//! whose folder was lost has another incarnation and is refused: it has forgotten votes and log
//! entries that the others count on, so it must come back under a new id.
//!
//! Start at `decide`, which is pure; `keep` is the disk, `ask` the network.

pub(crate) mod ask;
mod decide;
mod keep;

use std::collections::{BTreeMap, BTreeSet};

use dnc_consensus::{ClusterId, StoreError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::decide::Refused;
pub(crate) use self::decide::check;
pub use self::keep::KeepError;
pub(crate) use self::keep::{identity, keep, kept};

/// A voter and the data folder that it speaks from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its id, as configured.
    pub voter: u64,
    /// Made with the data folder, at random.
    pub incarnation: u128,
}

/// What the voters agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// The cluster's id.
    pub cluster: u128,
    /// Incarnation of each voter, by voter id.
    pub voters: BTreeMap<u64, u128>,
}

/// Why a voter cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It would endanger the cluster if it did.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Its folder cannot be used.
    #[error(transparent)]
    Keep(#[from] KeepError),
    /// A voter's address cannot be used.
    #[error("voter {voter}: {why}")]
    Address {
        /// Whose address.
        voter: u64,
        /// What is wrong with it.
        why: String,
    },
}

// === impl Bootstrap ===

impl Bootstrap {
    /// The cluster of these voters: its id is the first half of the SHA-256 of their sorted list.
    pub fn of(voters: BTreeMap<u64, u128>) -> Self {
        let mut hash = Sha256::new();
        for (id, incarnation) in &voters {
            hash.update(id.to_be_bytes());
            hash.update(incarnation.to_be_bytes());
        }
        let mut cluster = [0; 16];
        cluster.copy_from_slice(&hash.finalize()[..16]);
        Self { cluster: u128::from_be_bytes(cluster), voters }
    }

    /// The cluster's id as consensus takes it.
    pub fn cluster_id(&self) -> ClusterId {
        ClusterId(self.cluster)
    }

    /// The voters' ids.
    pub fn ids(&self) -> BTreeSet<u64> {
        self.voters.keys().copied().collect()
    }
}

impl From<StoreError> for BootstrapError {
    fn from(error: StoreError) -> Self {
        KeepError::from(error).into()
    }
}
