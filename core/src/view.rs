//! The view: the part of a catalog that judges checks, prepared for the hot path.
//!
//! A view changes only when something that can change a verdict changes; its revision is the
//! catalog's revision at that moment. All numbers of one check are judged by one view, on all shards.

use crate::catalog::Catalog;
use crate::ids::{RegistryId, VersionId};
use crate::registry::{Coverage, RegistryKind};

/// What judges checks.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct View {
    /// Catalog revision at which it came to be.
    pub revision: u64,
    /// All registries, ordered by id.
    pub registries: Vec<ViewRegistry>,
}

/// One registry in a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewRegistry {
    /// Its number.
    pub id: RegistryId,
    /// Its name.
    pub name: String,
    /// Whose numbers it holds.
    pub kind: RegistryKind,
    /// Days that its lists may be old.
    pub max_age_days: u16,
    /// The active version of a bulk registry, if it has one.
    pub active: Option<ActiveVersion>,
}

/// The version of a registry that answers checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveVersion {
    /// Which.
    pub id: VersionId,
    /// What it speaks for.
    pub coverage: Coverage,
}

// === impl View ===

impl View {
    /// The view of a catalog.
    pub fn of(catalog: &Catalog) -> View {
        let registries = catalog
            .registries
            .values()
            .map(|registry| ViewRegistry {
                id: registry.id,
                name: registry.name.clone(),
                kind: registry.kind,
                max_age_days: registry.max_age_days,
                active: registry
                    .active_version()
                    .map(|(id, coverage, _)| ActiveVersion { id, coverage: coverage.clone() }),
            })
            .collect();
        View { revision: catalog.view_revision, registries }
    }

    /// Finds a registry by its number.
    pub fn registry(&self, id: RegistryId) -> Option<&ViewRegistry> {
        self.registries.binary_search_by_key(&id, |registry| registry.id).ok().map(|at| &self.registries[at])
    }

    /// The bulk versions that a node needs to answer by this view.
    pub fn versions(&self) -> impl Iterator<Item = (RegistryId, VersionId)> + '_ {
        self.registries.iter().filter_map(|registry| Some((registry.id, registry.active.as_ref()?.id)))
    }
}
