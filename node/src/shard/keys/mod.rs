//! How the replicated state of a shard is laid out in its keyspace. All integers are big-endian, so
//! that byte order is number order.
//!
//! | key | value |
//! | --- | --- |
//! | `n` number `s` registry tenant id | a suppression that stands: as much of it as judges |
//! | `n` number `x` tenant id | an exemption that stands: as much of it as judges |
//! | `e` tenant number registry id | a suppression that stands, whole |
//! | `t` tenant number registry id | a suppression that was removed, whole, and how |
//! | `g` tenant number id | an exemption, whole, and how it ended if it did |
//! | `a` tenant added-ms number registry id | (index of `e`) |
//! | `w` tenant reason-hash added-ms number registry id | (index of `e`: why) |
//! | `h` tenant adder-hash added-ms number registry id | (index of `e`: who) |
//! | `f` tenant verified-ms number registry id | (index of `e`) |
//! | `d` tenant removed-ms number registry id | (index of `t`) |
//! | `u` expires-ms number `s` registry tenant id | (what ends by itself, and when: suppressions) |
//! | `u` expires-ms number `x` tenant id | (the same: exemptions) |
//! | `k` registry | how many suppressions stand in a registry |
//! | `c` day tenant | counters of a day |
//! | `b` registry block version | a block, where it differs from the parent version |
//! | `v` registry version | how far a version has come |
//! | `o` registry | versions below this one are forgotten |
//! | `q` log index | a request applied there, and its reply |
//! | `r` | newest barrier revision |
//!
//! Checks read `n` alone, one short range for a number, so that what they need fits in memory. The
//! rest of an index's key behind its tenant (and hash) is the *place* of an entry: the same on all
//! shards, and unique, since it ends with number, registry and id.

mod bulk;
mod bytes;

use dnc_core::ids::{RegistryId, RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::record::Table;

pub use self::bulk::{
    block, blocks, counts, floor, parse_block, parse_counts, parse_request, parse_version, request, version, versions,
    versions_of,
};
use self::bytes::{Key, Reader};
use super::ShardError;

/// What stands for a number.
pub const STANDING: u8 = b'n';
/// Suppressions that stand.
pub const ENTRY: u8 = b'e';
/// Suppressions that were removed.
pub const TRACE: u8 = b't';
/// Exemptions.
pub const EXEMPTION: u8 = b'g';
/// By the time of addition.
pub const ADDED: u8 = b'a';
/// By reason.
pub const WHY: u8 = b'w';
/// By adder.
pub const WHO: u8 = b'h';
/// By the time of the last verification.
pub const VERIFIED: u8 = b'f';
/// By the time of removal.
pub const REMOVED: u8 = b'd';
/// By the time at which they end by themselves.
pub const DUE: u8 = b'u';
/// How many stand.
pub const LIVE: u8 = b'k';
/// Counters.
pub const COUNTS: u8 = b'c';
/// Blocks.
pub const BLOCK: u8 = b'b';
/// Versions.
pub const VERSION: u8 = b'v';
/// Where forgotten versions end.
pub const FLOOR: u8 = b'o';
/// Requests.
pub const REQUEST: u8 = b'q';
/// The barrier.
pub const BARRIER: u8 = b'r';

const SUPPRESSED: u8 = b's';
const EXEMPTED: u8 = b'x';

/// Bytes of number, registry and id: a place without a time.
const NAMED: usize = 8 + 4 + 16;

/// Names a suppression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    pub number: PhoneNumber,
    pub registry: RegistryId,
    pub tenant: TenantId,
    pub id: RequestId,
}

/// Names an exemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExemptionName {
    pub number: PhoneNumber,
    pub tenant: TenantId,
    pub id: RequestId,
}

/// Names something that stands for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Suppression(EntryName),
    Exemption(ExemptionName),
}

/// Where an entry is in an index, behind the index's own prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time that it is ordered by; none in the order of numbers.
    pub ms: Option<u64>,
    pub number: PhoneNumber,
    pub registry: RegistryId,
    pub id: RequestId,
}

// === impl EntryName ===

impl EntryName {
    /// The key under which checks find it.
    pub fn standing(&self) -> Vec<u8> {
        let key = Key(standing_in(self.number, self.registry, self.tenant));
        key.u128(self.id.0).0
    }

    /// Its key in a table of whole suppressions.
    pub fn whole(&self, table: u8) -> Vec<u8> {
        let mut key = index(table, self.tenant, None);
        key.extend_from_slice(&self.place(None).to_bytes());
        key
    }

