//! The catalog as this voter has applied it, and the changes as they come, for whoever watches.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dnc_core::catalog::Catalog;
use dnc_proto::internal::CatalogChange;
use tokio::sync::{broadcast, watch};

use crate::feed::Feed;

/// Changes kept for watchers that are behind. One that is further behind gets a snapshot instead.
const CHANGES_KEPT: usize = 256;

/// Where the machine publishes, after the catalog is on disk.
pub struct Board {
    catalog: ArcSwap<Catalog>,
    /// The catalog's revision, for those who wait for it to change.
    revision: watch::Sender<u64>,
    notes: broadcast::Sender<Note>,
    /// This voter's id, as the metrics name it: one process can hold several voters.
    voter: String,
}

/// What happened to the catalog.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// One change.
    Changed(Arc<CatalogChange>),
    /// It was loaded as a whole: from disk, or from another voter's snapshot.
    Replaced,
}

// === impl Board ===

impl Board {
    /// Nothing decided yet. `voter` is how the metrics name this voter.
    pub fn new(voter: u64) -> Self {
        Self::with_capacity(voter, CHANGES_KEPT)
    }

    pub(crate) fn with_capacity(voter: u64, changes_kept: usize) -> Self {
        Self {
            catalog: ArcSwap::default(),
            revision: watch::Sender::new(0),
            notes: broadcast::Sender::new(changes_kept),
            voter: voter.to_string(),
        }
    }

    /// The newest catalog.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.catalog.load_full()
    }

    /// Publishes the catalog that one change made. Called by the machine alone, one at a time.
    pub(crate) fn publish(&self, catalog: Catalog, change: Vec<u8>) {
        let from_revision = self.catalog.load().revision;
        self.show(catalog);
        let note = Note::Changed(Arc::new(CatalogChange { from_revision, change }));
        // Nobody may be watching.
        let _ = self.notes.send(note);
    }

    /// Publishes a catalog that was loaded as a whole.
    pub(crate) fn replace(&self, catalog: Catalog) {
        self.show(catalog);
        let _ = self.notes.send(Note::Replaced);
    }

    /// Before the notes go out: a watcher that subscribes in between sees the change in its snapshot.
    fn show(&self, catalog: Catalog) {
        let revision = catalog.revision;
        self.count(&catalog);
        self.catalog.store(Arc::new(catalog));
        self.revision.send_replace(revision);
        metrics::gauge!("dnc_catalog_revision", "voter" => self.voter.clone()).set(revision as f64);
    }

    /// What there should be, to be held against what nodes say there is.
    fn count(&self, catalog: &Catalog) {
        let gauge = |name: &'static str, value: usize| {
            metrics::gauge!(name, "voter" => self.voter.clone()).set(value as f64);
        };
        gauge("dnc_catalog_nodes", catalog.nodes.len());
        gauge("dnc_catalog_shards", catalog.shard_map.replicas.len());
        // Also those that a recovered shard lacks yet.
        gauge("dnc_catalog_replicas", catalog.places().iter().map(Vec::len).sum());
        gauge("dnc_catalog_recoveries", catalog.recoveries.past.len());
    }

    /// What a watcher that has `revision` gets from here on.
    pub(crate) fn feed(self: &Arc<Self>, revision: u64) -> Feed {
        Feed::new(Arc::clone(self), self.notes.subscribe(), revision)
    }

    /// Wakes when the catalog changes.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// This voter's id, as the metrics name it.
    pub(crate) fn voter(&self) -> &str {
        &self.voter
    }
}
