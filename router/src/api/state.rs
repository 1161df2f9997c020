//! What both APIs stand on.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::checks::Checks;
use crate::admission::Admission;
use crate::backup::Backups;
use crate::cluster::Cluster;
use crate::exempt::Exemptions;
use crate::import::Imports;
use crate::operate::Operators;
use crate::options::Options;
use crate::registries::Registries;
use crate::report::Reports;
use crate::report::counting::Counting;
use crate::rules::Rules;
use crate::secrets::Secrets;
use crate::suppress::Suppressions;
use crate::sync::Syncs;
use crate::tenants::Tenants;

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
    /// Tenants.
    pub tenants: Tenants<C>,
    /// Rules.
    pub rules: Rules<C>,
    /// Imports.
    pub imports: Imports<C>,
    /// What was checked, and what is held.
    pub reports: Reports<C>,
    /// What operators see and do.
    pub operators: Operators<C>,
    /// Backups.
    pub backups: Backups<C>,
    /// Counts for the reports.
    pub counting: Counting,
    /// What is taken in at once.
    pub admission: Admission,
    /// Syncs.
    pub syncs: Syncs<C>,
    /// Limits.
    pub options: Arc<Options>,
    /// Says that the router stops: what could go on for long ends.
    pub stop: CancellationToken,
}

// === impl State ===

impl<C: Cluster> State<C> {
    /// The rooms over this cluster, until `stop`.
    pub fn new(cluster: C, options: Arc<Options>, stop: CancellationToken) -> Self {
        let counting = Counting::default();
        let imports = Imports::new(cluster.clone(), Arc::clone(&options), stop.clone());
        let (secrets, ended) = (Secrets::default(), stop.clone());
        let syncs = Syncs::new(cluster.clone(), imports.clone(), Arc::clone(&options), secrets.clone(), ended);
        Self {
            checks: Checks::new(cluster.clone(), options.deadline()).counted_by(counting.clone()),
            reports: Reports::new(cluster.clone(), counting.clone(), options.write_deadline()),
            admission: Admission::new(&options, cluster.clone()),
            suppressions: Suppressions::new(cluster.clone(), options.write_deadline()).counted_by(counting.clone()),
            registries: Registries::new(cluster.clone(), secrets),
            tenants: Tenants::new(cluster.clone()),
            rules: Rules::new(cluster.clone()),
            operators: Operators::new(cluster.clone()),
            backups: Backups::new(cluster.clone(), Arc::clone(&options), stop.clone()),
            counting,
            exemptions: Exemptions::new(cluster.clone(), options.write_deadline()),
            imports,
            syncs,
            cluster,
            options,
            stop,
        }
    }

    /// The same rooms, with what seals and opens keys of providers.
    pub fn with_secrets(self, secrets: Secrets) -> Self {
        let registries = Registries::new(self.cluster.clone(), secrets.clone());
        let syncs = self.syncs.clone().with_secrets(secrets);
        Self { registries, syncs, ..self }
    }

    /// The same rooms, of a router that listens there.
    pub fn on_router(self, address: &str) -> Self {
        Self { syncs: self.syncs.clone().on_router(address), ..self }
    }
}
