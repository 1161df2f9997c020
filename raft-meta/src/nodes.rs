//! Calls to nodes, alike for routers and for the meta leader: how a connection is opened, and what every request names.

use std::sync::Arc;
use std::time::Duration;

use dnc_core::catalog::Catalog;
use dnc_core::ids::NodeId;
use dnc_proto::internal::node_service_client::NodeServiceClient;
use dnc_proto::{CLUSTER_KEY, NODE_KEY};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Status};

use crate::client::cluster_text;
pub use crate::line::Line;

/// How a line to an address is made.
pub type Dial = Arc<dyn Fn(&str) -> Result<Line, Status> + Send + Sync>;

/// Makes lines over TCP.
pub fn tcp() -> Dial {
    Arc::new(connect)
}

/// How long opening a connection may take.
const CONNECT: Duration = Duration::from_millis(500);
/// Largest message, as on the nodes' side.
const MAX_MESSAGE: usize = 16 << 20;

/// Opens a connection when it is first used, and again whenever it breaks; the name is resolved each time.
#[allow(clippy::result_large_err)] // tonic's own error type.
pub fn connect(address: &str) -> Result<Line, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::unavailable(format!("address {address}: {error}")))?;
    Ok(endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(Duration::from_secs(2))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .connect_lazy()
        .into())
}

/// A client on a line.
pub fn client(line: Line) -> NodeServiceClient<Line> {
    NodeServiceClient::new(line).max_decoding_message_size(MAX_MESSAGE).max_encoding_message_size(MAX_MESSAGE)
}

/// A request that names its cluster, the node that it is meant for, and its time limit.
pub fn request<T>(catalog: &Catalog, node: NodeId, message: T, limit: Duration) -> Request<T> {
    addressed(catalog.founding.as_ref().map(|founding| founding.cluster), node, message, limit)
}

/// The same for whoever knows the cluster's id; without it the request names none.
pub fn addressed<T>(cluster: Option<u128>, node: NodeId, message: T, limit: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(NODE_KEY, AsciiMetadataValue::from(node));
    if let Some(cluster) = cluster {
        let value = AsciiMetadataValue::try_from(cluster_text(cluster)).expect("hexadecimal is ASCII");
        request.metadata_mut().insert(CLUSTER_KEY, value);
    }
    request.set_timeout(limit);
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use dnc_core::catalog::Founding;

    #[test]
    fn a_request_names_the_cluster_and_the_node_that_it_is_meant_for() {
        let founding = Founding { cluster: 10, log_key: [0; 32], shards: 1, replication: 3, initial_nodes: 3 };
        let catalog = Catalog { founding: Some(founding), ..Catalog::default() };
        let request = request(&catalog, 42, (), Duration::from_secs(1));
        assert_eq!(request.metadata().get(NODE_KEY).expect("named"), "42");
        assert_eq!(request.metadata().get(CLUSTER_KEY).expect("named"), "0000000000000000000000000000000a");
    }
}
