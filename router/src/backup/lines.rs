//! Entries as lines of a file: each the tenant's name and the entry as REST shows it, so that a backup can be read
//! without this program.

use std::collections::BTreeMap;

use dnc_core::catalog::Catalog;
use dnc_core::counts::Counts;
use dnc_core::exemption::{Exemption, Ground};
use dnc_core::ids::{RegistryId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::query::Entry;
use dnc_core::record::{Record, Table};
use dnc_core::suppression::Removal;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::entries::{ExemptionShown, RemovalShown, SuppressionShown};
use crate::failure::Invalid;
use crate::suppress::{number, read_entry, request_id, time};

/// The names of tenants and registries, which numbers stand for in a catalog.
#[derive(Clone, Debug, Default)]
pub struct Names {
    tenants: BTreeMap<TenantId, String>,
    registries: BTreeMap<RegistryId, String>,
    tenant_ids: BTreeMap<String, TenantId>,
    registry_ids: BTreeMap<String, RegistryId>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<T> {
    tenant: String,
    entry: T,
}

/// What was counted on a day.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Day {
    day: Date,
    counts: Counts,
}

// === impl Names ===

impl Names {
    /// The names in a catalog.
    pub fn of(catalog: &Catalog) -> Self {
        let tenants = catalog.tenants.values().map(|tenant| (tenant.id, tenant.name.clone()));
        let registries = catalog.registries.values().map(|registry| (registry.id, registry.name.clone()));
        Self::new(tenants.collect(), registries.collect())
    }

    /// These names.
    pub fn new(tenants: BTreeMap<TenantId, String>, registries: BTreeMap<RegistryId, String>) -> Self {
        let tenant_ids = tenants.iter().map(|(id, name)| (name.clone(), *id)).collect();
        let registry_ids = registries.iter().map(|(id, name)| (name.clone(), *id)).collect();
        Self { tenants, registries, tenant_ids, registry_ids }
    }

    /// An entry as a line, its end included. None if its tenant or registry is not known here: then it is younger than
    /// the catalog that the names are from.
    pub fn line(&self, record: Record) -> Option<Vec<u8>> {
        let tenant = self.tenants.get(&record.tenant())?.clone();
        Some(match record {
            Record::Suppression { number, registry, suppression, removal } => {
                let name = self.registries.get(&registry)?;
                let entry = Entry { place: Vec::new(), number, registry, suppression, removal };
                json(&Line { tenant, entry: SuppressionShown::of(entry, name) })
            }
            Record::Exemption { number, exemption, removal } => {
                json(&Line { tenant, entry: ExemptionShown::of(number, exemption, removal) })
            }
            Record::Counts { tenant: _, day, counts } => json(&Line { tenant, entry: Day { day, counts: *counts } }),
        })
    }

    /// The entry of a table that a line means. The error never repeats what stands there.
    pub fn read(&self, table: Table, line: &[u8]) -> Result<Record, String> {
        let record = match table {
            Table::Standing | Table::Removed => {
                let Line { tenant, mut entry }: Line<SuppressionShown> = parse(line)?;
                let removal = entry.removal.take().map(removal).transpose().map_err(said)?;
                let registry = *self.registry_ids.get(&entry.registry).ok_or("a registry that the catalog lacks")?;
                let (number, suppression) = read_entry(entry, self.tenant(&tenant)?).map_err(said)?;
                Record::Suppression { number, registry, suppression, removal }
            }
            Table::Exemptions => {
                let Line { tenant, entry }: Line<ExemptionShown> = parse(line)?;
                let (number, exemption, removal) = exemption(entry, self.tenant(&tenant)?).map_err(said)?;
                Record::Exemption { number, exemption, removal }
            }
            Table::Counts => {
                let Line { tenant, entry: Day { day, counts } }: Line<Day> = parse(line)?;
                Record::Counts { tenant: self.tenant(&tenant)?, day, counts: Box::new(counts) }
            }
        };
        let fits = match (table, &record) {
            (Table::Standing, Record::Suppression { removal, .. }) => removal.is_none(),
            (Table::Removed, Record::Suppression { removal, .. }) => removal.is_some(),
            _ => true,
        };
        if fits { Ok(record) } else { Err("an entry of another table".into()) }
    }

    fn tenant(&self, name: &str) -> Result<TenantId, String> {
        self.tenant_ids.get(name).copied().ok_or_else(|| "a tenant that the catalog lacks".into())
    }
}

fn exemption(shown: ExemptionShown, tenant: TenantId) -> Result<(PhoneNumber, Exemption, Option<Removal>), Invalid> {
    let ground: Ground = shown.ground.parse().map_err(|why| Invalid::new("ground", format!("{why}")))?;
    let since: Date = shown.since.parse().map_err(|_| Invalid::new("since", "must be a day"))?;
    let expires_ms = shown.expires_at.as_deref().map(|text| time("expires_at", text)).transpose()?;
    let exemption = Exemption {
        id: request_id(&shown.exemption_id)?,
        tenant,
        ground,
        since,
        expires_ms,
        proof: shown.proof,
        proof_sha256: shown.proof_sha256,
        notes: shown.notes,
        granted_by: shown.granted_by,
        granted_ms: time("granted_at", &shown.granted_at)?,
    };
    Ok((number(&shown.phone_number)?, exemption, shown.removal.map(removal).transpose()?))
}

fn removal(shown: RemovalShown) -> Result<Removal, Invalid> {
    Ok(Removal {
        request: shown.request_id.as_deref().map(request_id).transpose()?,
        reason: shown.reason,
        removed_by: shown.removed_by,
        removed_ms: time("removed_at", &shown.removed_at)?,
    })
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    serde_json::from_slice(line).map_err(|why| format!("not an entry, at column {}", why.column()))
}

fn json(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("texts, numbers and maps of them are JSON");
    bytes.push(b'\n');
    bytes
}

fn said(why: Invalid) -> String {
    why.to_string()
}

#[cfg(test)]
mod tests {
    use dnc_core::ids::RequestId;
    use dnc_core::suppression::{Origin, Scope, Suppression};
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const LATEST_MS: u64 = 200_000_000_000_000;

    fn names() -> Names {
        let tenants = BTreeMap::from([(TenantId(1), "default".into()), (TenantId(7), "acme".into())]);
        Names::new(tenants, BTreeMap::from([(RegistryId(2), "internal".into())]))
    }

    fn a_number() -> impl Strategy<Value = PhoneNumber> {
        (0u64..100).prop_map(|line| PhoneNumber::from_u64(12_015_550_100 + line).expect("a number"))
    }

    fn a_removal() -> impl Strategy<Value = Removal> {
        (proptest::option::of(any::<u128>()), "\\PC{0,20}", "\\PC{0,20}", 0..LATEST_MS).prop_map(
            |(request, reason, removed_by, removed_ms)| Removal {
                request: request.map(RequestId),
                reason,
                removed_by,
                removed_ms,
            },
        )
    }

    fn a_suppression() -> impl Strategy<Value = Record> {
        let texts = ("\\PC{0,20}", "\\PC{0,20}", "[\\x00-\\x7f]{0,20}");
        let scope = prop_oneof![
            Just(Scope::Tenant),
            "[a-z]{1,9} x".prop_map(Scope::Brand),
            "[a-z]{1,9}".prop_map(Scope::Campaign)
        ];
        let times = (0..LATEST_MS, proptest::option::of(0..LATEST_MS), 0..LATEST_MS);
        let metadata = proptest::collection::btree_map("\\PC{0,5}", "\\PC{0,5}", 0..3);
        (a_number(), any::<u128>(), any::<bool>(), texts, scope, times, metadata, proptest::option::of(a_removal()))
            .prop_map(
                |(number, id, company, (reason, source, notes), scope, (added, ends, verified), metadata, removal)| {
                    let origin = if company { Origin::Company } else { Origin::Consumer };
                    let suppression = Suppression {
                        scope,
                        reason,
                        source,
                        notes,
                        expires_ms: ends,
                        verified_ms: verified,
                        metadata,
                        ..Suppression::new(RequestId(id), TenantId(7), origin, added)
                    };
                    Record::Suppression { number, registry: RegistryId(2), suppression, removal }
                },
            )
    }

    fn an_exemption() -> impl Strategy<Value = Record> {
        let grounds = prop_oneof![Just(Ground::Purchase), Just(Ground::Inquiry), Just(Ground::Consent)];
        let ends = proptest::option::of(0..LATEST_MS);
        (a_number(), any::<u128>(), grounds, ends, "\\PC{0,20}", 0..LATEST_MS, proptest::option::of(a_removal()))
            .prop_map(|(number, id, ground, expires_ms, proof, granted_ms, removal)| {
                let exemption = Exemption {
                    id: RequestId(id),
                    tenant: TenantId(1),
                    ground,
                    since: date(2026, 2, 28),
                    expires_ms,
                    proof,
                    proof_sha256: "ab".into(),
                    notes: "n".into(),
                    granted_by: "g".into(),
                    granted_ms,
                };
                Record::Exemption { number, exemption, removal }
            })
    }

    proptest! {
        #[test]
        fn every_entry_reads_back_as_it_was(record in prop_oneof![a_suppression(), an_exemption()]) {
            let table = match &record {
                Record::Suppression { removal: None, .. } => Table::Standing,
                Record::Suppression { .. } => Table::Removed,
                _ => Table::Exemptions,
            };
            let line = names().line(record.clone()).expect("known names");
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            prop_assert_eq!(names().read(table, &line), Ok(record));
        }
    }

    #[test]
    fn counters_read_back_as_they_were() {
        let mut counts = Counts { checks: 5, micros: u64::MAX, ..Counts::default() };
        counts.unknown.insert("stale".into(), 2);
        let record = Record::Counts { tenant: TenantId(7), day: date(2026, 11, 21), counts: Box::new(counts) };
        let line = names().line(record.clone()).expect("known names");
        assert_eq!(names().read(Table::Counts, &line), Ok(record));
    }

    #[test]
    fn an_entry_of_a_younger_tenant_has_no_line_and_one_of_another_table_is_refused() {
        let day = Record::Counts { tenant: TenantId(9), day: date(2026, 11, 21), counts: Box::default() };
        assert_eq!(names().line(day), None);
        let suppression = Suppression::new(RequestId(1), TenantId(1), Origin::Consumer, 5);
        let number = PhoneNumber::from_u64(12_015_550_100).expect("a number");
        let standing = Record::Suppression { number, registry: RegistryId(2), suppression, removal: None };
        let line = names().line(standing).expect("known names");
        let why = names().read(Table::Removed, &line).expect_err("it stands");
        assert!(!why.contains("5550100"), "{why}");
        assert!(names().read(Table::Standing, b"{}").is_err());
    }
}