    /// Its key in an index.
    pub fn indexed(&self, table: u8, hash: Option<u128>, ms: u64) -> Vec<u8> {
        let mut key = index(table, self.tenant, hash);
        key.extend_from_slice(&self.place(Some(ms)).to_bytes());
        key
    }

    /// Its key among what ends by itself.
    pub fn due(&self, ms: u64) -> Vec<u8> {
        let key = Key::of(DUE).u64(ms).number(self.number).byte(SUPPRESSED);
        key.u32(self.registry.0).u32(self.tenant.0).u128(self.id.0).0
    }

    fn place(&self, ms: Option<u64>) -> Place {
        Place { ms, number: self.number, registry: self.registry, id: self.id }
    }
}

// === impl ExemptionName ===

impl ExemptionName {
    /// The key under which checks find it.
    pub fn standing(&self) -> Vec<u8> {
        Key(exempted(self.number, self.tenant)).u128(self.id.0).0
    }

    /// Its key in the table of whole exemptions.
    pub fn whole(&self) -> Vec<u8> {
        Key(exemptions(self.tenant, self.number)).u128(self.id.0).0
    }

    /// Its key among what ends by itself.
    pub fn due(&self, ms: u64) -> Vec<u8> {
        Key::of(DUE).u64(ms).number(self.number).byte(EXEMPTED).u32(self.tenant.0).u128(self.id.0).0
    }
}

// === impl Standing ===

impl Standing {
    /// Reads a key of what stands for numbers.
    pub fn parse(key: &[u8]) -> Result<Standing, ShardError> {
        Reader::new(key, 1).standing()
    }

    /// Reads a key of what ends by itself: when, and what.
    pub fn parse_due(key: &[u8]) -> Result<(u64, Standing), ShardError> {
        let mut reader = Reader::new(key, 1);
        Ok((reader.u64()?, reader.standing()?))
    }
}

// === impl Place ===

impl Place {
    /// As it stands in keys.
    pub fn to_bytes(self) -> Vec<u8> {
        let key = match self.ms {
            Some(ms) => Key(Vec::with_capacity(8 + NAMED)).u64(ms),
            None => Key(Vec::with_capacity(NAMED)),
        };
        key.number(self.number).u32(self.registry.0).u128(self.id.0).0
    }

    /// Reads what follows an index's prefix.
    pub fn parse(bytes: &[u8]) -> Result<Place, ShardError> {
        let mut reader = Reader::new(bytes, 0);
        let ms = if bytes.len() > NAMED { Some(reader.u64()?) } else { None };
        let place =
            Place { ms, number: reader.number()?, registry: RegistryId(reader.u32()?), id: RequestId(reader.u128()?) };
        reader.end()?;
        Ok(place)
    }
}

/// Prefix of a whole table.
pub fn table(table: Table) -> [u8; 1] {
    [match table {
        Table::Standing => ENTRY,
        Table::Removed => TRACE,
        Table::Exemptions => EXEMPTION,
        Table::Counts => COUNTS,
    }]
}

/// Number and registry of a key in a table of whole suppressions.
pub fn parse_whole(key: &[u8]) -> Result<(PhoneNumber, RegistryId), ShardError> {
    let mut reader = Reader::new(key, 5);
    Ok((reader.number()?, RegistryId(reader.u32()?)))
}

/// The number of a key in the table of whole exemptions.
pub fn parse_exemption(key: &[u8]) -> Result<PhoneNumber, ShardError> {
    Reader::new(key, 5).number()
}

/// Prefix of all that stands for a number.
pub fn standing_of(number: PhoneNumber) -> Vec<u8> {
    Key::of(STANDING).number(number).0
}

/// Prefix of the suppressions of a tenant that stand for a number in a registry.
pub fn standing_in(number: PhoneNumber, registry: RegistryId, tenant: TenantId) -> Vec<u8> {
    Key::of(STANDING).number(number).byte(SUPPRESSED).u32(registry.0).u32(tenant.0).0
}

/// Prefix of the exemptions of a tenant that stand for a number.
pub fn exempted(number: PhoneNumber, tenant: TenantId) -> Vec<u8> {
    Key::of(STANDING).number(number).byte(EXEMPTED).u32(tenant.0).0
}

/// Prefix of an index, or a table of whole suppressions, of a tenant.
pub fn index(table: u8, tenant: TenantId, hash: Option<u128>) -> Vec<u8> {
    let key = Key::of(table).u32(tenant.0);
    match hash {
        Some(hash) => key.u128(hash).0,
        None => key.0,
    }
}

