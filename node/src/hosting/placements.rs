//! Which replicas were placed here, and by which catalog: on disk before a replica starts.
//!
//! A replica's data is deleted when a catalog newer than the one that placed it here does not name it any more. Older
//! catalogs say nothing: a node that comes back with an old copy of it must not delete what it was given since. The
//! reconciler makes a replica a member only once the node names a placement as new as the move.

use std::collections::BTreeMap;

use dnc_consensus::{Store, StoreError};
use dnc_core::ids::ShardId;

const PREFIX: &[u8] = b"node/placed/";

/// The placements of this node.
pub struct Placements {
    store: Store,
    known: BTreeMap<ShardId, u64>,
}

// === impl Placements ===

impl Placements {
    /// Reads what earlier lives of the node wrote down. Blocks.
    pub fn read(store: Store) -> Result<Self, StoreError> {
        let mut known = BTreeMap::new();
        for (key, value) in store.local_scan(PREFIX)? {
            let shard = key[PREFIX.len()..].try_into().map(u32::from_be_bytes);
            let revision = value.as_slice().try_into().map(u64::from_be_bytes);
            let (Ok(shard), Ok(revision)) = (shard, revision) else {
                return Err(StoreError::Damaged("a placement of a replica cannot be read".to_owned()));
            };
            known.insert(ShardId(shard), revision);
        }
        Ok(Self { store, known })
    }

    /// The revision of the catalog that placed a replica here.
    pub fn of(&self, shard: ShardId) -> Option<u64> {
        self.known.get(&shard).copied()
    }

    /// Replicas that were placed here by an older catalog than this.
    pub fn before(&self, revision: u64) -> impl Iterator<Item = ShardId> + '_ {
        self.known.iter().filter(move |(_, placed)| **placed < revision).map(|(shard, _)| *shard)
    }

    /// Writes a placement down; on disk when it returns. Blocks.
    pub fn record(&mut self, shard: ShardId, revision: u64) -> Result<(), StoreError> {
        self.store.local_put_sync(&key(shard), &revision.to_be_bytes())?;
        self.known.insert(shard, revision);
        Ok(())
    }

    /// The replica's data is gone. Blocks.
    pub fn forget(&mut self, shard: ShardId) -> Result<(), StoreError> {
        self.store.local_delete_sync(&key(shard))?;
        self.known.remove(&shard);
        Ok(())
    }
}

fn key(shard: ShardId) -> Vec<u8> {
    [PREFIX, &shard.0.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_consensus::StoreOptions;

    #[test]
    fn placements_survive_a_restart_until_they_are_forgotten() {
        let folder = tempfile::tempdir().expect("folder");
        {
            let store = Store::open(folder.path(), StoreOptions::default()).expect("open");
            let mut placements = Placements::read(store).expect("read");
            placements.record(ShardId(3), 7).expect("recorded");
            placements.record(ShardId(300), 9).expect("recorded");
            placements.record(ShardId(5), 1).expect("recorded");
            placements.forget(ShardId(5)).expect("forgotten");
        }
        let store = Store::open(folder.path(), StoreOptions::default()).expect("open again");
        let placements = Placements::read(store).expect("read");
        assert_eq!((placements.of(ShardId(3)), placements.of(ShardId(5))), (Some(7), None));
        assert_eq!(placements.before(9).collect::<Vec<_>>(), [ShardId(3)]);
        assert_eq!(placements.before(10).count(), 2);
    }
}
