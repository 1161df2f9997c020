//! The one place that turns values into bytes and back: a version byte, then bincode.
//!
//! Everything that this crate stores or sends passes through here, so a later encoding can be told
//! from this one by its first byte.

use bincode::config::{Configuration, Limit, LittleEndian, Varint, standard};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The encoding described above.
const VERSION: u8 = 1;

/// Most that a decoded value may claim to take, bytes: far more than any message or log entry has, and
/// little enough that a forged length cannot make a process ask for memory that is not there.
const MAX_BYTES: usize = 64 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_BYTES>> = standard().with_limit::<MAX_BYTES>();

/// Bytes that are not a value of the expected kind.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// There is nothing, not even a version.
    #[error("no bytes to decode")]
    Empty,
    /// Written by another release.
    #[error("encoding version {0} is unknown, this release knows version {VERSION}")]
    Version(u8),
    /// The bytes do not fit the type.
    #[error("decode a value")]
    Malformed(#[source] bincode::error::DecodeError),
    /// Bytes are left over after the value.
    #[error("{0} bytes are left over after the value")]
    Trailing(usize),
}

/// Encodes a value. The types of this crate always can be.
pub(crate) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    bincode::serde::encode_into_std_write(value, &mut bytes, CONFIG)
        .expect("no type of this crate refuses to be encoded, and memory takes every byte");
    bytes
}

/// Decodes what [`encode`] made.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (version, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if *version != VERSION {
        return Err(CodecError::Version(*version));
    }
    let (value, used) = bincode::serde::decode_from_slice(body, CONFIG).map_err(CodecError::Malformed)?;
    if used != body.len() {
        return Err(CodecError::Trailing(body.len() - used));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use openraft::raft::{AppendEntriesRequest, StreamAppendError, StreamAppendResult, VoteRequest};
    use openraft::{EmptyNode, EntryPayload};

    use super::*;
    use crate::raft_types::{Command, Entry, LogId, SnapshotMeta, StoredMembership, Types, Vote, log_id};
    use crate::types::LogPosition;

    fn at(term: u64, index: u64) -> LogId {
        log_id(LogPosition { term, index })
    }

    #[test]
    fn a_leadership_transfer_stays_one_on_the_wire() {
        let mut request = VoteRequest::<Types>::new(Vote::new(7, 3), Some(at(6, 41)));
        request.leadership_transfer = true;
        let back: VoteRequest<Types> = decode(&encode(&request)).expect("decode");
        assert_eq!(back, request);
    }

    #[test]
    fn entries_of_every_kind_survive() {
        let membership = openraft::Membership::new_with_defaults(vec![BTreeSet::from([1, 2, 3])], BTreeSet::from([4]));
        let entries = vec![
            Entry { log_id: at(1, 0), payload: EntryPayload::Membership(membership.clone()) },
            Entry { log_id: at(2, 1), payload: EntryPayload::Blank },
            Entry { log_id: at(2, 2), payload: EntryPayload::Normal(Command(vec![0, 255, 7])) },
        ];
        let request = AppendEntriesRequest::<Types> {
            vote: Vote::new_committed(2, 1),
            prev_log_id: None,
            entries: entries.clone(),
            leader_commit: Some(at(1, 0)),
        };
        let back: AppendEntriesRequest<Types> = decode(&encode(&request)).expect("decode");
        assert_eq!(back.entries, entries);
        assert_eq!(back.leader_commit, request.leader_commit);

        let meta = SnapshotMeta {
            last_log_id: Some(at(2, 2)),
            last_membership: StoredMembership::new(Some(at(1, 0)), membership),
        };
        let back: SnapshotMeta = decode(&encode(&meta)).expect("decode");
        assert_eq!(back, meta);
        let _: EmptyNode = decode(&encode(&EmptyNode {})).expect("decode");
    }

    #[test]
    fn an_append_result_survives() {
        let results: [StreamAppendResult<Types>; 3] = [
            Ok(Some(at(3, 9))),
            Err(StreamAppendError::Conflict(at(3, 8))),
            Err(StreamAppendError::HigherVote(Vote::new(9, 2))),
        ];
        for result in results {
            let back: StreamAppendResult<Types> = decode(&encode(&result)).expect("decode");
            assert_eq!(back, result);
        }
    }

    #[test]
    fn a_forged_length_is_refused_before_memory_is_asked_for() {
        // A run of bytes that claims to have 2^46 of them.
        let mut forged = vec![VERSION, 253];
        forged.extend_from_slice(&(1u64 << 46).to_le_bytes());
        assert!(matches!(decode::<Command>(&forged), Err(CodecError::Malformed(_))));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let good = encode(&Vote::new(1, 1));
        let mut other = good.clone();
        other[0] = 9;
        let mut long = good.clone();
        long.push(0);
        assert!(matches!(decode::<Vote>(&[]), Err(CodecError::Empty)));
        assert!(matches!(decode::<Vote>(&other), Err(CodecError::Version(9))));
        assert!(matches!(decode::<Vote>(&long), Err(CodecError::Trailing(1))));
        assert!(matches!(decode::<Vote>(&good[..1]), Err(CodecError::Malformed(_))));
    }
}
