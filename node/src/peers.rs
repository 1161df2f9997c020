//! Where the other nodes are: the catalog says, and may say otherwise tomorrow.

use dnc_consensus::Peers;
use dnc_meta::CatalogCache;

/// Looks addresses up in the catalog, each time anew.
pub struct CatalogPeers(pub CatalogCache);

impl Peers for CatalogPeers {
    fn address(&self, node: dnc_consensus::NodeId) -> Option<String> {
        let known = self.0.get();
        Some(known.catalog.nodes.get(&node)?.addresses.raft.clone())
    }
}
