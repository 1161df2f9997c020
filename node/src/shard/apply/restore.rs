//! Entries of a backup, taken back as they were. Room is not counted: the cluster that they come from did so, and an
//! entry that was acknowledged there is not refused here.

use std::collections::BTreeSet;

use dnc_consensus::Transition;
use dnc_core::codec;
use dnc_core::command::{MAX_BATCH, ShardRefusal, ShardReply};
use dnc_core::counts::Counts;
use dnc_core::exemption::Exemption;
use dnc_core::number::PhoneNumber;
use dnc_core::record::Record;
use dnc_core::suppression::{Removal, Suppression};

use super::{Done, Stop};
use crate::shard::keys::{self, EntryName, ExemptionName};
use crate::shard::records::{Draft, Fate, Kept, fate_of, fate_of_exemption, read};
use crate::shard::{Shard, ShardError, limits};

impl Shard {
    pub(super) fn restore(&self, records: Vec<Record>, tx: &mut Transition<'_>) -> Done {
        self.accept_records(&records)?;
        let loaded = self.loaded()?;
        let mut draft = Draft::new(tx);
        let mut new = 0;
        for record in records {
            new += u64::from(match record {
                Record::Suppression { number, registry, suppression, removal } => {
                    // Before the record can be read: the filter never says no for a number that has one.
                    loaded.bloom.insert(number);
                    let name = EntryName { number, registry, tenant: suppression.tenant, id: suppression.id };
                    restore_suppression(&mut draft, name, suppression, removal)?
                }
                Record::Exemption { number, exemption, removal } => {
                    loaded.bloom.insert(number);
                    restore_exemption(&mut draft, number, exemption, removal)?
                }
                Record::Counts { tenant, day, counts } => {
                    let key = keys::counts(day, tenant);
                    let before: Option<Counts> = read(draft.state(), &key)?;
                    let is_new = before.is_none();
                    let mut sum = before.unwrap_or_default();
                    sum.raise(&counts);
                    draft.tx().put(&key, &codec::encode(&sum));
                    is_new
                }
            });
        }
        self.count_live(draft.commit()?);
        loaded.grow(self.id.0);
        Ok(ShardReply::Restored { new })
    }

    /// Whether these can be taken, whatever is there already. Each is looked up as things were before the command, so
    /// none may be there twice.
    fn accept_records(&self, records: &[Record]) -> Result<(), ShardRefusal> {
        if records.is_empty() || records.len() > MAX_BATCH {
            return Err(ShardRefusal::BadBatch(u32::try_from(MAX_BATCH).expect("a small constant")));
        }
        let (mut entries, mut exemptions, mut days) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for record in records {
            let is_first = match record {
                Record::Suppression { number, registry, suppression, removal } => {
                    self.refuse_foreign(*number)?;
                    limits::suppression(suppression)?;
                    removal.iter().try_for_each(limits::removal)?;
                    // Its whole name: who imports what another tenant has exported has entries of the same ids.
                    entries.insert((*number, *registry, suppression.tenant, suppression.id))
                }
                Record::Exemption { number, exemption, removal } => {
                    self.refuse_foreign(*number)?;
                    limits::exemption(exemption)?;
                    removal.iter().try_for_each(limits::removal)?;
                    exemptions.insert((*number, exemption.tenant, exemption.id))
                }
                Record::Counts { tenant, day, counts } => {
                    limits::day(counts)?;
                    days.insert((*tenant, *day))
                }
            };
            if !is_first {
                return Err(ShardRefusal::RequestReused);
            }
        }
        Ok(())
    }
}

fn restore_suppression(
    draft: &mut Draft<'_, '_>,
    name: EntryName,
    suppression: Suppression,
    removal: Option<Removal>,
) -> Result<bool, Stop> {
    match (fate_of(draft.state(), name)?, removal) {
        (Fate::Unknown, None) => draft.list(name, &suppression),
        (Fate::Unknown, Some(removal)) => draft.trace(name, suppression, removal),
        (Fate::Stands, Some(removal)) => {
            // With the index keys that it has, which need not be those of the copy.
            let stored = read(draft.state(), &name.whole(keys::ENTRY))?.ok_or(ShardError::Index)?;
            draft.remove(name, stored, removal);
            return Ok(false);
        }
        (Fate::Stands, None) | (Fate::Removed, _) => return Ok(false),
    }
    Ok(true)
}

fn restore_exemption(
    draft: &mut Draft<'_, '_>,
    number: PhoneNumber,
    exemption: Exemption,
    removal: Option<Removal>,
) -> Result<bool, Stop> {
    let name = ExemptionName { number, tenant: exemption.tenant, id: exemption.id };
    match (fate_of_exemption(draft.state(), name)?, removal) {
        (Fate::Unknown, None) => draft.grant(name, exemption),
        (Fate::Unknown, Some(removal)) => draft.ended(name, exemption, removal),
        (Fate::Stands, Some(removal)) => {
            let (stored, _): Kept = read(draft.state(), &name.whole())?.ok_or(ShardError::Index)?;
            draft.end(name, stored, removal);
            return Ok(false);
        }
        (Fate::Stands, None) | (Fate::Removed, _) => return Ok(false),
    }
    Ok(true)
}