/// Prefix of all exemptions of a tenant for a number, ended ones included.
pub fn exemptions(tenant: TenantId, number: PhoneNumber) -> Vec<u8> {
    Key::of(EXEMPTION).u32(tenant.0).number(number).0
}

/// How many suppressions of a tenant stand in a registry.
pub fn live(registry: RegistryId, tenant: TenantId) -> Vec<u8> {
    Key::of(LIVE).u32(registry.0).u32(tenant.0).0
}

/// The registry and tenant of such a key.
pub fn parse_live(key: &[u8]) -> Result<(RegistryId, TenantId), ShardError> {
    let mut parts = Reader::new(key, 1);
    Ok((RegistryId(parts.u32()?), TenantId(parts.u32()?)))
}

#[cfg(test)]
mod tests {
    use dnc_core::block::BlockId;
    use dnc_core::ids::VersionId;
    use jiff::civil::date;

    use super::*;

    fn name() -> EntryName {
        EntryName {
            number: PhoneNumber::parse("2015550100").expect("valid"),
            registry: RegistryId(7),
            tenant: TenantId(3),
            id: RequestId(1 << 100),
        }
    }

    #[test]
    fn keys_read_back() {
        let name = name();
        let exemption = ExemptionName { number: name.number, tenant: name.tenant, id: name.id };
        assert_eq!(Standing::parse(&name.standing()).expect("key"), Standing::Suppression(name));
        assert_eq!(Standing::parse(&exemption.standing()).expect("key"), Standing::Exemption(exemption));
        assert_eq!(Standing::parse_due(&name.due(9)).expect("key"), (9, Standing::Suppression(name)));
        assert_eq!(Standing::parse_due(&exemption.due(9)).expect("key"), (9, Standing::Exemption(exemption)));
        for ms in [None, Some(5)] {
            let place = name.place(ms);
            assert_eq!(Place::parse(&place.to_bytes()).expect("place"), place);
        }
        let key = block(RegistryId(1), BlockId(1_201_555), VersionId(9));
        assert_eq!(parse_block(&key).expect("block"), (BlockId(1_201_555), VersionId(9)));
        assert!(key.starts_with(&versions_of(RegistryId(1), BlockId(1_201_555))));
        let key = version(RegistryId(3), VersionId(4));
        assert_eq!(parse_version(&key).expect("version"), (RegistryId(3), VersionId(4)));
        for table in [ENTRY, TRACE] {
            assert_eq!(parse_whole(&name.whole(table)).expect("key"), (name.number, name.registry));
        }
        assert_eq!(parse_exemption(&exemption.whole()).expect("key"), name.number);
        assert_eq!(parse_request(&request(5)).expect("index"), 5);
        assert_eq!(parse_live(&live(RegistryId(5), TenantId(6))).expect("registry"), (RegistryId(5), TenantId(6)));
        for day in [date(2026, 11, 9), date(-9_999, 1, 1), date(9_999, 12, 31)] {
            assert_eq!(parse_counts(&counts(day, TenantId(6))).expect("day"), (day, TenantId(6)));
        }
    }

    #[test]
    fn byte_order_is_the_order_of_blocks_days_and_places() {
        assert!(block(RegistryId(1), BlockId(5), VersionId(9)) < block(RegistryId(1), BlockId(6), VersionId(1)));
        assert!(counts(date(-1, 12, 31), TenantId(9)) < counts(date(1, 1, 1), TenantId(1)));
        assert!(counts(date(2026, 9, 30), TenantId(9)) < counts(date(2026, 10, 1), TenantId(1)));
        let place = |ms, number| Place { ms, number, registry: RegistryId(1), id: RequestId(1) };
        let (low, high) = (PhoneNumber::from_u64(12_015_550_100), PhoneNumber::from_u64(442_079_460_000));
        let (low, high) = (low.expect("a number"), high.expect("a number"));
        assert!(place(Some(1), high).to_bytes() < place(Some(2), low).to_bytes());
        assert!(place(None, low).to_bytes() < place(None, high).to_bytes());
    }

    #[test]
    fn a_key_that_is_too_short_or_too_long_is_an_error() {
        assert!(matches!(parse_block(b"b12"), Err(ShardError::Key(3))));
        assert!(matches!(Standing::parse(b""), Err(ShardError::Key(0))));
        let mut long = name().standing();
        long.push(0);
        assert!(matches!(Standing::parse(&long), Err(ShardError::Key(_))));
        assert!(matches!(Place::parse(&[0; 40]), Err(ShardError::Key(40))));
    }
}
