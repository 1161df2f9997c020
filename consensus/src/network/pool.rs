//! Connections to the other processes: one per peer and purpose, shared by all groups.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};

use crate::config::{HostOptions, MESSAGE_BYTES_MAX};
use crate::network::identity::{Envelope, is_answer_of_peer};
use crate::network::throttle::Throttle;
use crate::network::wire::raft_client::RaftClient;
use crate::types::{ClusterId, GroupId, NodeId};

/// Where other processes are.
pub trait Peers: Send + Sync + 'static {
    /// The "host:port" of a process's Raft listener, if it is known. Asked when a connection is
    /// opened, so again after each failure.
    fn address(&self, node: NodeId) -> Option<String>;
}

/// What a connection is for. Each purpose has its own, so that heartbeats wait neither for appends
/// nor for snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Heartbeats and votes: small, and late is wrong.
    Control,
    /// Log entries.
    Append,
    /// Snapshots.
    Snapshot,
}

/// A group, and which generation of it speaks.
pub(crate) type GroupGeneration = (GroupId, u64);

/// All connections of this process.
pub(crate) struct Pool {
    pub(crate) cluster: ClusterId,
    pub(crate) me: NodeId,
    pub(crate) options: HostOptions,
    pub(crate) throttle: Arc<Throttle>,
    peers: Arc<dyn Peers>,
    lines: Mutex<HashMap<(NodeId, Purpose), Line>>,
}

/// A connection, or when to try again.
enum Line {
    Open { channel: Channel, number: u64 },
    Down { until: Instant, number: u64 },
}

/// A connection as it was handed out.
pub(crate) struct Loan {
    pub(crate) client: RaftClient<Channel>,
    to: NodeId,
    purpose: Purpose,
    number: u64,
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(cluster: ClusterId, me: NodeId, options: HostOptions, peers: Arc<dyn Peers>) -> Self {
        let throttle = Arc::new(Throttle::new());
        Self { cluster, me, options, throttle, peers, lines: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn envelope(&self, to: NodeId, (group, generation): GroupGeneration) -> Envelope {
        Envelope { cluster: self.cluster, from: self.me, to, group, generation }
    }

    /// The connection to a peer. It is opened by its first call; an error says why it cannot be now.
    pub(crate) fn get(&self, to: NodeId, purpose: Purpose) -> Result<Loan, String> {
        let mut lines = self.lines.lock();
        let number = match lines.get(&(to, purpose)) {
            Some(Line::Open { channel, number }) => {
                return Ok(self.lend(channel.clone(), to, purpose, *number));
            }
            Some(Line::Down { until, .. }) if *until > Instant::now() => {
                return Err(format!("the connection to node {to} has just failed"));
            }
            Some(Line::Down { number, .. }) => number + 1,
            None => 0,
        };
        let address = self.peers.address(to).ok_or_else(|| format!("the address of node {to} is not known"))?;
        let channel = self.connect(&address)?;
        lines.insert((to, purpose), Line::Open { channel: channel.clone(), number });
        Ok(self.lend(channel, to, purpose, number))
    }

    fn lend(&self, channel: Channel, to: NodeId, purpose: Purpose, number: u64) -> Loan {
        let client = RaftClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        Loan { client, to, purpose, number }
    }

    fn connect(&self, address: &str) -> Result<Channel, String> {
        let millis = Duration::from_millis;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| format!("the address {address} is not valid: {error}"))?
            .connect_timeout(millis(self.options.connect_ms))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(millis(self.options.keepalive_ms))
            .keep_alive_timeout(millis(self.options.keepalive_ms))
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Ok(endpoint.connect_lazy())
    }

    /// A call on this connection ended with an error.
    pub(crate) fn failed(&self, loan: &Loan, status: &tonic::Status) {
        if is_answer_of_peer(status.code()) {
            return;
        }
        let mut lines = self.lines.lock();
        // Many groups notice the same failure, and only the first counts.
        if let Some(line) = lines.get_mut(&(loan.to, loan.purpose))
            && matches!(line, Line::Open { number, .. } if *number == loan.number)
        {
            let until = Instant::now() + Duration::from_millis(self.options.reconnect_ms);
            *line = Line::Down { until, number: loan.number };
        }
    }
}

/// Bytes that may be on their way on one stream before the receiver has taken them.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 2 << 20;

/// The same for all streams of a connection: one group that is slow must not hold up the others.
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Peers for Counted {
        fn address(&self, node: NodeId) -> Option<String> {
            self.0.fetch_add(1, Ordering::SeqCst);
            (node == 2).then(|| "127.0.0.1:1".to_owned())
        }
    }

    #[tokio::test]
    async fn a_failed_connection_is_resolved_again_once_and_not_at_once() {
        let peers = Arc::new(Counted::default());
        let options = HostOptions { reconnect_ms: 20, ..HostOptions::default() };
        let pool = Pool::new(ClusterId(1), 1, options, peers.clone());
        let first = pool.get(2, Purpose::Control).expect("lazy");
        let second = pool.get(2, Purpose::Control).expect("lazy");
        assert_eq!(peers.0.load(Ordering::SeqCst), 1);

        pool.failed(&first, &tonic::Status::not_found("no such group"));
        pool.get(2, Purpose::Control).expect("the peer itself has answered");

        let before = Instant::now();
        pool.failed(&first, &tonic::Status::unavailable("gone"));
        while pool.get(2, Purpose::Control).is_err() {
            tokio::task::yield_now().await;
        }
        assert!(before.elapsed() >= Duration::from_millis(20));
        assert_eq!(peers.0.load(Ordering::SeqCst), 2);

        pool.failed(&second, &tonic::Status::unavailable("gone"));
        pool.get(2, Purpose::Control).expect("an old failure says nothing of the new connection");
    }

    #[tokio::test]
    async fn an_unknown_peer_has_no_connection() {
        let pool = Pool::new(ClusterId(1), 1, HostOptions::default(), Arc::new(Counted::default()));
        assert!(pool.get(3, Purpose::Append).err().is_some_and(|reason| reason.contains("node 3")));
    }
}
