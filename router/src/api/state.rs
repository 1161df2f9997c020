//! What both APIs stand on.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::checks::Checks;
use crate::cluster::Cluster;
use crate::exempt::Exemptions;
use crate::import::Imports;
use crate::options::Options;
use crate::registries::Registries;
use crate::suppress::Suppressions;

/// The rooms that answer requests. Clones share them.
#[derive(Clone)]
pub struct State<C> {
    /// The cluster below.
    pub cluster: C,
    /// Checks.
    pub checks: Checks<C>,
    /// Opt-outs.
    pub suppressions: Suppressions<C>,
    /// Exemptions.
    pub exemptions: Exemptions<C>,
    /// Registries.
    pub registries: Registries<C>,
    /// Imports.
    pub imports: Imports<C>,
    /// Limits.
    pub options: Arc<Options>,
    /// Says that the router stops: what could go on for long ends.
    pub stop: CancellationToken,
}

// === impl State ===

impl<C: Cluster> State<C> {
    /// The rooms over this cluster, until `stop`.
    pub fn new(cluster: C, options: Arc<Options>, stop: CancellationToken) -> Self {
        Self {
            checks: Checks::new(cluster.clone(), options.deadline()),
            suppressions: Suppressions::new(cluster.clone(), options.write_deadline()),
            exemptions: Exemptions::new(cluster.clone(), options.write_deadline()),
            registries: Registries::new(cluster.clone()),
            imports: Imports::new(cluster.clone(), Arc::clone(&options), stop.clone()),
            cluster,
            options,
            stop,
        }
    }
}
