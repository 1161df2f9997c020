//! Reading versions back from the keyspace.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use dnc_consensus::Keyspace;
use dnc_core::block::{Block, BlockId};
use dnc_core::command::Seal;
use dnc_core::ids::{RegistryId, VersionId};

use super::{Key, Mark, MarkState, read_mark};
use crate::shard::prune::line;
use crate::shard::resident::Resident;
use crate::shard::stage::Blocks;
use crate::shard::{ShardError, keys, scan, scan_from};

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

/// Whether a version whose staged blocks and parent make this up reads back as that.
///
/// The blocks staged of it are stored with what is staged, and its parent read back when it was sealed. So nothing needs
/// to be read, unless this ancestry leaves out a version from which the parent reads blocks. The catalog leaves out those
/// of which it believes that no block is stored any more.
pub fn reads_back(state: &Keyspace, key: Key, ancestry: &[VersionId], seal: Seal) -> Result<bool, ShardError> {
    let left_out: BTreeSet<VersionId> = match ancestry.split_first() {
        None => BTreeSet::new(),
        Some((parent, before)) => match read_mark(state, (key.0, *parent))? {
            Some(Mark { ancestry, state: MarkState::Sealed(_) }) => {
                ancestry.into_iter().filter(|version| !before.contains(version)).collect()
            }
            _ => return Ok(false),
        },
    };
    if !holds_any(state, key.0, &left_out)? {
        return Ok(true);
    }
    Ok(read_line(state, key, ancestry)?.seal() == seal)
}

/// Whether a block is stored of one of these versions.
fn holds_any(state: &Keyspace, registry: RegistryId, versions: &BTreeSet<VersionId>) -> Result<bool, ShardError> {
    let mut found = false;
    if versions.is_empty() {
        return Ok(found);
    }
    let blocks = keys::blocks(registry);
    scan_from(state, &blocks, &blocks, |stored, _| {
        found = versions.contains(&keys::parse_block(stored)?.1);
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// What is stored of a version and those that it was made from, sealed or not.
fn read_line(state: &Keyspace, key: Key, ancestry: &[VersionId]) -> Result<Resident, ShardError> {
    let line = line(key.1, ancestry);
    let mut reading = [Reading { version: key.1, state: MarkState::Staging, line, blocks: Vec::new() }];
    read_into(state, key.0, &mut reading)?;
    let [Reading { blocks, .. }] = reading;
    Ok(Resident::new(blocks))
}
