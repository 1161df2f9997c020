//! Suppressions and exemptions as they are stored, with their indexes: each change of an entry
//! changes all of its keys in the same write.

use std::collections::BTreeMap;

use dnc_consensus::{Keyspace, MachineError, Transition};
use dnc_core::codec;
use dnc_core::exemption::Exemption;
use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::suppression::{Origin, Removal, Scope, Suppression};
use dnc_core::verdict::LiveFinding;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ShardError;
use super::keys::{self, EntryName, ExemptionName};

/// As much of a suppression as judges a check, without what its key says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judging {
    pub scope: Scope,
    pub origin: Origin,
}

/// A suppression that was removed, and how.
pub type Trace = (Suppression, Removal);

/// An exemption, and how it ended, if it did.
pub type Kept = (Exemption, Option<Removal>);

/// What became of a suppression or an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// There never was one.
    Unknown,
    /// It stands.
    Stands,
    /// It was removed.
    Removed,
}

/// Changes of one command to suppressions and exemptions, on their way into the state.
pub struct Draft<'d, 't> {
    tx: &'d mut Transition<'t>,
    /// By how much the suppressions that stand change, by registry and tenant.
    live: BTreeMap<(RegistryId, TenantId), i64>,
}

// === impl Draft ===

impl<'d, 't> Draft<'d, 't> {
    /// No change yet.
    pub fn new(tx: &'d mut Transition<'t>) -> Draft<'d, 't> {
        Draft { tx, live: BTreeMap::new() }
    }

    /// The state before this command.
    pub fn state(&self) -> &Keyspace {
        self.tx.state()
    }

    /// Whatever else the command writes.
    pub fn tx(&mut self) -> &mut Transition<'t> {
        self.tx
    }

    /// A suppression stands from now on.
    pub fn list(&mut self, name: EntryName, suppression: &Suppression) {
        let judging = Judging { scope: suppression.scope.clone(), origin: suppression.origin };
        self.tx.put(&name.standing(), &codec::encode(&judging));
        self.tx.put(&name.whole(keys::ENTRY), &codec::encode(suppression));
        for key in indexes(name, suppression) {
            self.tx.put(&key, &[]);
        }
        *self.live.entry((name.registry, name.tenant)).or_default() += 1;
    }

    /// A suppression that stands is removed; its trace stays.
    pub fn remove(&mut self, name: EntryName, suppression: Suppression, removal: Removal) {
        self.tx.delete(&name.standing());
        self.tx.delete(&name.whole(keys::ENTRY));
        for key in indexes(name, &suppression) {
            self.tx.delete(&key);
        }
        *self.live.entry((name.registry, name.tenant)).or_default() -= 1;
        self.trace(name, suppression, removal);
    }

    /// A suppression was removed once; only its trace is there.
    pub fn trace(&mut self, name: EntryName, suppression: Suppression, removal: Removal) {
        self.tx.put(&name.indexed(keys::REMOVED, None, removal.removed_ms), &[]);
        let trace: Trace = (suppression, removal);
        self.tx.put(&name.whole(keys::TRACE), &codec::encode(&trace));
    }

    /// Somebody made sure that a suppression still holds.
    pub fn verify(&mut self, name: EntryName, suppression: Suppression, verified_ms: u64) {
        self.tx.delete(&name.indexed(keys::VERIFIED, None, suppression.verified_ms));
        self.tx.put(&name.indexed(keys::VERIFIED, None, verified_ms), &[]);
        let verified = Suppression { verified_ms, ..suppression };
        self.tx.put(&name.whole(keys::ENTRY), &codec::encode(&verified));
    }

    /// An exemption stands from now on.
    pub fn grant(&mut self, name: ExemptionName, exemption: Exemption) {
        if let Some(end) = exemption.expires_ms {
            self.tx.put(&name.due(end), &[]);
        }
        self.tx.put(&name.standing(), &codec::encode(&judging_exemption(exemption.clone())));
        let kept: Kept = (exemption, None);
        self.tx.put(&name.whole(), &codec::encode(&kept));
    }

    /// An exemption that stands ends; it stays readable.
    pub fn end(&mut self, name: ExemptionName, exemption: Exemption, removal: Removal) {
        if let Some(end) = exemption.expires_ms {
            self.tx.delete(&name.due(end));
        }
        self.tx.delete(&name.standing());
        self.ended(name, exemption, removal);
    }

    /// An exemption ended once; it is readable, and no more.
    pub fn ended(&mut self, name: ExemptionName, exemption: Exemption, removal: Removal) {
        let kept: Kept = (exemption, Some(removal));
        self.tx.put(&name.whole(), &codec::encode(&kept));
    }

    /// Makes the changes visible, as one. By how much the suppressions that stand have changed.
    pub fn commit(self) -> Result<i64, MachineError> {
        for ((registry, tenant), by) in &self.live {
            let key = keys::live(*registry, *tenant);
            let before: u64 = read(self.tx.state(), &key)?.unwrap_or(0);
            let after = before.checked_add_signed(*by).ok_or(ShardError::Index)?;
            self.tx.put(&key, &codec::encode(&after));
        }
        self.tx.commit()?;
        Ok(self.live.values().sum())
    }
}

/// The index keys of a suppression that stands.
fn indexes(name: EntryName, suppression: &Suppression) -> Vec<Vec<u8>> {
    let mut keys = vec![
        name.indexed(keys::ADDED, None, suppression.added_ms),
        name.indexed(keys::WHY, Some(hash(&suppression.reason)), suppression.added_ms),
        name.indexed(keys::WHO, Some(hash(&suppression.added_by)), suppression.added_ms),
        name.indexed(keys::VERIFIED, None, suppression.verified_ms),
    ];
    keys.extend(suppression.expires_ms.map(|end| name.due(end)));
    keys
}

/// What stands for a text in an index. Whoever finds an entry by it compares the text itself.
pub fn hash(text: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

/// As much of an exemption as judges: without its free text.
pub fn judging_exemption(exemption: Exemption) -> Exemption {
    Exemption {
        proof: String::new(),
        proof_sha256: String::new(),
        notes: String::new(),
        granted_by: String::new(),
        ..exemption
    }
}

/// What became of a suppression.
pub fn fate_of(state: &Keyspace, name: EntryName) -> Result<Fate, ShardError> {
    if state.get(&name.standing())?.is_some() {
        return Ok(Fate::Stands);
    }
    let removed = state.get(&name.whole(keys::TRACE))?.is_some();
    Ok(if removed { Fate::Removed } else { Fate::Unknown })
}

/// What became of an exemption.
pub fn fate_of_exemption(state: &Keyspace, name: ExemptionName) -> Result<Fate, ShardError> {
    if state.get(&name.standing())?.is_some() {
        return Ok(Fate::Stands);
    }
    let ended = state.get(&name.whole())?.is_some();
    Ok(if ended { Fate::Removed } else { Fate::Unknown })
}

/// What a check needs of a stored suppression.
pub fn finding(name: EntryName, value: &[u8]) -> Result<LiveFinding, ShardError> {
    let Judging { scope, origin } = codec::decode(value)?;
    let EntryName { number: _, registry, tenant, id } = name;
    Ok(LiveFinding { registry, id, tenant, scope, origin })
}

/// Reads a value.
pub fn read<T: DeserializeOwned>(state: &Keyspace, key: &[u8]) -> Result<Option<T>, ShardError> {
    Ok(state.get(key)?.map(|bytes| codec::decode(&bytes)).transpose()?)
}
