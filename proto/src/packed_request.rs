//! Requests of which the numbers are read at once.

use prost::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, decode_varint};
use prost::{DecodeError, Message};

use crate::v1;

/// The field of the numbers.
const NUMBERS: u32 = 1;
/// Bytes of a number.
const BYTES: usize = 8;

/// A [`v1::PackedCheckRequest`] as a server reads it. What is generated takes a packed field in one by one, which costs more than
/// looking some of the numbers up does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackedRequest(pub v1::PackedCheckRequest);

// === impl PackedRequest ===

impl Message for PackedRequest {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        self.0.encode_raw(buffer);
    }

    fn encoded_len(&self) -> usize {
        self.0.encoded_len()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        if tag != NUMBERS || wire_type != WireType::LengthDelimited {
            return self.0.merge_field(tag, wire_type, buffer, context);
        }
        let length = decode_varint(buffer)?;
        let whole = |length: &usize| length.is_multiple_of(BYTES) && *length <= buffer.remaining();
        let length = usize::try_from(length).ok().filter(whole).ok_or_else(malformed)?;
        let bytes = buffer.copy_to_bytes(length);
        let (numbers, _) = bytes.as_chunks::<BYTES>();
        self.0.numbers.extend(numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)));
        Ok(())
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// The error of the field's own decoder, for bytes that are not some whole numbers.
fn malformed() -> DecodeError {
    let cut: &[u8] = &[0x0a, 1, 0];
    v1::PackedCheckRequest::decode(cut).expect_err("a number has eight bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of the numbers with these bytes.
    fn field(bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).expect("short");
        [&[0x0a, length], bytes].concat()
    }

    #[test]
    fn it_reads_what_the_generated_message_reads() {
        let packed = v1::PackedCheckRequest {
            numbers: vec![12_015_550_100, 0, u64::MAX],
            call_id: "c".into(),
            ..v1::PackedCheckRequest::default()
        };
        // A field may also come in several parts, and its numbers one by one.
        let one_by_one = [&[0x09], &7u64.to_le_bytes()[..]].concat();
        let parts = [field(&1u64.to_le_bytes()), one_by_one, field(&[]), packed.encode_to_vec()].concat();
        for sent in [packed.encode_to_vec(), parts, vec![]] {
            let read = PackedRequest::decode(&*sent).expect("reads");
            assert_eq!(Ok(read.0.clone()), v1::PackedCheckRequest::decode(&*sent));
            assert_eq!(read.encode_to_vec().len(), read.encoded_len());
        }
    }

    #[test]
    fn what_is_cut_short_is_refused() {
        let cut = [vec![0x0a, 16, 1, 2, 3], field(&[0; 12]), vec![0x0a], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]];
        for sent in cut {
            assert!(v1::PackedCheckRequest::decode(&*sent).is_err());
            assert!(PackedRequest::decode(&*sent).is_err());
        }
    }
}
