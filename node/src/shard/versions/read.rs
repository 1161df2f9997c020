//! Reading versions back from the keyspace.

use std::collections::BTreeSet;

use dnc_consensus::Keyspace;
use dnc_core::block::{Block, BlockId};
use dnc_core::command::Seal;
use dnc_core::ids::{RegistryId, VersionId};

use super::{Key, Mark, MarkState};
use crate::shard::prune::line;
use crate::shard::resident::Resident;
use crate::shard::stage::Blocks;
use crate::shard::{ShardError, keys, scan};

/// What is stored of a version.
pub enum Content {
    /// The blocks that were staged.
    Staged(Blocks),
    /// All of it.
    Sealed(Resident),
}

/// A version that is being read.
struct Reading {
    version: VersionId,
    state: MarkState,
    /// Whose blocks it is made of: of a version being staged its own alone.
    line: BTreeSet<VersionId>,
    blocks: Vec<(BlockId, Block)>,
}

/// Reads versions of a registry, all in one go, so that they share the blocks that they have in
/// common. Anything but what was sealed is an error: a list with a block missing would answer CLEAR.
pub fn read_versions(
    state: &Keyspace,
    registry: RegistryId,
    sought: Vec<(VersionId, Mark)>,
) -> Result<Vec<(VersionId, Content)>, ShardError> {
    let mut readings: Vec<Reading> = sought
        .into_iter()
        .map(|(version, mark)| {
            let ancestry: &[VersionId] = if mark.state == MarkState::Staging { &[] } else { &mark.ancestry };
            Reading { version, state: mark.state, line: line(version, ancestry), blocks: Vec::new() }
        })
        .collect();
    read_into(state, registry, &mut readings)?;
    readings
        .into_iter()
        .map(|reading| {
            let Reading { version, state, blocks, .. } = reading;
            let content = match state {
                MarkState::Sealed(seal) => {
                    let resident = Resident::new(blocks);
                    if resident.seal() != seal {
                        return Err(ShardError::Checksum(registry, version));
                    }
                    Content::Sealed(resident)
                }
                MarkState::Staging | MarkState::Dropped => Content::Staged(blocks.into_iter().collect()),
            };
            Ok((version, content))
        })
        .collect()
}

/// Of each block what the newest version of each line wrote.
fn read_into(state: &Keyspace, registry: RegistryId, readings: &mut [Reading]) -> Result<(), ShardError> {
    if readings.is_empty() {
        return Ok(());
    }
    // Keys are ordered by block and then by version, so a later one of a line takes the place of an earlier one.
    scan(state, &keys::blocks(registry), |stored, value| {
        let (id, version) = keys::parse_block(stored)?;
        let mut read = None;
        for reading in readings.iter_mut().filter(|reading| reading.line.contains(&version)) {
            let block = match &read {
                Some(block) => Block::clone(block),
                None => read.insert(Block::from_bytes(value)?).clone(),
            };
            match reading.blocks.last_mut() {
                Some((last, older)) if *last == id => *older = block,
                _ => reading.blocks.push((id, block)),
            }
        }
        Ok(())
    })
}

/// A sealed version's content.
pub fn read_sealed(state: &Keyspace, key: Key, ancestry: &[VersionId], seal: Seal) -> Result<Resident, ShardError> {
    let resident = read_line(state, key, ancestry)?;
    if resident.seal() == seal { Ok(resident) } else { Err(ShardError::Checksum(key.0, key.1)) }
}

/// What is stored of a version and those that it was made from, sealed or not.
pub fn read_line(state: &Keyspace, key: Key, ancestry: &[VersionId]) -> Result<Resident, ShardError> {
    let line = line(key.1, ancestry);
    let mut reading = [Reading { version: key.1, state: MarkState::Staging, line, blocks: Vec::new() }];
    read_into(state, key.0, &mut reading)?;
    let [Reading { blocks, .. }] = reading;
    Ok(Resident::new(blocks))
}
