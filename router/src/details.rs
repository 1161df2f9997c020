//! What a status says beyond its message: `google.rpc.Status` in `grpc-status-details-bin`, as gRPC's clients expect it.

use dnc_proto::v1;
use prost::Message;
use tonic::Status;

/// The type of the details, as `google.rpc.Status` names it.
const FAILURE_TYPE: &str = "type.googleapis.com/dnc.v1.ImportFailure";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
struct Rich {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The same status with the details of a failed import.
pub fn with_failure(status: &Status, failure: &v1::ImportFailure) -> Status {
    let any = prost_types::Any { type_url: FAILURE_TYPE.into(), value: failure.encode_to_vec() };
    let rich = Rich { code: status.code() as i32, message: status.message().into(), details: vec![any] };
    Status::with_details(status.code(), status.message(), rich.encode_to_vec().into())
}

/// The details of a failed import, if the status has any.
pub fn failure_of(status: &Status) -> Option<v1::ImportFailure> {
    let rich = Rich::decode(status.details()).ok()?;
    let any = rich.details.into_iter().find(|any| any.type_url == FAILURE_TYPE)?;
    v1::ImportFailure::decode(any.value.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_come_back_out_of_a_status_and_others_are_none() {
        let plain = Status::failed_precondition("held");
        let failure = v1::ImportFailure { registry: "federal".into(), held_version: 7, ..Default::default() };
        let status = with_failure(&plain, &failure);
        assert_eq!((status.code(), status.message()), (plain.code(), "held"));
        assert_eq!(failure_of(&status), Some(failure));
        assert_eq!(failure_of(&plain), None);
    }
}
