//! The catalog as a replicated state machine: every voter applies the same changes to the same catalog.

use std::ops::ControlFlow;
use std::sync::Arc;

use dnc_consensus::{Keyspace, LogPosition, Machine, MachineError, Transition};
use dnc_core::catalog::{Catalog, Change, Decision, Refusal};
use dnc_core::codec;

use crate::board::Board;

/// The encoded catalog lies under this prefix, cut into parts: one pair has a limit of its own.
const CATALOG: &[u8] = b"catalog/";
/// Bytes of one part.
const PART_BYTES: usize = 1 << 20;
/// A change that would make the encoded catalog larger is refused, by every voter alike: part of the state machine, not to be changed alone.
const MAX_CATALOG_BYTES: usize = 16 << 20;

/// Applies changes and publishes what comes of them.
pub struct CatalogMachine {
    board: Arc<Board>,
}

// === impl CatalogMachine ===

impl CatalogMachine {
    /// A machine that publishes on this board.
    pub fn new(board: Arc<Board>) -> Self {
        Self { board }
    }
}

impl Machine for CatalogMachine {
    fn load(&self, state: &Keyspace) -> Result<(), MachineError> {
        let mut encoded = Vec::new();
        state.scan(CATALOG, |_, part| {
            encoded.extend_from_slice(part);
            ControlFlow::Continue(())
        })?;
        let catalog =
            if encoded.is_empty() { Catalog::default() } else { codec::decode(&encoded).map_err(MachineError::new)? };
        self.board.replace(catalog);
        Ok(())
    }

    fn apply(&self, command: &[u8], tx: &mut Transition<'_>) -> Result<Vec<u8>, MachineError> {
        // A change that this release cannot read must stop the replica: to skip it is to differ.
        let change: Change = codec::decode(command).map_err(MachineError::new)?;
        let (decision, changed) = decide(&self.board.catalog(), change);
        if let Some((catalog, encoded)) = changed {
            tx.delete_range(CATALOG, &after_catalog());
            for (part, at) in encoded.chunks(PART_BYTES).zip(0u32..) {
                tx.put(&[CATALOG, &at.to_be_bytes()].concat(), part);
            }
            tx.commit()?;
            self.board.publish(catalog, command.to_vec());
        }
        Ok(codec::encode(&decision))
    }

    // Nobody asks the meta group for what is in its log and not applied yet.

    fn appended(&self, _at: LogPosition, _command: &[u8]) {}

    fn truncated(&self, _after_index: u64) {}

    fn applied(&self, _at: LogPosition) {}
}

/// What comes of a change: the decision, and the catalog with its encoding if it changed.
fn decide(before: &Catalog, change: Change) -> (Decision, Option<(Catalog, Vec<u8>)>) {
    let mut catalog = before.clone();
    let decision = catalog.apply(change);
    if catalog.revision == before.revision {
        return (decision, None);
    }
    let encoded = codec::encode(&catalog);
    if encoded.len() > MAX_CATALOG_BYTES {
        let full = Refusal::Full("bytes".into());
        return (Decision::Refused(full), None);
    }
    (decision, Some((catalog, encoded)))
}

/// The first key that is no part of the catalog.
fn after_catalog() -> Vec<u8> {
    let mut key = CATALOG.to_vec();
    *key.last_mut().expect("the prefix is not empty") += 1;
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_core::catalog::{Founding, NodeAddresses};

    fn register(incarnation: u128, zone: String) -> Change {
        Change::RegisterNode {
            incarnation,
            addresses: NodeAddresses { service: "a:1".into(), raft: "a:2".into() },
            zone,
        }
    }

    #[test]
    fn a_change_without_effect_writes_nothing() {
        let catalog = Catalog::default();
        let (decision, changed) = decide(&catalog, register(1, "z".into()));
        assert_eq!(decision, Decision::Refused(Refusal::NotFounded));
        assert!(changed.is_none());
    }

    #[test]
    fn a_catalog_that_would_grow_too_large_is_refused_and_stays_as_it_is() {
        let mut catalog = Catalog::default();
        catalog.apply(Change::Found(Founding {
            cluster: 1,
            log_key: [0; 32],
            shards: 16,
            replication: 3,
            initial_nodes: 3,
        }));
        let (decision, changed) = decide(&catalog, register(1, "z".repeat(MAX_CATALOG_BYTES)));
        assert_eq!(decision, Decision::Refused(Refusal::Full("bytes".into())));
        assert!(changed.is_none());
        let (decision, changed) = decide(&catalog, register(1, "z".into()));
        assert_eq!(decision, Decision::Node { id: 1, revision: 2 });
        let (after, encoded) = changed.expect("changed");
        assert_eq!(codec::decode::<Catalog>(&encoded).expect("reads"), after);
    }
}
