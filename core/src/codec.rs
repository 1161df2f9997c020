//! The one place where values become bytes for logs, disks and snapshots.
//!
//! Every encoding begins with a version byte, so that a later format can be told from this one
//! (docs/adr/0005: bincode is no longer developed, and must stay replaceable).

use serde::Serialize;
use serde::de::DeserializeOwned;

/// First byte of everything that this module encodes. It changes with every change of an encoded
/// type that is not a variant appended to an enum: what an older program wrote is refused, not misread.
const VERSION: u8 = 3;

/// Longest value that [`decode`] accepts, in bytes: a length field that was damaged must not make us allocate more.
const MAX_BYTES: usize = 64 << 20;

/// Bytes that are not a value of the expected type.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Nothing to read.
    #[error("encoded value is empty")]
    Empty,
    /// Written by a version of the codec that this program does not know.
    #[error("encoded value has version {0}, known is {VERSION}")]
    UnknownVersion(u8),
    /// The bytes do not make a value.
    #[error("encoded value is damaged")]
    Damaged(#[source] bincode::error::DecodeError),
    /// The value was followed by bytes that do not belong to it.
    #[error("encoded value is followed by {0} stray bytes")]
    Trailing(usize),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_BYTES>()
}

/// Encodes a value. Equal values give equal bytes as long as they hold no hash maps.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, bincode::config::standard())
        .expect("writing to a Vec succeeds, and our types have no unserializable variants");
    bytes
}

/// Decodes what [`encode`] wrote.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (version, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if *version != VERSION {
        return Err(CodecError::UnknownVersion(*version));
    }
    let (value, read) = bincode::serde::decode_from_slice(body, config()).map_err(CodecError::Damaged)?;
    if read != body.len() {
        return Err(CodecError::Trailing(body.len() - read));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_the_round_trip() {
        let value = (7u64, String::from("x"), vec![1u16, 2, 3]);
        assert_eq!(decode::<(u64, String, Vec<u16>)>(&encode(&value)).expect("decodes"), value);
    }

    #[test]
    fn damage_is_an_error_and_not_a_panic() {
        let bytes = encode(&vec![1u64, 2, 3]);
        assert!(matches!(decode::<Vec<u64>>(&[]), Err(CodecError::Empty)));
        assert!(matches!(decode::<Vec<u64>>(&[9, 1]), Err(CodecError::UnknownVersion(9))));
        assert!(matches!(decode::<Vec<u64>>(&bytes[..bytes.len() - 1]), Err(CodecError::Damaged(_))));
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(decode::<Vec<u64>>(&longer), Err(CodecError::Trailing(1))));
    }

    #[test]
    fn a_damaged_length_does_not_allocate() {
        // A text that claims 2^46 bytes: read all at once, unlike a list.
        let mut bytes = vec![VERSION, 253];
        bytes.extend_from_slice(&(1u64 << 46).to_le_bytes());
        assert!(matches!(decode::<String>(&bytes), Err(CodecError::Damaged(_))));
    }
}
