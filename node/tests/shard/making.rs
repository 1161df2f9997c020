//! What the tests write, with the least that is needed said.

use std::collections::BTreeSet;
use std::sync::Arc;

use dnc_core::block::{BlockId, BlockSetBuilder};
use dnc_core::command::{Addition, Run, ShardCommand};
use dnc_core::exemption::{Exemption, Ground, Months};
use dnc_core::ids::{RegistryId, RequestId, TenantId, VersionId};
use dnc_core::number::PhoneNumber;
use dnc_core::registry::{Coverage, RegistryKind, Source};
use dnc_core::suppression::{Origin, Removal, Suppression};
use dnc_core::view::{ActiveVersion, View, ViewRegistry};
use jiff::civil::date;

pub const FEDERAL: RegistryId = RegistryId(1);
pub const INTERNAL: RegistryId = RegistryId(2);
pub const TENANT: TenantId = TenantId(1);

/// The numbers of the tests: 4 blocks of area code 201, a few lines of each.
pub const NUMBERS: u64 = 24;

pub fn number(i: u64) -> PhoneNumber {
    PhoneNumber::from_u64(12_015_550_000 + (i % 4) * 10_000 + i / 4).expect("a number")
}

pub fn numbers() -> Vec<PhoneNumber> {
    (0..NUMBERS).map(number).collect()
}

pub fn suppression(id: u128) -> Suppression {
    Suppression::new(RequestId(id), TENANT, Origin::Consumer, 1)
}

pub fn addition(i: u64, id: u128) -> Addition {
    Addition { number: number(i), registry: INTERNAL, suppression: suppression(id) }
}

pub fn suppress(i: u64, id: u128) -> ShardCommand {
    ShardCommand::Suppress(addition(i, id))
}

pub fn release(i: u64, request: u128, entries: &[u128]) -> ShardCommand {
    ShardCommand::Release {
        request: RequestId(request),
        number: number(i),
        registry: INTERNAL,
        tenant: TENANT,
        entries: entries.iter().copied().map(RequestId).collect(),
        removal: removal(request, 5),
    }
}

pub fn removal(request: u128, removed_ms: u64) -> Removal {
    Removal { request: Some(RequestId(request)), reason: "asked".into(), removed_by: "agent".into(), removed_ms }
}

pub fn exemption(id: u128) -> Exemption {
    Exemption {
        id: RequestId(id),
        tenant: TENANT,
        ground: Ground::Consent,
        since: date(2026, 1, 31),
        expires_ms: None,
        proof: "form 7".into(),
        proof_sha256: String::new(),
        notes: String::new(),
        granted_by: "agent".into(),
        granted_ms: 3,
    }
}

/// As much of an exemption as a check is answered.
pub fn bare(exemption: &Exemption) -> Exemption {
    let none = String::new;
    Exemption { proof: none(), proof_sha256: none(), notes: none(), granted_by: none(), ..exemption.clone() }
}

pub fn revoke(i: u64, request: u128, exemptions: &[u128]) -> ShardCommand {
    ShardCommand::Revoke {
        request: RequestId(request),
        number: number(i),
        tenant: TENANT,
        exemptions: exemptions.iter().copied().map(RequestId).collect(),
        removal: removal(request, 6),
    }
}

/// A run over area code 201 that holds these numbers and no others.
pub fn run(numbers: &BTreeSet<PhoneNumber>) -> Run {
    let mut blocks = BlockSetBuilder::new();
    for number in numbers {
        blocks.insert(*number).expect("few blocks");
    }
    Run { first: BlockId(1_201_000), last: BlockId(1_201_999), blocks: blocks.into_sorted() }
}

pub fn stage(version: u64, ancestry: &[u64], numbers: &BTreeSet<PhoneNumber>) -> ShardCommand {
    ShardCommand::Stage {
        registry: FEDERAL,
        version: VersionId(version),
        ancestry: ancestry.iter().copied().map(VersionId).collect(),
        run: run(numbers),
    }
}

pub fn seal(version: u64, ancestry: &[u64]) -> ShardCommand {
    ShardCommand::Seal {
        registry: FEDERAL,
        version: VersionId(version),
        ancestry: ancestry.iter().copied().map(VersionId).collect(),
    }
}

pub fn prune(keep: &[u64]) -> ShardCommand {
    ShardCommand::Prune {
        registry: FEDERAL,
        keep: keep.iter().copied().map(VersionId).collect(),
        from: BlockId(0),
        limit: 1_000,
    }
}

/// A view in which this version answers checks.
pub fn view(version: Option<VersionId>) -> View {
    let source = Source { list_date: date(2026, 11, 9), file: "f".into(), sha256: [0; 32], numbers: 0 };
    View {
        revision: version.map_or(1, |version| version.0 + 1),
        registries: vec![ViewRegistry {
            id: FEDERAL,
            name: "federal".into(),
            kind: RegistryKind::Federal,
            owner: None,
            max_age_days: 31,
            exemption_months: Months::default(),
            active: version.map(|id| ActiveVersion { id, coverage: Coverage::Everywhere(source) }),
        }],
        tenants: Vec::new(),
        rules: Arc::default(),
    }
}
