//! Answers of which most is encoded already.

use prost::bytes::{Buf, BufMut, Bytes};
use prost::encoding::{DecodeContext, WireType};
use prost::{DecodeError, Message};

use crate::v1;

/// A [`v1::CheckResponse`] on its way out: what many answers share, encoded once, and what is this one's own. On the wire it is one
/// message, because messages that are put one behind the other are one message ("Protocol Buffers Encoding", Last One Wins).
/// The two have no field in common: what is in both would be added up, and a field that has its default takes nothing away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreparedResponse {
    /// The fields that it shares with others, encoded.
    pub shared: Bytes,
    /// Its own: the number, revision and time, its correlation id; or all of a message that shares nothing.
    pub own: v1::CheckResponse,
}

// === impl PreparedResponse ===

impl PreparedResponse {
    /// The message that whoever reads it sees, for whoever needs it without a wire.
    pub fn into_message(self) -> Result<v1::CheckResponse, DecodeError> {
        let mut message = v1::CheckResponse::decode(self.shared)?;
        message.merge(&*self.own.encode_to_vec())?;
        Ok(message)
    }
}

impl From<v1::CheckResponse> for PreparedResponse {
    fn from(own: v1::CheckResponse) -> Self {
        Self { shared: Bytes::new(), own }
    }
}

impl Message for PreparedResponse {
    fn encode_raw(&self, buffer: &mut impl BufMut) {
        buffer.put_slice(&self.shared);
        self.own.encode_raw(buffer);
    }

    fn encoded_len(&self) -> usize {
        self.shared.len() + self.own.encoded_len()
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buffer: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        self.own.merge_field(tag, wire_type, buffer, context)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_it_sees_one_message() {
        let shared = v1::CheckResponse {
            verdict: v1::Verdict::Listed.into(),
            reasons: vec![v1::Reason::FederalDncRegistry.into()],
            evidence: vec![v1::Evidence { registry: "federal".into(), listed: true, ..v1::Evidence::default() }],
            ..v1::CheckResponse::default()
        };
        let own =
            v1::CheckResponse { phone_number: "+12015550100".into(), revision: 7, ..v1::CheckResponse::default() };
        let whole = v1::CheckResponse { phone_number: own.phone_number.clone(), revision: 7, ..shared.clone() };
        let prepared = PreparedResponse { shared: shared.encode_to_vec().into(), own };
        let sent = prepared.encode_to_vec();
        assert_eq!(sent.len(), prepared.encoded_len());
        assert_eq!(v1::CheckResponse::decode(&*sent), Ok(whole.clone()));
        assert_eq!(prepared.into_message(), Ok(whole));
    }

    #[test]
    fn it_can_be_read_as_it_was_sent() {
        let own =
            v1::CheckResponse { phone_number: "+12015550100".into(), may_call: true, ..v1::CheckResponse::default() };
        let read = PreparedResponse::decode(&*PreparedResponse::from(own.clone()).encode_to_vec());
        assert_eq!(read, Ok(PreparedResponse::from(own)));
    }
}
