//! The parts of keys: put together, and read.

use dnc_core::ids::{RegistryId, RequestId, TenantId};
use dnc_core::number::PhoneNumber;

use super::{EXEMPTED, EntryName, ExemptionName, SUPPRESSED, Standing};
use crate::shard::ShardError;

/// A key being put together.
pub struct Key(pub Vec<u8>);

/// Reads the parts of a key.
pub struct Reader<'a> {
    key: &'a [u8],
    at: usize,
}

// === impl Key ===

impl Key {
    pub fn of(table: u8) -> Key {
        let mut key = Vec::with_capacity(64);
        key.push(table);
        Key(key)
    }

    pub fn byte(mut self, value: u8) -> Key {
        self.0.push(value);
        self
    }

    pub fn u32(mut self, value: u32) -> Key {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Key {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn u128(mut self, value: u128) -> Key {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn number(self, number: PhoneNumber) -> Key {
        self.u64(number.to_u64())
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    pub fn new(key: &'a [u8], at: usize) -> Reader<'a> {
        Reader { key, at }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ShardError> {
        let malformed = ShardError::Key(self.key.len());
        let part = self.key.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(malformed)?;
        self.at += N;
        Ok(*part)
    }

    pub fn u32(&mut self) -> Result<u32, ShardError> {
        self.take().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, ShardError> {
        self.take().map(u64::from_be_bytes)
    }

    pub fn u128(&mut self) -> Result<u128, ShardError> {
        self.take().map(u128::from_be_bytes)
    }

    pub fn number(&mut self) -> Result<PhoneNumber, ShardError> {
        PhoneNumber::from_u64(self.u64()?).map_err(|_| ShardError::Key(self.key.len()))
    }

    pub fn standing(&mut self) -> Result<Standing, ShardError> {
        let number = self.number()?;
        let standing = match self.take()? {
            [SUPPRESSED] => {
                let (registry, tenant) = (RegistryId(self.u32()?), TenantId(self.u32()?));
                Standing::Suppression(EntryName { number, registry, tenant, id: RequestId(self.u128()?) })
            }
            [EXEMPTED] => {
                let tenant = TenantId(self.u32()?);
                Standing::Exemption(ExemptionName { number, tenant, id: RequestId(self.u128()?) })
            }
            _ => return Err(ShardError::Key(self.key.len())),
        };
        self.end()?;
        Ok(standing)
    }

    pub fn end(&self) -> Result<(), ShardError> {
        if self.at == self.key.len() { Ok(()) } else { Err(ShardError::Key(self.key.len())) }
    }
}
