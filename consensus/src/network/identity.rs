//! Every call says from which cluster and node it comes, and which node, group and generation of the group it is for.
//!
//! An address may have been given to another process since it was looked up, and a process may have
//! been started with another cluster's data. Such calls are refused before anything is read from them.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::{Code, Status};

use crate::types::{ClusterId, GroupId, NodeId};

const CLUSTER: &str = "dnc-cluster";
const FROM: &str = "dnc-from";
const TO: &str = "dnc-to";
const GROUP: &str = "dnc-group";
const GENERATION: &str = "dnc-generation";

/// The envelope of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Envelope {
    pub(crate) cluster: ClusterId,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) group: GroupId,
    /// Of the group, at the sender's.
    pub(crate) generation: u64,
}

// === impl Envelope ===

impl Envelope {
    /// Puts a message into this envelope.
    pub(crate) fn seal<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let metadata = request.metadata_mut();
        let cluster = self.cluster.to_string();
        metadata.insert(CLUSTER, cluster.parse().expect("hexadecimal digits are ascii"));
        metadata.insert(FROM, AsciiMetadataValue::from(self.from));
        metadata.insert(TO, AsciiMetadataValue::from(self.to));
        metadata.insert(GROUP, AsciiMetadataValue::from(self.group.0));
        metadata.insert(GENERATION, AsciiMetadataValue::from(self.generation));
        request
    }

    /// Reads the envelope of a call that arrived at node `me` of `cluster`, or refuses it.
    pub(crate) fn open(metadata: &MetadataMap, cluster: ClusterId, me: NodeId) -> Result<Self, Status> {
        let envelope = Self {
            cluster: field(metadata, CLUSTER)?,
            from: field(metadata, FROM)?,
            to: field(metadata, TO)?,
            group: GroupId(field(metadata, GROUP)?),
            generation: field(metadata, GENERATION)?,
        };
        if envelope.cluster != cluster {
            let theirs = envelope.cluster;
            return Err(Status::failed_precondition(format!(
                "this node belongs to cluster {cluster}, the call is for cluster {theirs}"
            )));
        }
        if envelope.to != me {
            let meant = envelope.to;
            return Err(Status::failed_precondition(format!("this is node {me}, the call is for node {meant}")));
        }
        Ok(envelope)
    }
}

fn field<T: std::str::FromStr>(metadata: &MetadataMap, name: &str) -> Result<T, Status> {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Status::failed_precondition(format!("the call has no valid {name}")))
}

/// The peer was reached and is the right one, but could not do what was asked. After any other
/// error the connection is given up, and the peer's address is asked for again.
pub(crate) fn is_answer_of_peer(code: Code) -> bool {
    matches!(code, Code::NotFound | Code::Aborted | Code::InvalidArgument)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ClusterId = ClusterId(7);

    fn envelope() -> Envelope {
        Envelope { cluster: HERE, from: 1, to: 2, group: GroupId(3), generation: 4 }
    }

    #[test]
    fn an_envelope_survives_the_metadata() {
        let sealed = envelope().seal(());
        assert_eq!(Envelope::open(sealed.metadata(), HERE, 2).expect("open"), envelope());
    }

    #[test]
    fn a_call_from_another_cluster_is_refused_with_both_ids() {
        let sealed = envelope().seal(());
        let refused = Envelope::open(sealed.metadata(), ClusterId(8), 2).expect_err("refused");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(&HERE.to_string()));
        assert!(refused.message().contains(&ClusterId(8).to_string()));
    }

    #[test]
    fn a_call_for_another_node_is_refused_with_both_ids() {
        let sealed = envelope().seal(());
        let refused = Envelope::open(sealed.metadata(), HERE, 9).expect_err("refused");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(refused.message(), "this is node 9, the call is for node 2");
    }

    #[test]
    fn a_call_without_an_envelope_is_refused() {
        let refused = Envelope::open(&MetadataMap::new(), HERE, 2).expect_err("refused");
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().contains(CLUSTER));
    }
}
