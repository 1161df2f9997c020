//! Deleting what no kept version needs, a page of blocks at a time.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use dnc_consensus::Transition;
use dnc_core::block::BlockId;
use dnc_core::codec;
use dnc_core::command::{MAX_SWEEP, ShardReply};
use dnc_core::ids::{RegistryId, VersionId};

use super::Done;
use super::bulk::{delete_block, floor, put_mark};
use crate::shard::prune::Plan;
use crate::shard::versions::{self, Mark, MarkState};
use crate::shard::{Shard, keys, limits, scan_from};

impl Shard {
    pub(super) fn prune(
        &self,
        registry: RegistryId,
        keep: &[VersionId],
        from: BlockId,
        limit: u32,
        tx: &mut Transition<'_>,
    ) -> Done {
        limits::versions(keep)?;
        let keep: BTreeSet<VersionId> = keep.iter().copied().collect();
        let limit = limit.clamp(1, MAX_SWEEP) as usize;
        let plan = Plan::new(&versions::marks_of(tx.state(), registry)?, &keep);

        let mut stored: Vec<(BlockId, Vec<VersionId>)> = Vec::new();
        let mut next = None;
        let (all, start) = (keys::blocks(registry), keys::versions_of(registry, from));
        scan_from(tx.state(), &all, &start, |key, _| {
            let (block, version) = keys::parse_block(key)?;
            if let Some((last, versions)) = stored.last_mut()
                && *last == block
            {
                versions.push(version);
                return Ok(ControlFlow::Continue(()));
            }
            if stored.len() == limit {
                next = Some(block);
                return Ok(ControlFlow::Break(()));
            }
            stored.push((block, vec![version]));
            Ok(ControlFlow::Continue(()))
        })?;

        let mut deleted = 0;
        let mut holding = BTreeSet::new();
        for (block, versions) in stored {
            let spared = plan.spared(&versions);
            for version in versions.iter().filter(|version| !spared.contains(version)) {
                delete_block(registry, block, *version, tx);
                deleted += 1;
            }
            holding.extend(spared.difference(&keep));
        }
        // Before the first of its blocks is gone nobody may look for them any more.
        for version in &plan.given_up {
            put_mark((registry, *version), &Mark { ancestry: Vec::new(), state: MarkState::Dropped }, tx);
        }
        if next.is_none() {
            for version in &plan.forgotten {
                tx.delete(&keys::version(registry, *version));
            }
            if plan.floor > floor(tx.state(), registry)? {
                tx.put(&keys::floor(registry), &codec::encode(&plan.floor));
            }
        }
        tx.commit()?;
        for version in &plan.given_up {
            self.versions.dropped((registry, *version));
        }
        Ok(ShardReply::Pruned { deleted, next, holding: holding.into_iter().collect() })
    }
}
