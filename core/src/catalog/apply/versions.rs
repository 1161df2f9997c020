//! Versions: begun, sealed, made active, given up, forgotten.

use std::collections::BTreeSet;

use crate::catalog::{Catalog, Decision, Refusal};
use crate::ids::{RegistryId, VersionId};
use crate::registry::{Content, Registry, Version, VersionState};

/// Versions that a registry may have in the making at once.
const MAX_STAGING: usize = 8;

impl Catalog {
    pub(super) fn begin_version(&mut self, id: RegistryId, load: u128, now_ms: u64) -> Result<Decision, Refusal> {
        let revision = self.revision;
        let registry = self.bulk(id)?;
        if registry.retired {
            return Err(Refusal::Retired);
        }
        if let Some(known) = registry.versions.values().find(|v| v.load == load) {
            return Ok(Decision::Version { id: known.id, parent: known.parent(), revision });
        }
        let staging = registry.versions.values().filter(|v| v.state == VersionState::Staging).count();
        if staging >= MAX_STAGING {
            return Err(Refusal::Full("versions in the making".into()));
        }
        let parent = registry.active;
        let ancestry = parent.and_then(|active| registry.versions.get(&active)).map_or_else(Vec::new, Version::line);
        self.next.version += 1;
        let version = VersionId(self.next.version);
        let begun =
            Version { id: version, ancestry, state: VersionState::Staging, load, begun_ms: now_ms, activated_ms: 0 };
        let registry = self.bulk(id)?;
        registry.versions.insert(version, begun);
        // Loads that were held and never activated must not pile up.
        discard_old(registry);
        let revision = self.bump();
        Ok(Decision::Version { id: version, parent, revision })
    }

    pub(super) fn seal_version(
        &mut self,
        registry: RegistryId,
        version: VersionId,
        content: Content,
    ) -> Result<Decision, Refusal> {
        let registry = self.bulk(registry)?;
        let known = registry.versions.get_mut(&version).ok_or(Refusal::UnknownVersion)?;
        match &known.state {
            VersionState::Discarded => return Err(Refusal::IsDiscarded),
            VersionState::Sealed(sealed) if *sealed == content => return self.done(),
            VersionState::Sealed(_) => return Err(Refusal::IsSealed),
            VersionState::Staging => {}
        }
        known.state = VersionState::Sealed(content);
        // It may become active in a moment: nodes must not let go of it before they know.
        registry.summoned = Some(version);
        self.bump();
        self.done()
    }

    pub(super) fn activate(
        &mut self,
        registry: RegistryId,
        version: VersionId,
        from: Option<VersionId>,
        now_ms: u64,
    ) -> Result<Decision, Refusal> {
        let registry = self.bulk(registry)?;
        if registry.active == Some(version) {
            return self.done();
        }
        let known = registry.versions.get_mut(&version).ok_or(Refusal::UnknownVersion)?;
        match known.state {
            VersionState::Discarded => return Err(Refusal::IsDiscarded),
            VersionState::Staging => return Err(Refusal::NotSealed),
            // Compare and set: what the caller replaces must still be what answers checks.
            VersionState::Sealed(_) if registry.active != from => return Err(Refusal::Superseded),
            VersionState::Sealed(_) => {}
        }
        known.activated_ms = now_ms;
        registry.previous = registry.active;
        registry.active = Some(version);
        registry.summoned = None;
        discard_old(registry);
        self.bump_view();
        self.done()
    }

    pub(super) fn summon(&mut self, registry: RegistryId, version: Option<VersionId>) -> Result<Decision, Refusal> {
        let registry = self.bulk(registry)?;
        if let Some(version) = version {
            match registry.versions.get(&version).ok_or(Refusal::UnknownVersion)?.state {
                VersionState::Discarded => return Err(Refusal::IsDiscarded),
                VersionState::Staging => return Err(Refusal::NotSealed),
                VersionState::Sealed(_) => {}
            }
        }
        if registry.summoned != version {
            registry.summoned = version;
            self.bump();
        }
        self.done()
    }

    pub(super) fn discard(&mut self, registry: RegistryId, version: VersionId) -> Result<Decision, Refusal> {
        let registry = self.bulk(registry)?;
        if registry.active == Some(version) || registry.previous == Some(version) {
            return Err(Refusal::IsActive);
        }
        let needed = registry
            .versions
            .values()
            .any(|other| other.state == VersionState::Staging && other.parent() == Some(version));
        if needed {
            return Err(Refusal::IsParent);
        }
        let known = registry.versions.get_mut(&version).ok_or(Refusal::UnknownVersion)?;
        if known.state != VersionState::Discarded {
            known.state = VersionState::Discarded;
            if registry.summoned == Some(version) {
                registry.summoned = None;
            }
            self.bump();
        }
        self.done()
    }

    /// The shards have deleted what they can of discarded versions: those go, and of the ancestry
    /// of the others only those stay of which some shard still holds a block.
    pub(super) fn forget(
        &mut self,
        registry: RegistryId,
        versions: &BTreeSet<VersionId>,
        holding: &BTreeSet<VersionId>,
    ) -> Result<Decision, Refusal> {
        let registry = self.bulk(registry)?;
        let gone: BTreeSet<VersionId> = versions
            .iter()
            .copied()
            .filter(|id| registry.versions.get(id).is_some_and(|v| v.state == VersionState::Discarded))
            .collect();
        if gone.is_empty() {
            return self.done();
        }
        registry.versions.retain(|id, _| !gone.contains(id));
        let known: BTreeSet<VersionId> = registry.versions.keys().copied().collect();
        for version in registry.versions.values_mut() {
            version.ancestry.retain(|id| known.contains(id) || holding.contains(id) || !versions.contains(id));
        }
        self.bump();
        self.done()
    }

    fn bulk(&mut self, registry: RegistryId) -> Result<&mut Registry, Refusal> {
        let registry = self.registries.get_mut(&registry).ok_or(Refusal::UnknownRegistry)?;
        if registry.kind.is_live() { Err(Refusal::LiveRegistry(registry.kind)) } else { Ok(registry) }
    }
}

/// Gives up the sealed versions that are older than those that are to be kept.
fn discard_old(registry: &mut Registry) {
    for id in registry.outdated() {
        if let Some(version) = registry.versions.get_mut(&id) {
            version.state = VersionState::Discarded;
        }
    }
}
