//! What a voter keeps in its data folder before it has a group: who it is, and what was agreed.

use dnc_consensus::{Store, StoreError};
use dnc_core::codec::{self, CodecError};

use super::{Bootstrap, Identity};

/// Key of the identity in the store's local keyspace.
const IDENTITY: &[u8] = b"meta/identity";
/// Key of the agreement in the store's local keyspace.
const BOOTSTRAP: &[u8] = b"meta/bootstrap";

/// The data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The store failed.
    #[error("keep the voter's identity")]
    Store(#[from] StoreError),
    /// It holds something else under our keys.
    #[error("read what the voter keeps")]
    Unreadable(#[from] CodecError),
    /// The folder of another voter.
    #[error("this data folder belongs to voter {theirs}, and this is voter {ours}")]
    OtherVoter {
        /// Whom it belongs to.
        theirs: u64,
        /// Who opened it.
        ours: u64,
    },
}

/// This voter's identity: made at the first start, on disk before anybody hears of it. Blocks.
pub(crate) fn identity(store: &Store, voter: u64) -> Result<Identity, KeepError> {
    if let Some(bytes) = store.local_get(IDENTITY)? {
        let identity: Identity = codec::decode(&bytes)?;
        return if identity.voter == voter {
            Ok(identity)
        } else {
            Err(KeepError::OtherVoter { theirs: identity.voter, ours: voter })
        };
    }
    let identity = Identity { voter, incarnation: rand::random() };
    store.local_put_sync(IDENTITY, &codec::encode(&identity))?;
    Ok(identity)
}

/// What was agreed at an earlier start.
pub(crate) fn kept(store: &Store) -> Result<Option<Bootstrap>, KeepError> {
    match store.local_get(BOOTSTRAP)? {
        Some(bytes) => Ok(Some(codec::decode(&bytes)?)),
        None => Ok(None),
    }
}

/// Keeps what was agreed. On disk when it returns. Blocks.
pub(crate) fn keep(store: &Store, bootstrap: &Bootstrap) -> Result<(), KeepError> {
    Ok(store.local_put_sync(BOOTSTRAP, &codec::encode(bootstrap))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_consensus::StoreOptions;
    use std::collections::BTreeMap;

    #[test]
    fn identity_and_agreement_survive_a_restart_and_belong_to_one_voter() {
        let folder = tempfile::tempdir().expect("folder");
        let open = || Store::open(folder.path(), StoreOptions::default()).expect("opens");
        let store = open();
        let first = identity(&store, 2).expect("made");
        assert_eq!(kept(&store).expect("reads"), None);
        let agreed = Bootstrap::of(BTreeMap::from([(2, first.incarnation)]));
        keep(&store, &agreed).expect("kept");
        drop(store);
        let store = open();
        assert_eq!(identity(&store, 2).expect("read"), first);
        assert_eq!(kept(&store).expect("reads"), Some(agreed));
        assert!(matches!(identity(&store, 3), Err(KeepError::OtherVoter { theirs: 2, ours: 3 })));
    }
}
