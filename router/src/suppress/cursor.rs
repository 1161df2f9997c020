//! Where a search goes on: opaque to callers, and good for the same search only.
//!
//! It carries the place of the last entry, which a shard takes as it is; so it is authenticated
//! under the cluster's key, together with the search that it belongs to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::failure::Invalid;

/// Bytes of the tag.
const TAG: usize = 16;

/// Longest cursor that is read, in characters.
const MAX_CHARS: usize = 16_384;

/// Where a search stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The range of numbers that it is in.
    pub range: u8,
    /// The place of the last entry.
    pub place: Vec<u8>,
}

// === impl Cursor ===

impl Cursor {
    /// As text, for this search. All routers of the cluster have the key.
    pub fn write(&self, key: &[u8; 32], search: &[u8]) -> String {
        let mut bytes = tag(key, search, self.range, &self.place).to_vec();
        bytes.push(self.range);
        bytes.extend_from_slice(&self.place);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::write`] wrote for the same search.
    pub fn read(text: &str, key: &[u8; 32], search: &[u8]) -> Result<Cursor, Invalid> {
        let bad = || Invalid::new("cursor", "is not one that this search gave");
        if text.len() > MAX_CHARS {
            return Err(bad());
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
        let (given, rest) = bytes.split_at_checked(TAG).ok_or_else(bad)?;
        let (range, place) = rest.split_first().ok_or_else(bad)?;
        mac(key, search, *range, place).verify_truncated_left(given).map_err(|_| bad())?;
        Ok(Cursor { range: *range, place: place.to_vec() })
    }
}

fn tag(key: &[u8; 32], search: &[u8], range: u8, place: &[u8]) -> [u8; TAG] {
    let full = mac(key, search, range, place).finalize().into_bytes();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&full[..TAG]);
    tag
}

fn mac(key: &[u8; 32], search: &[u8], range: u8, place: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"search cursor 1");
    mac.update(&(search.len() as u64).to_be_bytes());
    mac.update(search);
    mac.update(&[range]);
    mac.update(place);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_for_its_own_search_and_under_its_own_key_only() {
        let cursor = Cursor { range: 3, place: vec![1, 2, 3] };
        let (key, other) = ([1; 32], [2; 32]);
        let text = cursor.write(&key, b"search");
        assert_eq!(Cursor::read(&text, &key, b"search"), Ok(cursor));
        assert!(Cursor::read(&text, &key, b"searching").is_err());
        assert!(Cursor::read(&text, &other, b"search").is_err());
    }

    #[test]
    fn a_cursor_that_was_changed_is_refused() {
        let (key, cursor) = ([1; 32], Cursor { range: 0, place: vec![9; 20] });
        let text = cursor.write(&key, b"s");
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(Cursor::read(&changed, &key, b"s").is_err(), "at {at}");
        }
        for bad in ["", "?", "AAAA", &"A".repeat(MAX_CHARS + 1)] {
            assert!(Cursor::read(bad, &key, b"s").is_err());
        }
    }
}
