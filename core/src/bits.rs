//! A bit for each number of a question: which of them a list holds. One pass fills it, and on the wire it is an eighth of a byte each.

/// Things that are looked at together, at most.
pub const CHUNK: usize = 64;

/// So many bits; bit `i` is bit `i % 8`, from the lowest, of byte `i / 8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

// === impl Bits ===

impl Bits {
    /// What holds for each of `len` things.
    pub fn of(len: usize, holds: impl Fn(usize) -> bool) -> Bits {
        let byte =
            |first: usize| (first..len.min(first + 8)).fold(0, |byte, at| byte | u8::from(holds(at)) << (at - first));
        Bits { bytes: (0..len).step_by(8).map(byte).collect(), len }
    }

    /// What holds for each of some things, which are looked at so many at a time: `look` says it of those of one chunk, from the
    /// lowest bit. Chunks have 64 things at most.
    pub fn of_chunks<T>(things: &[T], mut look: impl FnMut(&[T]) -> u64) -> Bits {
        let mut bytes = Vec::with_capacity(things.len().div_ceil(8) + 8);
        for chunk in things.chunks(CHUNK) {
            bytes.extend_from_slice(&look(chunk).to_le_bytes()[..chunk.len().div_ceil(8)]);
        }
        Bits { bytes, len: things.len() }
    }

    /// `len` bits from the wire; none if these are not that many.
    pub fn from_bytes(bytes: Vec<u8>, len: usize) -> Option<Bits> {
        let spare = bytes.len() * 8 - len.min(bytes.len() * 8);
        let fits =
            bytes.len() == len.div_ceil(8) && bytes.last().is_none_or(|last| last.leading_zeros() as usize >= spare);
        fits.then_some(Bits { bytes, len })
    }

    /// The bytes for the wire.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bit at a place; false beyond the last.
    #[inline]
    pub fn get(&self, at: usize) -> bool {
        self.bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether any is set.
    pub fn any(&self) -> bool {
        self.bytes.iter().any(|byte| *byte != 0)
    }

    /// The places of those that are set, ascending.
    pub fn ones(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len).filter(|at| self.get(*at))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_in_comes_out_and_over_the_wire(bits in proptest::collection::vec(any::<bool>(), 0..40)) {
            let made = Bits::of(bits.len(), |at| bits[at]);
            prop_assert!((0..bits.len()).all(|at| made.get(at) == bits[at]));
            prop_assert!(!made.get(bits.len()));
            let ones: Vec<usize> = bits.iter().enumerate().filter(|(_, bit)| **bit).map(|(at, _)| at).collect();
            prop_assert_eq!(made.ones().collect::<Vec<_>>(), ones);
            prop_assert_eq!(made.any(), bits.contains(&true));
            let bytes = made.clone().into_bytes();
            prop_assert_eq!(Bits::from_bytes(bytes.clone(), bits.len()), Some(made));
            prop_assert_eq!(Bits::from_bytes(bytes, bits.len() + 8), None);
        }
    }

    #[test]
    fn bits_beyond_the_last_are_refused() {
        assert!(Bits::from_bytes(vec![0b0000_0111], 3).is_some());
        assert!(Bits::from_bytes(vec![0b0000_1000], 3).is_none());
        assert!(Bits::from_bytes(vec![0xff, 0xff], 16).is_some());
        assert!(Bits::from_bytes(vec![], 0).is_some());
        assert!(Bits::from_bytes(vec![0], 0).is_none());
    }
}
