//! The numbers of a question between router and node.

use crate::internal::ShardQuestion;

/// Bytes of a number.
const BYTES: usize = 8;

/// Bytes that are not some whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("numbers have {BYTES} bytes each, these are {0}")]
pub struct NotWhole(usize);

// === impl ShardQuestion ===

impl ShardQuestion {
    /// Asks a shard about numbers, given by their E.164 digits.
    pub fn about(shard: u32, digits: impl ExactSizeIterator<Item = u64>) -> Self {
        let mut numbers = Vec::with_capacity(digits.len() * BYTES);
        digits.for_each(|digits| numbers.extend_from_slice(&digits.to_le_bytes()));
        Self { shard, numbers }
    }

    /// How many numbers it asks about.
    pub fn count(&self) -> usize {
        self.numbers.len() / BYTES
    }

    /// The digits of its numbers, in their order.
    pub fn digits(&self) -> Result<impl ExactSizeIterator<Item = u64> + '_, NotWhole> {
        match self.numbers.as_chunks::<BYTES>() {
            (numbers, []) => Ok(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes))),
            _ => Err(NotWhole(self.numbers.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// What the field was before it was bytes.
    #[derive(Clone, PartialEq, Message)]
    struct OneByOne {
        #[prost(uint32, tag = "1")]
        shard: u32,
        #[prost(fixed64, repeated, tag = "2")]
        numbers: Vec<u64>,
    }

    #[test]
    fn numbers_are_on_the_wire_what_packed_integers_are() {
        let digits = [12_015_550_100, 0, u64::MAX];
        let question = ShardQuestion::about(7, digits.into_iter());
        assert_eq!(question.count(), 3);
        assert_eq!(question.digits().expect("whole").collect::<Vec<_>>(), digits);
        let one_by_one = OneByOne { shard: 7, numbers: digits.to_vec() };
        assert_eq!(question.encode_to_vec(), one_by_one.encode_to_vec());
    }

    #[test]
    fn half_a_number_is_none() {
        let question = ShardQuestion { shard: 7, numbers: vec![1; 12] };
        assert_eq!(question.digits().err(), Some(NotWhole(12)));
    }
}
